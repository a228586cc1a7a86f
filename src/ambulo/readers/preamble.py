"""The lines that devices' software writes above its numbers: rate, start, zone, and what is where.

ActiGraph's ActiLife, GENEActiv's PC software, and Axivity's OmGui and omconvert, which write no
names. Layouts as their exports and R's readers (read.gt3x, GGIR, SensorData) have them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ambulo.errors import RecordingError

if TYPE_CHECKING:
    import polars as pl

NAMELESS = "table without names"
LINES = 130
"""Above this one, numbers begin."""
_ACC = tuple(f"Accelerometer {axis}" for axis in "XYZ")
_GYRO = tuple(f"Gyroscope {axis}" for axis in "XYZ")
_GENEACTIV = ("Timestamp", *_ACC, "Light", "Button", "Temperature")
_MOMENT = re.compile(r"\"?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Preamble:
    """What stands above a table's numbers, in the first `lines` lines.

    `columns` are the names of the columns; empty where the next line names them. Without a column
    of time the samples begin at `start` and come at `rate` Hz; `dates` is how the software writes
    its own, as strptime has it, and `east` how far its clock is from UTC, as in +01:00. `sleeps`
    tells that the software writes zeros while the device is off.
    """

    title: str
    lines: int
    columns: tuple[str, ...] = ()
    rate: float | None = None
    start: datetime | None = None
    dates: str = ""
    east: str = ""
    subject: str = ""
    sleeps: bool = False

    def completed(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The table with time, zone and wearer, and without the rows of a device that was off."""
        import polars as pl

        names = frame.columns
        acc = [name for name in names if name.strip() in _ACC]
        told: list[pl.Expr | pl.Series] = []
        if self.start is not None and self.rate and "Timestamp" not in names:
            counts = pl.int_range(len(frame), eager=True)
            passed = (counts * (1e9 / self.rate)).round().cast(pl.Duration("ns"))
            told.append((pl.Series([self.start], dtype=pl.Datetime("ns")) + passed).alias("time"))
        elif self.dates and frame["Timestamp"].dtype == pl.String:
            form = f"{self.dates} %H:%M:%S%.f"
            moments = frame["Timestamp"].str.to_datetime(form, time_unit="ns", strict=False)
            if moments.null_count() <= 0.5 * len(frame):
                told.append(moments)
        if self.east and frame["Timestamp"].dtype == pl.String:
            told.append(pl.col("Timestamp").str.strip_chars('" ') + self.east)
        if self.subject:
            told.append(pl.lit(self.subject).alias("subject"))
        frame = frame.with_columns(told)
        asleep = pl.all_horizontal(pl.col(acc).cast(pl.Float64, strict=False) == 0.0)
        return frame.filter(~asleep.fill_null(value=False)) if self.sleeps and acc else frame


def preamble(where: str, lines: Sequence[str]) -> Preamble | None:
    """What the first `lines` of a table tell, None where no such software wrote them.

    Raises RecordingError for what holds no samples: counts or means, a row an epoch.
    """
    if not lines:
        return None
    if "Created By ActiGraph" in lines[0]:
        return _actigraph(where, lines)
    if any(re.match(r"device type[,\t]\s*genea", line, re.IGNORECASE) for line in lines[:10]):
        return _geneactiv(where, lines)
    cells = _cells(lines[0])
    if _MOMENT.match(lines[0]) and len(cells) in (4, 7) and all(map(_number, cells[1:])):
        return Preamble(NAMELESS, 0, ("Timestamp", *_ACC, *_GYRO)[: len(cells)])
    return None


