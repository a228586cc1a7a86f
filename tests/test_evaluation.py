"""Scores are those of people never seen, add up, and agree with scikit-learn."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support
from test_training import Tiny

from ambulo import Recognizer, evaluate, train
from ambulo.errors import EvaluationError
from ambulo.importance import channel_importance
from ambulo.protocols import folds
from ambulo.scores import Evaluation
from ambulo.windows import Windows


@pytest.fixture(scope="module")
def evaluation(synthetic: Windows) -> Evaluation:
    return evaluate(Tiny, synthetic, protocol="loso", seeds=2, epochs=6, workers=1)


@pytest.mark.parametrize("protocol", ["official", "loso", "groups:2", "groups:3", "people:2,3"])
def test_nobody_is_on_both_sides(synthetic: Windows, protocol: str) -> None:
    windows = replace(synthetic, official_test=("2", "4"))
    plan = folds(windows, protocol)
    for fold in plan:
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) == set(windows.people)
    tested = [person for fold in plan for person in fold.test]
    assert len(tested) == len(set(tested))
    if protocol in ("loso", "groups:2", "groups:3"):
        assert set(tested) == set(windows.people)


@pytest.mark.parametrize(
    ("protocol", "says"),
    [
        ("scrambled", "choose official, loso, groups:K or people:1,2"),
        ("random:2", "a share between 0 and 1"),
        ("official", "no official split"),
        ("groups:1", "K from 2 to the number of people, 4"),
        ("groups:x", "K from 2"),
        ("groups:²", "K from 2"),
        ("loso:3", "loso takes nothing after it, got 'loso:3'"),
        ("official:1,2", "official takes nothing after it"),
        ("people:9", "choose from 1, 2, 3, 4"),
        ("people:1,2,3,4", "nobody to train on"),
    ],
)
def test_impossible_protocols_are_refused(synthetic: Windows, protocol: str, says: str) -> None:
    with pytest.raises(EvaluationError, match=says):
        folds(replace(synthetic, official_test=()), protocol)


def test_who_is_missing_is_told(synthetic: Windows) -> None:
    with pytest.raises(EvaluationError, match="none of the official test people, 8, 9, is among"):
        folds(replace(synthetic, official_test=("8", "9")), "official")
    with pytest.raises(EvaluationError, match="no labelled window"):
        evaluate("features", synthetic[:0], protocol="loso")
    assert folds(synthetic, "people:1, 1")[0].test == ("1",)


def test_random_windows_are_stratified_and_called_inflated(synthetic: Windows) -> None:
    (fold,) = folds(synthetic, "random:0.25")
    train, test = (synthetic[positions] for positions in fold.split(synthetic))
    assert fold.inflated and not folds(synthetic, "loso")[0].inflated
    assert len(train) + len(test) == len(synthetic)
    for activity in range(len(synthetic.activities)):
        tested, total = ((w.labels == activity).sum() for w in (test, synthetic))
        assert tested == round(0.25 * total)


def test_the_audit_always_runs(evaluation: Evaluation, synthetic: Windows) -> None:
    assert evaluation.audit is not None and evaluation.audit["clean"]
    leaky = evaluate("features", synthetic, protocol="random")
    assert leaky.inflated and leaky.audit is not None and not leaky.audit["clean"]
    kinds = {finding["kind"] for finding in leaky.audit["findings"]}
    assert {"same-people", "overlapping-spans"} <= kinds
    (fold,) = folds(synthetic, "people:1")
    chosen = evaluate("features", synthetic, protocol=[replace(fold, chosen_on_test=True)])
    assert chosen.inflated and chosen.audit is not None
    assert [f["kind"] for f in chosen.audit["findings"]] == ["chosen-on-test"]


def test_every_window_of_every_person_is_counted(
    evaluation: Evaluation, synthetic: Windows
) -> None:
    for row in range(2):
        for i, person in enumerate(evaluation.people):
            truth = synthetic.of([person]).labels
            assert (
                evaluation.confusion[row, i].sum(axis=1) == np.bincount(truth, minlength=6)
            ).all()


def test_scores_agree_with_scikit_learn(evaluation: Evaluation) -> None:
    counts = evaluation.confusion.sum(axis=(0, 1))
    truth, decided = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    one = replace(evaluation, confusion=evaluation.confusion.sum(axis=0, keepdims=True), seeds=(0,))
    assert one.accuracy()["mean"] == pytest.approx(accuracy_score(truth, decided))
    assert one.macro_f1()["mean"] == pytest.approx(f1_score(truth, decided, average="macro"))
    rows = list(one.per_class().values())
    expected = precision_recall_fscore_support(truth, decided, zero_division=0)
    for key, column in zip(("precision", "recall", "f1", "windows"), expected, strict=True):
        assert [row[key] for row in rows] == pytest.approx(list(column))


def test_interval_is_over_people(evaluation: Evaluation) -> None:
    score = evaluation.accuracy()
    assert score["low"] <= score["mean"] <= score["high"]
    alike = np.zeros((1, 4, 6, 6), int)
    alike[:, :, 0, :2] = [9, 1]
    unlike = alike.copy()
    unlike[0, :2, 0, :2], unlike[0, 2:, 0, :2] = [10, 0], [8, 2]
    same, different = (
        replace(evaluation, confusion=c, seeds=(0,)).accuracy() for c in (alike, unlike)
    )
    assert same["low"] == same["mean"] == same["high"] == pytest.approx(0.9)
    assert different["mean"] == pytest.approx(0.9) and different["low"] < 0.9 < different["high"]


def test_worst_person_is_the_worst(evaluation: Evaluation) -> None:
    scores = {p: s["accuracy"] for p, s in evaluation.per_person().items()}
    assert evaluation.worst_person()["accuracy"] == min(scores.values())


@pytest.mark.slow
def test_processes_change_nothing(synthetic: Windows) -> None:
    runs = [
        evaluate("cnn-lstm", synthetic, protocol="people:1,2", seeds=2, epochs=1, workers=n)
        for n in (1, 2)
    ]
    difference = np.abs(runs[0].confusion - runs[1].confusion).sum() / runs[0].confusion.sum()
    assert difference < 0.02  # threads add in another order; nothing else may differ
    assert runs[0].windows == runs[1].windows


@pytest.mark.slow
def test_folds_recognizers_are_kept_and_decide_as_scored(
    synthetic: Windows, tmp_path: Path
) -> None:
    scored = evaluate("features", synthetic, protocol="groups:2", keep=tmp_path, progress=False)
    with pytest.raises(EvaluationError, match="epochs, keep would change nothing"):
        evaluate(Recognizer.load(tmp_path / "group-1-0.ambulo"), synthetic, keep="x", epochs=1)
    again = [evaluate(Recognizer.load(tmp_path / f"group-{k}-0.ambulo"), synthetic) for k in (1, 2)]
    assert [e.people for e in again] == [fold.test for fold in scored.folds]
    both = np.concatenate([e.probabilities[0] for e in again])
    assert np.abs(both - scored.probabilities[0]).max() < 1e-4


def test_who_was_learnt_from_is_never_tested(synthetic: Windows, tmp_path: Path) -> None:
    """Neither by a child nor by a folder that is called otherwise; nor are nameless windows."""
    parent = train("features", synthetic.of(["1", "2"]), validation=0.5, progress=False)
    child = replace(parent, card={"data": "mine", "people": ["a"], "parent": {"card": parent.card}})
    assert evaluate(child, synthetic).people == ("3", "4")
    card = {
        "data": "study/mine",
        "people": ["1"],
        "old": {"data": synthetic.source, "people": ["2"]},
    }
    there = replace(synthetic, source="/somewhere/mine")
    assert evaluate(replace(parent, card=card), there).people == ("2", "3", "4")
    assert evaluate(replace(parent, card=card), synthetic).people == ("1", "3", "4")
    nobody = replace(there, labels=np.where(there.subjects == "4", -1, there.labels))
    tested = evaluate(replace(parent, card=card), nobody, context="causal")
    assert (
        tested.people == ("2", "3")
        and tested.windows["test"] == (nobody.of("23").labels >= 0).sum()
    )


def test_a_recognizer_is_tested_on_what_it_takes(synthetic: Windows) -> None:
    made = train("features", synthetic.of(["1", "2"]), validation=0.5, progress=False)
    order = sorted(synthetic.activities)
    sorted_ = synthetic.coded(order)
    assert evaluate(made, sorted_).accuracy() == evaluate(made, synthetic).accuracy()
    lost = [channel_importance(made, w, repeats=1).accuracy for w in (synthetic, sorted_)]
    assert lost[0] == pytest.approx(lost[1], abs=0.01) and lost[0] > 0.9
    few = sorted_[sorted_.labels > 1]
    assert evaluate(made, few).activities == synthetic.activities
    with pytest.raises(EvaluationError, match="these windows show rowing as well"):
        evaluate(made, replace(synthetic, activities=("rowing", *synthetic.activities[1:])))
    for asked, says in (("none", "none"), ("causal", "causal, 2 windows later")):
        found = evaluate(made, synthetic, context=asked, lag=2)
        assert found.context == says
        # events are scored wherever there is context
        assert (found.events is None) == (asked == "none")
    assert found.events is not None and sum(e.true for e in found.events.values()) > 6
    with pytest.raises(EvaluationError, match="protocol would change nothing"):
        evaluate(made, synthetic, protocol="people:3")
    for other in (
        replace(synthetic, rate=100.0),
        replace(synthetic, values=synthetic.values[:, :100]),
        replace(synthetic, channels=synthetic.channels[::-1]),
        replace(synthetic, windowing=replace(synthetic.windowing, gravity="remove")),
    ):
        with pytest.raises(EvaluationError, match="where 128 samples at 50 Hz of acc_x.*are taken"):
            evaluate(made, other)


@pytest.mark.slow
def test_whoever_a_fold_is_called_after_its_recognizer_stays_in_the_folder(
    synthetic: Windows, tmp_path: Path
) -> None:
    names = {"1": "../../out", "2": "b/c", "3": "d", "4": "e"}
    odd = replace(synthetic, subjects=np.array([names[who] for who in synthetic.subjects]))
    fold = folds(odd, "loso")[0]
    evaluate("features", odd, protocol=[fold], keep=tmp_path / "kept", progress=False)
    (kept,) = tmp_path.rglob("*.ambulo")
    assert kept.parent == tmp_path / "kept"


def test_json_holds_what_a_reader_needs(evaluation: Evaluation) -> None:
    content = json.loads(json.dumps(evaluation.to_dict()))
    assert content["windows"]["test"] == sum(p["windows"] for p in content["per_person"].values())
    assert content["people"]["test"] == ["1", "2", "3", "4"] and content["seeds"] == [0, 1]
    assert set(content["accuracy"]) >= {"mean", "low", "high"}
    assert set(content["macro_f1"]) >= {"mean", "low", "high"}
    assert set(content["worst_person"]) == {"id", "accuracy"}
    assert np.array(content["confusion"]).shape == (6, 6) and len(content["per_class"]) == 6


def test_people_of_whom_no_window_is_tested_are_none_who_were(synthetic: Windows) -> None:
    few = evaluate("features", synthetic, protocol="random:0.01", progress=False)
    assert all(person["windows"] for person in few.per_person().values())
    assert few.to_dict()["people"]["test"] and few.worst_person()["id"] in few.people


@pytest.mark.slow
def test_names_that_differ_in_a_blank_keep_a_recognizer_each(
    synthetic: Windows, tmp_path: Path
) -> None:
    names = dict(zip(synthetic.people, ("a b", "a-b", "c", "d"), strict=True))
    renamed = replace(synthetic, subjects=np.array([names[s] for s in synthetic.subjects]))
    evaluate("features", renamed, protocol="loso", keep=tmp_path, progress=False)
    assert len(list(tmp_path.glob("*.ambulo"))) == 4
