"""From numbers on a grid to a Recording: Ambulo's units and signs, with every decision told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers import units
from ambulo.readers.finding import Finding, Settings, bare
from ambulo.readers.intervals import intervals_of
from ambulo.readers.names import ACC, GRAVITY, GYRO, Column, strange_unit
from ambulo.readers.source import Source
from ambulo.recording import LARGEST, UNITS, Gap, Interval, Recording, channels

Array = npt.NDArray[Any]

_ALONG = 0.3
"""Cosine of acceleration and gravity, over all samples, below which the one lacks the other."""


@dataclass(frozen=True)
class Layout:
    """What an app's export says beside its numbers.

    `sensors` maps the stem of a table's file name to the sensor whose x, y and z it holds; `units`
    a sensor to its unit; `sign` is "ios", "android" or '' (see `Settings`), with how sure and why.
    `form` is how sure it is that the file is of this layout, and why.
    `epoch` is the wall time of a clock that counts from a start and stood still in `pauses`: when
    it went on, and for how long it had stood by then, all pauses together, in seconds.
    """

    title: str = "table"
    form: tuple[str, str] = ("stated", "its names and columns are so")
    sensors: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sign: str = ""
    sure: str = "assumed"
    why: str = "nothing tells, and most files have it so"
    zone: str | None = None
    epoch: float | None = None
    pauses: tuple[tuple[float, float], ...] = ()

    @property
    def certain(self) -> bool:
        """Whether the writer is known, so that what it writes needs no guessing."""
        return self.title != "table"


@dataclass(frozen=True)
class Placed:
    """Numbers on a regular grid in the units of the file: what is left is what they mean.

    `seconds` is how long the recording is, gaps included, where the values are stretches of it.
    """

    columns: tuple[Column, ...]
    values: Array
    rate: float
    gaps: tuple[Gap, ...]
    epoch: float | None
    zone: tzinfo | None = None
    intervals: tuple[Interval, ...] = ()
    subject: str | None = None
    findings: tuple[Finding, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the end of the last one, gaps included."""
        own = len(self.values) / self.rate + sum(gap.end - gap.start for gap in self.gaps)
        return own if self.seconds is None else self.seconds


def finish(source: Source, placed: Placed, layout: Layout, settings: Settings) -> Recording:
    """The Recording: each sensor in Ambulo's unit and sign, with every decision in its notes."""
    columns, values = list(placed.columns), placed.values
    named = all(column.named for column in columns)
    title = "Ambulo's own columns" if named and layout.title == "table" else layout.title
    found = [Finding("format", title, *layout.form)]
    found += placed.findings
    columns, values, more = _with_gravity(columns, values, placed.rate, settings)
    found += more
    kinds: dict[str, str] = {}
    factors = np.ones(len(columns))
    for group in dict.fromkeys(column.group for column in columns):
        at = [i for i, column in enumerate(columns) if column.group == group]
        kind, factor, told = _meaning(columns, at, values, placed.rate, layout, settings)
        sign, said = _sign(columns[at[0]], layout, settings)
        found += told + said
        kinds[group] = kind
        factors[at] = factor * sign
        if factor * sign != 1:
            for i in at:
                values[:, i] *= np.float32(factor * sign)
    found += _agreement(columns, values, placed.rate, kinds)
    labels = [_channel(column, kinds[column.group]) for column in columns]
    low, high = (np.array([edge(column) for column in values.T]) for edge in (np.min, np.max))
    if not ((low > -LARGEST) & (high < LARGEST)).all():
        raise RecordingError(f"{source.path}: some of its numbers are beyond any sensor: repair it")
    cut = units.clipped(values, low, high)
    intervals, more = intervals_of(source, placed, settings)
    found += more
    notes = {**placed.notes, "clipped": dict(zip(labels, cut.tolist(), strict=True))}
    notes["scaled_by"] = dict(zip(labels, factors.tolist(), strict=True))
    return Recording(
        values=values,
        rate=placed.rate,
        channels=channels(labels),
        subject=settings.subject or placed.subject or bare(source.path.name) or "unknown",
        name=bare(source.path.name),
        intervals=intervals,
        gaps=placed.gaps,
        start=_wall(placed.epoch, settings.zone or layout.zone, placed.zone),
        notes={**notes, "placement": settings.placement, "findings": tuple(found)},
    )


def _channel(column: Column, kind: str) -> str:
    return (f"{column.placement}." if column.placement else "") + f"{kind}_{column.axis}"


def _wall(epoch: float | None, stated: str | None, own: tzinfo | None) -> datetime | None:
    """When the recording starts, by the clock of the zone that is stated, else the file's own."""
    from zoneinfo import ZoneInfo

    if epoch is None:
        return None
    try:
        zone = ZoneInfo(stated) if stated else own or ZoneInfo("UTC")
        return datetime.fromtimestamp(epoch, zone)
    except (ValueError, OverflowError, OSError) as error:
        raise RecordingError(
            f"its time is the year {1970 + epoch / 3.156e7:.0f}: state the unit of time"
        ) from error


