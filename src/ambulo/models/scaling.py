"""Scaling as the first layer of a network, so that one graph holds everything."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Scaling(nn.Module):
    """`(x - shift) · scale` for each channel; fitted once, on training people, then constant."""

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, x: Tensor, kind: str) -> None:
        """Fit on training windows `(windows, length, channels)`.

        "standard" gives mean 0 and deviation 1, "minmax" the range 0 to 1, "none" nothing.
        """
        flat = x.reshape(-1, x.shape[-1])
        if kind == "standard":
            self.shift.copy_(flat.mean(0))
            self.scale.copy_(1 / flat.std(0).clamp_min(1e-6))
        elif kind == "minmax":
            low, high = flat.amin(0), flat.amax(0)
            self.shift.copy_(low)
            self.scale.copy_(1 / (high - low).clamp_min(1e-6))
        elif kind != "none":
            raise ValueError(f"scaling must be standard, minmax or none, got {kind!r}")

    def forward(self, x: Tensor) -> Tensor:
        """Scale `(batch, length, channels)`."""
        return (x - self.shift) * self.scale


class Scaled(nn.Module):
    """A network behind its frame, if it has one, and its scaling: raw units in, logits out."""

    def __init__(self, network: nn.Module, channels: int, frame: nn.Module | None = None) -> None:
        super().__init__()
        self.frame = frame or nn.Identity()
        self.scaling = Scaling(channels)
        self.network = network

    def scaled(self, x: Tensor) -> Tensor:
        """What the network gets for `(batch, length, channels)` in raw units."""
        out: Tensor = self.scaling(self.frame(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` in raw units to logits `(batch, classes)`."""
        out: Tensor = self.network(self.scaled(x))
        return out
