"""WISDM's text files, `user,activity,timestamp,x,y,z;`, as recordings of 20 samples a second.

Both data sets of the group share the format and its faults. A record that cannot be read is
dropped and counted; what is certain is repaired: several records in a line, a comma too many, rows
written twice. The time axis is the timestamps', and what lies between two samples decides:

- a step back, or one of over an hour: the phone's clock began anew, and so does a `Recording`
- a pause of over half a second: a stated gap
- a shorter one: samples are missing, and are filled linearly

Measured samples keep their values: within a stretch each is put at the nearest multiple of its
rate, for the timestamps jitter. Most stretches run at 20 Hz. Some have ticks of 40 ms, or bursts
of 10 and 20 ms: these are laid out at 25, 50 or 100 Hz and then resampled, anti-aliased.

A timestamp of 0 marks a row of zeros, an empty or half-filled buffer: no measurement. Such rows
are dropped and counted; whether time is missing there, the rows around them tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.datasets.archive import Archive
from ambulo.datasets.dataset import Notes
from ambulo.errors import DatasetError
from ambulo.recording import Gap, Interval, Recording, channels
from ambulo.signals import resample
from ambulo.windows import natural

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[Any]

CHANNELS = ("acc_x", "acc_y", "acc_z")
RATE = 20.0
LONGEST_PAUSE = 0.5
"""Seconds without a sample that are still filled."""
NEW_SESSION = 3600.0
"""Seconds without a sample after which a new recording begins."""
COUNTS = (
    "rows",
    "unreadable_rows",
    "empty_rows",
    "exact_duplicates",
    "zero_timestamps",
    "repeated_timestamps",
    "unknown_activities",
    "filled_samples",
    "gaps",
)


@dataclass
class _Found:
    """The recordings of a file, and what was counted on the way to them."""

    recordings: list[Recording] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    resampled: set[str] = field(default_factory=set)


def read_files(
    archive: Archive,
    names: Sequence[str],
    activities: dict[str, str],
    title: Callable[[str], str],
) -> tuple[list[Recording], Notes]:
    """The recordings in these files, people in order, and counts of what was found and repaired.

    `activities` maps the files' codes to names; `title` names the first recording of a person.
    Raises DatasetError for a file without a single readable record.
    """
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(lambda name: _read(archive, name, activities, title), names))
    recordings = [recording for found in parts for recording in found.recordings]
    order = {person: n for n, person in enumerate(natural(r.subject for r in recordings))}
    recordings.sort(key=lambda recording: order[recording.subject])
    notes: Notes = {key: sum(found.counts[key] for found in parts) for key in COUNTS}
    notes["samples"] = sum(map(len, recordings))
    notes["recordings_found"] = len(recordings)
    notes["resampled_people"] = natural(person for found in parts for person in found.resampled)
    return recordings, notes


def lacking(recordings: Sequence[Recording], activities: Sequence[str]) -> dict[str, list[str]]:
    """The activities that a person never does, for the people who lack any."""
    done: dict[str, set[str]] = {}
    for recording in recordings:
        done.setdefault(recording.subject, set()).update(i.activity for i in recording.intervals)
    missing = {person: [a for a in activities if a not in did] for person, did in done.items()}
    return {person: names for person, names in missing.items() if names}


def _read(
    archive: Archive, name: str, activities: dict[str, str], title: Callable[[str], str]
) -> _Found:
    found = _Found()
    rows = _clean(_parse(archive.read(name)), activities, found.counts)
    if not len(rows):
        raise DatasetError(
            f"{archive.path}: '{name}' holds no record 'user,activity,timestamp,x,y,z': it is "
            "damaged, or another file; fetch the archive again"
        )
    for person in rows.partition_by("user", maintain_order=True):
        _person(person, list(activities.values()), title, found)
    return found


def _parse(text: bytes) -> pl.DataFrame:
    """One row a record, with null where a field cannot be read or is absent."""
    import polars as pl

    if text.startswith(b"user,"):
        text = text.partition(b"\n")[2]
    text = text.translate(None, b" \r\t").replace(b";\n", b"\n").replace(b";", b"\n")
    schema = {"user": pl.Int32, "activity": pl.String, "timestamp": pl.Int64}
    axes = dict.fromkeys("xyz", pl.Float32)
    frame = pl.read_csv(
        b",,,,,,\n"
        + text,  # a first row of all columns: later rows may have fewer, or a comma more
        has_header=False,
        schema={**schema, **axes, "more": pl.String},
        ignore_errors=True,
        truncate_ragged_lines=True,
        quote_char=None,
        encoding="utf8-lossy",
    )
    return frame.slice(1)


def _clean(rows: pl.DataFrame, activities: dict[str, str], counts: Counter[str]) -> pl.DataFrame:
    """The distinct rows with a time, activities as positions in `activities`, or -1."""
    import polars as pl

    whole = pl.all_horizontal(pl.exclude("more").is_not_null())
    finite = pl.all_horizontal(pl.col("x", "y", "z").is_finite())
    good = rows.filter(whole & finite & pl.col("more").is_null()).drop("more")
    distinct = good.unique(maintain_order=True)
    codes = {label: code for code, label in enumerate(activities)}
    distinct = distinct.with_columns(
        pl.col("activity").replace_strict(codes, default=-1, return_dtype=pl.Int8)
    )
    empty = rows.select(pl.all_horizontal(pl.all().is_null()).sum()).item()
    counts["rows"] += len(good)
    counts["empty_rows"] += empty
    counts["unreadable_rows"] += len(rows) - len(good) - empty
    counts["exact_duplicates"] += len(good) - len(distinct)
    counts["zero_timestamps"] += int((good["timestamp"] <= 0).sum())
    counts["unknown_activities"] += int((distinct["activity"] < 0).sum())
    return distinct.filter(pl.col("timestamp") > 0)


def _person(
    rows: pl.DataFrame, names: Sequence[str], title: Callable[[str], str], found: _Found
) -> None:
    """Add one person's recordings: a new one wherever the clock begins anew."""
    stamps = rows["timestamp"].to_numpy()
    fresh = np.append(True, np.diff(stamps) != 0)
    found.counts["repeated_timestamps"] += int((~fresh).sum())
    time = (stamps[fresh] - stamps[0]) / 1e9
    values = rows.select("x", "y", "z").to_numpy()[fresh]
    codes = rows["activity"].to_numpy()[fresh]
    subject = str(rows["user"][0])
    steps = np.diff(time)
    cuts = np.flatnonzero((steps < 0) | (steps > NEW_SESSION)) + 1
    for number, (a, b) in enumerate(pairwise([0, *cuts, len(time)]), start=1):
        name = title(subject) + (f"-{number}" if number > 1 else "")
        recording = _recording(time[a:b], values[a:b], codes[a:b], names, subject, name, found)
        found.recordings.append(recording)