def _with_gravity(
    columns: list[Column], values: Array, rate: float, settings: Settings
) -> tuple[list[Column], Array, list[Finding]]:
    """`acc` of `body_acc` and gravity where there is no `acc`; gravity itself is no channel."""
    columns = _without_gravity(columns, values)
    at = {(c.placement, c.sensor, c.axis): i for i, c in enumerate(columns)}
    keep: list[int] = []
    found: dict[str, Finding] = {}
    for i, column in enumerate(columns):
        where, axis = column.placement, column.axis
        gravity = at.get((where, GRAVITY, axis))
        twice = column.sensor == "body_acc" and not column.named and (where, ACC, axis) in at
        if column.sensor == GRAVITY or twice:
            continue
        if column.sensor == "body_acc" and not column.named and gravity is not None:
            values[:, i] += _factor(columns[gravity], column) * values[:, gravity]
            columns[i] = replace(column, sensor=ACC)
            why = "the file has both"
            found["acc"] = Finding("acc", "acceleration plus gravity", "stated", why)
        keep.append(i)
    if len(keep) == len(columns):
        return columns, values, []
    lost = {column.group for i, column in enumerate(columns) if i not in keep} - {GRAVITY}
    if lost:
        why = "there is acceleration with gravity"
        found["left out"] = Finding("left out", ", ".join(sorted(lost)), "stated", why)
    if not keep:
        raise RecordingError("it holds gravity alone: export the accelerometer too")
    return [columns[i] for i in keep], np.ascontiguousarray(values[:, keep]), list(found.values())


def _factor(gravity: Column, acc: Column) -> float:
    """What gravity is multiplied with to have the unit of acceleration, where both state one."""
    known = units.FACTORS[ACC]
    if gravity.unit in known and acc.unit in known:
        return known[gravity.unit] / known[acc.unit]
    return 1.0


def _without_gravity(columns: Sequence[Column], values: Array) -> list[Column]:
    """The columns, of which an `acc` that gravity, beside it, is no part of is called `body_acc`.

    Where it is a part, acceleration goes along gravity on average, in whatever unit.
    """
    out = list(columns)
    for place_ in dict.fromkeys(column.placement for column in columns):
        acc, gravity, body = (
            [i for i, c in enumerate(columns) if (c.placement, c.sensor) == (place_, sensor)]
            for sensor in (ACC, GRAVITY, "body_acc")
        )
        if body or not len(acc) == len(gravity) == 3 or columns[acc[0]].named:
            continue
        both = float(np.vdot(values[:, acc], values[:, gravity]))
        if both < _ALONG * np.linalg.norm(values[:, acc]) * np.linalg.norm(values[:, gravity]):
            for i in acc:
                out[i] = replace(columns[i], sensor="body_acc")
    return out


def _meaning(
    columns: Sequence[Column],
    at: Sequence[int],
    values: Array,
    rate: float,
    layout: Layout,
    settings: Settings,
) -> tuple[str, float, list[Finding]]:
    column = columns[at[0]]
    unit = column.unit or layout.units.get(column.sensor, "")
    where = f"the column '{column.name}'" if column.unit else f"{layout.title} writes it so"
    if column.named and not unit:
        unit = UNITS[column.sensor]
        where = f"Ambulo's name '{column.name}' means so"
    own = values[:, at[0] : at[-1] + 1] if at == list(range(at[0], at[-1] + 1)) else values[:, at]
    if column.sensor in (ACC, "body_acc"):
        certain = layout.certain and bool(unit)
        kind, factor, found = units.acceleration(
            column.sensor, own, rate, (unit, where), settings, certain
        )
        return kind, factor, _doubted(column, found)
    acc = [i for i, c in enumerate(columns) if (c.placement, c.sensor) == (column.placement, ACC)]
    felt = values[:, acc] if len(acc) == 3 else None
    factor, found = units.other(column.sensor, own, rate, (unit, where), settings, felt)
    return column.sensor, factor, _doubted(column, found)


def _doubted(column: Column, found: list[Finding]) -> list[Finding]:
    """The findings; a unit that was measured is a guess where the name seems to tell another."""
    said, (unit, *rest) = strange_unit(column.name), found
    if not said or unit.sure == "stated":
        return found
    why = f"{unit.why}; '{said}' in the column's name is no unit known here"
    return [replace(unit, sure="assumed", why=why), *rest]


def _sign(column: Column, layout: Layout, settings: Settings) -> tuple[int, list[Finding]]:
    """1, or -1 where acceleration has Core Motion's sign: at rest the upward axis reads -g."""
    if column.sensor not in (ACC, "body_acc"):
        return 1, []
    sign, sure, why = layout.sign or "android", layout.sure, layout.why
    if settings.sign:
        sign, sure, why = settings.sign, "stated", "you said so"
    elif column.named:
        sign, sure, why = "android", "stated", f"Ambulo's name '{column.name}' means so"
    said = "at rest up reads -g, so it is negated" if sign == "ios" else "at rest up reads +g"
    what = f"sign of {column.group}"
    return (-1 if sign == "ios" else 1), [Finding(what, said, sure, why, "sign=ios|android")]


def _agreement(
    columns: Sequence[Column], values: Array, rate: float, kinds: Mapping[str, str]
) -> list[Finding]:
    """Whether accelerometer and gyroscope turn together, at each placement that has both."""
    found = []
    for place_ in dict.fromkeys(column.placement for column in columns):
        acc, gyro = (
            [i for i, c in enumerate(columns) if (c.placement, kinds[c.group]) == (place_, kind)]
            for kind in (ACC, GYRO)
        )
        if len(acc) == 3 and len(gyro) == 3:
            _, likeness = units.turning(values[:, acc], values[:, gyro], rate)
            why = f"gravity follows the gyroscope with a correlation of {likeness:.2f}"
            if likeness < -0.4:
                swapped = "accelerometer and gyroscope disagree: axes swapped or mirrored"
                found.append(Finding("axes", swapped, "measured", why, "columns.acc_x=NAME"))
            elif likeness > 0.4:
                found.append(Finding("axes", "agree", "stated", why))
    return found
