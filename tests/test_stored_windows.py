"""Windows that stay in a file: the same training, in memory that does not grow with them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ambulo import load_dataset
from ambulo.cli import app
from ambulo.cli.data import datasets_export
from ambulo.datasets.stored import load_windows, parts_of, save_windows
from ambulo.datasets.synthetic import make
from ambulo.errors import DatasetError, OutputError, WindowingError
from ambulo.importance import channel_importance
from ambulo.options import Options
from ambulo.training import fit
from ambulo.windows import Windowing, Windows


@pytest.fixture(scope="module")
def windows() -> Windows:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=3, minutes=1.0)))
    return dataset.windows(keep="all")


@pytest.fixture
def folder(windows: Windows, tmp_path: Path) -> Path:
    parts = [windows.of([person]) for person in windows.people]
    return save_windows(parts, tmp_path / "stored")


def test_what_is_stored_is_what_was_cut(windows: Windows, folder: Path) -> None:
    stored = load_windows(folder)
    assert np.array_equal(np.asarray(stored.values), windows.values)
    assert stored.describe() == windows.describe() and stored.counts() == windows.counts()
    some = stored.labelled()[5:9]
    assert np.array_equal(np.asarray(some.values), windows.labelled()[5:9].values)
    assert np.array_equal(stored.values[3:, :, [0, 2]], windows.values[3:, :, [0, 2]])
    assert len(pickle.dumps(stored.values)) < windows.values.nbytes / 50


def test_windows_of_ones_own_come_back(windows: Windows, tmp_path: Path) -> None:
    """Those that were not cut by a windowing of Ambulo's may have one that names no channels."""
    own = replace(windows, windowing=Windowing())
    assert load_windows(save_windows([own], tmp_path / "own")).windowing == Windowing()


@pytest.mark.parametrize("changed", [{}, {"scaling": "minmax", "rotate": 5.0, "around": 20.0}])
def test_training_from_a_file_is_training_from_memory(
    windows: Windows, folder: Path, changed: dict[str, Any]
) -> None:
    options = Options(epochs=2, sizes={"hidden": 4}, precision="float32", validation=0.3, **changed)
    here = fit("lstm", windows, options, context=True)
    there = fit("lstm", load_windows(folder), options, context=True)
    assert there.context == here.context and there.validation_people == here.validation_people
    x = torch.as_tensor(windows.values)
    torch.testing.assert_close(there.network(x), here.network(x), atol=1e-4, rtol=0)
    assert there.history[-1] == pytest.approx(here.history[-1], abs=1e-4)


def test_a_folder_of_windows_is_a_data_set(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    done = CliRunner().invoke(app, ["windows", "synthetic", "--out", str(stored)])
    assert done.exit_code == 0 and "8 people" in done.stdout
    found = load_dataset(str(stored)).windows(keep="all")
    cut = load_dataset("synthetic").windows(keep="all")
    assert found.describe() == cut.describe()
    assert np.array_equal(found.of(["3"]).starts, cut.of(["3"]).starts)


def test_their_recordings_are_not_another_data_sets(folder: Path) -> None:
    """What was cut from one's own recordings was sent to those of uci-har."""
    with pytest.raises(DatasetError, match="seconds=3: cut its recordings anew"):
        load_dataset(str(folder)).windows(seconds=3)
    with pytest.raises(DatasetError, match="is windows, not recordings: cut its recordings anew"):
        datasets_export(str(folder))


def test_recordings_without_a_window_are_left_out(tmp_path: Path) -> None:
    recordings = make(people=2, minutes=0.5)
    short = replace(recordings[0], values=recordings[0].values[:60], intervals=(), name="short")
    dataset = replace(load_dataset("synthetic"), recordings=(short, *recordings))
    stored = load_windows(save_windows(parts_of(dataset, keep="all"), tmp_path / "stored"))
    assert stored.describe() == dataset.windows(keep="all").describe()
    with pytest.raises(WindowingError, match=r"longest lasts 1\.20 s"):
        save_windows(parts_of(replace(dataset, recordings=(short,))), tmp_path / "none")


def test_what_they_are_decided_by_is_told(windows: Windows, folder: Path) -> None:
    length, channels = windows.values.shape[1:]
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(length * channels, 6))
    here, there = (channel_importance(network, w) for w in (windows, load_windows(folder)))
    assert here == there and any(lost.std > 0 for lost in here.channels)


SCRIPT = """
import resource, sys
import numpy as np, torch
from ambulo.datasets.stored import load_windows
from ambulo.options import Options
from ambulo.training import fit

class Tiny(torch.nn.Module):
    def __init__(self, channels, length, classes):
        super().__init__()
        self.head = torch.nn.Linear(channels, classes)
    def features(self, x):
        return x.mean(1)
    def forward(self, x):
        return self.head(self.features(x))

def megabytes():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmData")).split()[1]) / 1e3

options = Options(epochs=1, batch=256)
windows = load_windows(sys.argv[1])
few = windows[:600]
fit(Tiny, few, options, context=True)  # whatever is loaded and kept, is by now
most = int((megabytes() + float(sys.argv[2])) * 1e6)
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    bytes(240_000_000)
    print("no limit")
except MemoryError:
    fit(Tiny, windows, options, context=True)
    print("trained on", len(windows))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
def test_memory_does_not_grow_with_the_windows(windows: Windows, tmp_path: Path) -> None:
    """240 MB of windows are trained on, validation and all, with 80 MB of memory more.

    In glibc before 2.38, aligned memory that has been freed is not always used again, for its
    margins lie in a thread's cache; what that costs is left to chance, so it goes without a cache.
    """
    parts = [replace(windows, recordings=windows.recordings + f" {k}") for k in range(600)]
    assert 600 * windows.values.nbytes > 240e6
    folder = save_windows(parts, tmp_path / "stored")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), "80"],
        capture_output=True,
        text=True,
        env={**os.environ, "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"},
    )
    assert run.stdout.startswith("trained on"), run.stderr + run.stdout


def test_mistakes_are_explained(windows: Windows, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists"):
        save_windows([windows], folder)
    with pytest.raises(DatasetError, match="differ"):
        save_windows([windows, replace(windows, activities=("a",))], tmp_path / "no")
    with pytest.raises(DatasetError, match="no windows to write"):
        save_windows([], tmp_path / "no")
    assert not list(tmp_path.glob("*no*"))
    (folder / "values.npy").write_bytes((folder / "values.npy").read_bytes()[:-9])
    with pytest.raises(DatasetError, match="damaged"):
        load_windows(folder)
