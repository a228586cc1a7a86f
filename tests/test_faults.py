"""Whatever goes wrong at whatever moment: after a second run the lake is that of a quiet run.

With AMBULO_NIGHTLY each fault strikes at 20 random points, as often as `-s` then tells.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from fleets import alike, make_study, processes_below

from ambulo import Recognizer
from ambulo.datasets.synthetic import make
from ambulo.fleet import score
from ambulo.readers.table import write

RECORDINGS = 9
POINTS = range(20 if os.environ.get("AMBULO_NIGHTLY") else 1)


@pytest.fixture(scope="module")
def recognizer(waist: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waist.save(tmp_path_factory.mktemp("r") / "r.ambulo")


@pytest.fixture(scope="module")
def quiet(recognizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, and its lake without any fault."""
    folder = tmp_path_factory.mktemp("quiet")
    make_study(folder / "study", RECORDINGS)
    score(str(folder / "study"), str(folder / "lake"), recognizer, workers=1)
    return folder


@contextmanager
def running(
    study: Path, lake: Path, recognizer: Path, largest: int = -1
) -> Iterator[subprocess.Popen[bytes]]:
    """`ambulo score` with two workers, no file larger than `largest` bytes; waited for."""
    command = ["score", str(study), str(lake), "--recognizer", str(recognizer), "--workers", "2"]
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    run = subprocess.Popen(
        [sys.executable, "-m", "ambulo", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=limit if largest >= 0 else None,
    )
    try:
        yield run
    finally:
        try:
            run.wait(120)
        finally:
            run.kill()


def somewhere(chance: random.Random, run: subprocess.Popen[bytes], lake: Path) -> int:
    """Wait for a random point of a run; how many recordings were done by then."""
    done, wanted = 0, chance.randrange(-2, RECORDINGS)
    if wanted < 0:  # before the first one
        time.sleep(chance.uniform(0, 1.5))
    while run.poll() is None and done < wanted:
        done = len(list(lake.glob("manifest/*.json")))
    time.sleep(chance.uniform(0, 0.05))
    return len(list(lake.glob("manifest/*.json")))


def told(fault: str, points: list[int]) -> None:
    print(f"{fault}: struck after {sorted(points)} of {RECORDINGS} recordings, all lakes equal")


@pytest.mark.slow
def test_a_worker_is_killed(quiet: Path, recognizer: Path, tmp_path: Path) -> None:
    points = []
    for point in POINTS:
        chance, lake = random.Random(point), tmp_path / str(point)
        with running(quiet / "study", lake, recognizer) as run:
            points.append(somewhere(chance, run, lake))
            while not (workers := _workers(run.pid)) and run.poll() is None:
                time.sleep(0.01)
            if workers:
                os.kill(chance.choice(workers), signal.SIGKILL)
        assert run.returncode == 0
        assert alike(lake, quiet / "lake")
    told("a worker is killed", points)


def _workers(parent: int) -> list[int]:
    def is_worker(pid: int) -> bool:
        path = Path(f"/proc/{pid}/cmdline")
        return path.exists() and b"spawn_main" in path.read_bytes()

    return [pid for pid in processes_below(parent) if is_worker(pid)]


@pytest.mark.slow
def test_the_driver_is_killed(quiet: Path, recognizer: Path, tmp_path: Path) -> None:
    points = []
    for point in POINTS:
        lake = tmp_path / str(point)
        with running(quiet / "study", lake, recognizer) as run:
            points.append(somewhere(random.Random(point), run, lake))
            run.kill()
        score(str(quiet / "study"), str(lake), recognizer, workers=1)
        assert alike(lake, quiet / "lake")
    told("the driver is killed", points)


@pytest.mark.slow
def test_files_may_not_grow(quiet: Path, recognizer: Path, tmp_path: Path) -> None:
    """Every file may have so many bytes only (RLIMIT_FSIZE): which anybody can try."""
    points = []
    sizes = sorted(path.stat().st_size for path in (quiet / "lake").rglob("*.*") if path.is_file())
    for point in POINTS:
        lake, largest = tmp_path / str(point), random.Random(point).choice(sizes[:-1])
        with running(quiet / "study", lake, recognizer, largest) as run:
            pass
        assert run.returncode == 2
        points.append(len(list(lake.glob("manifest/*.json"))))
        score(str(quiet / "study"), str(lake), recognizer, workers=1)
        assert alike(lake, quiet / "lake")
    told("files may not grow", points)


@pytest.mark.slow
def test_the_disk_is_full(quiet: Path, recognizer: Path, tmp_path: Path) -> None:
    """A small file system in memory, which takes root to mount; then there is room again."""
    points = []
    for point in POINTS:
        disk = tmp_path / str(point)
        disk.mkdir()
        size = 4096 * random.Random(point).randrange(1, 4 * RECORDINGS)
        if _mount(disk, f"size={size}"):
            pytest.skip("a file system of its own takes root")
        try:
            with running(quiet / "study", disk / "lake", recognizer) as run:
                pass
            assert run.returncode == 2
            points.append(len(list(disk.glob("lake/manifest/*.json"))))
            _mount(disk, "remount,size=99m")
            score(str(quiet / "study"), str(disk / "lake"), recognizer, workers=1)
            assert alike(disk / "lake", quiet / "lake")
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    told("the disk is full", points)


def _mount(folder: Path, options: str) -> int:
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["corrupt", "truncate", "change"])
def test_a_file_goes_bad(quiet: Path, recognizer: Path, tmp_path: Path, fault: str) -> None:
    """It is scored as it then is, or quarantined, and scored again when it is well again."""
    points, bad = [], 0
    for point in POINTS:
        chance, folder = random.Random(point), tmp_path / str(point)
        study, lake = folder / "study", folder / "lake"
        shutil.copytree(quiet / "study", study)
        victim = chance.choice(sorted(study.rglob("day*")))
        with running(study, lake, recognizer) as run:
            points.append(somewhere(chance, run, lake))
            _spoil(victim, fault, chance)
        assert run.returncode == 0
        for out in (lake, folder / "fresh"):
            score(str(study), str(out), recognizer, workers=1)
        assert alike(lake, folder / "fresh")
        bad += _quarantined(lake, victim.name)
        shutil.copy2(quiet / "study" / victim.relative_to(study), victim)
        score(str(study), str(lake), recognizer, workers=1)
        assert alike(lake, quiet / "lake")
    told(f"{fault}: {bad} of {len(points)} quarantined", points)


def _spoil(victim: Path, fault: str, chance: random.Random) -> None:
    """Change a file where it lies, bit by bit."""
    size = victim.stat().st_size
    with victim.open("r+b") as file:
        if fault == "truncate":
            file.truncate(chance.randrange(size))
        elif fault == "corrupt":
            file.seek(chance.randrange(size - 99))
            file.write(chance.randbytes(99))
        else:
            other = victim.with_name("." + victim.name)
            write(
                make(people=1, minutes=0.5, seed=chance.randrange(99, 999))[0], other, labels=False
            )
            content = other.read_bytes()
            other.unlink()
            for at in range(0, len(content), 8192):
                file.write(content[at : at + 8192])
                file.flush()
                time.sleep(chance.uniform(0, 0.01))
            file.truncate()


def _quarantined(lake: Path, name: str) -> bool:
    """Whether this recording, and no other, is so with a reason."""
    manifest = pl.read_parquet(lake / "manifest.parquet")
    bad = manifest.filter(pl.col("status") == "quarantined")
    assert all(bad["name"].str.ends_with(name)) and all(bad["reason"])
    return len(bad) == 1
