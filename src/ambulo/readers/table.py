"""Writing a recording as the CSV or Parquet file that `read` takes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ambulo.errors import OutputError
from ambulo.recording import Recording
from ambulo.timeline import write_whole


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
        microseconds = (pl.col("time") * 1e6).round().cast(pl.Duration("us"))
        frame = frame.with_columns(time=pl.lit(_named(recording.start)) + microseconds)
    if labels and recording.intervals:
        names = list(dict.fromkeys(interval.activity for interval in recording.intervals))
        codes = recording.labels(names)
        frame = frame.with_columns(
            activity=pl.Series([*names, ""]).gather(codes % (len(names) + 1))
        )
    csv = path.suffix.lower() == ".csv"
    write_whole(path, frame.write_csv if csv else frame.write_parquet)
    return path


def _named(start: datetime) -> datetime:
    """By a zone that has a name, as tables want it; polars makes UTC of an offset without one."""
    hours = (start.utcoffset() or timedelta(0)) / timedelta(hours=1)
    if not isinstance(start.tzinfo, timezone) or hours != round(hours) or not -12 <= hours <= 14:
        return start
    return start.astimezone(ZoneInfo(f"Etc/GMT{-round(hours):+d}"))
