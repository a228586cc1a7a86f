"""Studies to score, and what to look at afterwards."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ambulo.datasets.synthetic import make
from ambulo.fleet.lake import TABLES
from ambulo.readers.table import write


def make_study(folder: Path, recordings: int, minutes: float = 0.4) -> Path:
    """Recordings of three people, as Parquet and CSV in turn."""
    for k in range(recordings):
        person = folder / f"p{k % 3}"
        person.mkdir(parents=True, exist_ok=True)
        ending = "csv" if k % 2 else "parquet"
        write(make(people=1, minutes=minutes, seed=k)[0], person / f"day{k}.{ending}", labels=False)
    return folder


def tables(lake: Path) -> dict[str, pl.DataFrame]:
    """All rows of a lake in one order; no file in it is half written."""
    out = {}
    for table in TABLES:
        files = sorted((lake / table).rglob("*.parquet"))
        frame = pl.concat([pl.read_parquet(f, hive_partitioning=True) for f in files])
        out[table] = frame.sort(frame.columns)
    assert not [path for path in lake.rglob(".*") if path.is_file()]
    return out


def alike(a: Path, b: Path, but: tuple[str, ...] = ()) -> bool:
    """Whether two lakes hold the same rows, and say the same of recordings, `but` such columns.

    Where the recordings lay may differ.
    """
    one, other = tables(a), tables(b)
    said = [
        pl.read_parquet(lake / "manifest.parquet").drop("took", "source", *but) for lake in (a, b)
    ]
    return said[0].equals(said[1]) and all(one[table].equals(other[table]) for table in TABLES)


def processes_below(parent: int) -> list[int]:
    """Children of a process, and theirs, as /proc tells."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        parents[int(status.parent.name)] = int(fields[1])
    out, edge = [], {parent}
    while edge:
        edge = {pid for pid, above in parents.items() if above in edge}
        out += sorted(edge)
    return out
