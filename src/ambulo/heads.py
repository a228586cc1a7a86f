"""A network's linear head, learnt anew on features that stay."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.recognizer import Recognizer
from ambulo.windows import Windows

if TYPE_CHECKING:
    from torch import Tensor

    from ambulo.augmentation import Variation
    from ambulo.closed_form import Ridge

Array = npt.NDArray[Any]
Head = tuple[Array, Array]
"""Weights `(classes, features)` and biases `(classes,)`."""

COPIES, COPIES_OF_NEW = 2, 6
"""Copies of each window, turned as the parent's were, from which added activities are learnt."""
PENALTY = 10.0
"""The ridge's penalty there."""
SECOND = 0.5
"""How much the log-loss has to say beside least squares where a head is solved by both."""
LOOSE = 0.003
"""How strongly its weights are pulled toward nothing there."""
BESIDE = 1 / 3
"""How much a row beside the parent's has to say where an activity is added."""


@dataclass(frozen=True)
class Shown:
    """Windows and their copies as the head sees them, each activity counting alike.

    `rows` are features `(n, p)` and labels `(n,)`, part by part; the ridge has added them up.
    """

    ridge: Ridge
    rows: tuple[tuple[Array, Array], ...]

    def __add__(self, other: Shown) -> Shown:
        """All that either shows."""
        return Shown(self.ridge + other.ridge, self.rows + other.rows)

    @cached_property
    def solved(self) -> Head:
        """What least squares and the log-loss say at once, each as sure as its rows make it.

        On the same features they err on other people, where only a few have shown an activity; and
        least squares alone mask what lies between two others (Hastie, Tibshirani, Friedman 2009).
        """
        squares, (z, y) = self.ridge.solve(PENALTY), self._joined
        second = SECOND * temperature_of(logits_of(z, squares), y)
        weights, bias = (
            (a + second * b) / (1 + SECOND) for a, b in zip(squares, self._logistic, strict=True)
        )
        return weights, bias

    def beside(self, head: Head, scale: float) -> Head:
        """The head as it is, and rows for what it does not know: least log-loss, temperature given.

        They learn to speak up against what the head says, which knew its activities from more.
        """
        z, y = self._joined
        middle, news = z.mean(0), self.ridge.moment.shape[1] - len(head[1])
        start = (
            np.pad(head[0], ((0, news), (0, 0))),
            np.pad(head[1] + head[0] @ middle, (0, news)),
        )
        weights, bias = pulled(start, z - middle, y, LOOSE, scale, free=news)
        return weights, bias - weights @ middle

    @property
    def _joined(self) -> tuple[Array, Array]:
        features, labels = (np.concatenate(part) for part in zip(*self.rows, strict=True))
        return features, labels

    @property
    def _logistic(self) -> Head:
        z, y = self._joined
        middle, (features, classes) = z.mean(0), self.ridge.moment.shape
        nothing = (np.zeros((classes, features - 1)), np.zeros(classes))
        weights, bias = pulled(nothing, z - middle, y, LOOSE, 1.0)
        return weights, bias - weights @ middle


def features_of(network: Any, values: Array) -> Array:
    """What the head sees of windows `(n, length, channels)`: `(n, features)`."""
    import torch

    with torch.no_grad():
        parts = torch.split(torch.as_tensor(np.ascontiguousarray(values)), 512)
        out = [network.features(part) for part in parts]
        return np.asarray(torch.cat(out))


def variation_like(parent: Recognizer, old: Windows) -> Variation | None:
    """How copies of windows are turned: as for the parent, by the vertical of the old ones."""
    from ambulo.augmentation import Variation
    from ambulo.options import Options, make_options

    asked, ways = parent.card.get("options", {}), ("mirror", "rotate", "around", "stretch")
    given = {way: asked.get(way, getattr(Options, way)) for way in ways}
    return Variation.of(old, make_options(given, old))


