"""A Recording: one wearer, one session, a continuous signal whose channels have units."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.timeline import wall

UNITS = {"acc": "m/s²", "body_acc": "m/s²", "gyro": "rad/s", "mag": "µT", "ecg": "mV"}
"""Unit of each kind of sensor inside Ambulo. `acc` includes gravity, `body_acc` does not."""

_NAME = re.compile(r"(?:(?P<placement>[a-z0-9_]+)\.)?(?P<sensor>[a-z_]+?)_(?P<axis>[xyz]|\d+)")


LARGEST = 1e9
"""What no sensor's numbers reach in any unit; a network, in single precision, fails beyond 1e19."""


@dataclass(frozen=True)
class Channel:
    """One column of a signal: `acc_x`, or `left_ankle.acc_x` where there are several placements."""

    name: str

    def __post_init__(self) -> None:
        match = _NAME.fullmatch(self.name)
        if not match or match["sensor"] not in UNITS:
            raise RecordingError(
                f"channel '{self.name}' is not understood: write SENSOR_AXIS, as in acc_x, or "
                f"PLACEMENT.SENSOR_AXIS, as in left_ankle.gyro_z; sensors: {', '.join(UNITS)}"
            )

    @property
    def placement(self) -> str:
        """Where on the body the sensor sits, or '' where there is only one."""
        return self.name.rpartition(".")[0]

    @property
    def sensor(self) -> str:
        """The kind of sensor: `acc`, `gyro`, `mag`, …"""
        return self.name.rpartition(".")[2].rpartition("_")[0]

    @property
    def unit(self) -> str:
        """The unit of the values: m/s², rad/s or µT."""
        return UNITS[self.sensor]


def channels(names: Iterable[str]) -> tuple[Channel, ...]:
    """Channels of these names, in this order."""
    return tuple(Channel(name) for name in names)


def triads(names: Sequence[str]) -> list[list[int]]:
    """Positions of the x, y and z axes of each complete three-axis sensor among channel names."""
    found: dict[str, dict[str, int]] = {}
    for position, name in enumerate(names):
        found.setdefault(name[:-1], {})[name[-1]] = position
    return [[axes[a] for a in "xyz"] for axes in found.values() if set("xyz") <= set(axes)]


