"""From a timeline to days: minutes of each activity in each hour, bouts, steps, time not worn.

Hours and days are those of the wearer's clock: where clocks are set, a day has 23 or 25 hours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ambulo.errors import OutputError
from ambulo.timeline import GAP, UNKNOWN, Bout, Timeline, wall, write_whole

Array = npt.NDArray[Any]

NOT_WORN = "not worn"
"""The activity of time in which the device lay about."""
NOTHING = (GAP, UNKNOWN, NOT_WORN)
"""What is no activity of the wearer."""
STEPPING = ("walking", "jogging", "running", "stairs", "upstairs", "downstairs")
"""Activities in which steps are counted, and those that begin with one of them and a hyphen."""
SITTING = "sitting"
PAUSE = 10.0
"""Seconds of something else that do not end a bout."""


@dataclass(frozen=True)
class Hour:
    """An hour of the wearer's clock, or the part of it that was recorded.

    `start` and `end` are seconds of the recording, `clock` the wall time of the start where known.
    `minutes` are those of each activity, with gap, unknown and not worn. `cadence` is steps a
    minute while a rhythm was there; None without one, as `steps` is where nobody counted.
    """

    start: float
    end: float
    clock: datetime | None
    minutes: dict[str, float]
    steps: int | None = None
    cadence: float | None = None


@dataclass(frozen=True)
class Day:
    """A day of the wearer's clock; without wall time, 24 hours from the start of the recording.

    `length` is how many hours the whole day has: 23 or 25 where clocks are set. `bouts` counts, and
    `longest` has the seconds of the longest, of each activity; a bout belongs to the day on which
    it begins, and up to 10 s of something else do not end it. `silent` are minutes on foot in which
    no step was counted: without a rhythm, or within 1.5 s of where the signal breaks off.
    """

    date: date | None
    start: float
    end: float
    length: float
    hours: tuple[Hour, ...]
    bouts: dict[str, int]
    longest: dict[str, float]
    steps: int | None = None
    cadence: float | None = None
    silent: float | None = None

    def __str__(self) -> str:
        parts = [f"{name} {value:.1f} min" for name, value in self.minutes.items()]
        if self.steps is not None:
            parts.append(f"{self.steps} steps")
        when = self.date.isoformat() if self.date else f"from {self.start / 3600:g} h on"
        return f"{when}: {', '.join(parts)}"

    @property
    def minutes(self) -> dict[str, float]:
        """Minutes of each activity, with gap, unknown and not worn."""
        names = dict.fromkeys(name for hour in self.hours for name in hour.minutes)
        return {name: sum(h.minutes.get(name, 0.0) for h in self.hours) for name in names}

    @property
    def longest_sitting(self) -> float:
        """Seconds of the longest time on end spent sitting."""
        return self.longest.get(SITTING, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        content: dict[str, Any] = asdict(self)
        content |= {"date": self.date and self.date.isoformat(), "minutes": self.minutes}
        for hour in content["hours"]:
            hour["clock"] = hour["clock"].isoformat() if hour["clock"] else None
        return content


def days(
    timeline: Timeline,
    *,
    zone: str | None = None,
    nonwear: Iterable[tuple[float, float]] = (),
    rhythm: tuple[Array, Array] | None = None,
) -> tuple[Day, ...]:
    """The days of a timeline, by the clock of `zone` (default: that of the timeline's start).

    `nonwear` are `(start, end)` in seconds that were not worn (`ambulo.wearing.Stillness`),
    `rhythm` the seconds `(n,)` that were looked at for steps and the steps in each `(n,)`, NaN for
    none (`ambulo.gait.Gait`). Raises OutputError for a zone that is not known.
    """
    start = timeline.start
    if zone is not None:
        start = in_zone(start, zone)
    bouts = overlaid(timeline.bouts, nonwear)
    end = bouts[-1].end if bouts else 0.0
    names = list(dict.fromkeys(bout.activity for bout in bouts))
    own = {name: joined(bouts, name) for name in names}
    walked = None if rhythm is None else _walked(bouts, *rhythm)
    out = []
    for day, length, edges in _calendar(start, end):
        hours = _hours(bouts, names, start, edges, walked)
        mine = {
            name: [b - a for a, b in spans if edges[0] <= a < edges[-1]]
            for name, spans in own.items()
        }
        steps, cadence, rhythmic = _steps(walked, edges[0], edges[-1])
        on_foot = sum(m for h in hours for name, m in h.minutes.items() if steps_in(name))
        found = Day(
            date=day,
            start=edges[0],
            end=edges[-1],
            length=length,
            hours=hours,
            bouts={name: len(spans) for name, spans in mine.items() if spans},
            longest={name: max(spans) for name, spans in mine.items() if spans},
            steps=steps,
            cadence=cadence,
            silent=None if rhythmic is None else max(on_foot - rhythmic, 0.0),
        )
        out.append(found)
    return tuple(out)


def in_zone(start: datetime | None, zone: str) -> datetime | None:
    """The moment by the clock of a zone; one without a zone is taken to be by that clock.

    Raises OutputError for a zone that is not known.
    """
    try:
        there = ZoneInfo(zone)
    except (ValueError, OSError, LookupError) as error:
        raise OutputError(
            f"zone '{zone}' is no time zone that is known here: write it as in Europe/Rome"
        ) from error
    if start is None:
        return None
    return start.replace(tzinfo=there) if start.tzinfo is None else start.astimezone(there)


def overlaid(bouts: Sequence[Bout], nonwear: Iterable[tuple[float, float]]) -> list[Bout]:
    """The bouts with time not worn in the place of what was decided there; gaps stay gaps."""
    spans = sorted(nonwear)
    out: list[Bout] = []
    k = 0
    for bout in bouts:
        at = bout.start
        while k < len(spans) and spans[k][1] <= at:
            k += 1
        for start, end in spans[k:] if bout.activity != GAP else ():
            if start >= bout.end:
                break
            if end <= at:  # it lies within the one before
                continue
            lo, hi = max(start, at), min(end, bout.end)
            if lo > at:
                out.append(Bout(at, lo, bout.activity, bout.confidence))
            if out and out[-1].activity == NOT_WORN and out[-1].end == lo:
                out[-1] = Bout(out[-1].start, hi, NOT_WORN, 0.0)
            else:
                out.append(Bout(lo, hi, NOT_WORN, 0.0))
            at = hi
        if at < bout.end:
            out.append(Bout(at, bout.end, bout.activity, bout.confidence))
    return out


def joined(bouts: Iterable[Bout], activity: str, pause: float = PAUSE) -> list[tuple[float, float]]:
    """The `(start, end)` of an activity's bouts; up to `pause` seconds of others do not end one.

    A gap or time not worn ends it, however short.
    """
    out: list[tuple[float, float]] = []
    broken = True
    for bout in bouts:
        if bout.activity in (GAP, NOT_WORN) and activity != bout.activity:
            broken = True
        if bout.activity != activity:
            continue
        if out and not broken and bout.start - out[-1][1] <= pause:
            out[-1] = (out[-1][0], bout.end)
        else:
            out.append((bout.start, bout.end))
        broken = False
    return out


def _calendar(start: datetime | None, end: float) -> list[tuple[date | None, float, list[float]]]:
    """Each day that a recording of `end` seconds touches: date, hours in it, edges of its hours."""
    if start is None:
        edges = [*np.arange(0.0, end, 3600.0).tolist(), end]
        firsts = range(0, len(edges) - 1, 24)
        return [(None, 24.0, edges[k : k + 25]) for k in firsts]
    out: list[tuple[date | None, float, list[float]]] = []
    day = start.date()
    while (opens := _seconds(start, day)) < end:
        day_after = day + timedelta(days=1)
        closes = _seconds(start, day_after)
        edges, at = [max(opens, 0.0)], max(opens, 0.0)
        while at < min(closes, end):
            clock = wall(start, at)
            into = 60 * clock.minute + clock.second + clock.microsecond / 1e6
            at = min(round(at + 3600 - into, 6), closes, end)
            edges.append(at)
        out.append((day, (closes - opens) / 3600, edges))
        day = day_after
    return out


def _seconds(start: datetime, day: date) -> float:
    """Seconds from the start of the recording to the midnight at which a day begins."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=start.tzinfo)
    if start.tzinfo is not None:
        return (midnight.astimezone(UTC) - start.astimezone(UTC)).total_seconds()
    return (midnight - start).total_seconds()


def _hours(
    bouts: Sequence[Bout],
    names: Sequence[str],
    start: datetime | None,
    edges: Sequence[float],
    walked: tuple[Array, Array] | None,
) -> tuple[Hour, ...]:
    minutes = {}
    for name in names:
        mine = np.array([(b.start, b.end) for b in bouts if b.activity == name])
        total = np.r_[0.0, np.cumsum(mine[:, 1] - mine[:, 0])].repeat(2)[1:-1]
        minutes[name] = np.diff(np.interp(edges, mine.ravel(), total)) / 60
    out = []
    for k, (a, b) in enumerate(zip(edges, edges[1:], strict=False)):
        steps, cadence, _ = _steps(walked, a, b)
        own = {name: float(m[k]) for name, m in minutes.items() if m[k] > 1e-9}
        out.append(Hour(a, b, None if start is None else wall(start, a), own, steps, cadence))
    return tuple(out)


def steps_in(activity: str) -> bool:
    """Whether steps are counted in an activity of this name."""
    return any(activity == name or activity.startswith(f"{name}-") for name in STEPPING)


def _walked(bouts: Sequence[Bout], seconds: Array, steps: Array) -> tuple[Array, Array]:
    """The seconds, and the steps in each, in which the wearer went on foot."""
    if not bouts:
        return seconds[:0], steps[:0]
    starts = np.array([bout.start for bout in bouts])
    on_foot = np.array([steps_in(bout.activity) for bout in bouts], bool)
    inside = on_foot[np.clip(np.searchsorted(starts, seconds + 0.5, "right") - 1, 0, None)]
    return seconds[inside], steps[inside]


def _steps(
    walked: tuple[Array, Array] | None, start: float, end: float
) -> tuple[int | None, float | None, float | None]:
    """Steps, steps a minute, and minutes with a rhythm, of what begins between two seconds."""
    if walked is None:
        return None, None, None
    own = walked[1][slice(*np.searchsorted(walked[0], (start, end)))]
    rhythmic = own[np.isfinite(own)]
    cadence = 60 * float(np.median(rhythmic)) if len(rhythmic) else None
    return round(float(rhythmic.sum())), cadence, len(rhythmic) / 60


def save(found: Sequence[Day], path: str | Path) -> Path:
    """Write days as `.json`, or their hours as `.csv` or `.parquet`; whole or not at all.

    A row is an hour: date, wall time, minutes of each activity, steps, steps a minute. Raises
    OutputError for another ending or a folder that cannot be written to.
    """
    path = Path(path)
    text = json.dumps([day.to_dict() for day in found], indent=1) + "\n"
    writers = {
        ".json": lambda to: to.write_text(text),
        ".csv": lambda to: _frame(found).write_csv(to, float_precision=3),
        ".parquet": lambda to: _frame(found).write_parquet(to),
    }
    if path.suffix.lower() not in writers:
        raise OutputError(f"{path}: days are written as {', '.join(writers)}")
    write_whole(path, writers[path.suffix.lower()])
    return path


def _frame(found: Sequence[Day]) -> Any:
    import polars as pl

    names = dict.fromkeys(name for day in found for name in day.minutes)
    rows = [
        {
            "date": day.date,
            "clock": hour.clock.isoformat() if hour.clock else None,
            "start": hour.start,
            "end": hour.end,
            **{name: hour.minutes.get(name, 0.0) for name in names},
            "steps": hour.steps,
            "cadence": hour.cadence,
        }
        for day in found
        for hour in day.hours
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
