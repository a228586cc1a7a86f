"""A child knows more than its parent, names it, and does no harm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ambulo import Recognizer, load_dataset, train
from ambulo.adaptation import adapt
from ambulo.cli import app
from ambulo.closed_form import Ridge
from ambulo.datasets.synthetic import make
from ambulo.errors import AdaptError
from ambulo.heads import PENALTY, Shown, decided
from ambulo.signals import rotation_matrices
from ambulo.suitability import fit, signature
from ambulo.windows import Windows

NEW = "laying"


@pytest.fixture(scope="module")
def windows() -> Windows:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=6, minutes=2.0)))
    return dataset.windows(keep="all")


@pytest.fixture(scope="module")
def parent(windows: Windows) -> Recognizer:
    return train("features", windows.of(["1", "2", "3", "4"]), progress=False)


def turned(windows: Windows, degrees: float) -> Windows:
    """As if the wearer carried the sensor another way round."""
    matrix = rotation_matrices(np.radians(np.array([[degrees, 0.0, 0.0]])))[0]
    values = windows.values.reshape(*windows.values.shape[:2], 2, 3) @ matrix.T
    return replace(windows, values=values.reshape(windows.values.shape).astype(np.float32))


def right(recognizer: Recognizer, windows: Windows) -> float:
    windows = windows.labelled()
    found = recognizer.probabilities(windows.values).argmax(1)
    names = np.array(windows.activities)[windows.labels]
    return float((np.array(recognizer.activities)[found] == names).mean())


def halves(windows: Windows) -> tuple[Windows, Windows]:
    windows = windows.labelled()
    early = np.zeros(len(windows), bool)
    for label in np.unique(windows.labels):
        index = np.flatnonzero(windows.labels == label)
        early[index[: len(index) // 2]] = True
    return windows[early], windows[~early]


def test_a_person_who_wears_it_otherwise_is_learnt(parent: Recognizer, windows: Windows) -> None:
    mine, rest = halves(turned(windows.of(["5"]), 100))
    child = adapt(parent, mine)
    assert right(child, rest) > right(parent, rest) + 0.05
    assert child.activities == parent.activities
    assert parent.unknown is not None and child.unknown is not None
    assert (parent.look(mine.values)[1] > parent.unknown.above).mean() > 0.1
    assert (child.look(mine.values)[1] > child.unknown.above).mean() <= 0.05
    assert child.card["parent"]["card"]["people"] == ["1", "2", "3", "4"]
    assert "before" in child.card["adapted"]


def test_a_child_that_would_not_help_is_refused(parent: Recognizer, windows: Windows) -> None:
    mine, _ = halves(windows.of(["2"]))
    scrambled = replace(mine, labels=np.random.default_rng(0).permutation(mine.labels))
    with pytest.raises(AdaptError, match="keep the parent"):
        adapt(parent, scrambled, old=windows.of(["1", "3"]))


@pytest.mark.slow
def test_old_windows_show_whether_a_person_makes_the_child_forget(
    parent: Recognizer, windows: Windows
) -> None:
    old = windows.of(["1", "2"])
    mine, rest = halves(turned(windows.of(["5"]), 30))
    child = adapt(parent, mine, old=old)
    assert right(child, rest) == right(adapt(parent, mine), rest) > right(parent, rest)
    assert "on what was learnt before" in child.card["adapted"]
    with pytest.raises(AdaptError, match="without forgetting"):
        adapt(parent, halves(turned(windows.of(["5"]), 100))[0], old=old)


def without(windows: Windows, activity: str) -> Windows:
    code = windows.activities.index(activity)
    names = tuple(name for name in windows.activities if name != activity)
    kept = windows[(windows.labels != code) & (windows.labels >= 0)]
    labels = (kept.labels - (kept.labels > code)).astype(np.int16)
    return replace(kept, labels=labels, activities=names)


@pytest.mark.parametrize("model", ["features", pytest.param("small", marks=pytest.mark.slow)])
def test_an_activity_is_added_and_the_others_stay(
    windows: Windows, tmp_path: Path, model: str
) -> None:
    old = without(windows.of(["1", "2", "3", "4"]), NEW)
    parent = train(model, old, progress=False)
    assert parent.context is not None
    known_changes = np.array(parent.context.follows) * [4, *[1] * (len(parent.activities) - 1)]
    known_changes /= known_changes.sum(axis=1, keepdims=True)
    follows = tuple(tuple(row) for row in known_changes.tolist())
    parent = replace(parent, context=replace(parent.context, follows=follows))
    code = windows.activities.index(NEW)
    shown = windows.of(["1", "2"])
    shown = shown[shown.labels == code]
    with pytest.raises(AdaptError, match="old"):
        adapt(parent, shown)
    with pytest.raises(AdaptError, match="at least 2 people"):
        adapt(parent, shown, old=old.of(["1"]))
    child = adapt(parent, shown, old=old)
    assert child.activities == (*parent.activities, NEW)
    strangers = windows.of(["5", "6"]).labelled()
    assert right(child, strangers[strangers.labels == code]) > 0.9
    known = strangers[strangers.labels != code]
    assert right(child, known) >= right(parent, known) - 0.02
    again = Recognizer.load(child.save(tmp_path / "child.ambulo"))
    (told,) = again.card["added"]
    assert (told["activity"], told["people"]) == (NEW, ["1", "2"])
    assert told["seconds"] == round(len(shown) * 1.28)
    assert again.context is not None and again.context.activities == child.activities
    kept = np.array(again.context.follows)
    assert kept.sum(axis=1) == pytest.approx(1) and (kept + np.eye(len(kept)) > 0).all()
    kept = kept[:-1, :-1] / kept[:-1, :-1].sum(axis=1, keepdims=True)
    assert np.allclose(kept, known_changes)  # which changes are likely is not forgotten
    reference = again.context.reference
    assert reference is not None and NEW in reference.still  # so that angles may decide for it
    assert np.allclose(np.exp(reference.angles[-1]).sum(), 1)  # of which nothing is known yet
    again.predict(make(people=1, minutes=0.5, seed=9)[0])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda w: w[np.zeros(len(w), bool)], "no labelled window"),
        (lambda w: replace(w, values=w.values[:, :50]), "50 samples"),
        (lambda w: w.labelled()[:2], "too few"),
    ],
)
def test_windows_that_do_not_fit_are_refused(
    parent: Recognizer, windows: Windows, spoil: object, message: str
) -> None:
    with pytest.raises(AdaptError, match=message):
        adapt(parent, spoil(windows.of(["5"])))  # type: ignore[operator]


def test_old_windows_must_show_all_that_must_not_be_forgotten(
    parent: Recognizer, windows: Windows
) -> None:
    few = windows.labelled().of(["1", "2"])
    mine = few[few.labels == 0]
    mine = replace(mine, activities=("rowing", *mine.activities[1:]))
    sits = few.activities.index("sitting")
    with pytest.raises(AdaptError, match="the old windows show no sitting"):
        adapt(parent, mine, old=few[few.labels != sits])


def test_old_windows_of_other_data_prove_nothing(parent: Recognizer, windows: Windows) -> None:
    other = replace(windows.of(["1", "2"]), source="hapt")
    mine, _ = halves(turned(windows.of(["5"]), 30))
    with pytest.raises(AdaptError, match="are of hapt, but the recognizer learnt from synthetic"):
        adapt(parent, mine, old=other)
    child = adapt(parent, replace(mine, source="mine"))
    with pytest.raises(AdaptError, match="learnt from synthetic and mine"):
        adapt(child, mine, old=other)


@pytest.mark.parametrize("all_of_it", [True, False])
def test_what_does_not_suit_a_child_is_told(
    parent: Recognizer, windows: Windows, all_of_it: bool
) -> None:
    mine = turned(windows.of(["5"]), 60).labelled()
    mine = mine if all_of_it else mine[mine.labels != windows.activities.index(NEW)]
    child = adapt(parent, replace(mine, placements=()))
    up = (signature(mine) if all_of_it else parent.card["signal"])["acc"]["up"]
    assert child.card["signal"]["acc"]["up"] == up
    day = make(people=1, minutes=1.0, seed=9)[0]
    wild = day.values * np.float32([1, 1, 1, 9, 9, 9])
    doubts = fit(replace(day, values=wild, notes={"placement": "wrist"}), child).of("doubt")
    assert [check.what for check in doubts] == ["range of gyro", "placement"]


def test_a_recognizer_gives_its_network_back_with_its_frame(windows: Windows) -> None:
    few = windows.of(["1", "2"]).labelled()
    recognizer = train("rocket", few, progress=False, frame="both", sizes={"features": 84})
    network = recognizer.to_network()
    assert network is not None
    with torch.no_grad():
        logits = network(torch.as_tensor(few.values[:8])).numpy()
    np.testing.assert_allclose(logits, recognizer.logits(few.values[:8]), atol=1e-3)


@pytest.mark.slow
def test_the_command_teaches_or_says_why_not(
    parent: Recognizer, windows: Windows, tmp_path: Path
) -> None:
    from ambulo.readers.table import write

    mine = tmp_path / "mine" / "anna"
    mine.mkdir(parents=True)
    recording = make(people=1, minutes=2.0, seed=5)[0]
    matrix = rotation_matrices(np.radians(np.array([[60.0, 0.0, 0.0]])))[0]
    values = (recording.values.reshape(-1, 2, 3) @ matrix.T).reshape(recording.values.shape)
    write(replace(recording, values=values.astype(np.float32)), mine / "monday.csv")
    file = parent.save(tmp_path / "p.ambulo")
    out = tmp_path / "anna.ambulo"
    done = CliRunner().invoke(
        app, ["adapt", str(file), "--with", str(tmp_path / "mine"), "--out", str(out), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert Recognizer.load(out).card["people"] == ["anna"]


@pytest.mark.parametrize(
    ("people", "seconds", "doubted"),
    [(["anna"], 240, True), (["anna", "bo"], 7, True), (["anna", "bo"], 240, False)],
)
def test_an_activity_that_one_person_showed_or_briefly_is_doubted(
    people: list[str],
    seconds: int,
    doubted: bool,
    parent: Recognizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    added = [{"activity": "rowing", "people": people, "seconds": seconds}]
    child = replace(parent, card={**parent.card, "adapted": "better", "added": added})
    monkeypatch.setattr("ambulo.adaptation.adapt", lambda *_, **__: child)
    monkeypatch.chdir(tmp_path)
    file = parent.save("p.ambulo")
    done = CliRunner().invoke(app, ["adapt", str(file), "--with", "synthetic"])
    assert done.exit_code == 0, done.output
    assert (f"rowing was shown for {seconds} s by {', '.join(people)}" in done.output) == doubted


@pytest.mark.parametrize("model", ["features", pytest.param("small", marks=pytest.mark.slow)])
def test_an_activity_that_is_an_old_one_by_another_name_is_refused(
    windows: Windows, model: str
) -> None:
    old = without(windows.of(["1", "2", "3", "4"]), NEW)
    parent = train(model, old, progress=False)
    shown = windows.of(["1", "2"])
    shown = shown[shown.labels == windows.activities.index("standing")]
    codes = np.full(len(shown), windows.activities.index(NEW), np.int16)
    with pytest.raises(AdaptError, match="without forgetting"):
        adapt(parent, replace(shown, labels=codes), old=old)


def test_an_activity_between_two_others_is_masked_less_than_by_least_squares() -> None:
    """Least squares alone mask it (Hastie, Tibshirani, Friedman 2009, 4.2)."""
    labels = np.repeat([0, 1, 2], 60)
    features = np.random.default_rng(0).normal(2.0 * labels - 2, 0.3)[:, None].astype(np.float32)
    halves = []
    for part in (slice(0, None, 2), slice(1, None, 2)):
        ridge, rows = Ridge(1, 3), (features[part], labels[part])
        ridge.add(*(torch.as_tensor(each) for each in rows), torch.ones(len(rows[1])))
        halves.append(Shown(ridge, (rows,)))
    both = halves[0] + halves[1]
    middle = labels == 1
    alone, joined = (
        (decided(features, head) == labels)[middle].mean()
        for head in (both.ridge.solve(PENALTY), both.solved)
    )
    assert joined > alone + 0.1
