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
