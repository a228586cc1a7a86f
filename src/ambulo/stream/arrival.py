"""Samples as they arrive: late, twice, damaged, or after the clock was set. All of it counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ambulo.recording import LARGEST

Array = npt.NDArray[np.float64]

JUMP = 10.0
"""Seconds back in time that no network explains: the clock was set."""
SURE = 8
"""Samples in a row that must say so."""
LATEST = 1e11
"""Seconds that no clock shows, since 1970 or since anything: 3000 years."""
NEVER = -1e300
"""Before every time."""


class Arrival:
    """Puts samples in the order of time, one a moment.

    A sample may come up to `patience` seconds after a later one; after that it is dropped. A clock
    that was set back by more than `JUMP` seconds counts anew from the sample that makes it sure.
    `counts` says how many samples came, and how many were dropped as not finite, late or duplicate.
    """

    STATE = ("counts", "newest", "behind", "time", "values")

    def __init__(self, channels: int, patience: float = 0.0) -> None:
        self.patience = patience
        self.counts = dict.fromkeys(("samples", "not_finite", "late", "duplicate", "jumps"), 0)
        self.newest, self.behind = NEVER, 0
        self.time, self.values = np.zeros(0), np.zeros((0, channels))

    def push(self, time: Array, values: Array) -> list[tuple[Array, Array]]:
        """Take samples in any order; give those that are due, `(time, values)`.

        Behind a jump of the clock there are several such runs, the signal being broken between.
        """
        self.counts["samples"] += len(time)
        finite = (np.abs(time) < LATEST) & (np.abs(values) < LARGEST).all(axis=1)
        self.counts["not_finite"] += int((~finite).sum())
        time, values = time[finite], values[finite]
        out, at = [], self._jump(time)
        while at is not None:
            self._take(time[:at], values[:at])
            out.append(self.finish())
            self.counts["jumps"] += 1
            self.newest, self.behind = NEVER, 0
            time, values = time[at:], values[at:]
            at = self._jump(time)
        self._take(time, values)
        out.append(self._due())
        return out

    def finish(self) -> tuple[Array, Array]:
        """Everything that was held back."""
        return self._release(len(self.time))

    def _jump(self, time: Array) -> int | None:
        """Position of the first sample from which the clock counts anew."""
        if not len(time):
            return None
        far = time < self._newest(time)[:-1] - max(JUMP, self.patience)
        if not self.behind and not far.any():
            return None
        row = np.r_[np.ones(self.behind, bool), far]
        runs = np.lib.stride_tricks.sliding_window_view(np.r_[np.zeros(SURE - 1, bool), row], SURE)
        sure = np.flatnonzero(runs.all(axis=1))
        if len(sure):
            return int(sure[0]) - self.behind
        self.behind = len(row) - 1 - int(np.flatnonzero(~row)[-1]) if not row.all() else len(row)
        return None

    def _newest(self, time: Array) -> Array:
        """The latest time before each sample, and after all of them `(n + 1,)`."""
        return np.maximum.accumulate(np.concatenate([[self.newest], time]))

    def _take(self, time: Array, values: Array) -> None:
        newest = self._newest(time)
        twice = time == newest[:-1]
        due = time <= newest[:-1] - self.patience
        rows = np.concatenate([self.time, time[~due]])
        self.time, first = np.unique(rows, return_index=True)
        self.values = np.concatenate([self.values, values[~due]])[first]
        self.newest = float(newest[-1])
        self.counts["late"] += int((due & ~twice).sum())
        self.counts["duplicate"] += int((due & twice).sum()) + len(rows) - len(first)

    def _due(self) -> tuple[Array, Array]:
        return self._release(int(np.searchsorted(self.time, self.newest - self.patience, "right")))

    def _release(self, n: int) -> tuple[Array, Array]:
        out = self.time[:n], self.values[:n]
        self.time, self.values = self.time[n:], self.values[n:]
        return out
