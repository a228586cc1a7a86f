"""Streams of sensors that tick on their own, put on one regular grid, with the gaps stated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.finding import NEAR
from ambulo.recording import Gap
from ambulo.signals import ALMOST, named_rate, resample, usual_step

Array = npt.NDArray[Any]

MAX_GAP = 0.5
"""Seconds between two samples above which nothing is interpolated: a gap is stated."""
_BLOCK = 1 << 18
_MOST = 40_000_000
"""Samples that a grid may have beyond four times those recorded: a guard against mad clocks."""


@dataclass(frozen=True)
class Stream:
    """Channels that share their times: `time` `(n,)` in seconds, `values` `(n, channels)`.

    `rows` `(n,)` are their rows in the table, from 0; None where these are all of them, in order.
    """

    names: tuple[str, ...]
    time: Array
    values: Array
    rows: Array | None = None

    @property
    def places(self) -> Array:
        """The rows in the table `(n,)`, from 0."""
        return np.arange(len(self.time)) if self.rows is None else self.rows

    def take(self, index: Array) -> Stream:
        """The rows at `index` `(m,)` alone, in that order."""
        rows = index if self.rows is None else self.rows[index]
        return Stream(self.names, self.time[index], self.values[index], rows)

    def good(self) -> Stream:
        """Without the rows that are not finite."""
        good = np.isfinite(self.values).all(axis=1) & np.isfinite(self.time)
        return self if good.all() else self.take(np.flatnonzero(good))

    def in_order(self) -> tuple[Stream, int, int]:
        """Sorted by time, one row a moment; with the rows out of order, and of the same time."""
        steps = np.diff(self.time)
        backwards = int((steps < 0).sum())
        if not backwards and not (steps == 0).any():
            return self, 0, 0
        order = np.argsort(self.time, kind="stable")
        order = order[np.r_[True, np.diff(self.time[order]) > 0]]
        return self.take(order), backwards, len(steps) + 1 - len(order)


def slowed(stream: Stream, rate: float, max_gap: float) -> Stream:
    """A stream that is faster than `rate` Hz, by more than `NEAR`, filtered to that rate."""
    own, _ = rate_of(stream.time)
    if own <= (1 + NEAR) * rate:
        return stream
    values, _, pieces = place([stream], own, max_gap)
    counts, _ = lay_out(pieces, own, len(stream.time))
    parts = np.split(values, np.cumsum(counts)[:-1])
    parts = [resample(part, own, rate) for part in parts]
    starts = [start for start, _ in pieces]
    time = [start + np.arange(len(part)) / rate for start, part in zip(starts, parts, strict=True)]
    return Stream(stream.names, np.concatenate(time), np.concatenate(parts))


def place(
    streams: Sequence[Stream], rate: float, max_gap: float
) -> tuple[Array, list[Gap], list[tuple[float, float]]]:
    """All streams on one grid at `rate` Hz, where all of them have samples.

    Between samples up to `max_gap` seconds apart the signal is interpolated linearly; a longer
    pause of any stream is a gap, and the grid starts anew behind it. Returns float32 values
    `(m, channels)`, the gaps in seconds since the first sample, and the `(start, end)` of the
    pieces on the streams' clock. Raises RecordingError where the streams share no stretch.
    """
    pieces = _shared([_pieces(stream.time, max_gap) for stream in streams])
    counts, gaps = lay_out(pieces, rate, sum(len(stream.time) for stream in streams))
    out = np.empty((sum(counts), sum(len(stream.names) for stream in streams)), np.float32)
    at = 0
    for (start, _), n in zip(pieces, counts, strict=True):
        fill(out[at : at + n], streams, start, rate)
        at += n
    return out, gaps, pieces


def lay_out(
    pieces: Sequence[tuple[float, float]], rate: float, recorded: int
) -> tuple[list[int], list[Gap]]:
    """How many samples of a grid at `rate` Hz each `(start, end)` has, and the gaps, as `place`.

    `recorded` is the number of samples that the pieces have themselves.
    """
    counts = [int(np.floor((end - start) * rate + ALMOST)) + 1 for start, end in pieces]
    if sum(counts) > 4 * recorded + _MOST:
        raise RecordingError(
            f"{recorded} samples would become {sum(counts)} at {rate:g} Hz: the times do not fit "
            "the rate; state the unit of time, or the rate"
        )
    if sum(counts) < 2:
        raise RecordingError(
            "its sensors were on at the same time for a single sample: look at their time columns, "
            "or record for longer"
        )
    gaps, end, zero = [], 0.0, pieces[0][0]
    for k, ((start, _), n) in enumerate(zip(pieces, counts, strict=True)):
        begin = max(start - zero, end) if k else 0.0
        if begin > end:
            gaps.append(Gap(end, begin))
        end = begin + n / rate
    return counts, gaps


def _pieces(time: Array, max_gap: float) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(time) > max_gap) + 1
    firsts, lasts = [0, *edges], [*edges, len(time)]
    return [(float(time[a]), float(time[b - 1])) for a, b in zip(firsts, lasts, strict=True)]


def _shared(every: Sequence[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Where all have a piece."""
    shared = every[0]
    for pieces in every[1:]:
        both, i, j = [], 0, 0
        while i < len(shared) and j < len(pieces):
            start, end = max(shared[i][0], pieces[j][0]), min(shared[i][1], pieces[j][1])
            if end >= start:
                both.append((start, end))
            i, j = (i + 1, j) if shared[i][1] < pieces[j][1] else (i, j + 1)
        shared = both
    if not shared:
        raise RecordingError(
            "its sensors were never on at the same time: look at their time columns, or leave one "
            "sensor's file out"
        )
    return shared


def fill(
    out: Array, streams: Sequence[Stream], start: float, rate: float, skipped: int = 0
) -> None:
    """Interpolate a piece that begins at `start` s, less the samples `skipped`, into `out`.

    This goes block by block, so that no long float64 array is needed.
    """
    for first in range(0, len(out), _BLOCK):
        grid = start + (skipped + np.arange(first, min(first + _BLOCK, len(out)))) / rate
        column = 0
        for stream in streams:
            lo = max(int(np.searchsorted(stream.time, grid[0], "right")) - 1, 0)
            hi = int(np.searchsorted(stream.time, grid[-1], "left")) + 1
            for values in stream.values[lo:hi].T:
                out[first : first + len(grid), column] = np.interp(grid, stream.time[lo:hi], values)
                column += 1


def rate_of(time: Array, max_gap: float = MAX_GAP) -> tuple[float, float]:
    """The rate in Hz, as `named_rate` has it, and its jitter: the steps' relative deviation.

    The usual step tells, unless samples are skipped so often that the mean (without gaps) is over
    2 % longer than the median: then the mean does, for the samples are that many a second.
    """
    steps = np.diff(time)
    median = float(np.median(steps))
    near = steps[steps <= max(max_gap, 2 * median)]
    mean = float(near.mean())
    step = mean if mean > 1.02 * median else usual_step(near, mean)
    jitter = float(np.sqrt(np.mean((near / step - 1) ** 2)))
    return named_rate(step), jitter
