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
class Variation:
    """Changes windows as if the sensors had been worn, or the wearer had moved, a little otherwise.

    All three-axis sensors at one placement sit in one housing and turn together. First by a random
    rotation vector, normal with `rotate` degrees of deviation per axis (Um et al. 2017): the
    housing tilts. Then by a normal angle of `around` degrees about the wearer's vertical: the
    housing is worn further left or right, and who lay on the back lies on a side. Last, time runs
    by a factor whose logarithm is normal with deviation `stretch`, about the window's middle: the
    wearer moves faster or slower (magnification of time: Um et al. 2017).
    """

    housings: tuple[tuple[Array, list[list[int]]], ...]
    rotate: float
    around: float
    stretch: float = 0.0

    @classmethod
    def of(cls, windows: Windows, options: Options) -> Variation | None:
        """What the options ask for; None if that is nothing."""
        if not options.varied:
            return None
        placements: dict[str, list[list[int]]] = {}
        for triad in triads(windows.channels):
            name = windows.channels[triad[0]].rpartition(".")[0]
            placements.setdefault(name, []).append(triad)
        housings = tuple((_vertical(windows, axes), axes) for axes in placements.values())
        return cls(housings, options.rotate, options.around, options.stretch)

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Change windows `(batch, length, channels)`, each in its own way."""
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
        return self._stretched(out, generator) if self.stretch else out

    def _stretched(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The signal at other times, linear between samples and mirrored at the window's ends."""
        length = x.shape[1]
        factor = (torch.randn(len(x), 1, generator=generator) * self.stretch).exp().to(x.device)
        middle = (length - 1) / 2
        at = middle + (torch.arange(length, device=x.device) - middle) * factor
        at = (length - 1) - ((length - 1) - at.abs()).abs()
        at = at.clamp(0, length - 1)
        before = at.floor().long().clamp(max=length - 2)
        share = (at - before)[:, :, None].to(x.dtype)
        index = before[:, :, None].expand(-1, -1, x.shape[2])
        return torch.lerp(x.gather(1, index), x.gather(1, index + 1), share)


def _vertical(windows: Windows, axes: list[list[int]]) -> Array:
    """The wearer's vertical `(3,)` at a placement: the mean acceleration while upright."""
    names = [windows.channels[triad[0]].rpartition(".")[2] for triad in axes]
    acc = axes[names.index("acc_x")] if "acc_x" in names else axes[0]
    codes = [code for code, name in enumerate(windows.activities) if name in GAITS]
    upright = np.isin(windows.labels, codes) if codes else np.ones(len(windows), bool)
    means = windows.each(lambda values: values[:, :, acc].mean(axis=1))[upright].astype(float)
    mean = means.mean(axis=0) if len(means) else np.zeros(3)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))