def housings(names: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """The axes of each three-axis sensor, beside those of the accelerometer at its placement.

    Raises RecordingError where there is no accelerometer, or none that feels gravity.
    """
    found = {names[axes[0]][:-2]: axes for axes in triads(names)}
    out = []
    for sensor, axes in found.items():
        acc = sensor.rpartition(".")[0] + "." * ("." in sensor) + "acc"
        if acc not in found:
            raise RecordingError(
                f"{sensor}: there is no three-axis {acc} whose mean is gravity: use frame=sensor"
            )
        out.append((axes, found[acc]))
    return out


@dataclass(frozen=True)
class Interval:
    """The wearer did `activity` from `start` to `end` seconds after the recording began."""

    start: float
    end: float
    activity: str


@dataclass(frozen=True)
class Gap:
    """Nothing was recorded from `start` to `end` seconds after the recording began."""

    start: float
    end: float


class Segment(NamedTuple):
    """Samples `first` to `last` (exclusive), recorded without a gap, from `start` seconds on."""

    first: int
    last: int
    start: float


def segments(samples: int, rate: float, gaps: Iterable[Gap]) -> tuple[Segment, ...]:
    """The stretches without a gap of so many samples at `rate` Hz, in order."""
    out, first, begin, missing = [], 0, 0.0, 0.0
    for gap in gaps:
        last = min(round((gap.start - missing) * rate), samples)
        if last > first:
            out.append(Segment(first, last, begin))
        missing += gap.end - gap.start
        first, begin = max(first, last), gap.end
    if first < samples:
        out.append(Segment(first, samples, begin))
    return tuple(out)


@dataclass(frozen=True)
class Recording:
    """Samples of one wearer in one session.

    `values` is `(n_samples, n_channels)` float32 and holds the samples that exist, in order;
    `gaps` says, in seconds, where samples are missing between them. `start` is the wall time of
    the first sample where it is known. Raises RecordingError where the fields contradict.
    """

    values: npt.NDArray[np.float32]
    rate: float
    channels: tuple[Channel, ...]
    subject: str
    name: str
    intervals: tuple[Interval, ...] = ()
    gaps: tuple[Gap, ...] = ()
    start: datetime | None = None
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.channels):
            raise RecordingError(
                f"recording '{self.name}': values of shape {self.values.shape} do not fit "
                f"{len(self.channels)} channels: give an array (samples, channels)"
            )
        if not 0 < self.rate < LARGEST:
            raise RecordingError(
                f"recording '{self.name}': rate must be above 0 Hz, got {self.rate}"
            )
        if self.values.size and not -LARGEST < self.values.min() <= self.values.max() < LARGEST:
            at, channel = np.argwhere(~(np.abs(self.values) < LARGEST))[0]
            raise RecordingError(
                f"recording '{self.name}': sample {at} of {self.channels[channel].name} is "
                f"{self.values[at, channel]}: leave such samples out, and state a gap"
            )
        ends = [0.0, *(gap.end for gap in self.gaps)]
        for gap, before in zip(self.gaps, ends, strict=False):
            if not before <= gap.start < gap.end:
                raise RecordingError(
                    f"recording '{self.name}': gaps overlap or run backwards: {gap}"
                )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"Recording({self.name!r}, subject {self.subject}, {self.duration:.1f} s, "
            f"{self.rate:g} Hz, {', '.join(c.name for c in self.channels)}, "
            f"{len(self.gaps)} gaps, {len(self.intervals)} labelled intervals)"
        )

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the end of the last one, gaps included."""
        return len(self.values) / self.rate + sum(gap.end - gap.start for gap in self.gaps)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The stretches without a gap, in order; they cover every sample exactly once."""
        return segments(len(self.values), self.rate, self.gaps)

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """Seconds `(n_samples,)` after the start at which each sample was taken."""
        at = [s.start + np.arange(s.last - s.first) / self.rate for s in self.segments]
        return np.concatenate([np.zeros(0), *at])

    def when(self, seconds: float) -> datetime | None:
        """Wall time at `seconds` after the start, where the start is known."""
        return None if self.start is None else wall(self.start, seconds)

    def labels(self, activities: Sequence[str]) -> npt.NDArray[np.int16]:
        """The activity of every sample `(n_samples,)`: a position in `activities`, or -1."""
        codes = {activity: code for code, activity in enumerate(activities)}
        out = np.full(len(self.values), -1, np.int16)
        for interval in self.intervals:
            if interval.activity not in codes:
                continue
            for segment in self.segments:
                n = segment.last - segment.first
                lo, hi = (
                    min(max(round((t - segment.start) * self.rate), 0), n)
                    for t in (interval.start, interval.end)
                )
                out[segment.first + lo : segment.first + hi] = codes[interval.activity]
        return out

    def select(self, names: Sequence[str]) -> Recording:
        """The same recording with only these channels, in this order."""
        have = [channel.name for channel in self.channels]
        missing = [name for name in names if name not in have]
        if missing:
            raise RecordingError(
                f"recording '{self.name}' lacks {', '.join(missing)}; it has {', '.join(have)}"
            )
        if list(names) == have:
            return self
        columns = [have.index(name) for name in names]
        return replace(self, values=self.values[:, columns], channels=channels(names))

    def resampled(self, rate: float) -> Recording:
        """The same recording at `rate` Hz: segment by segment, gaps and labels kept."""
        from ambulo.signals import resample

        if rate == self.rate:
            return self
        pieces: list[npt.NDArray[np.float32]] = []
        gaps, end = [], 0.0
        for segment in self.segments:
            piece = resample(self.values[segment.first : segment.last], self.rate, rate)
            if pieces:
                start = max(segment.start, end)
                gaps.append(Gap(end, start))
                end = start
            pieces.append(piece)
            end += len(piece) / rate
        values = np.concatenate(pieces) if pieces else self.values
        gaps = [gap for gap in gaps if gap.end > gap.start]
        return replace(self, values=values, rate=rate, gaps=tuple(gaps))
