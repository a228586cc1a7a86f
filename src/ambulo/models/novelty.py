"""How strange a window is to a network's training data, inside the same graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor, nn

NOISE = 0.02
"""What a sensor at rest deviates by, in its unit: below that, deviations tell nothing."""
SHRINK = 0.1
"""How much of an activity's covariance is that of all activities."""
DISTANCE = 0.3
"""How much distance counts beside doubt where the wearer moves; at rest it counts alone."""
USUAL = 0.95
"""The share of known windows, of people not learnt from, of which each sign is below 1."""
LIMIT = 0.98
"""The share of windows of people kept aside whose novelty is below the limit of the unknown."""
FEWEST = 30
"""Windows that it takes to know what is usual."""
FAR = 1e4
_BLOCK = 1024


class Blocks(Protocol):
    """Windows that come block by block: a tensor, or more than memory holds."""

    def __len__(self) -> int: ...

    def split(self, size: int, /) -> Iterable[Tensor]:
        """Blocks of so many windows."""


class Novelty(nn.Module):
    """Novelty of a window: 0 in the middle of known ones, 1 where few of them are, and beyond.

    Two signs: the energy of the logits (Liu et al. 2020), and Mahalanobis' distance to the nearest
    activity in each channel's mean and deviation (after Lee et al. 2018), each counted in what is
    usual among people who were not learnt from. A network is sure of itself in a posture it never
    saw, so at rest distance alone counts. `python -m benchmarks.accuracy.unknown` compares.
    """

    means: Tensor
    roots: Tensor
    moving: Tensor
    temperature: Tensor
    middle: Tensor
    spread: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        size, self.above = 2 * channels, 1.0
        self.register_buffer("means", torch.zeros(classes, size))
        self.register_buffer("roots", torch.zeros(classes, size, size))
        self.register_buffer("moving", torch.ones(classes))
        self.register_buffer("temperature", torch.ones(()))
        for name in ("middle", "spread"):  # by rest and motion, and by distance and doubt
            self.register_buffer(name, torch.ones(2, 2))

    def distance(self, x: Tensor) -> Tensor:
        """Logarithm of the distance `(batch,)` of windows to the nearest activity."""
        return _nearest(statistics(x), self.means, self.roots)

    def doubt(self, logits: Tensor) -> Tensor:
        """The energy `(batch,)` of logits `(batch, classes)`."""
        return -torch.logsumexp(logits / self.temperature, 1)

    def forward(self, x: Tensor, logits: Tensor) -> Tensor:
        """Windows `(batch, length, channels)` in raw units and logits to novelty `(batch,)`."""
        signs = torch.stack([self.distance(x), self.doubt(logits)], dim=1)
        moves = self.moving[logits.argmax(1)]
        return moves * self._weighed(signs, 1) + (1 - moves) * self._weighed(signs, 0)

    def _weighed(self, signs: Tensor, group: int) -> Tensor:
        usual = (signs - self.middle[group]) / self.spread[group]
        share = DISTANCE if group else 1.0
        return share * usual[:, 0] + (1 - share) * usual[:, 1]

    @torch.no_grad()
    def fit(
        self,
        data: tuple[Blocks, Tensor],
        people: Tensor,
        moving: Tensor,
        aside: tuple[Blocks, Tensor],
    ) -> bool:
        """Learn activities, and what is usual, from windows and labels `data` of `people`.

        How far off a known window lies is seen on each training person as a stranger to the others;
        how much the network doubts, on `aside`, the windows and logits of people kept from it.
        `moving` `(classes,)` says which activities are not at rest. False, where data are too few.
        """
        made, y = _seen(data[0]), data[1]
        values, logits = aside
        if len(values) < FEWEST or len(made) < FEWEST or len(_distinct(people)) < 2:
            return False
        if any(torch.bincount(y[people != person]).max() < 2 for person in _distinct(people)):
            return False
        self.moving.copy_(moving)
        means, roots = _activities(made, y, len(self.means))
        self.means.copy_(means)
        self.roots.copy_(roots.half())  # which a file can hold in half precision
        far = torch.zeros(len(made))
        for person in _distinct(people):
            mine = people == person
            far[mine] = _nearest(made[mine], *_activities(made[~mine], y[~mine], len(self.means)))
        moves = self.moving[logits.argmax(1)] > 0
        for group, mine, own in ((0, ~moves, self.moving[y] == 0), (1, moves, self.moving[y] > 0)):
            mine = mine if mine.sum() >= FEWEST else torch.ones_like(mine)
            own = own if own.sum() >= FEWEST else torch.ones_like(own)
            for sign, seen in enumerate((far[own], self.doubt(logits)[mine])):
                middle, most = seen.quantile(0.5), seen.quantile(USUAL)
                self.middle[group, sign] = middle
                self.spread[group, sign] = (most - middle).clamp_min(0.1)
        pairs = zip(values.split(_BLOCK), torch.split(logits, _BLOCK), strict=True)
        self.above = max(1.0, float(torch.cat([self(*pair) for pair in pairs]).quantile(LIMIT)))
        return True


def _seen(x: Blocks) -> Tensor:
    return torch.cat([statistics(block) for block in x.split(_BLOCK)])


def statistics(x: Tensor) -> Tensor:
    """`(batch, length, channels)` to means and logarithms of deviations `(batch, 2 channels)`."""
    x = x.transpose(1, 2)
    mean = x.mean(2, keepdim=True)
    deviation = (x - mean).square().mean(2, keepdim=True).sqrt() + NOISE
    return torch.cat([mean, deviation.log()], dim=1).squeeze(2)


def _activities(made: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Means and inverse roots of covariances of each activity; one without windows is far off."""
    present = [code for code in range(classes) if (y == code).sum() > 1]
    centred = torch.cat([made[y == code] - made[y == code].mean(0) for code in present])
    pooled = centred.T.cov()
    pooled = pooled + torch.diag(1e-3 * pooled.diagonal() + 1e-6)
    means = torch.full((classes, made.shape[1]), FAR)
    roots = torch.zeros(classes, made.shape[1], made.shape[1])
    for code in range(classes):
        cov = pooled
        if code in present:
            means[code] = made[y == code].mean(0)
            cov = (1 - SHRINK) * made[y == code].T.cov() + SHRINK * pooled
        roots[code] = torch.linalg.inv(torch.linalg.cholesky(cov.double())).float()
    return means, roots


def _distinct(codes: Tensor) -> list[int]:
    return sorted(set(codes.tolist()))


def _nearest(made: Tensor, means: Tensor, roots: Tensor) -> Tensor:
    if torch.compiler.is_compiling() or len(made) <= _BLOCK:
        away = torch.einsum("kij,bkj->bki", roots, made[:, None] - means).square().sum(-1)
        return (away.amin(1) + 1e-6).log()
    return torch.cat([_nearest(block, means, roots) for block in torch.split(made, _BLOCK)])
