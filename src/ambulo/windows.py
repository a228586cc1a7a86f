"""Windowing cuts recordings into Windows, each of which knows who, where from and which samples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ambulo.errors import WindowingError
from ambulo.recording import Recording
from ambulo.signals import remove_gravity

Array = npt.NDArray[Any]

UNLABELLED = -1
"""Label of a window that nobody labelled."""
TRANSITION = -2
"""Label of a window whose commonest label covers less of it than the stated share."""

_BLOCK = 1024
"""Windows that are looked at together."""


class TooShortError(WindowingError):
    """No recording is long enough for one window, which may be well where there are others."""


@dataclass(frozen=True)
class Windowing:
    """How a signal is cut: the same in training, in prediction and in a stream.

    `seconds` and `overlap` (0 to below 1) give length and step. `rate` in Hz and `channels` are
    those of the windows; None keeps the recording's own. `gravity` is "keep", or "remove" to
    subtract each window's mean acceleration. `coverage` is the share of a window that its commonest
    label must cover; below it the window is a transition. For a passage between postures, which is
    shorter than most windows, it is `passage`, if that is less. `align` is "recording" (windows
    follow each other from the start of each gapless segment) or "labels" (they start anew inside
    each labelled interval and never straddle two; for training only).
    """

    seconds: float = 2.56
    overlap: float = 0.5
    rate: float | None = None
    channels: tuple[str, ...] | None = None
    gravity: Literal["keep", "remove"] = "keep"
    coverage: float = 0.8
    passage: float = 0.5
    align: Literal["recording", "labels"] = "recording"

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise WindowingError(f"windows must last longer than 0 s, got seconds={self.seconds}")
        if not 0 <= self.overlap < 1:
            raise WindowingError(f"overlap must be from 0 to below 1, got {self.overlap}")
        for name, share in (("coverage", self.coverage), ("passage", self.passage)):
            if not 0 < share <= 1:
                raise WindowingError(f"{name} must be above 0 and at most 1, got {share}")
        for name, value, allowed in (
            ("gravity", self.gravity, ("keep", "remove")),
            ("align", self.align, ("recording", "labels")),
        ):
            if value not in allowed:
                raise WindowingError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    def samples(self, rate: float) -> tuple[int, int]:
        """Length and step of a window in samples at `rate` Hz, each at least 1."""
        length = max(round(self.seconds * rate), 1)
        return length, max(round(length * (1 - self.overlap)), 1)

    def spacing(self, rate: float) -> float:
        """Seconds from the start of one window to that of the next, at `rate` Hz."""
        return self.samples(rate)[1] / rate

    def prepare(self, recording: Recording) -> Recording:
        """The recording with this windowing's channels and rate."""
        if self.channels is not None:
            recording = recording.select(self.channels)
        return recording if self.rate is None else recording.resampled(self.rate)

    def cut(
        self, recordings: Iterable[Recording], activities: Sequence[str] | None = None
    ) -> Windows:
        """Cut recordings into Windows, labelled with positions in `activities`.

        Without `activities`, those of the recordings' intervals in alphabetical order are used.
        Raises WindowingError when the recordings differ in rate or channels, none is long enough
        for one window, or none of their activities is asked for.
        """
        prepared = [self.prepare(recording) for recording in recordings]
        _check_alike(prepared)
        if activities is None:
            found = {i.activity for recording in prepared for i in recording.intervals}
            activities = sorted(found)
        left_out = _left_out(prepared, activities)
        parts = [self._cut_one(recording, tuple(activities)) for recording in prepared]
        windows = replace(concatenate(parts), notes={"activities_left_out": left_out})
        if not len(windows):
            pieces = [(s.last - s.first) / r.rate for r in prepared for s in r.segments]
            which = (
                f"recording '{prepared[0].name}' has no"
                if len(prepared) == 1
                else "no recording has"
            )
            raise TooShortError(
                f"{which} {self.seconds:g} s in one piece (the longest lasts "
                f"{max(pieces, default=0.0):.2f} s): give longer recordings or smaller seconds"
            )
        return windows

    def _cut_one(self, recording: Recording, activities: tuple[str, ...]) -> Windows:
        length, step = self.samples(recording.rate)
        labels = recording.labels(activities)
        firsts = [
            np.arange(first, last - length + 1, step)
            for first, last in self._stretches(recording, labels)
        ]
        starts = np.concatenate([np.zeros(0, np.int64), *firsts])
        names = tuple(channel.name for channel in recording.channels)
        return Windows(
            values=self.gather(recording.values, starts, length, names),
            labels=self._majority(_at(labels, starts, length), activities),
            activities=activities,
            subjects=np.full(len(starts), recording.subject),
            recordings=np.full(len(starts), recording.name),
            starts=starts,
            seconds=_seconds(recording, starts),
            rate=recording.rate,
            channels=names,
            windowing=replace(self, rate=recording.rate, channels=names),
        )

    def gather(self, values: Array, starts: Array, length: int, names: Sequence[str]) -> Array:
        """Windows `(n, length, channels)` from `starts` `(n,)` on in `values`, for a network.

        `names` are those of the channels; gravity is removed where this windowing says so.
        """
        out = np.ascontiguousarray(_at(values, starts, length))
        if self.gravity == "remove":
            _remove_gravity(out, names)
        return out

    def _majority(self, labels: Array, activities: Sequence[str]) -> Array:
        """The commonest label of each row `(n, length)`, or TRANSITION where it covers too few."""
        if not labels.size:
            return np.zeros(len(labels), np.int16)
        codes = range(-1, len(activities))
        counts = np.stack([(labels == code).sum(axis=1) for code in codes], axis=1)
        best, short = counts.argmax(axis=1), np.r_[False, passages(activities)]
        needed = np.where(short, min(self.coverage, self.passage), self.coverage)[best]
        out = np.where(counts.max(axis=1) >= needed * labels.shape[1], best - 1, TRANSITION)
        return out.astype(np.int16)

    def _stretches(self, recording: Recording, labels: Array) -> list[tuple[int, int]]:
        stretches = [(segment.first, segment.last) for segment in recording.segments]
        if self.align == "recording":
            return stretches
        edges = {edge for stretch in stretches for edge in stretch}
        for interval in _interval_edges(recording):
            edges.add(interval)
        cuts = sorted(edges | {int(e) + 1 for e in np.flatnonzero(np.diff(labels))})
        pairs = zip(cuts, cuts[1:], strict=False)
        return [(a, b) for a, b in pairs if labels[a] >= 0]


