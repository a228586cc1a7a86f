"""The most accurate on people never seen: random kernels beside features made by hand."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ambulo.models.handmade import Handmade
from ambulo.models.rocket import BLOCK, Rocket

LIMIT = 5.0
"""A handmade feature this many deviations off says no more than one further off."""


class Best(nn.Module):
    """MiniRocket's features and those of `Handmade`, one linear head that is solved.

    Kernels see shapes, and the spectrum sees cadence and strength. `share` is how much a deviation
    of a handmade feature weighs beside a rocket feature's whole range.
    """

    solver: ClassVar[str] = "ridge"
    batch: ClassVar[int] = BLOCK
    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        features: int = 2500,
        share: float = 0.2,
    ) -> None:
        super().__init__()
        self.share = share
        self.rocket = Rocket(channels, length, classes, features=features)
        self.handmade = Handmade(channels, length, classes)
        sizes = [part.head.in_features for part in (self.rocket, self.handmade)]
        self.rocket.head = self.handmade.head = nn.Identity()  # type: ignore[assignment]
        self.register_buffer("shift", torch.zeros(sizes[1]))
        self.register_buffer("scale", torch.ones(sizes[1]))
        self.head = nn.Linear(sum(sizes), classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, features)`."""
        handmade = (self.handmade.features(x) - self.shift) * self.scale
        parts = [self.rocket.features(x), self.share * handmade.clamp(-LIMIT, LIMIT)]
        return torch.cat(parts, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out

    @torch.no_grad()
    def prepare(self, x: Tensor, generator: torch.Generator) -> None:
        """Take thresholds and deviations from scaled training data."""
        self.rocket.prepare(x, generator)
        made = torch.cat([self.handmade.features(part) for part in torch.split(x, 512)])
        self.shift.copy_(made.mean(0))
        self.scale.copy_(1 / made.std(0).clamp_min(1e-4))


class Small(Best):
    """`Best` with a sixth of the kernels' features: a file under 100 kB."""

    def __init__(
        self, channels: int, length: int, classes: int, *, features: int = 420, share: float = 0.2
    ) -> None:
        super().__init__(channels, length, classes, features=features, share=share)
