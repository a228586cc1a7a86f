"""What the real archives hold, counted. Runs where AMBULO_DATA is set."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambulo import load_dataset, train
from ambulo.readers import read
from ambulo.readers.table import write

pytestmark = pytest.mark.real


def test_uci_har_is_the_official_one() -> None:
    windows = load_dataset("uci-har").windows()
    test = np.isin(windows.subjects, windows.official_test)
    assert ((~test).sum(), test.sum()) == (7352, 2947)
    assert len(windows.people) == 30 and windows.values.shape[1:] == (128, 9)
    assert np.bincount(windows.labels).tolist() == [1722, 1544, 1406, 1777, 1906, 1944]
    gravity = np.linalg.norm(windows.values[:, :, 6:], axis=2)[windows.labels >= 3].mean()
    assert gravity == pytest.approx(9.9, abs=0.3)


def test_uci_har_fast_parse_equals_a_general_one() -> None:
    from ambulo.datasets import archive, uci_har

    opened = archive.Archive(Path(os.environ["AMBULO_DATA"]) / "UCI HAR Dataset.zip")
    raw = opened.read(opened.one("test/Inertial Signals/body_gyro_y_test.txt"))
    expected = np.array(raw.split(), np.float64).astype(np.float32).reshape(-1, 128)
    assert np.array_equal(uci_har._fixed_width(raw, 2049), expected)


def test_hapt_is_whole_and_cuts_into_the_known_windows() -> None:
    dataset = load_dataset("hapt")
    assert len(dataset.recordings) == 61 and len(dataset.people) == 30
    assert sum(map(len, dataset.recordings)) == 1_122_772
    assert sum(len(r.intervals) for r in dataset.recordings) == 1214
    windows = dataset.windows(align="labels", coverage=1.0)
    test = np.isin(windows.subjects, windows.official_test)
    assert ((~test).sum(), test.sum()) == (7415, 2996)


def test_hapt_windows_are_the_signals_of_uci_har() -> None:
    """Same people, units and axes: still gravity agrees between the two."""
    ours = load_dataset("hapt").windows(align="labels")
    theirs = load_dataset("uci-har").windows(channels="acc")
    for person in ("1", "17"):
        for label in (3, 4, 5):
            a, b = (
                w.values[(w.subjects == person) & (w.labels == label)][:, :, :3].mean((0, 1))
                for w in (ours, theirs)
            )
            assert np.abs(a - b).max() < 0.6


def test_a_real_recording_goes_all_the_way(tmp_path: Path) -> None:
    dataset = load_dataset("hapt")
    windows = dataset.windows()
    few = windows.of(["1", "3", "5", "6", "7", "8"])
    recognizer = train("cnn-lstm", few, epochs=6)
    (held, *_) = [r for r in dataset.recordings if r.subject == "2"]
    again = read(write(held, tmp_path / "held.csv"))
    timeline = recognizer.predict(replace(again, intervals=()))
    right = total = 0.0
    for truth in held.intervals:
        if truth.activity not in windows.activities:
            continue
        for bout in timeline:
            overlap = max(min(truth.end, bout.end) - max(truth.start, bout.start), 0)
            right += overlap * (bout.activity == truth.activity)
        total += truth.end - truth.start
    assert right / total > 0.7
