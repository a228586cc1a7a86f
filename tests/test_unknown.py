"""A recognizer says when it does not know, in a file, a stream, and after loading again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ambulo import Recognizer, Recording, load_dataset, train
from ambulo.context.unknown import Unknown
from ambulo.datasets.synthetic import make
from ambulo.models.novelty import Novelty
from ambulo.stream import Stream
from ambulo.timeline import UNKNOWN
from ambulo.windows import Windows

ODD = "laying"


def without(windows: Windows, activity: str) -> Windows:
    """As if nobody had ever shown the activity."""
    code = windows.activities.index(activity)
    names = tuple(name for name in windows.activities if name != activity)
    labels = windows.labels - (windows.labels > code)
    kept = replace(windows, labels=np.where(windows.labels < 0, -1, labels).astype(np.int16))
    return replace(kept[windows.labels != code], activities=names)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=6, minutes=2.0)))
    return train("features", without(dataset.windows(keep="all"), ODD), progress=False)


@pytest.fixture(scope="module")
def stranger() -> Recording:
    return make(people=1, minutes=3.0, seed=7)[0]


def share(recognizer: Recognizer, recording: Recording, odd: bool) -> float:
    """The share of the time with (or without) the activity never learnt that is unknown."""
    timeline = recognizer.predict(recording)
    labels = recording.labels([ODD]) == 0
    seconds = np.arange(len(labels)) / recording.rate
    unknown = np.zeros(len(labels), bool)
    for bout in timeline.bouts:
        if bout.activity == UNKNOWN and bout.confidence > 0:
            unknown |= (seconds >= bout.start) & (seconds < bout.end)
    return float(unknown[labels == odd].mean())


def test_what_was_never_learnt_is_unknown_and_the_rest_is_not(
    recognizer: Recognizer, stranger: Recording
) -> None:
    assert share(recognizer, stranger, odd=True) > 0.6
    assert share(recognizer, stranger, odd=False) < 0.1


def test_stream_and_file_agree_on_the_unknown(
    recognizer: Recognizer, stranger: Recording, tmp_path: Path
) -> None:
    again = Recognizer.load(recognizer.save(tmp_path / "r.ambulo"))
    windows = again.windowing.cut([replace(stranger, intervals=())], again.activities)
    assert again.unknown == recognizer.unknown is not None
    _, novelty = again.look(windows.values)
    step = float(np.diff(windows.seconds[:2])[0])
    stream = Stream(again, rate=stranger.rate, lag=1)
    got = stream.push(stranger.time, stranger.values) + stream.finish()
    expected = again.unknown.decide(novelty, windows.seconds, step, "causal", 1)
    np.testing.assert_allclose([d.unknown for d in got], expected, atol=1e-4)
    assert [d.activity == UNKNOWN for d in got] == list(expected > 0.5)
    assert UNKNOWN in {d.activity for d in got}


def test_one_odd_window_says_nothing_and_many_do() -> None:
    unknown, novelty = Unknown(above=1.0), np.full(60, 0.3)
    novelty[10], novelty[30:50] = 3.0, 2.0
    seconds = np.arange(60.0)
    alone = unknown.decide(novelty, seconds, 1.0, "none") > 0.5
    np.testing.assert_array_equal(alone, novelty > 1.0)
    smooth = unknown.decide(novelty, seconds, 1.0) > 0.5
    assert not smooth[:25].any() and smooth[32:48].all() and not smooth[55:].any()


def test_novelty_needs_enough_to_know_what_is_usual() -> None:
    few = torch.randn(20, 50, 3)
    codes = torch.arange(20) % 2
    novelty = Novelty(3, 2)
    assert not novelty.fit((few, codes), codes, torch.ones(2), (few, torch.randn(20, 2)))
    assert Novelty(3, 2)(few, torch.randn(20, 2)).shape == (20,)


def test_an_activity_that_nobody_showed_is_no_neighbour() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 50, 3, generator=generator)
    codes, people = torch.arange(300) % 2, torch.arange(300) // 100
    novelty = Novelty(3, 3)  # the third is never seen
    logits = torch.nn.functional.one_hot(codes, 3) * 4.0
    assert novelty.fit((x, codes), people, torch.ones(3), (x[:100], logits[:100]))
    usual = novelty(x, logits)
    strange = novelty(x * 5 + 20, logits)
    assert usual.isfinite().all() and float((strange > usual.amax()).float().mean()) == 1.0
