"""A week at 100 Hz from file to the three tables of a lake: seconds, share of stages, peak memory.

`python -m benchmarks.week FILE.parquet [RECOGNIZER …]` makes the file where it is not there yet
(60.5 million rows, a synthetic person, 0.3 GB; FILE.cwa: as an Axivity AX3 would, 0.4 GB;
FILE.csv: with dates in ISO 8601, 3.1 GB).
Without recognizers it trains quick ones on the synthetic people at 20 Hz. Each run is a process of
its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from threading import Lock

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


def write_csv(path: Path) -> None:
    """The file as text, hour by hour."""
    import polars as pl

    with path.open("wb") as out:
        for hour, block in enumerate(hours()):
            first = START + timedelta(hours=hour)
            end = first + timedelta(hours=1)
            time = pl.datetime_range(first, end, "10ms", closed="left", time_unit="ms", eager=True)
            frame = pl.DataFrame(
                {"time": time, **{f"acc_{a}": block[:, i] for i, a in enumerate("xyz")}}
            )
            frame.write_csv(
                out,
                include_header=not hour,
                datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ",
                float_precision=5,
            )


CWA = np.dtype(
    {
        "names": "magic length fraction time scales celsius rate kind shift count xyz sum".split(),
        "formats": "<u2 <u2 <u2 <u4 <u2 <u2 u1 u1 <i2 <u2 (240,)<i2 <u2".split(),
        "offsets": [0, 2, 4, 14, 18, 20, 24, 25, 26, 28, 30, 510],
        "itemsize": 512,
    }
)
"""A block of 80 samples."""


def write_cwa(path: Path) -> None:
    """The file as an AX3 writes it, in blocks of 80 samples, hour by hour."""
    head = bytearray(b"MD\xfc\x03\x17".ljust(64, b"\0") + b" " * 448 + b"\xff" * 512)
    head[36] = 0x4A
    with path.open("wb") as out:
        out.write(head)
        for hour, values in enumerate(hours()):
            day = START + timedelta(hours=hour)
            blocks = np.zeros(len(values) // 80, CWA)
            second, tenth = np.divmod(np.arange(len(blocks)) * 8, 10)
            date = (day.year - 2000) << 26 | day.month << 22 | day.day << 17 | day.hour << 12
            blocks["time"] = date | second // 60 << 6 | second % 60
            fraction = tenth * 32768 // 10
            blocks["fraction"], blocks["shift"] = 0x8000 | fraction, -(fraction * RATE >> 15)
            for name, value in {"magic": 0x5841, "length": 508, "celsius": 300}.items():
                blocks[name] = value
            blocks["rate"], blocks["kind"], blocks["count"] = 0x4A, 0x32, 80
            blocks["xyz"] = np.round(values / 9.80665 * 256).reshape(-1, 240)
            words = blocks.view("<u2").reshape(-1, 256)
            blocks["sum"] = -words.sum(axis=1, dtype=np.uint16)
            out.write(blocks.tobytes())


def train(folder: Path) -> list[Path]:
    """Quick recognizers at 20 Hz, learnt from made-up people: for measuring, not for use."""
    from ambulo import Windowing
    from ambulo import train as learn
    from ambulo.datasets.synthetic import make

    windowing = Windowing(2.56, 0.5, 20.0, ("acc_x", "acc_y", "acc_z"))
    windows = windowing.cut(make(people=5, minutes=4))
    small = ("rocket", {"sizes": {"features": 252}})
    out = []
    for name, (model, options) in {
        **{model: (model, {"epochs": 3} if "cnn" in model else {}) for model in MODELS},
        "rocket-252": small,
        "features": ("features", {}),
    }.items():
        out.append(folder / f"{name}.ambulo")
        if not out[-1].exists():
            learn(model, windows, **options).save(out[-1])
    return out


def measure(path: Path, recognizer: Path, overlap: float | None) -> None:
    """One run in this process, from the file to the lake's three tables, and a line about it."""
    import resource
    from tempfile import TemporaryDirectory

    from ambulo import readers
    from ambulo.fleet.jobs import jobs
    from ambulo.fleet.lake import Lake
    from ambulo.fleet.task import Plan, work
    from ambulo.gait import Gait
    from ambulo.recognizer import Recognizer
    from ambulo.stream.cutting import Cutter
    from ambulo.wearing import Stillness

    spent: dict[str, float] = {}
    inside: dict[str, int] = {}
    lock = Lock()

    def count(stage: str, one: int) -> None:
        """A stage is busy while any thread is inside it."""
        with lock:
            was = inside.get(stage, 0)
            inside[stage] = was + one
            if not was or not inside[stage]:  # from or to nobody
                spent[stage] = spent.get(stage, 0.0) - one * time.perf_counter()

    def timed(owner: object, name: str, stage: str) -> None:
        whole = getattr(owner, name)

        def run(*args: object, **kwargs: object) -> object:
            count(stage, 1)
            try:
                return whole(*args, **kwargs)
            finally:
                count(stage, -1)

        setattr(owner, name, run)

    timed(readers, "survey", "looking through")
    timed(readers, "look_through", "looking through")
    timed(readers, "long_pieces", "looking through")
    timed(Cutter, "push", "resampling and cutting")
    timed(Gait, "push", "steps")
    timed(Stillness, "push", "time not worn")
    timed(Recognizer, "_run", "network")
    timed(Recognizer, "judge", "context")
    timed(Lake, "put", "writing")
    with TemporaryDirectory() as lake:
        start = time.perf_counter()
        (job,) = jobs(str(path))
        plan = Plan(str(recognizer), "", lake, "offline", None, overlap=overlap)
        entry = work(plan, job, Recognizer.load(recognizer))
        seconds = time.perf_counter() - start
        assert entry["status"] == "done", entry
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    shares = ", ".join(f"{stage} {s:.1f}" for stage, s in spent.items())
    print(
        f"{recognizer.stem:<20}{seconds:>7.1f} s{entry['windows'] / seconds:>9.0f} windows/s"
        f"{memory:>7.2f} GB, network busy {spent['network'] / seconds:4.0%}; s: {shares}",
        flush=True,
    )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("path", type=Path, help="The week; made if it is not there.")
    asked.add_argument(
        "recognizers", nargs="*", type=Path, help="Files; without any, some are made."
    )
    asked.add_argument("--overlap", type=float, help="Of windows; default: as it was trained.")
    asked.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = asked.parse_args()
    path, recognizers = given.path, given.recognizers
    if given.one:
        measure(path, *recognizers, given.overlap)
        return
    if not path.exists():
        {".cwa": write_cwa, ".csv": write_csv}.get(path.suffix, write)(path)
    print("stages run beside each other: their busy seconds may add up to more than the whole")
    if not recognizers:  # in a process of its own: its memory would count as that of those after it
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            recognizers = pool.submit(train, path.parent).result()
    for recognizer in recognizers:
        command = [sys.executable, "-m", "benchmarks.week", str(path), str(recognizer), "--one"]
        command += [] if given.overlap is None else [f"--overlap={given.overlap}"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
