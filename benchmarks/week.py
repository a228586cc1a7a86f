"""A week at 100 Hz from file to timeline: seconds, share of each stage, peak memory.

`python -m benchmarks.week FILE.parquet [RECOGNIZER …]` makes the file where it is not there yet
(60.5 million rows, a synthetic person, 0.3 GB). Without recognizers it trains quick ones on the
synthetic people at 20 Hz. Each run is a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE, HOURS = 100, 7 * 24
MODELS = ("rocket", "cnn-lstm-attention", "best")
START = datetime(2024, 3, 28, 6, 0, tzinfo=UTC)
"""A Thursday; on the Sunday after it clocks in Europe go forward."""
STEP = 9.80665 / 1024
"""The resolution of the made-up sensor in m/s²."""


def hours() -> Iterator[npt.NDArray[np.float32]]:
    """Hour by hour, acceleration `(360000, 3)`: nights in bed, bouts by day, one evening unworn."""
    from ambulo.datasets.synthetic import make

    rng = np.random.default_rng(0)
    day = make(people=1, minutes=60, rate=float(RATE), seed=1)[0].values[:, :3]
    for hour in range(HOURS):
        clock = (START.hour + 1 + hour) % 24
        if hour in range(60, 64):
            noise = rng.normal(0, 0.003, day.shape)
            block = np.float32([0, 0, 9.81]) + noise.astype(np.float32)
        elif clock < 7:
            noise = rng.normal(0, 0.06, day.shape)
            block = np.float32([0.4, 9.6, 1.9]) + noise.astype(np.float32)
        else:
            block = np.roll(day, int(rng.integers(len(day))), axis=0)
        yield (np.round(block / STEP) * STEP).astype(np.float32)


def write(path: Path) -> None:
    """The file, hour by hour."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("time", pa.timestamp("ms", "UTC")), *((f"acc_{a}", pa.float32()) for a in "xyz")]
    with pq.ParquetWriter(path, pa.schema(fields), compression="zstd") as out:
        for hour, block in enumerate(hours()):
            first = int((START + timedelta(hours=hour)).timestamp() * 1000)
            time = pa.array(first + np.arange(len(block)) * (1000 // RATE)).cast(fields[0][1])
            columns = [time, *(pa.array(np.ascontiguousarray(axis)) for axis in block.T)]
            out.write_table(pa.table(dict(zip([name for name, _ in fields], columns, strict=True))))
