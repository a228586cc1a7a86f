"""How tasks are spread over the processes of this machine; `cluster` does it with Ray."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ambulo.fleet.jobs import Job
from ambulo.fleet.task import Plan, crashed, work
from ambulo.processes import begin, threads

AHEAD = 2
"""Tasks a worker that wait their turn: more would only take memory."""
TRIES = 2
"""How often a recording may take its worker down before it is quarantined."""

Engine = Callable[[Plan, Sequence[Job], int], Iterator[dict[str, Any]]]


def local(plan: Plan, jobs: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    """Each job's entry as it gets done, by processes of this machine.

    `workers` is how many cores they use, 0 all. A process does one recording at a time on one core,
    or on more where there are fewer recordings than cores. A worker that dies takes its pool with
    it; jobs that were under way then are tried again one by one, so that the one to blame is known.
    """
    cores = workers or threads()
    suspects: list[Job] = []
    for job, entry in _pool(plan, jobs, min(cores, len(jobs)), cores):
        if entry is None:
            suspects.append(job)
        else:
            yield entry
    for job in suspects:
        for _ in range(TRIES - 1):
            (_, entry), *_ = _pool(plan, [job], 1, cores)
            if entry is not None:
                break
        yield entry if entry is not None else crashed(plan, job)


def _pool(
    plan: Plan, jobs: Sequence[Job], workers: int, cores: int
) -> Iterator[tuple[Job, dict[str, Any] | None]]:
    """Jobs with their entries; without one where a worker died, and those around it too."""
    context = multiprocessing.get_context("spawn")
    left = list(reversed(jobs))
    while left:
        pool = ProcessPoolExecutor(workers, context, begin, (cores // workers,))
        under: dict[Future[dict[str, Any]], Job] = {}
        try:
            while left or under:
                while left and len(under) < workers * AHEAD:
                    future = pool.submit(work, plan, left[-1])  # which a dead worker may refuse
                    under[future] = left.pop()
                done, _ = wait(under, return_when=FIRST_COMPLETED)
                for future in done:
                    entry = future.result()
                    yield under.pop(future), entry
        except BrokenProcessPool:
            for job in under.values():
                yield job, None
        finally:
            _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    """End a pool at once: asked to end, it waits for ever if a worker dies just then.

    A worker that is killed while it waits for work holds the queue's lock, so that no other one
    hears that there is no more. What is under way is lost, and done at the next run.
    """
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(cancel_futures=True)