def _at(values: Array, starts: Array, length: int) -> Array:
    """Stretches `(n, length, …)` of values from `starts` on, without an index for each of them."""
    if not len(starts):
        return np.zeros((0, length, *values.shape[1:]), values.dtype)
    view = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
    return np.moveaxis(view[starts], -1, 1)


def _interval_edges(recording: Recording) -> set[int]:
    """Samples at which a labelled interval starts or ends, alike on both sides or not."""
    out = set()
    for interval in recording.intervals:
        for segment in recording.segments:
            for seconds in (interval.start, interval.end):
                at = segment.first + round((seconds - segment.start) * recording.rate)
                if segment.first < at < segment.last:
                    out.add(at)
    return out


def _left_out(recordings: Sequence[Recording], activities: Sequence[str]) -> dict[str, int]:
    """Labelled intervals whose activity is not among `activities`, counted; some must be."""
    out: dict[str, int] = {}
    for interval in (i for recording in recordings for i in recording.intervals):
        if interval.activity not in activities:
            out[interval.activity] = out.get(interval.activity, 0) + 1
    if out and sum(out.values()) == sum(len(recording.intervals) for recording in recordings):
        raise WindowingError(
            f"the recordings are labelled {', '.join(out)}, and none of these is among the "
            f"activities {', '.join(activities)}: rename the labels, or give other activities"
        )
    return out


def _check_alike(recordings: Sequence[Recording]) -> None:
    for recording in recordings[1:]:
        first = recordings[0]
        if recording.rate != first.rate or recording.channels != first.channels:
            raise WindowingError(
                f"recordings '{first.name}' ({first.rate:g} Hz) and '{recording.name}' "
                f"({recording.rate:g} Hz) differ in rate or channels: give Windowing a rate and "
                "the channels that all of them have"
            )


def _remove_gravity(values: Array, names: Sequence[str]) -> None:
    axes = [i for i, name in enumerate(names) if name.rpartition(".")[2].startswith("acc_")]
    values[:, :, axes] = remove_gravity(values[:, :, axes])


def passages(activities: Sequence[str]) -> Array:
    """Which activities `(n,)` lead from one posture to another, as "stand-to-sit" does by name."""
    return np.array(["-to-" in name for name in activities], bool)


def _seconds(recording: Recording, starts: Array) -> Array:
    segments = recording.segments
    if not segments:
        return np.zeros(len(starts))
    firsts = np.array([segment.first for segment in segments])
    at = np.searchsorted(firsts, starts, side="right") - 1
    begins = np.array([segment.start for segment in segments])
    return np.asarray(begins[at] + (starts - firsts[at]) / recording.rate)


