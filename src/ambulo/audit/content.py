"""Signal that two windows share, found by content alone, whatever scaler went over it.

Windows are compared by their differences from sample to sample, less their mean, so that offsets
and slow drifts do not count, and every short run of them is brought to unit length in every
channel, so that scales do not count either. Runs are projected to a few numbers at random (Johnson
and Lindenstrauss 1984), the runs of all offsets of the training windows go into a k-d tree, and a
few runs of each test window look for neighbours there. Windows of one length that overlap at all
share the start or the end of either, so a few runs are enough. A pair so found counts only if the
whole of its overlap correlates by `ALIKE` or more.

A run counts only if its movement is spread over enough samples: a constant, a step, padding or a
clipped peak looks like any other. As a guard against signals that repeat by nature, a sample of the
test windows is also played backwards, which no leak explains; what matches then is chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.progress import Advance

Array = npt.NDArray[Any]

ALIKE = 0.98
"""Least correlation of shared signal: noise of up to a fifth of the sample-to-sample differences.

Less noise is allowed where the movement is spread over fewer than `AMPLE` samples. The highest
correlation between different people is 0.50 for all channels of uci-har, hapt and mhealth, 0.83
for the three of wisdm with their short windows, and 0.99 for a single channel of mhealth.
"""
AMPLE = 50.0
SPREAD = 10.0
"""Least number of samples over which the movement in an overlap must be spread."""

_LONGEST_RUN = 31
_SHORTEST_RUN = 8
_NUMBERS = 8  # that stand for a run
_NEAR = 0.4  # distance of the numbers of two runs that are worth comparing
_NEIGHBOURS = 4
_FLOOR = 1e-3  # energy of a channel, relative to its mean, below which it counts less
_POINTS = 1_000_000  # runs in one tree
_CONTROLS = 1000  # test windows that are played backwards


@dataclass(frozen=True)
class Shared:
    """Pairs of a training and a test window that share signal.

    `train`, `test` `(pairs,)` are positions; the shared stretch starts `shift` samples later in the
    training window than in the test window and is `samples` long. `chance` is the share of test
    windows that match when they are played backwards.
    """

    train: Array
    test: Array
    shift: Array
    samples: Array
    chance: float

    def windows(self, shifted: bool) -> Array:
        """The test windows that share signal at another (or the same) place in the window."""
        return np.unique(self.test[(self.shift != 0) == shifted])


def shared(train: Array, test: Array, advance: Advance = lambda share, text: None) -> Shared | None:
    """The pairs among training and test windows `(windows, length, channels)` that share signal.

    None if windows are too short to say, under 10 samples.
    """
    if train.shape[1] - 1 <= _SHORTEST_RUN:
        return None
    a, b = differences(train), differences(test)
    few = np.linspace(0, len(test) - 1, min(_CONTROLS, len(test))).astype(np.int64)
    backwards = differences(test[few, ::-1])
    pairs, by_chance = [], set()
    parts = list(_parts(a))
    for first, part in parts:
        tree = _Tree(part)
        found = tree.find(b)
        pairs.append(found + np.array([first, 0, 0], np.int64))
        by_chance |= set(tree.find(backwards)[:, 1].tolist())
        advance(1 / len(parts), "comparing signals")
    rows = np.unique(np.concatenate(pairs), axis=0)
    samples = train.shape[1] - np.abs(rows[:, 2])
    chance = len(by_chance) / max(len(few), 1)
    return Shared(rows[:, 0], rows[:, 1], rows[:, 2], samples, chance)


def stretches(windows: Array, advance: Advance = lambda share, text: None) -> Array | None:
    """Which windows hang together by signal that they share, a number for each `(windows,)`.

    With overlapping windows these are the stretches of recording that they were cut from. None if
    windows are too short to say.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    found = shared(windows, windows, advance)
    if found is None:
        return None
    links = (np.ones(len(found.train)), (found.train, found.test))
    graph = coo_matrix(links, shape=(len(windows), len(windows)))
    return np.asarray(connected_components(graph, directed=False)[1])


def differences(windows: Array) -> Array:
    """Differences `(windows, length - 1, channels)`, each channel relative to its mean size."""
    out = np.diff(windows.astype(np.float32, copy=False), axis=1)
    size = np.abs(out).mean(axis=(0, 1), dtype=np.float64)
    return np.asarray(out / np.where(size > 0, size, 1), dtype=np.float32)


