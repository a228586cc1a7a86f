"""Every test is offline and has its own cache; real data is used where AMBULO_DATA names it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import settings

os.environ["AMBULO_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several test processes with as many threads as cores each only wait for one another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
if "AMBULO_TEST_CACHE" not in os.environ:
    # One fresh cache for all processes of a run: real archives are parsed once, by today's readers.
    os.environ["AMBULO_TEST_CACHE"] = tempfile.mkdtemp(prefix="ambulo-test-")
    atexit.register(shutil.rmtree, os.environ["AMBULO_TEST_CACHE"], ignore_errors=True)
os.environ["AMBULO_CACHE"] = os.environ["AMBULO_TEST_CACHE"]

from ambulo import Recognizer, train  # noqa: E402
from ambulo.datasets import load_dataset  # noqa: E402
from ambulo.datasets.synthetic import make  # noqa: E402
from ambulo.recording import Interval, Recording, channels  # noqa: E402
from ambulo.windows import Windows  # noqa: E402

# A busy machine is no failure: what is slow is measured in benchmarks/, not here.
settings.register_profile("ambulo", deadline=None)
settings.load_profile("ambulo")

REAL = bool(os.environ.get("AMBULO_DATA"))
NIGHTLY = bool(os.environ.get("AMBULO_NIGHTLY"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("real") and not REAL:
            item.add_marker(pytest.mark.skip(reason="needs real data: set AMBULO_DATA"))
        if item.get_closest_marker("slow") and not (REAL or NIGHTLY):
            item.add_marker(pytest.mark.skip(reason="takes long: set AMBULO_NIGHTLY"))


@pytest.fixture(scope="session")
def synthetic() -> Windows:
    """Windows of four made-up people, a minute or two each."""
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=2.0)))
    return dataset.windows()


@pytest.fixture(scope="session")
def short() -> Windows:
    """The same people in windows of 64 samples: recurrent networks are exported sooner for them."""
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=2.0)))
    return dataset.windows(seconds=1.28, overlap=0.0)


@pytest.fixture(scope="session")
def waist() -> Recognizer:
    """Quick to train and to ask, with context and the wearer's reference."""
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=2.0)))
    return train("features", dataset.windows(keep="all"))


@pytest.fixture
def recording() -> Recording:
    """A minute at 50 Hz: sitting, then walking."""
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (3000, 3)).astype(np.float32) + np.float32([0, 0, 9.8])
    return Recording(
        values=values,
        rate=50.0,
        channels=channels(["acc_x", "acc_y", "acc_z"]),
        subject="anna",
        name="minute",
        intervals=(Interval(0.0, 30.0, "sitting"), Interval(30.0, 60.0, "walking")),
    )
