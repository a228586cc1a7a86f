"""Training windows as they might have been recorded otherwise."""

from __future__ import annotations

from collections.abc import Sequence
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

    All three-axis sensors at one placement sit in one housing and move together. First each axis
    of `mirror` is reversed in half of the windows, as if the wearer were seen in a mirror: a watch
    whose x axis points along the forearm is then on the other arm, and with "xy" it sits either way
    round as well. What turns (gyroscope, magnetic field) is reversed along the other two axes. Then
    the housing is turned by a random rotation vector, normal with `rotate` degrees of deviation per
    axis (Um et al. 2017): it tilts; and by a normal angle of `around` degrees about the wearer's
    vertical: it is worn further left or right, and who lay on the back lies on a side. Last, time
    runs by a factor whose logarithm is normal with deviation `stretch`, about the window's middle:
    the wearer moves faster or slower (magnification of time: Um et al. 2017).
    """

    housings: tuple[tuple[Array, list[list[int]]], ...]
    rotate: float
    around: float
    stretch: float = 0.0
    mirrors: tuple[list[int], ...] = ()
    """Of each axis of `mirror`, the channels that are reversed."""

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
        mirrors = tuple(_reversed(windows.channels, axis) for axis in options.mirror)
        return cls(housings, options.rotate, options.around, options.stretch, mirrors)

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Change windows `(batch, length, channels)`, each in its own way."""
        if self.mirrors:
            x = self._mirrored(x, generator)
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

    def _mirrored(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """The signal with each mirror's channels reversed in half of the windows."""
        out = x.clone()
        for channels in self.mirrors:
            signs = 1 - 2 * torch.randint(2, (len(x), 1, 1), generator=generator)
            out[:, :, channels] *= signs.to(x)
        return out

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


def _reversed(names: Sequence[str], axis: str) -> list[int]:
    """Channels that a mirror across an axis reverses: its own, and of what turns the others."""
    sensors = [names[triad[0]].rpartition(".")[2][:-2] for triad in triads(names)]
    return [
        position
        for sensor, triad in zip(sensors, triads(names), strict=True)
        for position in triad
        if (names[position][-1] == axis) != (sensor in ("gyro", "mag"))
    ]


def _vertical(windows: Windows, axes: list[list[int]]) -> Array:
    """The wearer's vertical `(3,)` at a placement: the mean acceleration while upright."""
    names = [windows.channels[triad[0]].rpartition(".")[2] for triad in axes]
    acc = axes[names.index("acc_x")] if "acc_x" in names else axes[0]
    codes = [code for code, name in enumerate(windows.activities) if name in GAITS]
    upright = np.isin(windows.labels, codes) if codes else np.ones(len(windows), bool)
    means = windows.each(lambda values: values[:, :, acc].mean(axis=1))[upright].astype(float)
    mean = means.mean(axis=0) if len(means) else np.zeros(3)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9))
