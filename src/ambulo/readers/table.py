"""Tables with named columns: CSV and Parquet with `time`, channels such as `acc_x`, `activity`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import OutputError, RecordingError
from ambulo.recording import Channel, Gap, Interval, Recording, channels
from ambulo.signals import regular
from ambulo.timeline import write_whole

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[Any]

MAX_GAP = 0.5
"""Seconds between two samples above which nothing is interpolated: a gap is stated."""
_NAMED = ("time", "activity", "subject")


def read(path: str | Path, *, rate: float | None = None, subject: str | None = None) -> Recording:
    """Read one recording from a CSV or Parquet file.

    Columns: `time` (seconds, or ISO 8601 date and time), channels named as in `acc_x` (m/s² with
    gravity) or `left_ankle.gyro_z` (rad/s), and optionally `activity` and `subject`. Without
    `time`, `rate` in Hz is needed. Samples are placed on a regular grid at the median rate;
    pauses over 0.5 s are gaps. Rows that are not numbers are dropped and counted in `notes`. Raises
    RecordingError naming the file, and the row or column, and the remedy.
    """
    path = Path(path)
    if rate is not None and not 0 < rate < 1e5:
        raise RecordingError(f"{path}: a rate of {rate:g} Hz cannot be: give samples per second")
    frame = _load(path)
    names = [name for name in frame.columns if name not in _NAMED and _is_channel(name)]
    if not names:
        raise RecordingError(
            f"{path}: no column is named like a channel (acc_x, gyro_z, left_ankle.acc_x, …); its "
            f"columns are {', '.join(frame.columns)}: rename them"
        )
    values = np.stack([_numbers(path, frame, name) for name in names], axis=1)
    time, start = _time(path, frame, rate, len(values))
    good = np.isfinite(values).all(axis=1) & np.isfinite(time)
    notes: dict[str, Any] = {"rows": len(values), "rows_dropped": int((~good).sum())}
    if good.sum() < 2:
        raise RecordingError(f"{path}: fewer than 2 of its {len(values)} rows are numbers")
    if notes["rows_dropped"] > 0.5 * len(values):
        bad = int(np.flatnonzero(~good)[0])
        raise RecordingError(
            f"{path}: {notes['rows_dropped']} of {len(values)} rows are not finite numbers (the "
            f"first is data row {bad + 1}): repair the file, or cut those rows out"
        )
    time, values = time[good], values[good]
    activity = _activity(frame, good)
    time, values, activity = _in_order(time, values, activity, notes)
    if len(time) < 2:
        raise RecordingError(f"{path}: all rows bear the same time: give a time for each sample")
    rate = rate or _rate(path, time)
    grid, gaps = regular(time, values, rate, max_gap=max(MAX_GAP, 2 / rate))
    return Recording(
        values=grid,
        rate=rate,
        channels=channels(names),
        subject=subject or _subject(frame) or path.stem,
        name=path.stem,
        intervals=_intervals(time - time[0], activity, 1 / rate),
        gaps=tuple(Gap(*gap) for gap in gaps),
        start=None if start is None else datetime.fromtimestamp(start + time[0], UTC),
        notes=notes,
    )


def _load(path: Path) -> pl.DataFrame:
    import polars as pl

    if not path.exists():
        raise RecordingError(f"{path}: there is no such file")
    if path.is_dir():
        raise RecordingError(f"{path}: is a folder: name a CSV or Parquet file in it")
    if path.stat().st_size == 0:
        raise RecordingError(f"{path}: is empty: record again or copy it again")
    try:
        if path.suffix.lower() == ".parquet":
            frame = pl.read_parquet(path)
        else:
            frame = pl.read_csv(path, infer_schema=False, null_values=[""])
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise RecordingError(
            f"{path}: is not a table that can be read ({reason}): give a CSV file with a header "
            "row and commas, or Parquet"
        ) from error
    if not len(frame):
        raise RecordingError(f"{path}: has a header but no rows: record again or copy it again")
    return frame.rename({name: name.strip() for name in frame.columns})


def _is_channel(name: str) -> bool:
    try:
        Channel(name)
    except RecordingError:
        return False
    return True


def _numbers(path: Path, frame: pl.DataFrame, name: str) -> Array:
    """A column as float64, NaN where it is empty or no number."""
    import polars as pl

    column = frame[name]
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    out = column.cast(pl.Float64, strict=False).to_numpy()
    if not np.isfinite(out).any():
        raise RecordingError(f"{path}: column '{name}' holds no number (row 1: {column[0]!r})")
    return np.asarray(out)


def _time(
    path: Path, frame: pl.DataFrame, rate: float | None, n: int
) -> tuple[Array, float | None]:
    """Seconds of every row, and the epoch they count from where the file gives wall time."""
    import polars as pl

    if "time" not in frame.columns:
        if rate is None:
            raise RecordingError(
                f"{path}: there is no column 'time': add one (seconds or ISO 8601), or give the "
                "sampling rate (--rate HZ)"
            )
        return np.arange(n) / rate, None
    column = frame["time"]
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count() < 0.5 * n:
            return numbers.to_numpy(), None
        column = column.str.to_datetime(time_unit="ns", time_zone="UTC", strict=False)
    if column.dtype.is_temporal() and column.null_count() < 0.5 * n:
        nanoseconds = column.dt.epoch("ns").cast(pl.Float64).to_numpy()
        first = float(np.nanmin(nanoseconds))
        return (nanoseconds - first) / 1e9, first / 1e9
    if column.dtype.is_numeric():
        return np.asarray(column.cast(pl.Float64).to_numpy()), None
    raise RecordingError(
        f"{path}: column 'time' is neither seconds nor ISO 8601 (row 1: {frame['time'][0]!r})"
    )


def _activity(frame: pl.DataFrame, good: Array) -> Array | None:
    if "activity" not in frame.columns:
        return None
    return np.asarray(frame["activity"].fill_null("").to_numpy().astype(str))[good]


def _subject(frame: pl.DataFrame) -> str | None:
    return str(frame["subject"][0]) if "subject" in frame.columns else None


def _in_order(
    time: Array, values: Array, activity: Array | None, notes: dict[str, Any]
) -> tuple[Array, Array, Array | None]:
    """Rows sorted by time, one a moment; what had to be moved or dropped is counted."""
    notes["rows_out_of_order"] = int((np.diff(time) < 0).sum())
    order = np.argsort(time, kind="stable")
    order = order[np.r_[True, np.diff(time[order]) > 0]]
    notes["rows_of_the_same_time"] = len(time) - len(order)
    return time[order], values[order], None if activity is None else activity[order]


def _rate(path: Path, time: Array) -> float:
    """The median rate, to the nearest 0.1 Hz."""
    rate = round(1 / float(np.median(np.diff(time))), 1)
    if not 1 <= rate <= 10_000:
        raise RecordingError(
            f"{path}: column 'time' gives a rate of {rate:g} Hz: it must count in seconds (or be "
            "ISO 8601); if it counts in milliseconds, divide it by 1000"
        )
    return rate


def _intervals(time: Array, activity: Array | None, step: float) -> tuple[Interval, ...]:
    """Runs of one activity; a run ends with its last sample, or where the next run begins."""
    if activity is None:
        return ()
    edges = [0, *(np.flatnonzero(activity[1:] != activity[:-1]) + 1), len(activity)]
    out = []
    for a, b in zip(edges, edges[1:], strict=False):
        if activity[a]:
            end = min(time[b], time[b - 1] + MAX_GAP) if b < len(time) else time[b - 1] + step
            out.append(Interval(float(time[a]), float(end), str(activity[a])))
    return tuple(out)


def write(recording: Recording, path: str | Path, *, labels: bool = True) -> Path:
    """Write a recording as the CSV or Parquet file that `read` takes; whole or not at all."""
    import polars as pl

    path = Path(path)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise OutputError(f"{path}: a recording is written as .csv or .parquet")
    n = np.concatenate([np.arange(s.last - s.first) for s in recording.segments])
    begins = np.concatenate([np.full(s.last - s.first, s.start) for s in recording.segments])
    columns: dict[str, Any] = {"time": begins + n / recording.rate}
    columns |= {c.name: recording.values[:, i] for i, c in enumerate(recording.channels)}
    frame = pl.DataFrame(columns).with_columns(pl.col("time").round(6))
    if recording.start is not None:
        microseconds = (pl.col("time") * 1e6).cast(pl.Duration("us"))
        frame = frame.with_columns(time=pl.lit(recording.start) + microseconds)
    if labels and recording.intervals:
        names = list(dict.fromkeys(interval.activity for interval in recording.intervals))
        codes = recording.labels(names)
        frame = frame.with_columns(
            activity=pl.Series([*names, ""]).gather(codes % (len(names) + 1))
        )
    csv = path.suffix.lower() == ".csv"
    write_whole(path, frame.write_csv if csv else frame.write_parquet)
    return path
