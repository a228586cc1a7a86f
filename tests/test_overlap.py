"""A recognizer decides more or less often than it was trained to, and is as right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fleets import make_study, tables

from ambulo import Recognizer, evaluate, load_dataset
from ambulo.datasets.synthetic import make
from ambulo.errors import WindowingError
from ambulo.fleet import score
from ambulo.recording import Recording
from ambulo.stream import Stream


@pytest.fixture(scope="module")
def recording() -> Recording:
    return replace(make(people=1, minutes=4.0, seed=7)[0], intervals=())


def test_windows_are_decided_as_often_as_asked_and_by_themselves_alike(
    waist: Recognizer, recording: Recording
) -> None:
    for overlap, step in ((0.0, 2.56), (0.75, 0.64)):
        paced = waist.with_overlap(overlap)
        windows = paced.windowing.cut([recording])
        assert np.diff(windows.seconds) == pytest.approx(step)
        own = waist.probabilities(windows.values)
        assert np.array_equal(paced.probabilities(windows.values), own)
        for context in ("none", "causal", "offline"):  # the windows say how far apart they are
            decided = waist.decide(windows, context=context)
            assert np.array_equal(paced.decide(windows, context=context), decided)
    assert waist.with_overlap(waist.windowing.overlap).head() == waist.head()


@pytest.mark.parametrize("overlap", [0.0, 0.75])
def test_a_minute_says_as_much_however_many_windows_it_has(
    waist: Recognizer, overlap: float
) -> None:
    paced, usual = waist.with_overlap(overlap), waist.context
    assert usual is not None and paced.context is not None and paced.context.reference is not None
    ratio = (1 - overlap) / (1 - waist.windowing.overlap)
    assert paced.context.step == pytest.approx(usual.step * ratio)
    assert paced.context.weight == pytest.approx(usual.weight * ratio)
    stays = 1 - np.diag(paced.context.transitions)
    assert stays == pytest.approx(1 - np.diag(usual.transitions) ** ratio)
    walk = (paced.context.reference.steady - 1) * paced.context.step
    assert walk == pytest.approx(2 * usual.step)
    assert paced.unknown is not None and waist.unknown is not None
    assert paced.unknown.weight == pytest.approx(waist.unknown.weight * ratio)


def test_there_and_back_again_decides_as_if_never_gone(
    waist: Recognizer, recording: Recording
) -> None:
    usual, windows = waist.windowing.overlap, waist.windowing.cut([recording])
    for overlap in (0.0, 0.77):
        gone = waist.with_overlap(overlap)
        for back in (gone.with_overlap(usual), gone.on_one_thread().with_overlap(usual)):
            assert (back.context, back.unknown) == (waist.context, waist.unknown)
        for context in ("causal", "offline"):  # windows as trained, of what decides otherwise
            decided = waist.decide(windows, context=context)
            assert np.array_equal(gone.decide(windows, context=context), decided)


def test_a_stream_and_a_file_keep_the_pace(
    waist: Recognizer, recording: Recording, tmp_path: Path
) -> None:
    saved = waist.with_overlap(0.8).save(tmp_path / "often.ambulo")
    often = Recognizer.load(saved)
    windows = often.windowing.cut([recording], often.activities)
    expected = often.decide(windows, context="causal")
    stream = Stream(often)
    decided = stream.push(recording.time, recording.values) + stream.finish()
    assert [d.start for d in decided] == pytest.approx(windows.seconds)
    assert np.abs(np.array([d.probabilities for d in decided]) - expected).max() < 1e-4


def test_scores_hardly_depend_on_it(waist: Recognizer) -> None:
    strangers = [r for r in make(people=7, minutes=2.0) if r.subject not in waist.card["people"]]
    data, found = replace(load_dataset("synthetic"), recordings=tuple(strangers)), []
    for overlap in (0.0, 0.5, 0.8):
        windows = data.windows(overlap=overlap, keep="all")
        found.append(evaluate(waist, windows, context="offline").accuracy()["mean"])
    assert min(found) > max(found) - 0.03


@pytest.mark.parametrize("overlap", [1.0, -0.1, float("nan")])
def test_an_overlap_that_cannot_be_is_refused(waist: Recognizer, overlap: float) -> None:
    with pytest.raises(WindowingError, match="overlap must be from 0 to below 1"):
        waist.with_overlap(overlap)


def test_a_lake_is_scored_anew_at_another_pace(waist: Recognizer, tmp_path: Path) -> None:
    study, lake = make_study(tmp_path / "study", 1), tmp_path / "lake"
    recognizer = waist.save(tmp_path / "r.ambulo")
    counts = []
    for overlap in (None, 0.0, 0.0):
        done = score(str(study), str(lake), recognizer, workers=1, overlap=overlap)
        counts.append((done.done, done.before, len(tables(lake)["windows"])))
    assert counts[0][:2] == counts[1][:2] == (1, 0) and counts[2][:2] == (0, 1)
    assert counts[1][2] == counts[2][2] == pytest.approx(counts[0][2] / 2, abs=1)
    with pytest.raises(WindowingError, match="overlap"):
        score(str(study), str(tmp_path / "never"), recognizer, overlap=2.0)
    assert not (tmp_path / "never").exists()
    assert pl.Series(tables(lake)["windows"]["start"]).diff().drop_nulls().min() > 2.5
