"""Training windows as they might have been recorded otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ambulo.options import Options
from ambulo.recording import triads
from ambulo.signals import rotation_matrices
from ambulo.windows import Windows

Array = npt.NDArray[Any]

GAITS = ("walking", "jogging", "running", "walking-upstairs", "walking-downstairs")
"""Activities in which people are upright: gravity then shows the wearer's vertical."""


@dataclass(frozen=True)
class Turning:
    """Turns the sensors of windows as if they had been worn a little otherwise.

    All three-axis sensors at one placement sit in one housing and turn together. First by a random
    rotation vector, normal with `rotate` degrees of deviation per axis (Um et al. 2017): the
    housing tilts. Then by a normal angle of `around` degrees about the wearer's vertical: the
    housing is worn further left or right, and who lay on the back lies on a side.
    """

    housings: tuple[tuple[Array, list[list[int]]], ...]
    rotate: float
    around: float

    @classmethod
    def of(cls, windows: Windows, options: Options) -> Turning | None:
        """What the options ask for; None if that is nothing."""
        if not options.rotate and not options.around:
            return None
        placements: dict[str, list[list[int]]] = {}
        for triad in triads(windows.channels):
            name = windows.channels[triad[0]].rpartition(".")[0]
            placements.setdefault(name, []).append(triad)
        housings = tuple((_vertical(windows, axes), axes) for axes in placements.values())
        return cls(housings, options.rotate, options.around)

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Turn windows `(batch, length, channels)`, each by rotations of its own."""
        out = x.clone()
        for vertical, axes in self.housings:
            vectors = torch.randn(len(x), 3, generator=generator) * np.deg2rad(self.rotate)
            turn = rotation_matrices(vectors.numpy())
            if self.around:
                angles = torch.randn(len(x), 1, generator=generator) * np.deg2rad(self.around)
                turn = rotation_matrices(angles.numpy() * vertical) @ turn
            matrices = torch.as_tensor(turn, dtype=x.dtype, device=x.device)
            for triad in axes:
                out[:, :, triad] = x[:, :, triad] @ matrices
        return out


def _vertical(windows: Windows, axes: list[list[int]]) -> Array:
    """The wearer's vertical `(3,)` at a placement: the mean acceleration while upright."""
    names = [windows.channels[triad[0]].rpartition(".")[2] for triad in axes]
    acc = axes[names.index("acc_x")] if "acc_x" in names else axes[0]
    codes = [code for code, name in enumerate(windows.activities) if name in GAITS]
    upright = np.isin(windows.labels, codes) if codes else np.ones(len(windows), bool)
    means = windows.values[:, :, acc].mean(axis=1)[upright].astype(float)
    mean = means.mean(axis=0) if len(means) else np.zeros(3)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))
