"""Labelled intervals: runs of an activity column, a file of intervals, or one for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.clock import PER_SECOND
from ambulo.readers.finding import Finding
from ambulo.recording import Interval

if TYPE_CHECKING:
    from ambulo.readers.finding import Settings
    from ambulo.readers.meaning import Placed
    from ambulo.readers.source import Source

Array = npt.NDArray[Any]

LONGEST_STEP = 0.5
"""Seconds beyond its last sample up to which a run of one activity may reach the next run."""
OVERLAP = 1.0
"""Seconds that two activities may have in common, as people annotate: the earlier ends."""
BEYOND = 20.0
"""Times the recording's length that no interval in seconds ends at: these are of another unit."""
SINCE_1970 = 9e8
"""Seconds above which an interval's are taken for those since 1970."""


def activity_runs(time: Array, activity: Array, rate: float) -> tuple[Interval, ...]:
    """Runs of one activity `(n,)`; a run ends with its last sample, or where the next begins.

    `time` in seconds since the recording's start; rows without a time or a label have none.
    """
    good = np.isfinite(time)
    order = np.argsort(time[good], kind="stable")
    time, activity = time[good][order], activity[good][order]
    if not len(time):
        return ()
    edges = [0, *(np.flatnonzero(activity[1:] != activity[:-1]) + 1), len(activity)]
    out = []
    for a, b in zip(edges, edges[1:], strict=False):
        last = time[b - 1]
        end = min(time[b], last + LONGEST_STEP) if b < len(time) else last + 1 / rate
        if activity[a] and end > max(time[a], 0):
            out.append(Interval(max(float(time[a]), 0.0), float(end), str(activity[a])))
    return tuple(out)


def intervals_of(
    source: Source, placed: Placed, settings: Settings
) -> tuple[tuple[Interval, ...], list[Finding]]:
    """The recording's intervals: what the user states, else those of its activity column."""
    if settings.intervals:
        path = source.path.parent / settings.intervals
        return read_intervals(path, placed.epoch, placed.duration)
    if settings.activity:
        return (Interval(0.0, placed.duration, settings.activity),), []
    return placed.intervals, []


def read_intervals(
    path: Path, epoch: float | None, seconds: float
) -> tuple[tuple[Interval, ...], list[Finding]]:
    """Intervals of a table with the columns start, end, activity: seconds, or dates with a zone.

    Seconds count from the recording's start, or from 1970 where they are above 9e8. `epoch` is
    when the recording starts, `seconds` how long it is. A table may outlast the recording, or by
    date tell of several, so what lies outside this one is left out, and told. Of two activities
    that overlap by up to a second the earlier ends. Raises RecordingError naming the row, also
    where most seconds, or one by far, lie outside, or two activities are at the same time.
    """
    from ambulo.readers.source import Source

    source = Source(path)
    ((_, frame),) = list(source.tables.items())[:1]
    missing = [name for name in ("start", "end", "activity") if name not in frame.columns]
    if missing:
        raise RecordingError(
            f"{path}: lacks the column {missing[0]}: intervals are start, end, activity"
        )
    rows: list[tuple[int, Interval]] = []
    outside, counting = [], []
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        start, end = (_seconds(row[name], epoch) for name in ("start", "end"))
        activity = str(row["activity"] or "").strip()
        if start is None or end is None or not end > start or not activity:
            raise RecordingError(
                f"{path}: row {number} is no interval ({row}): give start, end (later) and activity"
            )
        if epoch is None or not _is_wall(row["start"]):
            counting.append((number, start, end))
        if start >= seconds or end <= 0:
            outside.append(number)
        else:
            rows.append((number, Interval(max(start, 0.0), end, activity)))
    _check_seconds(path, counting, seconds)
    if outside and not rows:
        raise RecordingError(
            f"{path}: all its intervals lie outside the recording's {seconds:.1f} s (row "
            f"{outside[0]}): look at their dates and their zone"
        )
    rows.sort(key=lambda numbered: numbered[1].start)
    intervals = _apart(path, rows)
    told = []
    if outside:
        why = f"they lie before or after the recording, the first in row {outside[0]}"
        told = [Finding("intervals left out", str(len(outside)), "measured", why)]
    return intervals, told


def _check_seconds(path: Path, rows: Sequence[tuple[int, float, float]], seconds: float) -> None:
    """Raise RecordingError where most of the `(number, start, end)` lie outside, or one by far."""
    if not rows:
        return
    outside = [row for row in rows if row[1] >= seconds or row[2] <= 0]
    last = max(rows, key=lambda row: row[2])
    if last[2] > BEYOND * seconds:
        outside = outside or [last]
    elif len(outside) <= 0.5 * len(rows):
        return
    number, start, end = outside[0]
    lengths = {unit: last[2] / n / seconds for unit, n in PER_SECOND.items() if unit != "s"}
    unit = next((unit for unit, length in lengths.items() if 0.5 <= length <= 1.1), None)
    raise RecordingError(
        f"{path}: row {number}, {start:g} to {end:g} s, lies outside the recording's {seconds:.1f} "
        + (f"s, as if it were in {unit}: " if unit else "s: ")
        + "write seconds from the recording's start, or dates with a zone"
    )


def _apart(path: Path, rows: Sequence[tuple[int, Interval]]) -> tuple[Interval, ...]:
    """The intervals of `rows`, sorted by start, each ended where one of another activity begins.

    Raises RecordingError for two activities that overlap by more than `OVERLAP`.
    """
    out: list[Interval] = []
    going: list[tuple[int, int]] = []
    for place, (number, interval) in enumerate(rows):
        going = [(k, other) for k, other in going if out[k].end > interval.start]
        for k, other in going:
            before = out[k]
            if before.activity == interval.activity:
                continue
            if before.end - interval.start > OVERLAP or before.start >= interval.start:
                raise RecordingError(
                    f"{path}: row {other} ({before.activity}, to {before.end:g} s) and row "
                    f"{number} ({interval.activity}, from {interval.start:g} s) overlap: end one "
                    "before the other begins"
                )
            out[k] = Interval(before.start, interval.start, before.activity)
        out.append(interval)
        going.append((place, number))
    return tuple(out)


def _is_wall(value: object) -> bool:
    """Whether it is a date, or counts from 1970."""
    try:
        return float(str(value)) > SINCE_1970
    except ValueError:
        return True


def _seconds(value: object, epoch: float | None) -> float | None:
    from datetime import datetime

    try:
        number = float(str(value))
    except ValueError:
        try:
            when = datetime.fromisoformat(str(value).strip())
        except ValueError:
            return None
        if when.tzinfo is None or epoch is None:
            return None
        return when.timestamp() - epoch
    if not np.isfinite(number):
        return None
    return number - epoch if number > SINCE_1970 and epoch is not None else number