def _actigraph(where: str, lines: Sequence[str]) -> Preamble:
    """ActiLife's raw export: ten lines, mostly names, often no time, zeros in idle sleep mode."""
    rate = re.search(r"\bat\s*([\d.,]+)\s*Hz", lines[0])
    said = {key: value.strip() for key, value in map(_fact, lines[:12])}
    if rate is None:
        raise RecordingError(
            f"{where}: holds ActiGraph's counts, a row an epoch, not its samples: give the .gt3x "
            "file, or export it from ActiLife as raw CSV"
        )
    dates = _strptime(re.search(r"date format (\S+)", lines[0]))
    end = next((i for i, line in enumerate(lines[1:20], 1) if line.startswith("-----")), 9) + 1
    while end < len(lines) and not lines[end].strip(' ,;\t"'):
        end += 1
    cells = _cells(lines[end]) if end < len(lines) else []
    columns: tuple[str, ...] = ()
    if len(cells) == 3 and all(map(_number, cells)):
        columns = _ACC
    elif len(cells) == 4 and all(map(_number, cells[1:])):
        columns = ("Timestamp", *_ACC)
    if columns[:1] != ("Timestamp",) and "Timestamp" not in cells:
        text = f"{said.get('Start Date', '')} {said.get('Start Time', '')}"
        try:
            start = datetime.strptime(text, f"{dates} %H:%M:%S")
        except ValueError as error:
            raise RecordingError(
                f"{where}: its start, '{text}', is no date such as its first line says "
                f"({dates}) and a time: repair lines 3 and 4"
            ) from error
    else:
        start = None
    try:
        hertz = float(rate[1].replace(",", "."))
        if not 1 <= hertz <= 10_000:
            raise ValueError("no device is so fast or slow")
    except ValueError as error:
        raise RecordingError(
            f"{where}: its first line says a rate of {rate[1]} Hz, which is none: repair it"
        ) from error
    title = "ActiGraph CSV (ActiLife)"
    return Preamble(title, end, columns, hertz, start, dates, sleeps=True)


def _geneactiv(where: str, lines: Sequence[str]) -> Preamble | None:
    """The raw export of GENEActiv's software: 100 lines, then time, x, y, z, light, button, °C."""
    begin = next((i for i, line in enumerate(lines[:LINES]) if _MOMENT.match(line)), None)
    if begin is None:
        return None
    count = len(_cells(lines[begin]))
    if count > len(_GENEACTIV):
        raise RecordingError(
            f"{where}: holds GENEActiv's means, a row an epoch, not its samples: give the .bin "
            "file, or export it as raw CSV"
        )
    said = dict(map(_fact, lines[:begin]))
    east = re.fullmatch(r"(?:GMT|UTC)?\s*([+-])(\d\d?):(\d\d)", said.get("Time Zone", ""))
    return Preamble(
        title="GENEActiv CSV",
        lines=begin,
        columns=_GENEACTIV[:count],
        east=f"{east[1]}{int(east[2]):02d}:{east[3]}" if east else "",
        subject=said.get("Subject Code", ""),
    )


def _fact(line: str) -> tuple[str, str]:
    """What a line names, and tells: `Subject Code,0003`, `Start Date 6/27/2012`."""
    line = line.strip().rstrip(",;")
    found = re.match(r"(Start Time|Start Date|[^,:\t]+)[,:\t ]\s*(.*)", line)
    return (found[1].strip(), found[2].strip().strip('"')) if found else (line, "")


def _strptime(found: re.Match[str] | None) -> str:
    """`M/d/yyyy` as `%m/%d/%Y`."""
    out = found[1] if found else "M/d/yyyy"
    forms = (("yyyy", "%Y"), ("yy", "%y"), ("MMM", "%b"), ("M{1,2}", "%m"), ("d{1,2}", "%d"))
    for letters, form in forms:
        out = re.sub(rf"(?<![%\w]){letters}(?!\w)", form, out)
    return out


def separator_of(line: str) -> str:
    """What parts a line's cells; a comma that only ever stands in numbers, `0,02;9,81`, is none."""
    counts = {mark: line.count(mark) for mark in ",;\t|"}
    if not re.search(r"(?<!\d),|,(?!\d)", line):
        counts[","] *= not (counts[";"] or counts["\t"])
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else ","


def _cells(line: str) -> list[str]:
    return [cell.strip(' "') for cell in line.strip().split(separator_of(line))]


def _number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?\d+([.,]\d*)?([eE][+-]?\d+)?", cell) is not None
