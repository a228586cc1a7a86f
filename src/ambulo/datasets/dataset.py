"""What a data set says of itself, and what loading it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ambulo.datasets import archive
from ambulo.errors import DatasetError
from ambulo.progress import bar
from ambulo.recording import Interval, Recording
from ambulo.windows import Windowing, Windows

Notes = dict[str, Any]


@dataclass(frozen=True)
class DatasetInfo:
    """The facts of a data set.

    `groupings` name ways to choose and merge activities, each a map from the authors' label (in
    Ambulo's spelling) to the one used; the first is the default. `groups` name sets of channels.
    `devices` are alternatives to load, as "watch" or "phone", the first by default.
    `files` are the names its archive or folder goes by, first that of a download from `url`;
    `people` is the published number.
    `training` are training options that suit the data, chosen on its training people; under a
    model's name stand those that suit this model, under a device's those that suit this device.
    """

    name: str
    title: str
    people: int
    rate: float
    channels: tuple[str, ...]
    placements: tuple[str, ...]
    groupings: Mapping[str, Mapping[str, str]]
    windowing: Windowing
    size: str
    terms: str
    citation: str
    files: tuple[str, ...]
    url: str
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    official_test: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    remarks: str = ""

    def grouping(self, name: str | None) -> dict[str, str]:
        """The map of activities of this name, the first where None."""
        name = name or next(iter(self.groupings))
        if name not in self.groupings:
            raise DatasetError(
                f"data set '{self.name}' has no activities '{name}': choose from "
                f"{', '.join(self.groupings)}"
            )
        return dict(self.groupings[name])

    @property
    def uncut(self) -> str:
        """What to do for recordings where there are windows only."""
        return "use 'hapt', the recordings behind it" if self.files else "cut its recordings anew"

    def activities(self, grouping: str | None = None) -> tuple[str, ...]:
        """The activities of a grouping, in the authors' order."""
        return tuple(dict.fromkeys(self.grouping(grouping).values()))

    def select(self, wanted: str | Sequence[str] | None) -> tuple[str, ...] | None:
        """Channel names of a choice such as "ankle+arm", ("acc_x", …), or None for the default."""
        if wanted is None:
            return self.windowing.channels
        parts = wanted.replace(",", "+").split("+") if isinstance(wanted, str) else list(wanted)
        out: list[str] = []
        for part in parts:
            known = self.groups.get(part, (part,) if part in self.channels else ())
            if not known:
                raise DatasetError(
                    f"data set '{self.name}' has no channels '{part}': choose from "
                    f"{', '.join([*self.groups, *self.channels])}"
                )
            out.extend(known)
        return tuple(dict.fromkeys(out))


@dataclass(frozen=True)
class Dataset:
    """A loaded data set: its recordings, or, for one that was published as windows, its windows.

    `notes` counts what was found, repaired and missing.
    """

    info: DatasetInfo
    recordings: tuple[Recording, ...]
    notes: Notes
    grouping: str | None = None
    fixed: Windows | None = None

    @property
    def people(self) -> list[str]:
        """The wearers there are, in natural order."""
        from ambulo.windows import natural

        if self.fixed is not None:
            return self.fixed.people
        return natural(recording.subject for recording in self.recordings)

    @property
    def activities(self) -> tuple[str, ...]:
        """The activities of the chosen grouping."""
        return self.info.activities(self.grouping)

    def windows(
        self,
        *,
        seconds: float | None = None,
        overlap: float | None = None,
        channels: str | Sequence[str] | None = None,
        keep: str = "labelled",
        **options: Any,
    ) -> Windows:
        """Cut the recordings as the data set's own windowing says, or as given here.

        `channels` takes channel names and groups, as in "ankle+arm"; `keep` is "labelled", or "all"
        to keep transitions and unlabelled windows; `options` are those of `Windowing`.
        """
        if self.fixed is not None:
            return self._fixed(seconds, overlap, channels, options)
        given = {"seconds": seconds, "overlap": overlap, **options}
        windowing = replace(
            self.info.windowing,
            channels=self.info.select(channels),
            **{name: value for name, value in given.items() if value is not None},
        )
        recordings = [regroup(r, self.info.grouping(self.grouping)) for r in self.recordings]
        windows = windowing.cut(recordings, self.activities)
        windows = self._signed(windows)
        if keep not in ("labelled", "all"):
            raise DatasetError(f"keep must be 'labelled' or 'all', got {keep!r}")
        return windows.labelled() if keep == "labelled" else windows

    def _signed(self, windows: Windows) -> Windows:
        info = self.info
        return replace(
            windows,
            source=info.name,
            official_test=info.official_test,
            placements=info.placements,
            terms=info.terms,
            citation=info.citation,
            training=dict(info.training),
            notes={**self.notes, **windows.notes},
        )

    def _fixed(
        self,
        seconds: float | None,
        overlap: float | None,
        channels: str | Sequence[str] | None,
        options: dict[str, Any],
    ) -> Windows:
        assert self.fixed is not None
        own = self.info.windowing
        asked = {"seconds": seconds, "overlap": overlap, **options}
        for name, value in asked.items():
            if value is not None and value != getattr(own, name, None):
                raise DatasetError(
                    f"data set '{self.info.name}' is windows of {own.seconds:g} s with overlap "
                    f"{own.overlap:g}; it cannot be cut with {name}={value}: {self.info.uncut}"
                )
        wanted = self.info.select(channels)
        if wanted is None or wanted == self.fixed.channels:
            return self.fixed
        columns = [self.fixed.channels.index(name) for name in wanted]
        return replace(
            self.fixed,
            values=self.fixed.values[:, :, columns],
            channels=wanted,
            windowing=replace(self.fixed.windowing, channels=wanted),
        )


def regroup(recording: Recording, grouping: Mapping[str, str]) -> Recording:
    """The recording with its activities merged, and those outside the grouping unlabelled."""
    kept = tuple(
        Interval(i.start, i.end, grouping[i.activity])
        for i in recording.intervals
        if i.activity in grouping
    )
    return replace(recording, intervals=kept)


Reader = Callable[[archive.Archive], tuple[list[Recording], Notes]]


def load_recordings(name: str, path: Path, read: Reader) -> tuple[tuple[Recording, ...], Notes]:
    """Recordings from the cache, or read from the archive at `path` and then cached."""
    key = archive.fingerprint(path) + "-1"
    kept = archive.load_cached(name, key)
    if kept is not None:
        arrays, notes = kept
        return tuple(archive.unpack(arrays, notes.pop("recordings"))), notes
    with bar(f"reading {name}", known=False):
        recordings, notes = read(archive.Archive(path))
    if not recordings:
        raise DatasetError(f"{path}: no recording of data set '{name}' was found in it")
    arrays, rows = archive.pack(recordings)
    archive.keep(name, key, arrays, {**notes, "recordings": rows})
    return tuple(recordings), notes
