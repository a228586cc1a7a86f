"""How tasks are spread over a Ray cluster: that of RAY_ADDRESS, or one made on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ambulo.errors import FleetError, MissingExtraError
from ambulo.fleet.engines import AHEAD, TRIES
from ambulo.fleet.jobs import Job
from ambulo.fleet.task import Plan, content_of, crashed, work
from ambulo.processes import keep_to
from ambulo.recognizer import Recognizer

_STORE = 100 << 20
"""Bytes of Ray's object store, through which only the recognizer and entries go."""


def ray(plan: Plan, jobs: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    """Each job's entry as it gets done, by a Ray cluster; `workers` at a time, 0 one a core.

    The recognizer travels with the tasks. A recording whose worker dies is tried again elsewhere.
    What is under way when a run ends early ends with it, or is done and found at the next run.
    Raises MissingExtraError without Ray, FleetError where its cluster does not answer.
    """
    with _cluster(workers) as (cluster, joined):
        retries = {"max_retries": TRIES - 1, "num_cpus": 1}
        task = cluster.remote(**retries)(_alone)
        content = cluster.put(content_of(plan.recognizer, plan.recognizer_sha256))
        left = list(reversed(jobs))
        under: dict[Any, Job] = {}
        while left or under:
            most = workers if joined and workers else AHEAD * _cores(cluster)
            while left and len(under) < most:
                job = left.pop()
                under[task.remote(plan, job, content)] = job
            (ready, *_), _ = cluster.wait(list(under), num_returns=1)
            yield _entry(cluster, plan, under.pop(ready), ready)


@contextmanager
def _cluster(workers: int) -> Iterator[tuple[Any, bool]]:
    """Ray, and whether its cluster was there before; a cluster made here ends with the run."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    os.environ.setdefault("RAY_task_oom_retries", str(TRIES - 1))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray as cluster
    except ImportError as error:
        raise MissingExtraError("ray", "fleet") from error
    if cluster.is_initialized():
        yield cluster, True
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        joined = _join(cluster, quiet)
    except (ConnectionError, ValueError, RuntimeError, cluster.exceptions.RayError) as error:
        address, why = os.environ["RAY_ADDRESS"], str(error).split("\n")[0]
        raise FleetError(
            f"no Ray cluster answers at RAY_ADDRESS={address} ({why}): start one with "
            "'ray start --head', give its token if it asks for one (RAY_AUTH_TOKEN), or unset "
            "RAY_ADDRESS to use this machine alone"
        ) from error
    if not joined:
        cluster.init(
            address="local",
            num_cpus=workers or None,
            object_store_memory=_STORE,
            include_dashboard=False,
            **quiet,
        )
    try:
        yield cluster, joined
    finally:
        cluster.shutdown()


def _join(cluster: Any, quiet: dict[str, Any]) -> bool:
    """Connect to the cluster of RAY_ADDRESS ("auto": the one that runs here), if that is set."""
    if os.environ.get("RAY_ADDRESS", "local") == "local":
        return False
    cluster.init(**quiet)
    return True


def _cores(cluster: Any) -> int:
    """Cores of the cluster as it is now: it may grow and shrink."""
    return max(int(cluster.cluster_resources().get("CPU", 1)), 1)


def _entry(cluster: Any, plan: Plan, job: Job, ready: Any) -> dict[str, Any]:
    died = (cluster.exceptions.WorkerCrashedError, cluster.exceptions.OutOfMemoryError)
    try:
        entry: dict[str, Any] = cluster.get(ready)
    except died:
        return crashed(plan, job)
    except cluster.exceptions.RayTaskError as error:
        raise error.cause from None
    return entry


def _alone(plan: Plan, job: Job, content: bytes) -> dict[str, Any]:
    keep_to(1)
    return work(plan, job, _received(content))


@lru_cache(maxsize=1)
def _received(content: bytes) -> Recognizer:
    """The recognizer, loaded once in a worker."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "received.ambulo"
        path.write_bytes(content)
        return Recognizer.load(path)
