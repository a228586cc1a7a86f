"""From tables to numbers on one grid: which columns are channels, when, and on what clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers import names
from ambulo.readers.clock import Clock, read_clock
from ambulo.readers.finding import Finding, Settings, placed_at, told_rate
from ambulo.readers.grid import MAX_GAP, Stream, place, rate_of, slowed
from ambulo.readers.intervals import activity_runs
from ambulo.readers.meaning import Layout, Placed, finish
from ambulo.readers.names import ACC, GRAVITY, GYRO, Column
from ambulo.readers.order import tidy
from ambulo.readers.source import Source
from ambulo.recording import Interval, Recording

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[Any]

FEWEST, MOST = 1.0, 10_000.0
"""Rates in Hz outside which a time column is not believed."""


@dataclass(frozen=True)
class Part:
    """The channels of one table, as they lie in it."""

    columns: tuple[Column, ...]
    stream: Stream
    clock: Clock
    rows: int
    activity: Array | None = None
    subjects: tuple[str, ...] = ()


def assemble(source: Source, layout: Layout, settings: Settings) -> Recording:
    """The recording that the tables of `source` hold, read as `layout` and `settings` say.

    Raises RecordingError naming the file, and the row or column, and the remedy.
    """
    parts, unused = [], []
    for name, frame in source.tables.items():
        where = f"{source.path}" + (f": '{name}'" if len(source.tables) > 1 else "")
        part = part_of(where, name, frame, layout, settings)
        if part is None:
            unused.append(name)
        else:
            parts.append(part)
    if not parts:
        raise RecordingError(_nothing(source))
    try:
        placed = _join(source, parts, layout, settings)
        told = {**placed.notes, "tables_left_out": [*unused, *source.unread]}
        recording = finish(source, replace(placed, notes=told), layout, settings)
        return recording.resampled(settings.rate or recording.rate)
    except RecordingError as error:
        if str(source.path) in str(error):
            raise
        raise RecordingError(f"{source.path}: {error}") from error


def _nothing(source: Source) -> str:
    every = {name: list(frame.columns) for name, frame in source.tables.items()}
    first = next(iter(every.values()))
    if all(_is_number(part) for name in first for part in name.split()):
        return (
            f"{source.path}: its first row holds numbers ({', '.join(first[:6])}), not names: put "
            "a row such as time,acc_x,acc_y,acc_z above it"
        )
    listed = "; ".join(", ".join(columns[:20]) for columns in list(every.values())[:5])
    return (
        f"{source.path}: no column is named like a channel (acc_x, gyro_z, left_ankle.acc_x, Acc X "
        f"(g), …); its columns are {listed}: rename them, or name them (--as columns.acc_x=NAME)"
    )


def _is_number(name: str) -> bool:
    """Whether a column's name, which may come twice, is a number as in a row of data."""
    try:
        float(re.sub(r"_duplicated_\d+$", "", name))
    except ValueError:
        return False
    return True


def part_of(
    where: str, name: str, frame: pl.DataFrame, layout: Layout, settings: Settings
) -> Part | None:
    """The channels and times of one table, None where it has no channels; raises RecordingError."""
    columns = _columns(where, name, frame.columns, layout, settings)
    if not columns:
        return None
    values = np.stack([_numbers(where, frame, c.name) for c in columns], axis=1)
    clock = _clock(where, frame, layout, settings)
    person = names.subject_column(frame.columns)
    subjects: tuple[str, ...] = ()
    if person:
        wearers = _trimmed(frame, person).unique(maintain_order=True)
        subjects = tuple(wearer for wearer in wearers if wearer)[:6]
    activity = names.activity_column(frame.columns)
    labels = _trimmed(frame, activity).to_numpy().astype(str) if activity else None
    stream = Stream(tuple(c.name for c in columns), clock.seconds, values)
    return Part(columns, stream, clock, len(frame), labels, subjects)


def _trimmed(frame: pl.DataFrame, name: str) -> pl.Series:
    """Names of people or activities; blanks around them are none of the name, null is ''."""
    import polars as pl

    return frame[name].cast(pl.String).str.strip_chars().fill_null("")


def _columns(
    where: str, table: str, every: Sequence[str], layout: Layout, settings: Settings
) -> tuple[Column, ...]:
    """The columns that are channels: as the user says, as their names say, or bare x, y and z."""
    if settings.columns:
        missing = [v for v in settings.columns.values() if v not in every]
        if missing:
            raise RecordingError(
                f"{where}: there is no column '{missing[0]}'; its columns are {', '.join(every)}"
            )
        stated = [(names.parse(k), v) for k, v in settings.columns.items() if k != "time"]
        if stated:
            return _sorted(
                [replace(c, name=v, named=False, unit=names.unit_in(v)) for c, v in stated if c]
            )
    sensor = _sensor_of(table, layout)
    if layout.sensors and not sensor:
        return ()  # the app writes this table otherwise than its columns' names suggest
    found = [c for c in map(names.parse, every) if c]
    if not found or (sensor and sensor != "?"):
        bare = {name.strip().lower(): name for name in every}
        known = sensor if sensor and sensor != "?" else (ACC if sensor == "?" else "")
        if known and {"x", "y", "z"} <= set(bare):
            return tuple(Column(bare[axis], known, axis) for axis in "xyz")
    return _sorted(_told_apart(found))