def shown_by(
    network: Any, variation: Variation | None, part: Windows, *, copies: int = COPIES, seed: int
) -> Shown:
    """Windows and their copies, as the head sees them; more copies do not count more."""
    import torch

    from ambulo.closed_form import Ridge

    generator = torch.Generator().manual_seed(seed)
    ridge = Ridge(network.network.head.in_features, len(part.activities))
    y, values = part.labels, torch.as_tensor(np.ascontiguousarray(part.values))
    copies = copies if variation else 0
    each = (1 + COPIES) / (1 + copies) * len(y)
    weights = torch.as_tensor(each / np.bincount(y)[y] / len(np.unique(y)))
    rows = []
    for copy in range(1 + copies):
        turned = variation(values, generator) if variation and copy else values
        z = features_of(network, turned.numpy())
        ridge.add(torch.as_tensor(z), torch.as_tensor(y.astype(np.int64)), weights.float())
        rows.append((z, y))
    return Shown(ridge, tuple(rows))


def taught(parent: Head, scale: float | None, old: Shown, new: Shown) -> Head:
    """A parent's head with what `new` shows beside `old`; `scale` is a solved head's temperature.

    Its own activities move from where they are by what `new` changes in a head solved anew: a few
    old windows need not teach again what the parent learnt from many. A head that was not solved is
    on another scale: it is solved anew.
    """
    both = old + new
    if scale is None:
        return both.solved
    moved = (
        np.concatenate([own + now[: len(own)] - was[: len(own)], now[len(own) :]])
        for own, was, now in zip(parent, old.solved, both.solved, strict=True)
    )
    rows = both.beside(parent, scale)
    weights, bias = ((1 - BESIDE) * a + BESIDE * b for a, b in zip(moved, rows, strict=True))
    return weights, bias


def temperature_of(logits: Array, labels: Array) -> float:
    """The temperature that suits logits `(n, classes)` of windows with labels `(n,)`."""
    import torch

    from ambulo.closed_form import temperature

    codes = torch.as_tensor(labels.astype(np.int64))
    return temperature(torch.as_tensor(logits).float(), codes)


def pulled(
    first: Head, z: Array, y: Array, pull: float, scale: float, *, free: int | None = None
) -> Head:
    """The head with the least log-loss plus `pull` times its distance from `first`, squared.

    Each activity counts alike. Distance counts in each feature's own spread, so that the strength
    means the same in any model. With `free` only so many rows, the last, are learnt.
    """
    import torch
    from torch.nn import functional as F

    weights, bias = (torch.tensor(part, dtype=torch.float32) for part in first)
    seen, codes = torch.as_tensor(z), torch.as_tensor(y.astype(np.int64))
    told = F.linear(seen, weights, bias)
    counts = torch.as_tensor(1 / np.bincount(y)[y] / len(np.unique(y)))
    spread, fixed = seen.std(0).clamp_min(1e-3), 0 if free is None else len(bias) - free
    w, b = (torch.zeros_like(part[fixed:], requires_grad=True) for part in (weights, bias))
    steps = torch.optim.LBFGS([w, b], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        steps.zero_grad()
        logits = (told + F.pad(F.linear(seen, w / spread, b), (fixed, 0))) / scale
        fit = (F.cross_entropy(logits, codes, reduction="none") * counts).sum()
        out = fit + pull * (w.square().sum() + b.square().sum()) / scale**2
        out.backward()  # type: ignore[no-untyped-call]
        return out

    steps.step(loss)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        weights[fixed:] += w / spread
        bias[fixed:] += b
        return weights.numpy(), bias.numpy()


def logits_of(z: Array, head: Head) -> Array:
    """Logits `(n, classes)` of features `(n, features)`."""
    return np.asarray(z @ head[0].T + head[1])


def decided(z: Array, head: Head) -> Array:
    """The code decided for each row of features."""
    return np.asarray(logits_of(z, head).argmax(1))


def right(z: Array, y: Array, head: Head) -> float:
    """The share of rows that are decided as labelled."""
    return float((decided(z, head) == y).mean())


def put(head: Any, solved: Head) -> None:
    """Make a solved head the layer's own, whatever its number of classes."""
    import torch
    from torch import nn

    head.out_features = len(solved[1])
    head.weight, head.bias = (nn.Parameter(torch.as_tensor(part).float()) for part in solved)
