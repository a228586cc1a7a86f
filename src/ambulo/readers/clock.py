"""The time of every row in seconds: from seconds to nanoseconds, since boot or 1970, or dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.finding import Finding, Settings
from ambulo.readers.spelling import plainly

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[Any]

PER_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9, "min": 1 / 60, "h": 1 / 3600}
_EPOCHS = {"s": 9e8, "ms": 9e11, "us": 9e14, "ns": 9e17}
"""Counts since 1970 at the middle of 1998, from which on a count is taken for one since 1970."""
SKIPPED = 10
"""Times in an hour that the clocks skip in spring, from which on a clock was not set then."""
SWAPPED = 1200.0
"""Seconds around midnight within which samples may come in another order."""
_NAMED_ZONE = r"\s*\[([\w/+-]+)\]$"
_CLOCK = r"^(\d{1,2}):(\d{2}):(\d{2})(?:[.:,](\d{1,9}))?$"


@dataclass(frozen=True)
class Clock:
    """Seconds of every row `(n,)`, NaN where there are none, counted from `epoch`.

    `epoch` is in seconds since 1970, None where the file gives no wall time; `zone` is that of the
    file's dates, None where they name none.
    """

    seconds: Array
    epoch: float | None
    findings: tuple[Finding, ...]
    zone: tzinfo | None = None


def read_clock(where: str, column: pl.Series, unit: str, settings: Settings) -> Clock:
    """The times that a column tells; `unit` is what its name states.

    Raises RecordingError where it holds neither numbers nor dates.
    """
    import polars as pl

    if column.dtype == pl.Duration:
        seconds = column.dt.total_nanoseconds().cast(pl.Float64).fill_null(float("nan")) / 1e9
        told_so = Finding("time", "s since a start", "stated", "the column holds durations")
        return Clock(np.array(seconds.to_numpy(), np.float64), None, (told_so,))
    if column.dtype == pl.Time:
        column = column.dt.to_string("%H:%M:%S%.9f")
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count() <= 0.5 * len(column):
            column = numbers
    if column.dtype.is_numeric():
        return _counted(where, column, unit, settings)
    offsets: list[str] = []
    told: list[Finding] = []
    own = column
    if column.dtype == pl.String:
        text, told = plainly(column)
        clock = _time_of_day(text)
        if clock is not None:
            return replace(clock, findings=(*clock.findings, *told))
        column, order = _dates(text, settings)
        offsets, told = _offsets(text, column), told + order
    if column.dtype.is_temporal() and column.null_count() <= 0.5 * len(column):
        clock = _dated(where, column, offsets, settings)
        return replace(clock, findings=(*clock.findings, *told))
    raise RecordingError(
        f"{where}: column '{column.name}' is neither seconds nor ISO 8601 (row 1: "
        f"{own[0] if len(own) else None!r}): write seconds, or as in 2026-03-01T09:00:00.02Z"
    )


def _counted(where: str, column: pl.Series, stated: str, settings: Settings) -> Clock:
    import polars as pl

    values = np.array(column.cast(pl.Float64).fill_null(float("nan")).to_numpy(), np.float64)
    good = values[np.isfinite(values)]
    if not len(good):
        raise RecordingError(f"{where}: column '{column.name}' holds no time: give a rate instead")
    middle = float(np.median(good[:100_000]))
    unit, sure, why = _unit_of_time(good, middle, stated, settings)
    since_1970 = unit in _EPOCHS and _EPOCHS[unit] < middle < 10 * _EPOCHS[unit]
    first = float(good[0]) if since_1970 else 0.0
    finding = Finding("time", f"{unit} since " + ("1970" if since_1970 else "a start"), sure, why)
    if sure != "stated" or unit != "s":
        finding = Finding(*(finding.what, finding.decided, sure, why), override="time=s|ms|us|ns")
    told: tuple[Finding, ...] = (finding,)
    if since_1970 and not settings.zone:
        why = "counts since 1970 name no zone"
        told += (Finding("zone", "UTC", "assumed", why, "zone=Europe/Rome"),)
    with np.errstate(over="ignore"):
        seconds = (values - first) / PER_SECOND[unit]
    return Clock(seconds, first / PER_SECOND[unit] if since_1970 else None, told)


def _unit_of_time(
    good: Array, middle: float, stated: str, settings: Settings
) -> tuple[str, str, str]:
    if settings.time:
        return settings.time, "stated", "you said so"
    if stated:
        return stated, "stated", "the column's name says so"
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.abs(np.diff(good[:100_000]))
    steps = steps[(steps > 0) & np.isfinite(steps)]
    step = float(np.median(steps)) if len(steps) else 1.0
    for unit in ("ns", "us", "ms", "s"):
        if middle > _EPOCHS[unit] and step <= PER_SECOND[unit]:
            return unit, "stated", f"counts near {middle:.3g} can only be {unit} since 1970"
    most = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": np.inf}
    unit = next(unit for unit in most if step <= most[unit])
    sure = "stated" if unit == "s" and step < 1 else "measured"
    return unit, "assumed" if step == 1 else sure, f"samples are {step:.6g} {unit} apart"


def _time_of_day(column: pl.Series) -> Clock | None:
    """Times such as 15:42:07.123, which go on after midnight; None where they are none.

    A step of nearly a day forward is a sample of before midnight that came late.
    """
    import polars as pl

    if not column.str.contains(_CLOCK).sum() >= 0.5 * len(column):
        return None
    parts = [column.str.extract(_CLOCK, i).cast(pl.Float64, strict=False) for i in (1, 2, 3)]
    tail = column.str.extract(_CLOCK, 4).fill_null("0")
    fraction = ("0." + tail).cast(pl.Float64, strict=False)
    whole = parts[0] * 3600 + parts[1] * 60 + parts[2] + fraction
    seconds = np.array(whole.fill_null(float("nan")).to_numpy(), np.float64)
    known = whole.forward_fill().backward_fill().to_numpy()
    steps = np.diff(known, prepend=known[:1])
    days = 1.0 * (steps < -43200) - (steps > 86400 - SWAPPED)
    seconds = seconds + 86400.0 * np.cumsum(days)
    why = "as in 15:42:07.123, with no day"
    return Clock(seconds, None, (Finding("time", "time of day", "stated", why),))


def _dates(column: pl.Series, settings: Settings) -> tuple[pl.Series, list[Finding]]:
    """Dates and times, in UTC: `2026-03-01T09:00:00.020+01:00`, `2017-06-23 15:42:42.144 +0200`.

    The zone's name may stand behind, `2014-05-07 13:29:50.439+0100 [Europe/London]`.
    Those with slashes or dots, `5/3/2026 9:00:00`, come with what tells day from month. Fractions
    may stand behind a comma, as ISO 8601 has it, or a colon.
    """
    text = _replaced(_replaced(column, _NAMED_ZONE, ""), r"(:\d\d:\d\d)[,:](\d)", "${1}.${2}")
    text = _replaced(text, r"^(\d{4}-\d\d-\d\d)(?: [ T]*|T[ T]+)", "${1}T")
    zoned = text.str.contains(r"[+-]\d{2}:?\d{2}$") | text.str.ends_with("Z")
    if zoned.sum() > 0.5 * len(text):
        text = _replaced(_replaced(text, r"Z$", "+00:00"), r"\s+([+-]\d{2}:?\d{2})$", "${1}")
        form = "%Y-%m-%dT%H:%M:%S%.f%z"
        return text.str.to_datetime(form, time_unit="ns", strict=False), []
    form, told = "%H:%M:%S%.f", list[Finding]()
    parsed = text.str.to_datetime(f"%Y-%m-%dT{form}", time_unit="ns", strict=False)
    for mark in "/.":
        order = _order(text, mark, settings) if parsed.null_count() > 0.5 * len(text) else None
        if order is not None:
            first, second = ("%d", "%m") if order.decided == "day first" else ("%m", "%d")
            dated = f"{first}{mark}{second}{mark}%Y {form}"
            parsed = text.str.to_datetime(dated, time_unit="ns", strict=False)
            told = [order]
    return (parsed, told) if parsed.null_count() <= 0.5 * len(text) else (column, [])


def _replaced(text: pl.Series, pattern: str, by: str) -> pl.Series:
    """Replaced where it is found; to look is ten times as quick."""
    return text.str.replace(pattern, by) if text.str.contains(pattern).any() else text


def _order(text: pl.Series, mark: str, settings: Settings) -> Finding | None:
    """Whether day or month comes first in dates such as 5/3/2026; None where there are none."""
    import polars as pl

    form = rf"^(\d{{1,2}})[{mark}](\d{{1,2}})[{mark}]\d{{4}}\b"
    first, second = (text.str.extract(form, k).cast(pl.Int64, strict=False) for k in (1, 2))
    if first.null_count() > 0.5 * len(text):
        return None
    beyond = int((first > 12).sum()), int((second > 12).sum())
    varied = first.n_unique(), second.n_unique()
    day, sure, why = mark == ".", "assumed", "no number is over 12, and no day passes"
    if settings.dates:
        day, sure, why = settings.dates == "day-first", "stated", "you said so"
    elif beyond[0] != beyond[1]:
        day, sure = beyond[0] > beyond[1], "stated"
        why = f"the {'first' if day else 'second'} number goes over 12"
    elif mark == ".":
        sure, why = "stated", "dates with dots are so"
    elif varied[0] != varied[1]:
        day, sure = varied[0] > varied[1], "measured"
        why = f"the {'first' if day else 'second'} number goes on as days pass"
    decided = "day first" if day else "month first"
    return Finding("dates", decided, sure, why, "dates=day-first|month-first")


def _offsets(text: pl.Series, dates: pl.Series) -> list[str]:
    """The zone that all texts that are `dates` name, or their offsets from UTC, the first first.

    As `Europe/London`, or `+02:00` and `Z`.
    """
    named = text.filter(dates.is_not_null()).str.extract(_NAMED_ZONE)
    if named.n_unique() == 1 and named.null_count() == 0:
        return named.unique().to_list()
    found = text.filter(dates.is_not_null()).str.extract(r"(Z|[+-]\d{2}:?\d{2})\s*$")
    return found.drop_nulls().unique(maintain_order=True).to_list()


def zone_of(name: str) -> tzinfo:
    """The zone of a column's dates: `Europe/Rome`, or an offset, `+02:00`; UTC where unknown."""
    try:
        if name[:1] in "+-Z":
            return datetime.strptime(name, "%z").tzinfo or UTC
        zone = ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return UTC
    if name.startswith("Etc/"):  # Etc/GMT-2 is what polars makes of +02:00
        return timezone(zone.utcoffset(datetime(2000, 1, 1)) or timedelta(0))
    return zone


