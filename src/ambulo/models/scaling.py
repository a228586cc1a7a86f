"""Scaling as the first layer of a network, so that one graph holds everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ambulo.models.views import Views


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

    def fit_blocks(self, blocks: Iterable[Tensor], kind: str) -> None:
        """`fit` in one pass over blocks of windows, within rounding."""
        count, total, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
        low, high = torch.tensor(torch.inf), torch.tensor(-torch.inf)
        for block in blocks:
            flat = block.reshape(-1, block.shape[-1]).double()
            count, total, squares = (
                count + len(flat),
                total + flat.sum(0),
                squares + flat.square().sum(0),
            )
            low, high = torch.minimum(low, flat.amin(0)), torch.maximum(high, flat.amax(0))
        if kind == "minmax":
            self.fit(torch.stack([low, high]), kind)
        elif kind == "standard":
            mean = total / count
            deviation = ((squares - count * mean.square()) / (count - 1)).clamp_min(0).sqrt()
            self.shift.copy_(mean)
            self.scale.copy_(1 / deviation.clamp_min(1e-6))
        else:
            self.fit(low, kind)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `(batch, length, channels)`."""
        return (x - self.shift) * self.scale


class Scaled(nn.Module):
    """A network behind its frame, if it has one, and its scaling: raw units in, logits out.

    With `views` the logits are the mean of those of each view of a window, but in training.
    """

    def __init__(
        self,
        network: nn.Module,
        channels: int,
        frame: nn.Module | None = None,
        views: Views | None = None,
    ) -> None:
        super().__init__()
        self.views = views
        self.frame = frame or nn.Identity()
        self.scaling = Scaling(channels)
        self.network = network

    def scaled(self, x: Tensor) -> Tensor:
        """What the network gets for `(batch, length, channels)` in raw units."""
        out: Tensor = self.scaling(self.frame(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` in raw units to logits `(batch, classes)`."""
        return self._seen(self.network, x)

    def features(self, x: Tensor) -> Tensor:
        """What the network's linear head gets for `(batch, length, channels)` in raw units."""
        model: Any = self.network
        return self._seen(model.features, x)

    def _seen(self, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if self.views is None or self.training:
            return part(self.scaled(x))
        return self.views.mean(part(self.scaled(self.views(x))))
