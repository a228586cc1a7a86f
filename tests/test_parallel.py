"""Two processes train one recognizer: that of one process, within rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ambulo import Recognizer, load_dataset, train
from ambulo.datasets.stored import save_windows
from ambulo.datasets.synthetic import make

pytestmark = pytest.mark.slow


def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=1.0)))
    windows = dataset.windows(keep="all")
    folder, out = save_windows([windows], tmp_path / "stored"), tmp_path / "r.ambulo"
    options = {
        "epochs": 3,
        "batch": 31,
        "sizes": {"hidden": 8, "dropout": 0.0},
        "precision": "float32",
    }
    texts = ["epochs=3", "batch=31", "sizes.hidden=8", "sizes.dropout=0.0", "precision=float32"]
    command = ["ambulo", "train", str(folder), "--model", "lstm", "--out", str(out)]
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
        + [*command, *(word for text in texts for word in ("--set", text))],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count(str(out)) == 1  # one of them talks
    together = Recognizer.load(out)
    alone = train("lstm", windows, progress=False, **options)
    assert together.probabilities(windows.values) == pytest.approx(
        alone.probabilities(windows.values),
        abs=1e-3,  # Adam's first steps are a gradient over its own size: rounding grows in them
    )
    for ours, theirs in zip(together.card["history"], alone.card["history"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)