def told_zone(zone: tzinfo, settings: Settings, offsets: Sequence[str] = ()) -> Finding:
    """By which clock dates that have a zone are told: the first, should they have several."""
    sure, why = "stated", "the column says so"
    if settings.zone:
        why = "you said so"
    elif len(offsets) > 1:
        sure, why = "assumed", f"the first of the offsets {', '.join(offsets[:4])}"
    decided = f"dates with a zone, told in {settings.zone or zone}"
    return Finding("time", decided, sure, why, "zone=Europe/Rome")


def _dated(where: str, column: pl.Series, offsets: Sequence[str], settings: Settings) -> Clock:
    import polars as pl

    column = column.cast(pl.Datetime("ns", getattr(column.dtype, "time_zone", None)))
    name = column.dtype.time_zone  # type: ignore[attr-defined]
    own = zone_of(offsets[0] if offsets else name) if name is not None else None
    if own is not None:
        finding = told_zone(own, settings, offsets)
    else:
        zone = settings.zone or "UTC"
        twice, naive = _second_time(column, zone), column
        column = column.dt.replace_time_zone(zone, ambiguous=twice, non_existent="null")
        if (skipped := naive.filter(column.is_null() & naive.is_not_null())).len() > SKIPPED:
            raise RecordingError(
                f"{where}: there is no {skipped[0]:%Y-%m-%d %H:%M} in {zone}, where clocks skip "
                "that hour: this one was not set, so state a zone that never changes, as "
                "zone=Etc/GMT-1 for UTC+1"
            )
        sure = "stated" if settings.zone else "assumed"
        why = "you said so" if settings.zone else "the dates name no zone"
        finding = Finding("time", f"dates in {zone}", sure, why, "zone=Europe/Rome")
    whole = column.dt.epoch("ns")
    first = int(whole.drop_nulls()[0])
    nanoseconds = (whole - first).cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Clock(np.asarray(nanoseconds) / 1e9, first / 1e9, (finding,), own)


