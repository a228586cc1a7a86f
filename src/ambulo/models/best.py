"""The most accurate on people never seen: random kernels, handmade features, and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from ambulo.models.convolutional import CNN
from ambulo.models.handmade import Handmade
from ambulo.models.rocket import BLOCK, Chosen, Rocket, narrowed

LIMIT = 5.0
"""A handmade feature this many deviations off says no more than one further off."""


class Fixed(nn.Module):
    """MiniRocket's features and those of `Handmade`, one linear head that is solved.

    No gradient reaches them. Kernels see shapes, and the spectrum sees cadence and strength.
    `share` is how much a deviation of a handmade feature weighs beside a rocket feature's whole
    range.
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

    def lean(self) -> nn.Module:
        """The same logits, without the kernels' features that the head passes over."""
        out = deepcopy(self)
        return _lean(out, out)

    @torch.no_grad()
    def prepare(self, x: Tensor, generator: torch.Generator) -> None:
        """Take thresholds and deviations from scaled training data."""
        self.rocket.prepare(x, generator)
        made = torch.cat([self.handmade.features(part) for part in torch.split(x, 512)])
        self.shift.copy_(made.mean(0))
        self.scale.copy_(1 / made.std(0).clamp_min(1e-4))


class Small(Fixed):
    """`Fixed` with a sixth of the kernels' features: a file under 100 kB."""

    def __init__(
        self, channels: int, length: int, classes: int, *, features: int = 420, share: float = 0.2
    ) -> None:
        super().__init__(channels, length, classes, features=features, share=share)


class Best(nn.Module):
    """`Fixed` and `CNN`, each fitted alone; one linear head says what they say together.

    What learns its features errs in other windows than what does not, so that their mean is right
    more often than either (ensembles: Hansen and Salamon 1990). `learnt` is the share of the CNN's
    calibrated logits in that mean; with 0 there is no CNN. It gains from many people: where few
    were there to learn from, more than the default cost a little.
    """

    solver: ClassVar[str] = "ridge"
    batch: ClassVar[int] = BLOCK

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        features: int = 2500,
        share: float = 0.2,
        learnt: float = 0.15,
    ) -> None:
        super().__init__()
        if not 0 <= learnt < 1:
            raise ValueError(f"learnt must be from 0 to below 1, got {learnt}")
        self.shares = (learnt, 1 - learnt)
        self.sizes = {"features": features, "share": share}
        self.learnt = CNN(channels, length, classes, norm=False) if learnt else None
        self.fixed = Fixed(channels, length, classes, **self.sizes)  # type: ignore[arg-type]
        self.head = nn.Linear(sum(_freed(part).in_features for part in self._parts()), classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, features)`."""
        return torch.cat([part.features(x) for part in self._parts()], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out

    def lean(self) -> nn.Module:
        """The same logits, without the kernels' features that the head passes over."""
        out = deepcopy(self)
        return _lean(out, out.fixed)

    def parts(self) -> list[tuple[type[nn.Module], dict[str, Any], float]]:
        """What is fitted alone, the learnt first: its class, its sizes, its share of the logits."""
        both: list[tuple[type[nn.Module], dict[str, Any]]] = [(CNN, {}), (Fixed, self.sizes)]
        each = [(*part, share) for part, share in zip(both, self.shares, strict=True)]
        return [part for part in each if part[2]]

    def weights(self, temperatures: Sequence[float]) -> list[float]:
        """What the logits of the fitted `parts()` are multiplied by, given their temperatures.

        Each speaks as surely as the last, fixed one, whose logits stay what they are if it is
        alone.
        """
        shares = [share for _, _, share in self.parts()]
        return [s * temperatures[-1] / t for s, t in zip(shares, temperatures, strict=True)]

    @torch.no_grad()
    def join(self, parts: Sequence[Any], weights: Sequence[float]) -> None:
        """Take in the fitted `parts()`, their logits multiplied by `weights`."""
        *learnt, self.fixed = parts
        if learnt:
            (self.learnt,) = learnt
            self.learnt.fold()
        heads = [_freed(part) for part in parts]
        scaled = [w * head.weight for w, head in zip(weights, heads, strict=True)]
        biases = [w * head.bias for w, head in zip(weights, heads, strict=True)]
        self.head.weight.copy_(torch.cat(scaled, dim=1))
        self.head.bias.copy_(torch.stack(biases).sum(0))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d):  # a file holds halves in half the room
                module.weight.copy_(module.weight.half())

    def _parts(self) -> list[Any]:
        return [part for part in (self.learnt, self.fixed) if part is not None]


def _lean(model: Any, fixed: Any) -> nn.Module:
    """`model`, of whose head's inputs `fixed` makes the last."""
    used = model.head.weight.any(0)
    last = len(used) - len(fixed.shift)
    first = last - len(fixed.rocket)
    chosen = Chosen.of(fixed.rocket, used[first:last])
    if chosen is not None:
        order = [torch.arange(first), first + chosen.order, torch.arange(last, len(used))]
        fixed.rocket, model.head = chosen, narrowed(model.head, torch.cat(order))
    return cast(nn.Module, model)


def _freed(part: Any) -> nn.Linear:
    """The head of a part, which from now on has none of its own."""
    head: nn.Linear = part.head
    part.head = nn.Identity()
    return head
