"""Sets hold the true activity as often as they say, over people and not over windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_training import Tiny

from ambulo import evaluate
from ambulo.conformal import coverage_by_people, sets, threshold
from ambulo.errors import EvaluationError
from ambulo.windows import Windows


def people(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of `n` people, some of whom are far harder and some far longer than others."""
    parts = []
    for person in range(n):
        hard, windows = rng.random() ** 2, int(rng.integers(5, 200))
        truth = rng.integers(0, 4, windows)
        logits = rng.normal(size=(windows, 4)) + (3 * (1 - hard)) * np.eye(4)[truth]
        p = np.exp(logits)
        parts.append((p / p.sum(1, keepdims=True), truth, np.full(windows, str(person))))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_new_people_are_covered_as_often_as_stated(coverage: float) -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(150):
        p, truth, who = people(25, rng)
        new = who == "24"
        least = threshold(p[~new], truth[~new], who[~new], coverage)
        inside = sets(p[new], least)
        found.append(inside[np.arange(new.sum()), truth[new]].mean())
    assert coverage - 0.03 < np.mean(found) < coverage + 0.06


def test_a_person_weighs_as_a_person_however_long_the_recording() -> None:
    p = np.array([[0.9, 0.1]] * 100 + [[0.4, 0.6]] * 4)
    truth, who = np.zeros(104, int), np.array(["long"] * 100 + list("abcd"))
    assert threshold(p, truth, who, 0.7) == 0.4


def test_sets_by_people_and_too_few_of_them() -> None:
    p, truth, who = people(12, np.random.default_rng(1))
    found = coverage_by_people(p, truth, who, 0.9)
    assert len(found["people"]) == 12 and 1 <= found["size"] <= 4
    few = who <= "1"
    with pytest.raises(EvaluationError, match="needs 9 people"):
        threshold(p[few], truth[few], who[few])
    for n in range(1, 9):  # the coverage that is advised can be had
        few = np.isin(who, np.unique(who)[:n])
        with pytest.raises(EvaluationError, match="of at most") as caught:
            threshold(p[few], truth[few], who[few])
        threshold(p[few], truth[few], who[few], float(str(caught.value).split()[-1]))
    assert sets(np.array([[0.5, 0.3, 0.2]]), 0.9).tolist() == [[True, False, False]]


def test_an_evaluation_says_how_large_sets_are(synthetic: Windows) -> None:
    four = evaluate(Tiny, synthetic, protocol="loso", epochs=1, workers=1)
    assert four.sets() is None  # three others are too few to calibrate on
    p, truth, who = people(12, np.random.default_rng(1))
    names = tuple(map(str, range(12)))
    twelve = replace(four, people=names, probabilities=p[None], truth=truth, wearers=who)
    found = twelve.sets()
    assert found is not None and found["asked"] == 0.9 and set(found["people"]) == set(names)
    assert found["coverage"] > 0.8 and 1 <= found["size"] <= 4
