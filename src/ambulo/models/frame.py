"""The signal against gravity, so that a turned sensor looks alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALL = 1e-6


class Frame(nn.Module):
    """Each three-axis sensor's part along gravity, its part across, and its length.

    Gravity is the mean of a window's acceleration (Mizell 2003), so that this is a step inside one
    window. `sensors` pairs each sensor's axes with those of the accelerometer in its housing.
    """

    def __init__(
        self, channels: int, sensors: list[tuple[list[int], list[int]]], kind: str
    ) -> None:
        super().__init__()
        self.kind, self.sensors, self.kept = kind, sensors, kind == "both"
        self.channels = 3 * len(sensors) + (channels if self.kept else 0)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to as many windows of `self.channels` channels."""
        x = x.transpose(1, 2)  # along the signal, which is quicker than across
        parts = [x] if self.kept else []
        for axes, gravity in self.sensors:
            down = x[:, gravity].mean(2)
            down = down / (down.square().sum(1, keepdim=True) + SMALL).sqrt()
            signal = x[:, axes]
            along = (signal * down[:, :, None]).sum(1, keepdim=True)
            # no difference of squares: at rest it is nothing but rounding, other on each machine
            across = signal - along * down[:, :, None]
            sizes = [across, signal]
            lengths = [(part.square().sum(1, keepdim=True) + SMALL).sqrt() for part in sizes]
            parts += [along, *lengths]
        return torch.cat(parts, dim=1).transpose(1, 2)
