"""A Ray cluster gives what this machine alone gives, file by file, and outlives its workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import alike, make_study, processes_below

from ambulo import Recognizer
from ambulo.errors import FleetError, MissingExtraError, OutputError
from ambulo.fleet import score

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'ambulo[fleet]'")


@pytest.fixture(scope="module")
def recognizer(waist: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waist.save(tmp_path_factory.mktemp("r") / "r.ambulo")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study"), 4)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One cluster for these tests, to which `score` connects as to any other."""
    options = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else Ray sets it to "token", for all tests
        ray.init(address="local", num_cpus=2, object_store_memory=100 << 20, **options)
        yield
        ray.shutdown()


@pytest.mark.slow
def test_a_cluster_writes_what_one_machine_writes(
    study: Path, recognizer: Path, tmp_path: Path, cluster: None
) -> None:
    (study / "p0" / "bad.csv").write_text("dear diary\n")
    here = score(str(study), str(tmp_path / "here"), recognizer, workers=1)
    there = score(str(study), str(tmp_path / "there"), recognizer, engine="ray")
    assert here == there and here.done == 4 and list(here.quarantined) == ["p0/bad.csv"]
    assert alike(tmp_path / "here", tmp_path / "there")
    again = score(str(study), str(tmp_path / "here"), recognizer, engine="ray", workers=1)
    assert (again.done, again.before) == (0, 4)
    (study / "p0" / "bad.csv").unlink()


@pytest.mark.slow
def test_a_worker_that_dies_once_is_forgiven_and_twice_is_not(
    study: Path, recognizer: Path, tmp_path: Path, cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambulo.fleet import cluster as module

    def dies(plan, job, content, real=module._alone, marks=tmp_path):  # type: ignore[no-untyped-def]
        mark = marks / job.key
        if job.name.endswith("day0.parquet") or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(plan, job, content)

    monkeypatch.setattr(module, "_alone", dies)
    done = score(str(study), str(tmp_path / "lake"), recognizer, engine="ray")
    assert done.done == 3 and "its worker died" in done.quarantined["p0/day0.parquet"]
    monkeypatch.undo()
    assert score(str(study), str(tmp_path / "lake"), recognizer, engine="ray").done == 1


@pytest.mark.slow
def test_what_stops_a_task_is_told_as_on_one_machine(
    study: Path, recognizer: Path, tmp_path: Path, cluster: None
) -> None:
    blocked = tmp_path / "lake"
    (blocked / "windows").mkdir(parents=True)
    (blocked / "windows" / "person=p0").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="person=p0"):
        score(str(study), str(blocked), recognizer, engine="ray")


def test_an_absent_cluster_or_package_is_explained(
    study: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setenv("RAY_ADDRESS", "auto")

    def refuse(**options: object) -> None:
        raise ConnectionError("Could not find any running Ray instance")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(FleetError, match="RAY_ADDRESS=auto"):
        score(str(study), str(tmp_path / "lake"), recognizer, engine="ray")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="fleet"):
        score(str(study), str(tmp_path / "lake"), recognizer, engine="ray")


def _command(pid: int) -> bytes:
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_with_its_own_cluster_ends_with_it(
    recognizer: Path, tmp_path: Path, how: signal.Signals
) -> None:
    study, lake = make_study(tmp_path / "study", 40), tmp_path / "lake"
    command = [sys.executable, "-m", "ambulo", "score", str(study), str(lake), "--engine", "ray"]
    running = subprocess.Popen(
        [*command, "--recognizer", str(recognizer), "--workers", "1"],
        env={**os.environ, "HOME": str(tmp_path)},  # where Ray leaves its token
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline, workers = time.monotonic() + 120, list[int]()
    while not (workers and list(lake.glob("manifest/*.json"))) and time.monotonic() < deadline:
        time.sleep(0.01)  # between two tasks a worker goes by another name
        workers = [pid for pid in processes_below(running.pid) if b"_alone" in _command(pid)]
    assert workers
    os.kill(running.pid, how)
    assert running.wait(60) == (130 if how == signal.SIGINT else -how)
    while any(_command(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    done = score(str(study), str(lake), recognizer, workers=1)
    assert done.before and done.done + done.before == 40
    score(str(study), str(tmp_path / "fresh"), recognizer, workers=1)
    assert alike(lake, tmp_path / "fresh")


@pytest.mark.slow
def test_a_cluster_is_found_by_its_address(recognizer: Path, tmp_path: Path) -> None:
    study, lake = make_study(tmp_path / "study", 4), tmp_path / "lake"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        **{"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": address, "RAY_AUTH_MODE": "disabled"},
        "HOME": str(tmp_path),  # without the token of another cluster
    }
    start = ["start", "--head", f"--port={address[10:]}", "--num-cpus=1", "--block"]
    tool = str(Path(sys.executable).parent / "ray")
    head = subprocess.Popen(
        [tool, *start, "--node-ip-address=127.0.0.1", "--include-dashboard=false"],
        env={**environment, "RAY_ADDRESS": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    command = ["score", str(study), str(lake), "--recognizer", str(recognizer), "--engine", "ray"]
    try:
        deadline = time.monotonic() + 120
        while True:  # it takes a while until the cluster answers
            run = subprocess.run(
                [sys.executable, "-m", "ambulo", *command],
                env=environment,
                capture_output=True,
                text=True,
            )
            if run.returncode == 0 or time.monotonic() > deadline:
                break
            assert run.returncode == 2 and address in run.stderr
        command[2] = str(tmp_path / "again")  # there would be nothing left to do in the first
        refused = subprocess.run(
            [sys.executable, "-m", "ambulo", *command],
            env={**environment, "RAY_AUTH_MODE": "token"},
            capture_output=True,
            text=True,
        )
        assert refused.returncode == 2 and "RAY_AUTH_TOKEN" in refused.stderr
        assert run.stdout.startswith("4 recordings scored"), run.stderr
        assert head.poll() is None  # it is not ours to end
    finally:
        head.terminate()
        head.wait(60)