def _second_time(column: pl.Series, zone: str) -> pl.Series:
    """ "earliest" or "latest" for every naive time, should its hour come twice where clocks change.

    It comes for the second time once the times have stepped back by about an hour, or where they
    begin in such an hour and go on beyond it without a step back.
    """
    import polars as pl

    steps = column.forward_fill().diff().dt.total_seconds(fractional=True)
    back = (steps > -5400) & (steps < -1200)
    again = back.fill_null(value=False).cum_sum() > 0
    if not again.any() and _comes_twice(column.drop_nulls().head(1), zone).any():
        beyond = (~_comes_twice(column, zone)).arg_true()
        if len(beyond) and steps[beyond[0]] < 1200:
            again = ~again
    return pl.select(
        pl.when(again).then(pl.lit("latest")).otherwise(pl.lit("earliest"))
    ).to_series()


def ends_twice(clock: Clock, zone: str) -> bool:
    """Whether the first or last time of dates by a zone's clock lies in an hour that comes twice.

    Which of the two it is tells what comes before or after.
    """
    if clock.epoch is None or clock.zone is not None:
        return False
    known = clock.seconds[np.isfinite(clock.seconds)]
    moments = (
        datetime.fromtimestamp(clock.epoch + s, ZoneInfo(zone))
        for s in known[:1].tolist() + known[-1:].tolist()
    )
    return any(m.utcoffset() != m.replace(fold=1 - m.fold).utcoffset() for m in moments)


def _comes_twice(column: pl.Series, zone: str) -> pl.Series:
    """Which naive times the clocks of `zone` show twice."""
    one, other = (
        column.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")
    )
    return (one != other).fill_null(value=False)
