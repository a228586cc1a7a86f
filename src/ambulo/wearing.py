"""When a device was not worn, and what its signal looked like, from one pass over the signal."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.signals import ALMOST, STANDARD_GRAVITY

Array = npt.NDArray[Any]

STILL, RANGE = 0.013 * STANDARD_GRAVITY, 0.050 * STANDARD_GRAVITY
"""Deviation and range in m/s² of an axis that lies about."""
_HOUR, _STEP, _ENOUGH = 60, 15, 30


class Stillness:
    """Follows acceleration, `(n, 3)` in m/s² at `rate` Hz, minute by minute.

    `columns` are the positions of the three axes in what is pushed. It is a watcher of
    `ambulo.piecewise.predict_pieces`.
    """

    def __init__(self, rate: float, columns: list[int]) -> None:
        self.rate, self.columns = rate, columns
        self._begin, self._taken = -1.0, 0
        self._minutes: dict[int, Array] = {}

    def push(self, begin: float, values: Array) -> None:
        """Take the next samples of the stretch that began at `begin` seconds."""
        if begin != self._begin:
            self._begin, self._taken = begin, 0
        first, self._taken = self._taken, self._taken + len(values)
        acc = values.T[self.columns].astype(np.float64)
        at = 0
        while at < len(values):
            minute = int((begin + (first + at) / self.rate) // 60)
            end = int(np.ceil((60 * (minute + 1) - begin) * self.rate - ALMOST)) - first
            part = acc[:, at : max(end, at + 1)]
            new = np.stack(
                [
                    np.full(3, float(part.shape[1])),
                    part.sum(1),
                    np.einsum("ij,ij->i", part, part),
                    -part.min(1),
                    part.max(1),
                ]
            )
            old = self._minutes.get(minute)
            self._minutes[minute] = new if old is None else _joined(old, new)
            at += part.shape[1]

    def nonwear(self) -> list[tuple[float, float]]:
        """When the device was not worn: `(start, end)` in seconds of the recording.

        After van Hees et al., Estimation of daily energy expenditure in pregnant and non-pregnant
        women using a wrist-worn tri-axial accelerometer, PLoS ONE 2011: an hour in which at least
        two axes deviate by less than 13 mg and range over less than 50 mg, found in steps of 15
        minutes. An hour of which less than half was recorded says nothing.
        """
        spans: list[tuple[float, float]] = []
        last = max(self._minutes, default=-1)
        for first in range(0, last - _HOUR + 2, _STEP):
            rows = [
                m for k in range(first, first + _HOUR) if (m := self._minutes.get(k)) is not None
            ]
            if len(rows) < _ENOUGH or not _lies(rows):
                continue
            start, end = 60.0 * first, 60.0 * (first + _HOUR)
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
        return spans


def _joined(a: Array, b: Array) -> Array:
    return np.concatenate([a[:3] + b[:3], np.maximum(a[3:], b[3:])])


def _lies(rows: list[Array]) -> bool:
    count, total, squares = np.sum([row[:3] for row in rows], axis=0)
    deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
    ranges = np.max([row[4] for row in rows], axis=0) + np.max([row[3] for row in rows], axis=0)
    return bool(((deviation < STILL) & (ranges < RANGE)).sum() >= 2)


class Envelope:
    """The least and greatest value of each channel in equal steps of time, at most `most` steps.

    `columns` are the positions of the channels in what is pushed. Steps begin at one sample and
    double as the signal grows, so that its length need not be known. It is a watcher of
    `ambulo.piecewise.predict_pieces`.
    """

    def __init__(self, rate: float, columns: list[int], most: int = 1 << 18) -> None:
        self.rate, self.columns, self.most = rate, columns, most
        self.samples, self.count = 1, 0
        self._begin, self._taken = -1.0, 0
        self._low = np.full((most, len(columns)), np.inf, np.float32)
        self._high = -self._low

    @property
    def step(self) -> float:
        """Seconds in a step."""
        return self.samples / self.rate

    @property
    def low(self) -> Array:
        """The least values `(steps, channels)`; infinite where there was no signal."""
        return self._low[: self.count]

    @property
    def high(self) -> Array:
        """The greatest values `(steps, channels)`; minus infinite where there was no signal."""
        return self._high[: self.count]

    def push(self, begin: float, values: Array) -> None:
        """Take the next samples of the stretch that began at `begin` seconds."""
        if begin != self._begin:
            self._begin, self._taken = begin, 0
        first = round(begin * self.rate) + self._taken
        self._taken += len(values)
        while (first + len(values) - 1) // self.samples >= self.most:
            self._halve()
        step = np.arange(first, first + len(values)) // self.samples
        firsts = np.flatnonzero(np.diff(step, prepend=-1))
        at, values = step[firsts], values[:, self.columns]
        self._low[at] = np.minimum(self._low[at], np.minimum.reduceat(values, firsts, axis=0))
        self._high[at] = np.maximum(self._high[at], np.maximum.reduceat(values, firsts, axis=0))
        self.count = max(self.count, int(at[-1]) + 1)

    def _halve(self) -> None:
        half, width = self.most // 2, len(self.columns)
        low = self._low[: 2 * half].reshape(half, 2, width).min(axis=1)
        high = self._high[: 2 * half].reshape(half, 2, width).max(axis=1)
        self._low[:half], self._high[:half] = low, high
        self._low[half:], self._high[half:] = np.inf, -np.inf
        self.samples, self.count = 2 * self.samples, -(-self.count // 2)