def _told_apart(found: Sequence[Column]) -> list[Column]:
    """The columns; acceleration beside `accelerationIncludingGravity` is that without."""
    including = {c.placement for c in found if c.sensor == ACC and _including(c)}
    return [
        replace(c, sensor="body_acc")
        if c.sensor == ACC and not c.named and c.placement in including and not _including(c)
        else c
        for c in found
    ]


def _including(column: Column) -> bool:
    return "includinggravity" in re.sub("[^a-z]", "", column.name.lower())


def _sensor_of(table: str, layout: Layout) -> str:
    """The sensor of a table of bare x, y and z: what its file's name says, '?' where nothing."""
    stem = table.rpartition("/")[2].rpartition(".")[0]
    if layout.sensors:
        return layout.sensors.get(stem.replace(" ", "").lower(), "")
    column = names.parse(f"{stem}_x")
    return column.sensor if column else "?"


def _sorted(found: Sequence[Column]) -> tuple[Column, ...]:
    """The first column of each channel, axes in order, the accelerometer first at its placement."""
    first: dict[tuple[str, str], Column] = {}
    for column in found:
        first.setdefault((column.group, column.axis), column)
    order = (ACC, "body_acc", GRAVITY, GYRO, names.MAG)
    places = list(dict.fromkeys(c.placement for c in first.values()))

    def key(c: Column) -> tuple[int, int, int, str]:
        rank = order.index(c.sensor) if c.sensor in order else len(order)
        return places.index(c.placement), rank, len(c.axis), c.axis

    return tuple(sorted(first.values(), key=key))


def _numbers(where: str, frame: pl.DataFrame, name: str) -> Array:
    """A column as float64, NaN where it is empty or no number."""
    import polars as pl

    column = frame[name]
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    try:
        out = column.cast(pl.Float64, strict=False).to_numpy()
    except pl.exceptions.PolarsError:
        out = np.full(len(frame), np.nan)
    if not np.isfinite(out).any():
        raise RecordingError(f"{where}: column '{name}' holds no number (row 1: {column[0]!r})")
    return np.asarray(out, np.float64)


def _clock(where: str, frame: pl.DataFrame, layout: Layout, settings: Settings) -> Clock:
    name, unit = names.time_column(frame.columns)
    if "time" in settings.columns:
        name = settings.columns["time"]
        unit = names.time_unit(name)[1]
    if name:
        zoned = replace(settings, zone=settings.zone or layout.zone)
        return read_clock(where, frame[name], unit, zoned)
    if settings.rate is None:
        raise RecordingError(
            f"{where}: there is no column 'time': add one (seconds or ISO 8601), name it (--as "
            "columns.time=NAME), or give the sampling rate (--rate HZ)"
        )
    why = "there is no column of time"
    found = Finding("time", f"every 1/{settings.rate:g} s", "stated", f"you said so; {why}")
    return Clock(np.arange(len(frame)) / settings.rate, None, (found,))


def _join(source: Source, parts: list[Part], layout: Layout, settings: Settings) -> Placed:
    parts, findings = _one_clock(source, parts, layout)
    notes: dict[str, Any] = {"rows": sum(part.rows for part in parts)}
    counted = {"rows_dropped": 0, "rows_out_of_order": 0, "rows_of_the_same_time": 0}
    labelled = next((p for p in parts if p.activity is not None), None)
    moments = labelled.clock.seconds.copy() if labelled else np.zeros(0)
    streams = []
    for part in parts:
        for stream in _whole_rows(source, part, counted):
            ordered, told = tidy(stream, part.clock.epoch is not None, counted)
            findings += told
            streams.append(ordered)
            if part is labelled:
                moments[stream.places] = np.nan
                moments[ordered.places] = ordered.time
    streams = [stream for stream in streams if len(stream.time) > 1]
    if not streams:
        raise RecordingError(
            f"{source.path}: all rows bear the same time: give a time for each sample"
        )
    found, jitter = rate_of(streams[0].time)
    _check_rate(source, settings.rate or found)
    rate = placed_at(found, settings)
    max_gap = settings.max_gap or max(MAX_GAP, 2 / rate)
    streams = [slowed(stream, rate, max_gap) for stream in streams]
    values, gaps, pieces = place(streams, rate, max_gap)
    kept = {name for stream in streams for name in stream.names}
    columns = [c for part in parts for c in part.columns if c.name in kept or len(parts) > 1]
    lost = max(s.time[-1] for s in streams) - min(s.time[0] for s in streams)
    lost -= pieces[-1][1] - pieces[0][0]
    if lost > 1:
        why = "its sensors do not start and end together"
        findings.append(Finding("span", f"{lost:.1f} s left out", "measured", why))
    notes |= {**counted, "jitter": round(jitter, 4)}
    zero = pieces[0][0]
    epoch = parts[0].clock.epoch
    runs: tuple[Interval, ...] = ()
    if labelled is not None and labelled.activity is not None:
        runs = activity_runs(moments - zero, labelled.activity, rate)
    clock = parts[0].clock
    findings.append(told_rate(found, jitter, settings))
    return Placed(
        columns=tuple(columns),
        values=values,
        rate=rate,
        gaps=tuple(gaps),
        epoch=None if epoch is None else epoch + zero,
        zone=clock.zone,
        intervals=runs,
        subject=_subject(source, parts),
        findings=(*clock.findings, *findings),
        notes=notes,
    )


