"""MiniRocket: fixed dilated kernels, and how much of the time each is above a threshold."""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

TAPS = 9
"""Samples that a kernel weighs: six by -1, three by 2."""
MOST_CHANNELS = 9
"""Channels that a kernel adds up, at most."""
UNIT, LIMIT = 2.0**-8, 16.0
"""What the input is counted in, and where it is cut off, in deviations of its channel.

Within a unit of a threshold an output is partly above it: runtimes differ by far less, and at a
threshold that would otherwise decide."""
PARTS = ("padded", "inner")
"""Half of the kernels hang over a window's ends, the others count only where they lie inside."""
ALONE = 2
"""Thresholds a kernel with which its features are quicker each for itself."""
LANE = 16
"""Features side by side in a runtime: with any other number it takes a slower way."""
BLOCK = 32
"""Windows worked on together: what a core's cache holds, and little memory."""


class Rocket(nn.Module):
    """84 kernels at up to 32 dilations, each with several thresholds; a linear head on top.

    MiniRocket (Dempster, Schmidt, Webb 2021), with a random subset of the channels for each kernel
    and dilation. A feature is the mean sign of output minus threshold, which is 2 p - 1 for the
    share p of positive values; near the threshold the sign goes over from -1 to 1 by and by, so
    that what machines round differently changes a feature by next to nothing. The head is solved,
    not descended to.
    """

    solver: ClassVar[str] = "ridge"
    batch: ClassVar[int] = BLOCK

    def __init__(self, channels: int, length: int, classes: int, *, features: int = 5000) -> None:
        super().__init__()
        if features < 1:
            raise ValueError(f"features must be at least 1, got {features}")
        self.dilations, self.counts = _dilations(length, max(features // len(KERNELS), 1))
        chosen = [_subsets(len(KERNELS), channels) for _ in self.dilations]
        for i, (dilation, count) in enumerate(zip(self.dilations, self.counts, strict=True)):
            kernels = (KERNELS[:, None] * chosen[i][:, :, None])[:, :, None]
            for part, half in zip(PARTS, _halves(i), strict=True):
                self.register_buffer(f"kernels_{part}_{dilation}", kernels[half])
                self.register_buffer(
                    f"thresholds_{part}_{dilation}", torch.zeros(len(half), count, 1)
                )
        self.head = nn.Linear(len(self), classes)

    def __len__(self) -> int:
        """How many features there are."""
        return len(KERNELS) * sum(self.counts)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to mean signs `(batch, 84 · thresholds)`."""
        clamp = torch.clamp_
        if torch.compiler.is_compiling():
            clamp = torch.clamp  # what is done in place takes the exporter seconds
        elif len(x) > BLOCK:
            return torch.cat([self.features(block) for block in torch.split(x, BLOCK)])
        x, out = _counted(x), []
        for dilation in self.dilations:
            for part in PARTS:
                kernels = self.get_buffer(f"kernels_{part}_{dilation}")
                thresholds = self.get_buffer(f"thresholds_{part}_{dilation}")
                over = _over(x, kernels, thresholds, dilation, part == "padded")
                out.append(clamp(over, -1, 1).mean(-1))
        return torch.cat(out, dim=1).flatten(0, 1).T

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out

    def lean(self) -> nn.Module:
        """The same logits, without the features that the head passes over."""
        chosen = Chosen.of(self, self.head.weight.any(0))
        return nn.Sequential(chosen, narrowed(self.head, chosen.order)) if chosen else self

    @torch.no_grad()
    def prepare(self, x: Tensor, generator: torch.Generator) -> None:
        """Take thresholds from the kernels' outputs on random windows of scaled training data."""
        windows, x = len(x), _counted(x)
        golden = (np.sqrt(5) + 1) / 2
        shares = torch.arange(1, sum(self.counts) + 1, dtype=torch.float64) * golden % 1
        split = torch.split(shares, self.counts)
        for i, (dilation, wanted) in enumerate(zip(self.dilations, split, strict=True)):
            index = torch.randint(windows, (len(KERNELS),), generator=generator)
            for part, half in zip(PARTS, _halves(i), strict=True):
                kernels = self.get_buffer(f"kernels_{part}_{dilation}")
                signal = _convolve(x[:, :, index[half]], kernels, dilation, True)[0]
                own = signal[torch.arange(len(half)), torch.arange(len(half))]
                thresholds = torch.quantile(own.double(), wanted, dim=1).T
                self.get_buffer(f"thresholds_{part}_{dilation}").copy_(thresholds[:, :, None])


class Chosen(nn.Module):
    """Those features of a `Rocket` that are `used` `(features,)`, the way a runtime is quick at.

    Each for itself: the sum of its channels, its nine taps on that, minus its threshold. Only where
    all of several thresholds a kernel has are used, they share its output. They come in another
    order: these are the features that are numbered `order` there.
    """

    def __init__(self, rocket: Rocket, used: Tensor) -> None:
        super().__init__()
        numbers = torch.arange(len(used)).view(len(KERNELS) // 2, -1)
        self.groups: list[tuple[int, bool, int]] = []
        order, at = [], 0
        for dilation, count in zip(rocket.dilations, rocket.counts, strict=True):
            for part in PARTS:
                here = numbers[:, at : at + count]
                at += count
                rows, columns = used[here].nonzero(as_tuple=True)
                if not len(rows):
                    continue
                kernels = rocket.get_buffer(f"kernels_{part}_{dilation}")
                thresholds = rocket.get_buffer(f"thresholds_{part}_{dilation}")
                if len(rows) == here.numel() and count > ALONE:
                    alone, group = 0, {"kernels": kernels, "thresholds": thresholds}
                else:
                    alone, group = len(rows), _alone(kernels[rows, :, 0], thresholds[rows, columns])
                for name, tensor in group.items():
                    self.register_buffer(f"{name}_{len(self.groups)}", tensor)
                self.groups.append((dilation, part == "padded", alone))
                order.append(here[rows, columns])
        self.order = torch.cat(order)

    @classmethod
    def of(cls, rocket: Rocket, used: Tensor) -> Chosen | None:
        """The same, or None where there is nothing to choose."""
        return cls(rocket, used) if used.any() else None

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to mean signs `(batch, chosen features)`."""
        x, out = _counted(x), []
        for own, (dilation, padded, alone) in enumerate(self.groups):
            if not alone:
                kernels, thresholds = (
                    self.get_buffer(f"{name}_{own}") for name in ("kernels", "thresholds")
                )
                over = _over(x, kernels, thresholds, dilation, padded)
                out.append(over.clamp(-1, 1).mean(-1).flatten(0, 1))
                continue
            taps, bias = self.get_buffer(f"taps_{own}"), self.get_buffer(f"bias_{own}")
            signal = F.conv2d(x, self.get_buffer(f"summed_{own}"))
            inside = signal.shape[-1] - (0 if padded else (TAPS - 1) * dilation)
            over = _convolve(signal, taps, dilation, padded, bias, len(taps)).clamp(-1, 1)
            out.append(F.avg_pool2d(over, (1, inside)).squeeze(3).squeeze(0)[:alone])
        return torch.cat(out).T

    forward = features


def _alone(kernels: Tensor, thresholds: Tensor) -> dict[str, Tensor]:
    """What features with `kernels` `(n, channels, taps)` need, each for itself, in whole lanes."""
    summed = kernels.any(2).float()
    group = {
        "summed": summed[:, :, None, None],
        "taps": (kernels.sum(1) / summed.sum(1, keepdim=True))[:, None, None],
        "bias": -thresholds.flatten(),
    }
    rest = -len(kernels) % LANE
    return {k: torch.cat([v, v.new_zeros(rest, *v.shape[1:])]) for k, v in group.items()}


@torch.no_grad()
def narrowed(head: nn.Linear, order: Tensor) -> nn.Linear:
    """The head for those of its inputs that are numbered `order`, in that order."""
    out = nn.Linear(len(order), head.out_features)
    out.weight.copy_(head.weight[:, order])
    out.bias.copy_(head.bias)
    return out


def _counted(x: Tensor) -> Tensor:
    """`(batch, length, channels)` as one image, `(1, channels, batch, length)`, in units.

    Thresholds are taken from whole batches in one stride then, which is quicker.
    """
    return (x.clamp(-LIMIT, LIMIT) / UNIT).permute(2, 0, 1)[None]


def _over(x: Tensor, kernels: Tensor, thresholds: Tensor, dilation: int, padded: bool) -> Tensor:
    """By how much outputs exceed thresholds, `(kernels, thresholds, batch, length)`."""
    if thresholds.shape[1] == 1:  # as a bias, it costs nothing
        over = _convolve(x, kernels, dilation, padded, -thresholds.flatten())
        return over.squeeze(0)[:, None]
    return _convolve(x, kernels, dilation, padded).squeeze(0)[:, None] - thresholds[..., None]


def _convolve(
    x: Tensor,
    kernels: Tensor,
    dilation: int,
    padded: bool,
    bias: Tensor | None = None,
    groups: int = 1,
) -> Tensor:
    """Each kernel's output, `(1, kernels, batch, length)`."""
    padding = (0, TAPS // 2 * dilation if padded else 0)
    return F.conv2d(x, kernels, bias, dilation=(1, dilation), padding=padding, groups=groups)


def _halves(i: int) -> list[Tensor]:
    """Every other kernel, and the rest: which hang over a window's ends at the i-th dilation."""
    return [torch.arange(first, len(KERNELS), 2) for first in (i % 2, 1 - i % 2)]


def _kernels() -> Tensor:
    """All 84 ways to weigh three of nine samples by 2 and the others by -1."""
    kernels = torch.full((84, TAPS), -1.0)
    for row, places in zip(kernels, combinations(range(TAPS), 3), strict=True):
        row[list(places)] = 2.0
    return kernels


KERNELS = _kernels()


def _dilations(length: int, thresholds: int) -> tuple[list[int], list[int]]:
    """Distinct dilations, spread evenly over their logarithm, and the thresholds that each gets."""
    most = min(thresholds, 32)
    top = np.log2(max((length - 1) / (TAPS - 1), 1))
    spread = np.logspace(0, top, most, base=2).astype(int)
    dilations, counts = np.unique(spread, return_counts=True)
    counts = (counts * (thresholds / most)).astype(int)
    for i in range(thresholds - counts.sum()):
        counts[i % len(counts)] += 1
    return dilations.tolist(), counts.tolist()


def _subsets(kernels: int, channels: int) -> Tensor:
    """0 or 1 for each kernel and channel; sizes spread evenly over their logarithm, from 1 up."""
    most = min(channels, MOST_CHANNELS)
    sizes = (2 ** (torch.rand(kernels) * np.log2(most + 1))).long()
    ranks = torch.rand(kernels, channels).argsort(1).argsort(1)
    chosen: Tensor = ranks < sizes[:, None]
    return chosen.float()
