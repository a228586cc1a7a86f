"""Channels that come apart, each sensor at its own times, become samples of all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ambulo.signals import MAX_GAP
from ambulo.stream.messages import Part

Array = npt.NDArray[np.float64]

WAIT = 10.0
"""Seconds for which samples of one sensor are kept while another is silent."""


PARTS = ("body_acc", "gravity")
"""What some apps split acceleration into."""


class Joiner:
    """Samples of `channels` at the times of the first one; the others are interpolated linearly.

    Acceleration that comes without gravity (`body_acc_x`) is added to gravity (`gravity_x`). Where
    a channel is silent for over half a second nothing is made up: such samples are left out and
    counted as `incomplete`. Each sensor's samples may come up to `patience` seconds after its later
    ones; what was joined is in order.
    """

    def __init__(self, channels: Sequence[str], patience: float = 0.0) -> None:
        self.channels, self.patience = tuple(channels), patience
        self.incomplete = 0
        self.seen: set[str] = set()
        self._came: dict[str, tuple[Array, Array]] = {}
        own = [name.rpartition(".") for name in channels]
        parts = [
            f"{place}{dot}{part}_{channel[len('acc_') :]}"
            for place, dot, channel in own
            for part in PARTS
            if channel.startswith("acc_")
        ]
        self._useful = {*channels, *parts}

    @property
    def missing(self) -> list[str]:
        """Channels of which nothing has come; of acceleration without gravity, gravity's."""
        needed = (source for name in self.channels for source in self._sources(name))
        return [source for source in needed if source not in self.seen]

    @property
    def joins(self) -> bool:
        """Whether samples wait here for those of other sensors."""
        return bool(self._came)

    def push(self, part: Part) -> tuple[Array, Array]:
        """Take samples of some channels; give `(time, values)` where all are known."""
        part = replace(part, channels={n: v for n, v in part.channels.items() if n in self._useful})
        self.seen |= set(part.channels)
        if not self._came and all(name in part.channels for name in self.channels):
            return part.time, np.stack([part.channels[name] for name in self.channels], axis=1)
        self._forget(part.channels)
        for name, values in part.channels.items():
            self._add(name, part.time, values)
        if self.missing:
            return np.zeros(0), np.zeros((0, len(self.channels)))
        return self._join()

    def finish(self) -> tuple[Array, Array]:
        """Join what was held back for samples that come late."""
        self.patience = 0.0
        return self._join()

    def _sources(self, name: str) -> list[str]:
        """The channels that make up one."""
        place, dot, channel = name.rpartition(".")
        sensor, _, axis = channel.rpartition("_")
        if sensor != "acc" or name in self.seen or f"{place}{dot}body_acc_{axis}" not in self.seen:
            return [name]
        return [f"{place}{dot}body_acc_{axis}", f"{place}{dot}gravity_{axis}"]

    def _add(self, name: str, time: Array, values: Array) -> None:
        time, first = np.unique(time, return_index=True)
        values = values[first][np.isfinite(time)]
        time = time[np.isfinite(time)]
        before, held = self._came.get(name, (time[:0], values[:0]))
        if len(before) and len(time) and time[0] < before[-1] - WAIT - self.patience:
            self._came.clear()  # the clock was set back
            before, held = time[:0], values[:0]
        oldest = before[-1] - self.patience if len(before) else -np.inf
        new = (time > oldest) & ~np.isin(time, before)
        time, values = np.r_[before, time[new]], np.r_[held, values[new]]
        if len(time):
            order = np.argsort(time, kind="stable")
            self._came[name] = time[order], values[order]

    def _join(self) -> tuple[Array, Array]:
        """All channels at those times of the first that the others have reached."""
        sources = {name: self._sources(name) for name in self.channels}
        needed = [source for each in sources.values() for source in each]
        if not set(needed) <= set(self._came):
            return np.zeros(0), np.zeros((0, len(self.channels)))
        until = min(self._came[source][0][-1] for source in needed) - self.patience
        first = needed[0]
        time = self._came[first][0]
        time = time[time <= until]
        known = np.ones(len(time), bool)
        for source in needed:
            known &= _near(time, self._came[source][0])
        columns = [sum(np.interp(time, *self._came[s]) for s in each) for each in sources.values()]
        self.incomplete += int((~known).sum())
        for source, (at, held) in self._came.items():
            kept = at > until if source == first else at >= at[at <= until].max(initial=at[0])
            self._came[source] = at[kept], held[kept]
        self._came = {source: pair for source, pair in self._came.items() if len(pair[0])}
        return time[known], np.stack(columns, axis=1)[known]

    def _forget(self, names: Iterable[str]) -> None:
        """Drop what waited in vain, as these channels come again: another one stays silent.

        What comes at once is kept until the next time, however long a stretch it is.
        """
        for name in self._came.keys() & set(names):
            time, values = self._came[name]
            kept = time >= time[-1] - WAIT - self.patience
            if name in self.channels[:1] or name == f"body_{self.channels[0]}":
                self.incomplete += int((~kept).sum())
            self._came[name] = time[kept], values[kept]


def _near(time: Array, known: Array) -> Array:
    """Whether each time lies on one of `known`, or between two that are near to each other."""
    after = np.searchsorted(known, time).clip(max=len(known) - 1)
    between = (after > 0) & (known[after] - known[after - 1] <= MAX_GAP)
    return np.asarray((known[after] == time) | (between & (time < known[-1])))