def _subject(source: Source, parts: Sequence[Part]) -> str | None:
    found = next((part.subjects for part in parts if part.subjects), ())
    if len(found) > 1:
        raise RecordingError(
            f"{source.path}: holds several people ({', '.join(found[:5])}, …): a recording has one "
            "wearer, so write one file a person"
        )
    return found[0] if found else None


def _one_clock(
    source: Source, parts: list[Part], layout: Layout
) -> tuple[list[Part], list[Finding]]:
    """The parts with all times counted from one moment; the acceleration is first."""
    findings = []
    dated = [part for part in parts if part.clock.epoch is not None]
    if dated and len(dated) < len(parts):
        why = "some of the sensors' files have wall time, these have not"
        left = ", ".join(p.columns[0].group for p in parts if p.clock.epoch is None)
        findings.append(Finding("left out", left, "measured", why))
        parts = dated
    parts = _distinct(source, sorted(parts, key=lambda p: p.columns[0].sensor != ACC), findings)
    zero = parts[0].clock.epoch
    out = []
    for part in parts:
        shift = 0.0 if part.clock.epoch is None or zero is None else part.clock.epoch - zero
        seconds = part.clock.seconds + shift if shift else part.clock.seconds
        if zero is None and layout.pauses:
            goes_on, stood = np.array(layout.pauses).T
            seconds = seconds + np.r_[0.0, stood][np.searchsorted(goes_on, seconds, "right")]
        epoch = zero if zero is not None else layout.epoch
        clock = replace(part.clock, seconds=seconds, epoch=epoch)
        out.append(replace(part, clock=clock, stream=replace(part.stream, time=seconds)))
    return out, findings


def _distinct(source: Source, parts: Sequence[Part], findings: list[Finding]) -> list[Part]:
    """The first part of each sensor; what tells of the same sensor again is left out, and told."""
    seen: set[str] = set()
    out: list[Part] = []
    for part in parts:
        groups = {column.group for column in part.columns}
        if groups & seen:
            before = next(p for p in out if {column.group for column in p.columns} & groups)
            if _apart(before, part):
                raise RecordingError(
                    f"{source.path}: holds several recordings, of other times: unpack it, and give "
                    "one of them, or the folder of all as a data set"
                )
            what = ", ".join(sorted(groups))
            findings.append(Finding("left out", what, "measured", "another file has it too"))
            continue
        seen |= groups
        out.append(part)
    return out


def _apart(first: Part, other: Part) -> bool:
    """Whether one of two parts that have wall time ends before the other begins."""
    spans = []
    for part in (first, other):
        known = part.clock.seconds[np.isfinite(part.clock.seconds)]
        if part.clock.epoch is None or not len(known):
            return False
        spans.append((part.clock.epoch + known.min(), part.clock.epoch + known.max()))
    (start, end), (begin, last) = spans
    return bool(end < begin or last < start)


def _whole_rows(source: Source, part: Part, counted: dict[str, int]) -> list[Stream]:
    """The part without the rows that are not numbers; sensors that fill other rows lie apart."""
    whole = part.stream.good()
    bad = part.rows - len(whole.time)
    if bad <= 0.5 * part.rows and len(whole.time) >= 2:
        counted["rows_dropped"] += bad
        return [whole]
    groups = list(dict.fromkeys(column.group for column in part.columns))
    apart = []
    for group in groups:
        at = [i for i, c in enumerate(part.columns) if c.group == group]
        own = Stream(
            tuple(part.columns[i].name for i in at), part.stream.time, part.stream.values[:, at]
        )
        apart.append(own.good())
    if len(groups) > 1 and all(len(stream.time) >= max(2, 0.01 * part.rows) for stream in apart):
        return apart
    if len(whole.time) < 2:
        raise RecordingError(
            f"{source.path}: fewer than 2 of its {part.rows} rows are numbers: repair the file"
        )
    finite = np.isfinite(part.stream.values).all(axis=1) & np.isfinite(part.stream.time)
    raise RecordingError(
        f"{source.path}: {bad} of {part.rows} rows are not finite numbers (the first is data row "
        f"{int(np.flatnonzero(~finite)[0]) + 1}): repair the file, or cut those rows out"
    )


def _check_rate(source: Source, rate: float) -> None:
    if not FEWEST <= rate <= MOST:
        raise RecordingError(
            f"{source.path}: its time gives a rate of {rate:g} Hz: state the unit of the time "
            "column (--as time=s, ms, us or ns), or the rate (--rate HZ)"
        )