def _recording(
    time: Array,
    values: Array,
    codes: Array,
    names: Sequence[str],
    subject: str,
    name: str,
    found: _Found,
) -> Recording:
    pieces, gaps, intervals, end = [], [], [], 0.0
    cuts = np.flatnonzero(np.diff(time) > LONGEST_PAUSE) + 1
    for a, b in pairwise([0, *cuts, len(time)]):
        start = max(float(time[a] - time[0]), end + 1 / RATE) if a else 0.0
        if a:
            gaps.append(Gap(end, start))
        rate = _rate(np.diff(time[a:b]))
        if rate != RATE:
            found.resampled.add(subject)
        places = _places((time[a:b] - time[a]) * rate)
        piece = resample(_fill(places, values[a:b]), rate, RATE)
        found.counts["filled_samples"] += max(len(piece) - int(b - a), 0)
        pieces.append(piece)
        end = start + len(piece) / RATE
        intervals += _intervals(codes[a:b], np.append(start + places / rate, end), names)
    found.counts["gaps"] += len(gaps)
    return Recording(
        values=np.concatenate(pieces),
        rate=RATE,
        channels=channels(CHANNELS),
        subject=subject,
        name=name,
        intervals=tuple(intervals),
        gaps=tuple(gaps),
    )


def _rate(steps: Array) -> float:
    """The rate of the fastest samples of a stretch, to 5 Hz: a twentieth of them makes a burst."""
    if not len(steps):
        return RATE
    return float(np.clip(5 * round(1 / np.percentile(steps, 5) / 5), RATE, 100))


def _places(time: Array) -> Array:
    """The whole number nearest to each time `(n,)`, or the next one where that is taken."""
    order = np.arange(len(time))
    return np.asarray(np.maximum.accumulate(np.rint(time).astype(np.int64) - order) + order)


def _fill(places: Array, values: Array) -> Array:
    """Samples at whole-numbered `places` `(n,)`, and on straight lines between them."""
    grid = np.arange(places[-1] + 1)
    return np.stack([np.interp(grid, places, axis) for axis in values.T], axis=1)


def _intervals(codes: Array, bounds: Array, names: Sequence[str]) -> list[Interval]:
    """Runs of the same activity; sample i lasts from `bounds[i]` to `bounds[i + 1]`."""
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1), len(codes)]
    return [
        Interval(float(bounds[a]), float(bounds[b]), names[codes[a]])
        for a, b in pairwise(edges)
        if codes[a] >= 0
    ]