def spread(steps: Array) -> Array:
    """Over how many samples the movement in steps `(n, length, channels)` is spread, `(n,)`.

    The participation ratio: the squared sum of the squares over the sum of their squares.
    """
    square = _alike(steps) ** 2
    fourth = (square**2).sum(axis=(1, 2), dtype=np.float64)
    total = square.sum(axis=(1, 2), dtype=np.float64)
    return np.asarray(total**2 / np.maximum(fourth, 1e-30))


def _alike(steps: Array) -> Array:
    """Steps `(…, length, channels)` less their mean, every channel of about the same energy."""
    steps = steps - steps.mean(axis=-2, keepdims=True)
    energy = (steps * steps).sum(axis=-2, keepdims=True)
    return np.asarray(steps / np.sqrt(energy + _FLOOR * steps.shape[-2]))


def _parts(steps: Array) -> Iterator[tuple[int, Array]]:
    """Consecutive windows whose runs fit into one tree, with the position of the first."""
    size = max(_POINTS // steps.shape[1], 1)
    for first in range(0, len(steps), size):
        yield first, steps[first : first + size]


class _Tree:
    """The runs of training windows, at every offset, by their numbers."""

    def __init__(self, steps: Array) -> None:
        from scipy.spatial import cKDTree

        length, channels = steps.shape[1:]
        self.steps = steps
        self.run = max(_SHORTEST_RUN, min(length // 4, _LONGEST_RUN))
        shape = (channels * self.run, _NUMBERS)
        self.projection = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        self.enough = max(6.0, self.run * channels / 20)
        self.window, self.offset, numbers = self._runs(steps, np.arange(length - self.run + 1))
        self.tree = cKDTree(numbers)

    def _runs(self, steps: Array, offsets: Array) -> tuple[Array, Array, Array]:
        """Window, offset and numbers of the runs that say enough."""
        parts = []
        for first in range(0, len(steps), 128):
            views = np.lib.stride_tricks.sliding_window_view(
                steps[first : first + 128], self.run, axis=1
            )[:, offsets]
            runs = _alike(views.swapaxes(-1, -2)).reshape(*views.shape[:2], -1)
            square = runs * runs
            energy = square.sum(axis=-1)
            ratio = energy**2 / np.maximum((square * square).sum(axis=-1), 1e-30)
            window, at = np.nonzero(ratio >= self.enough)
            numbers = (runs @ self.projection)[window, at]
            numbers /= np.sqrt(energy[window, at])[:, None]
            parts.append((window + first, offsets[at], numbers))
        columns = zip(*parts, strict=True)
        window, offset, numbers = (np.concatenate(column) for column in columns)
        return window, offset, numbers

    def find(self, steps: Array) -> Array:
        """Rows `(pairs, 3)` of training window, window and shift that share signal."""
        last = steps.shape[1] - self.run
        window, offset, numbers = self._runs(steps, np.unique([*range(0, last, self.run), last]))
        if not len(numbers) or not self.tree.n:
            return np.zeros((0, 3), np.int64)
        distance, point = self.tree.query(
            numbers, k=_NEIGHBOURS, distance_upper_bound=_NEAR, workers=-1
        )
        query, rank = np.nonzero(np.isfinite(distance))
        point = point[query, rank]
        shift = self.offset[point] - offset[query]
        rows = np.unique(np.stack([self.window[point], window[query], shift], 1), axis=0)
        return rows[_same(self.steps, steps, rows)] if len(rows) else rows


def _same(a: Array, b: Array, rows: Array) -> Array:
    """Whether the pairs in `rows` agree over the whole of their overlap, `(pairs,)`."""
    out = np.zeros(len(rows), bool)
    for shift in np.unique(rows[:, 2]):
        mine = np.flatnonzero(rows[:, 2] == shift)
        overlap = a.shape[1] - abs(shift)
        for some in np.array_split(mine, -(-len(mine) // 1000)):
            x = a[rows[some, 0], max(shift, 0) : max(shift, 0) + overlap]
            y = b[rows[some, 1], max(-shift, 0) : max(-shift, 0) + overlap]
            samples = np.minimum(spread(x), spread(y))
            least = 1 - (1 - ALIKE) * np.minimum(samples / AMPLE, 1)
            out[some] = (samples >= SPREAD) & (_correlation(_alike(x), _alike(y)) >= least)
    return out


def _correlation(x: Array, y: Array) -> Array:
    product = np.einsum("nlc,nlc->n", x, y)
    energy = np.einsum("nlc,nlc->n", x, x) * np.einsum("nlc,nlc->n", y, y)
    return np.asarray(product / np.sqrt(np.maximum(energy, 1e-30)))