@dataclass(frozen=True)
class Windows:
    """Windows and where they came from.

    `values` `(windows, length, channels)` float32; `labels` `(windows,)` are positions in
    `activities`, UNLABELLED or TRANSITION; `subjects` and `recordings` name the wearer and the
    recording; a window's sample span in it is `starts` to `starts + length`; `seconds` is when it
    starts. Values may stay in a file (`ambulo.datasets.stored`). `source` names the data set,
    `official_test` the people of its published test set, `placements` where on the body its
    devices were worn,
    `training` the training options that suit the data where none are given.
    """

    values: npt.NDArray[np.float32]
    labels: Array
    activities: tuple[str, ...]
    subjects: Array
    recordings: Array
    starts: Array
    seconds: Array
    rate: float
    channels: tuple[str, ...]
    windowing: Windowing
    source: str = "unnamed"
    official_test: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()
    terms: str = ""
    citation: str = ""
    training: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict, compare=False)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return (
            f"Windows({self.source}: {len(self)} of {self.length} samples at {self.rate:g} Hz, "
            f"{len(self.channels)} channels, {len(self.people)} people, "
            f"{len(self.activities)} activities)"
        )

    @property
    def length(self) -> int:
        """Samples in a window."""
        return int(self.values.shape[1])

    @property
    def people(self) -> list[str]:
        """The wearers, in natural order (2 before 10)."""
        return natural(self.subjects)

    def __getitem__(self, index: Any) -> Windows:
        """The windows at `index`: a slice, positions, or a boolean mask `(windows,)`."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        rows = ("values", "labels", "subjects", "recordings", "starts", "seconds")
        return replace(self, **{name: getattr(self, name)[index] for name in rows})

    def of(self, people: Iterable[str]) -> Windows:
        """The windows of these people."""
        return self[np.isin(self.subjects, list(people))]

    def labelled(self) -> Windows:
        """The windows that have an activity: no transitions, nothing unlabelled."""
        return self[self.labels >= 0]

    def each(self, function: Callable[[Array], Array]) -> Array:
        """`function` of the values, block after block: `(windows, …)`, whatever their number."""
        firsts = range(0, max(len(self), 1), _BLOCK)
        blocks = (np.asarray(self.values[at : at + _BLOCK]) for at in firsts)
        return np.concatenate([function(block) for block in blocks])

    def coded(self, activities: Sequence[str]) -> Windows:
        """The same windows, labelled with positions in `activities`, which name all they show."""
        codes = {code: activities.index(self.activities[code]) for code in self._shown()}
        labels = [codes.get(label, label) for label in self.labels.tolist()]
        return replace(self, labels=np.array(labels, np.int16), activities=tuple(activities))

    def shown(self) -> list[str]:
        """The activities that there is a window of."""
        return [self.activities[code] for code in self._shown()]

    def _shown(self) -> list[int]:
        return [int(code) for code in np.unique(self.labels) if code >= 0]

    def unlike(self, windowing: Windowing) -> str:
        """How the windows differ from what `windowing` cuts, in words; empty where they do not."""
        rate, channels = windowing.rate or self.rate, windowing.channels or self.channels
        pairs = (
            (self.length, self.rate, self.channels, self.windowing.gravity),
            (windowing.samples(rate)[0], rate, channels, windowing.gravity),
        )
        mine, taken = (
            f"{length} samples at {hertz:g} Hz of {', '.join(names)}, gravity {gravity}"
            for length, hertz, names, gravity in pairs
        )
        return "" if mine == taken else f"windows are {mine}, where {taken} are taken"

    def counts(self) -> dict[str, dict[str, int]]:
        """Windows of each activity for each person."""
        return {
            person: {
                activity: int(((self.subjects == person) & (self.labels == code)).sum())
                for code, activity in enumerate(self.activities)
            }
            for person in self.people
        }

    def digest(self) -> str:
        """A fingerprint of what they show: values, labels, whose they are, and when."""
        found = hashlib.sha256()
        for part in (self.labels, self.seconds, np.asarray(self.subjects, str)):
            found.update(np.ascontiguousarray(part).tobytes())
        for at in range(0, len(self), _BLOCK):
            found.update(np.ascontiguousarray(self.values[at : at + _BLOCK]).tobytes())
        return found.hexdigest()

    def describe(self) -> dict[str, Any]:
        """What a card needs to say about these windows."""
        return {
            "source": self.source,
            "windows": len(self),
            "people": self.people,
            "activities": list(self.activities),
            "windowing": asdict(self.windowing),
            "terms": self.terms,
            "citation": self.citation,
        }


def windows_only(given: object) -> None:
    """Raise WindowingError, saying how to come by windows, for anything else."""
    if not isinstance(given, Windows):
        kind = type(given).__name__
        way = "call its windows()" if hasattr(given, "windows") else "load_dataset(…).windows()"
        raise WindowingError(f"windows are needed where a {kind} was given: {way}")


def natural(names: Iterable[Any]) -> list[str]:
    """Distinct names with numbers in order of size: 1, 2, 10."""
    return sorted(
        {str(name) for name in names}, key=lambda s: (len(s), s) if s.isdigit() else (99, s)
    )


def concatenate(parts: Sequence[Windows]) -> Windows:
    """Several Windows of one windowing and the same activities as one."""
    if not parts:
        raise WindowingError("there is no recording to cut: give at least one")
    rows = ("values", "labels", "subjects", "recordings", "starts", "seconds")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in rows
    }
    return replace(parts[0], **joined)
