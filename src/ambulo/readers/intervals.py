"""Labelled intervals: runs of an activity column, a file of intervals, or one for all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.recording import Interval

if TYPE_CHECKING:
    from ambulo.readers.finding import Settings
    from ambulo.readers.meaning import Placed
    from ambulo.readers.source import Source

Array = npt.NDArray[Any]

LONGEST_STEP = 0.5
"""Seconds beyond its last sample up to which a run of one activity may reach the next run."""


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


def intervals_of(source: Source, placed: Placed, settings: Settings) -> tuple[Interval, ...]:
    """The recording's intervals: what the user states, else those of its activity column."""
    if settings.intervals:
        return read_intervals(source.path.parent / settings.intervals, placed.epoch)
    if settings.activity:
        seconds = len(placed.values) / placed.rate + sum(g.end - g.start for g in placed.gaps)
        return (Interval(0.0, seconds, settings.activity),)
    return placed.intervals


def read_intervals(path: Path, epoch: float | None) -> tuple[Interval, ...]:
    """Intervals of a table with the columns start, end, activity: seconds, or dates with a zone.

    Seconds count from the recording's start, or from 1970 where they are above 9e8. `epoch` is
    when the recording starts. Raises RecordingError naming the row.
    """
    from ambulo.readers.source import Source

    source = Source(path)
    ((_, frame),) = list(source.tables.items())[:1]
    missing = [name for name in ("start", "end", "activity") if name not in frame.columns]
    if missing:
        raise RecordingError(
            f"{path}: lacks the column {missing[0]}: intervals are start, end, activity"
        )
    out = []
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        start, end = (_seconds(row[name], epoch) for name in ("start", "end"))
        if start is None or end is None or not end > start or not row["activity"]:
            raise RecordingError(
                f"{path}: row {number} is no interval ({row}): give start, end (later) and activity"
            )
        if end > 0:
            out.append(Interval(max(start, 0.0), end, str(row["activity"])))
    return tuple(sorted(out, key=lambda interval: interval.start))


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
    return number - epoch if number > 9e8 and epoch is not None else number
