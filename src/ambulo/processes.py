"""The same function on many jobs, in several processes or threads, in bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from queue import Empty
from typing import Any, TypeVar

from ambulo.errors import EvaluationError

T = TypeVar("T")
R = TypeVar("R")

Tell = Callable[[dict[str, float]], None]

_shared: dict[str, Any] = {}


def run(
    work: Callable[[Any, Any, Tell], Any],
    shared: Any,
    jobs: Sequence[Any],
    workers: int,
    tell: Tell,
) -> Iterator[tuple[int, Any]]:
    """`work(shared, job, tell)` for each job: its number and outcome, as they get done.

    `shared` goes to each process once. With one worker all is done here. Processes share the
    cores, and end when this one is killed. All that was told has come when this ends, also by an
    error.
    """
    workers = min(workers, len(jobs))
    if workers == 1:
        for k, job in enumerate(jobs):
            yield k, work(shared, job, tell)
        return
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    pool = ProcessPoolExecutor(workers, context, _prepare, (shared, queue, workers))
    try:
        waiting: dict[Future[Any], int] = {
            pool.submit(_work, work, job): k for k, job in enumerate(jobs)
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            _drain(queue, tell)
            for future in done:
                try:
                    yield waiting.pop(future), future.result()
                except BrokenProcessPool as error:
                    raise EvaluationError(
                        "a worker was killed, as where memory runs out: ask for fewer --workers"
                    ) from error
    finally:
        _end(pool, queue, tell)


def mapped(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`work` of each item, in order: as many at once as there are threads, and the next is made."""
    if threads() == 1:
        yield from map(work, items)
        return
    coming: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads()) as pool:
        for item in ahead(items):
            coming.append(pool.submit(work, item))
            if len(coming) > threads():
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The items, the next of which is made in another thread, if there may be one, meanwhile."""
    if threads() == 1:
        yield from items
        return
    iterator, done = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, done)
        while (item := coming.result()) is not done:
            coming = pool.submit(next, iterator, done)
            yield item  # type: ignore[misc]


def threads() -> int:
    """How many threads this process may compute with: AMBULO_THREADS, or one a core."""
    asked = os.environ.get("AMBULO_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.cpu_count() or 1


def keep_to(share: int) -> None:
    """Compute with so many threads from here on; before libraries with threads are imported."""
    os.environ["AMBULO_THREADS"] = os.environ["POLARS_MAX_THREADS"] = str(max(share, 1))


def wait_little() -> None:
    """Let torch's idle threads sleep soon; before torch is imported.

    GNU's OpenMP has them spin for milliseconds at every step, while what they wait for waits for a
    core where there is other work: beside two trainings on two cores a third one took 29 s so, 41 s
    before. What the user has set stands.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")


def begin(share: int) -> None:
    """Begin a worker: it leaves Ctrl-C to its parent, ends with it, and keeps to its threads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_to(share)


def _prepare(shared: Any, queue: Any, workers: int) -> None:
    import torch

    begin(threads() // workers)
    torch.set_num_threads(threads())
    _shared.update(shared=shared, queue=queue)


def _end_with_parent() -> None:
    """A worker whose parent was killed would work on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(work: Callable[[Any, Any, Tell], Any], job: Any) -> Any:
    return work(_shared["shared"], job, _shared["queue"].put)


def _end(pool: ProcessPoolExecutor, queue: Any, tell: Tell) -> None:
    """End a pool, and hear it out: a worker ends only when all it told has gone into the pipe."""
    ending = threading.Thread(target=pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
    ending.start()
    while ending.is_alive():
        ending.join(0.02)
        _drain(queue, tell)


def _drain(queue: Any, tell: Tell) -> None:
    while True:
        try:
            tell(queue.get_nowait())
        except Empty:
            return
