"""Workers keep to their share of the cores, and end when their parent is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ambulo import processes
from ambulo.errors import EvaluationError
from ambulo.processes import begin, threads

CODE = """
from ambulo import evaluate, load_dataset
if __name__ == "__main__":
    evaluate("lstm", load_dataset("synthetic").windows(), protocol="loso", epochs=500, workers=2)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


@pytest.mark.slow
def test_killing_the_parent_ends_its_workers(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(CODE)
    parent = subprocess.Popen([sys.executable, script])
    try:
        workers: list[int] = []
        for _ in range(300):
            workers = children(parent.pid)
            busy = [w for w in workers if "spawn_main" in Path(f"/proc/{w}/cmdline").read_text()]
            if len(busy) == 2 or not Path("/proc/self/task").exists():
                break
            time.sleep(0.1)
        time.sleep(4)  # until the workers have imported and begun
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    for _ in range(100):
        if not any(map(alive, workers)):
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlived its parent by 10 s")


def test_a_worker_keeps_to_its_share_of_the_cores() -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, begin, (3,)) as pool:
        assert pool.submit(threads).result() == 3
    with ProcessPoolExecutor(1, context, begin, (0,)) as pool:
        assert pool.submit(threads).result() == 1


def begin_without_torch(shared: object, queue: Any, workers: int) -> None:
    processes._shared.update(shared=shared, queue=queue)


class Slow(dict[str, float]):
    """A row that takes its time to come, so that its job is done before."""

    def __reduce__(self) -> tuple[Any, ...]:
        time.sleep(0.2)
        return dict, (dict(self),)


def talk(rows: int, job: int, tell: processes.Tell) -> int:
    tell(Slow(job=job, row=0))
    for k in range(1, rows):
        tell({"job": job, "row": k})
    if job == 2:
        raise ValueError("the third fails")
    return job


@pytest.mark.parametrize(("jobs", "rows"), [(2, 1), (2, 4000), (3, 4000)])
def test_all_that_workers_told_has_come_at_the_end(
    jobs: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than a pipe holds comes too, without which a worker does not end."""
    monkeypatch.setattr(processes, "_prepare", begin_without_torch)
    told: list[dict[str, float]] = []
    done = processes.run(talk, rows, range(jobs), 2, told.append)
    if jobs == 2:
        assert sorted(done) == [(0, 0), (1, 1)]
    else:
        with pytest.raises(ValueError, match="the third fails"):
            list(done)
    by_job = [[row["row"] for row in told if row["job"] == job] for job in range(jobs)]
    assert by_job == [list(range(rows))] * jobs


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where memory runs out."""
    with pytest.raises(EvaluationError, match="fewer --workers"):
        list(processes.run(die, None, [1, 2], 2, lambda _: None))


@pytest.mark.parametrize("asked", ["0", "abc", "-2", ""])
def test_a_number_of_threads_that_cannot_be_is_none(
    asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBULO_THREADS", asked)
    assert threads() == (os.cpu_count() or 1)
