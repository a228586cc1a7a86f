"""How tasks are spread: over the processes of this machine, or over a Ray cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ambulo.errors import MissingExtraError
from ambulo.fleet.jobs import Job
from ambulo.fleet.lake import Lake
from ambulo.fleet.task import Plan, work

AHEAD = 2
"""Tasks a worker that wait their turn: more would only take memory."""
TRIES = 2
"""How often a recording may take its worker down before it is quarantined."""
CRASHED = "its worker died, twice: is there too little memory for it?"

Engine = Callable[[Plan, Sequence[Job], int], Iterator[dict[str, Any]]]


def local(plan: Plan, jobs: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    """Each job's entry as it gets done, by processes of this machine.

    A worker that dies takes its pool with it; jobs that were under way then are tried again one by
    one, so that the one to blame is known.
    """
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    suspects: list[Job] = []
    for job, entry in _pool(plan, jobs, workers):
        if entry is None:
            suspects.append(job)
        else:
            yield entry
    for job in suspects:
        for _ in range(TRIES - 1):
            (_, entry), *_ = _pool(plan, [job], 1)
            if entry is not None:
                break
        yield entry if entry is not None else _crashed(plan, job)


def _pool(
    plan: Plan, jobs: Sequence[Job], workers: int
) -> Iterator[tuple[Job, dict[str, Any] | None]]:
    """Jobs with their entries; without one where a worker died, and those around it too."""
    context = multiprocessing.get_context("spawn")
    left = list(reversed(jobs))
    while left:
        pool = ProcessPoolExecutor(workers, context, _prepare, (workers,))
        under: dict[Future[dict[str, Any]], Job] = {}
        try:
            while left or under:
                while left and len(under) < workers * AHEAD:
                    job = left.pop()
                    under[pool.submit(work, plan, job)] = job
                done, _ = wait(under, return_when=FIRST_COMPLETED)
                for future in done:
                    entry = future.result()
                    yield under.pop(future), entry
        except BrokenProcessPool:
            for job in under.values():
                yield job, None
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare(workers: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["AMBULO_THREADS"] = str(max((os.cpu_count() or 1) // workers, 1))


def _end_with_parent() -> None:
    """A worker whose parent was killed would work on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _crashed(plan: Plan, job: Job) -> dict[str, Any]:
    entry = {
        "name": job.name,
        "person": job.person,
        "by": plan.made_by(),
        "stamp": job.stamp,
        "status": "quarantined",
        "reason": CRASHED,
    }
    Lake(plan.out).enter(job, entry)
    return entry


def ray(plan: Plan, jobs: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    """Each job's entry as it gets done, by a Ray cluster: that of RAY_ADDRESS, or one made here."""
    try:
        import ray as cluster
    except ImportError as error:
        raise MissingExtraError("ray", "fleet") from error
    if not cluster.is_initialized():
        cluster.init(num_cpus=workers or None, log_to_driver=False, include_dashboard=False)
    task = cluster.remote(max_retries=TRIES, num_cpus=1)(_alone)
    most = workers or max(int(cluster.cluster_resources().get("CPU", 1)), 1)
    left = list(reversed(jobs))
    under: dict[Any, Job] = {}
    while left or under:
        while left and len(under) < most * AHEAD:
            job = left.pop()
            under[task.remote(plan, job)] = job
        (ready, *_), _ = cluster.wait(list(under), num_returns=1)
        job = under.pop(ready)
        try:
            yield cluster.get(ready)
        except cluster.exceptions.WorkerCrashedError:
            yield _crashed(plan, job)


def _alone(plan: Plan, job: Job) -> dict[str, Any]:
    os.environ["AMBULO_THREADS"] = "1"
    return work(plan, job)


ENGINES: dict[str, Engine] = {"local": local, "ray": ray}
"""Every engine by its name."""
