"""Many short recordings: two workers against one, Ray against processes, memory over the run.

python benchmarks/fleet.py --recordings 1000 --run local:1 local:2
python benchmarks/fleet.py --recordings 1000 --run local:2 ray:2
python benchmarks/fleet.py --recordings 8 --minutes 1440 --run local:2

Makes recordings of 10 minutes (six axes, 50 Hz, Parquet; a few are new, the rest are their copies),
and scores them with the recognizer that comes for the waist. `whole` is the command from
start to end, `steady` the rate between the first and the last entry of the manifest. Memory is the
proportional set size of all processes together, in tenths of the run.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import ambulo.pretrained
from ambulo.datasets.synthetic import make
from ambulo.readers.table import write

RECOGNIZER = Path(ambulo.pretrained.__file__).parent / "waist.ambulo"


def study(folder: Path, recordings: int, minutes: float) -> Path:
    """So many recordings of 100 people."""
    made = []
    for k in range(min(recordings, 50 if minutes < 60 else 2)):
        made.append(folder / f"made{k}.parquet")
        write(make(people=1, minutes=minutes, seed=k)[0], made[-1], labels=False)
    for k in range(recordings):
        person = folder / "study" / f"p{k % 100:02d}"
        person.mkdir(parents=True, exist_ok=True)
        shutil.copy(made[k % len(made)], person / f"{k:04d}.parquet")
    return folder / "study"


def below(parent: int) -> list[int]:
    """A process, its children, and theirs."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    out, edge = [], {parent}
    while edge:
        out += sorted(edge)
        edge = {pid for pid, above in parents.items() if above in edge}
    return out


def memory(pid: int) -> float:
    """MB of a process that no other has, and its share of what others have too."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1e3
    except (OSError, StopIteration):
        return 0.0


def run(
    source: Path, lake: Path, engine: str, workers: str
) -> tuple[float, float, float, list[float]]:
    """Seconds in all and of processor, recordings a second once it goes, MB in tenths of it."""
    command = ["score", str(source), str(lake), "--recognizer", str(RECOGNIZER)]
    began, before, seen = time.perf_counter(), cpu(), []
    going = subprocess.Popen(
        [sys.executable, "-m", "ambulo", *command, "--engine", engine, "--workers", workers]
    )
    while going.poll() is None:
        seen.append(sum(map(memory, below(going.pid))))
        time.sleep(1)
    whole, busy = time.perf_counter() - began, cpu() - before
    if going.returncode:
        sys.exit(going.returncode)
    ends = sorted(path.stat().st_mtime for path in (lake / "manifest").glob("*.json"))
    tenths = [seen[len(seen) * k // 10] for k in range(1, 10)]
    return whole, busy, (len(ends) - 1) / (ends[-1] - ends[0]), tenths


def cpu() -> float:
    """Seconds of processor that ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--recordings", type=int, default=1000)
    ask.add_argument("--minutes", type=float, default=10)
    ask.add_argument("--run", nargs="+", default=["local:1", "local:2", "ray:2"])
    asked = ask.parse_args()
    with TemporaryDirectory() as folder:
        source = study(Path(folder), asked.recordings, asked.minutes)
        size = sum(path.stat().st_size for path in source.rglob("*.parquet"))
        print(f"{size / 1e6:.0f} MB of recordings", flush=True)
        for name in asked.run:
            engine, workers = name.split(":")
            lake = Path(folder) / name
            whole, busy, steady, tenths = run(source, lake, engine, workers)
            written = sum(path.stat().st_size for path in lake.rglob("*.*") if path.is_file())
            days = steady * asked.minutes / 60 / 24 * 3600
            print(
                f"{name:8} whole {whole:6.1f} s = {asked.recordings / whole:5.2f}/s, steady "
                f"{steady:5.2f}/s = {days:6.1f} days of signal an hour; "
                f"{busy / asked.recordings:5.3f} core-s each, {busy / whole:.2f} cores busy; lake "
                f"{written / 1e6:.1f} MB; MB of memory " + " ".join(f"{mb:.0f}" for mb in tenths),
                flush=True,
            )


if __name__ == "__main__":
    main()
