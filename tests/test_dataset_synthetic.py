"""Synthetic people: the same for a seed, labelled truly, and neither trivial nor hopeless."""

from __future__ import annotations

import numpy as np
import pytest

from ambulo.datasets import dataset_info, load_dataset
from ambulo.datasets.synthetic import make
from ambulo.windows import Windows


def test_shapes_people_and_truth() -> None:
    recordings = make(people=3, minutes=3.0)
    assert [r.subject for r in recordings] == ["1", "2", "3"]
    for recording in recordings:
        assert recording.values.shape == (9000, 6) and recording.values.dtype == np.float32
        assert recording.duration == 180.0 and not recording.gaps
        spans = [(i.start, i.end) for i in recording.intervals]
        assert all(a < b for a, b in spans)
        assert all(b < c for (_, b), (c, _) in zip(spans, spans[1:], strict=False))
        assert spans[-1][1] <= recording.duration
        assert {i.activity for i in recording.intervals} <= set(
            dataset_info("synthetic").activities()
        )


def test_a_seed_gives_the_same_people() -> None:
    first, again, other = make(people=2), make(people=2), make(people=2, seed=1)
    np.testing.assert_array_equal(first[1].values, again[1].values)
    assert first[1].intervals == again[1].intervals
    assert not np.array_equal(first[0].values, other[0].values)
    np.testing.assert_array_equal(first[0].values, make(people=1)[0].values)


def test_posture_is_gravity_and_gait_is_motion() -> None:
    windows = load_dataset("synthetic").windows()
    of = {
        name: windows.values[windows.labels == code] for code, name in enumerate(windows.activities)
    }
    for name, values in of.items():
        length = np.linalg.norm(values[:, :, :3].mean(axis=1), axis=1)
        assert 9 < np.median(length) < 10.6, name
    moving = [np.median(of[n][:, :, :3].std(axis=1).sum(axis=1)) for n in windows.activities]
    assert min(moving[:3]) > 3 * max(moving[3:])


def test_loading_needs_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMBULO_DATA", raising=False)
    data = load_dataset("synthetic")
    assert data.people == [str(n) for n in range(1, 9)]
    windows = data.windows()
    assert windows.official_test == ("7", "8")
    assert all(min(counts.values()) > 0 for counts in windows.counts().values())


def features(windows: Windows) -> np.ndarray:
    moving = windows.values - windows.values.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(moving, axis=1))[:, 1:16].reshape(len(windows), -1)
    return np.hstack([windows.values.mean(axis=1), windows.values.std(axis=1), power])


def test_unseen_people_are_hard_but_learnable() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    windows = load_dataset("synthetic").windows()
    test = np.isin(windows.subjects, ["1", "2", "7", "8"])
    trees = ensemble.ExtraTreesClassifier(60, random_state=0)
    trees.fit(features(windows[~test]), windows.labels[~test])
    score = (trees.predict(features(windows[test])) == windows.labels[test]).mean()
    assert 0.85 < score < 0.995
