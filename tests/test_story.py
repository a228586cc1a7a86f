"""The ten lines of the README, as a new user would run them, on made-up people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ambulo import Recognizer, evaluate, load_dataset, read, train
from ambulo.readers.table import write


def test_from_data_to_timeline(tmp_path: Path) -> None:
    dataset = load_dataset("synthetic")
    windows = dataset.windows(seconds=2.56, overlap=0.5)
    model = (
        "best" if os.environ.get("AMBULO_DATA") else "small"
    )  # of one kind; the second is sooner
    honest = evaluate(model, windows, protocol="official")
    assert honest.people == ("7", "8") and honest.accuracy()["mean"] > 0.9

    learners = windows.of([p for p in windows.people if p not in windows.official_test])
    file = train(model, learners).save(tmp_path / "waist.ambulo")
    recognizer = Recognizer.load(file)
    again = evaluate(recognizer, windows)
    assert again.people == ("7", "8") and again.accuracy()["mean"] > 0.9

    unseen = next(r for r in dataset.recordings if r.subject == "8")
    timeline = recognizer.predict(read(write(unseen, tmp_path / "monday.csv", labels=False)))
    right = sum(
        max(min(truth.end, bout.end) - max(truth.start, bout.start), 0)
        for truth in unseen.intervals
        for bout in timeline
        if bout.activity == truth.activity
    )
    assert right / sum(i.end - i.start for i in unseen.intervals) > 0.8
    assert len(str(timeline).splitlines()) == len(timeline)


@pytest.mark.slow
def test_the_demonstration_runs_without_real_data(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    demo = Path(__file__).parent.parent / "examples" / "demo.py"
    monkeypatch.setenv("AMBULO_DATA", "")
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))
    run = subprocess.run([sys.executable, demo, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "made up" in run.stdout
    for name in ("waist.ambulo", "timeline.png", "report/report.html"):
        assert (tmp_path / name).stat().st_size > 500 and name in run.stdout
