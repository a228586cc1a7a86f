"""A search sees training people only, goes on where it broke off, and is scored once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ambulo import load_dataset
from ambulo.cli.tune import _space
from ambulo.errors import EvaluationError, TrainingError
from ambulo.report import save, trials_of
from ambulo.tuning import Objective, Tuning, tune
from ambulo.windows import Windows

SPACE = {"rotate": [0.0, 10.0], "copies": [1, 2]}


@pytest.fixture(scope="module")
def tuned(synthetic: Windows, tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuning, Path]:
    study = tmp_path_factory.mktemp("tune") / "study.log"
    return searched(synthetic, study, 3), study


def searched(windows: Windows, study: Path, trials: int) -> Tuning:
    """A search that is kept in a file, or goes on from it."""
    who = f"people:{windows.people[0]}"
    return tune(
        "features", windows, protocol=who, inner="loso", trials=trials, space=SPACE, study=study
    )


def test_the_choice_is_the_best_trial_and_meets_the_test_people_once(
    tuned: tuple[Tuning, Path], synthetic: Windows
) -> None:
    (search,) = tuned[0].searches
    whole = [trial for trial in search.trials if not trial.pruned]
    assert search.chosen == max(whole, key=lambda trial: trial.mean).options
    assert search.trials[0].options == {"rotate": 0.0, "copies": 1}
    assert search.evaluation.people == (synthetic.people[0],)
    assert search.evaluation.options["copies"] == search.chosen["copies"]


def test_no_trial_sees_a_test_person(synthetic: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    call = Objective.__call__

    def watched(self: Objective, trial: object) -> float:
        seen.update(self.people)
        return call(self, trial)

    monkeypatch.setattr(Objective, "__call__", watched)
    tested = synthetic.people[1]
    tune("features", synthetic, protocol=f"people:{tested}", inner="loso", trials=1, space=SPACE)
    assert seen == {*synthetic.people} - {tested}


def test_a_search_goes_on_from_its_file(
    tuned: tuple[Tuning, Path], synthetic: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, study = tuned
    runs: list[int] = []
    call = Objective.__call__
    monkeypatch.setattr(
        Objective, "__call__", lambda self, trial: runs.append(1) or call(self, trial)
    )
    again = searched(synthetic, study, 4)
    assert len(runs) == 1
    assert again.searches[0].trials[:3] == found.searches[0].trials


def test_nothing_is_tried_twice(
    tuned: tuple[Tuning, Path], synthetic: Windows, tmp_path: Path
) -> None:
    """Not when a search goes on, nor when more trials are asked for than there are options."""
    study = Path(shutil.copy(tuned[1], tmp_path))
    again = searched(synthetic, study, 9)
    tried = [tuple(trial.options.values()) for trial in again.searches[0].trials]
    assert sorted(tried) == [(0.0, 1), (0.0, 2), (10.0, 1), (10.0, 2)]


def test_a_search_goes_on_from_a_file_with_half_a_line(
    tuned: tuple[Tuning, Path], synthetic: Windows, tmp_path: Path
) -> None:
    study = Path(shutil.copy(tuned[1], tmp_path))
    study.write_bytes(study.read_bytes()[:-20])
    for trials in (3, 4):  # the line after the half one was joined to it
        again = searched(synthetic, study, trials)
    assert len(again.searches[0].trials) == 4
    assert again.searches[0].trials[:2] == tuned[0].searches[0].trials[:2]


def test_equal_values_are_one(synthetic: Windows) -> None:
    """Where 0 and 0.0 were two, the search for options that were not tried did not end."""
    who = f"people:{synthetic.people[0]}"
    found = tune("features", synthetic, protocol=who, inner="loso", space={"rotate": [0, 0.0]})
    assert len(found.searches[0].trials) == 1
    assert _space(["rotate=0,10", "rotate=20"]) == {"rotate": [0, 10, 20]}


def test_what_is_given_is_not_searched(synthetic: Windows) -> None:
    who = f"people:{synthetic.people[0]}"
    found = tune("features", synthetic, protocol=who, inner="loso", trials=1, rotate=7.0)
    assert "rotate" not in found.space
    assert found.searches[0].evaluation.options["rotate"] == 7.0
    with pytest.raises(TrainingError, match="rotate: is given and searched"):
        tune("features", synthetic, protocol=who, space=SPACE, rotate=7.0)


@pytest.mark.parametrize(
    ("protocol", "inner", "says"),
    [
        ("random", "loso", "protocol random: tests people who were trained on"),
        ("loso", "random:0.3", "inner, of training people, random:0.3: tests people who were"),
        ("loso", "groups:4", "inner, of training people, groups:4: groups:K needs K from 2"),
    ],
)
def test_a_search_is_scored_on_people_never_seen(
    synthetic: Windows, protocol: str, inner: str, says: str
) -> None:
    with pytest.raises(EvaluationError, match=says):
        tune("features", synthetic, protocol=protocol, inner=inner, trials=1, space=SPACE)


def test_windows_can_be_searched_where_there_are_recordings(tmp_path: Path) -> None:
    dataset = load_dataset("synthetic")
    found = tune(
        "features",
        dataset,
        protocol="people:1",
        inner="groups:2",
        trials=2,
        space={"seconds": [2.56, 4.0]},
    )
    (search,) = found.searches
    lengths = {"2.56": 128, "4.0": 200}
    data = search.evaluation.data["windowing"]
    assert round(data["seconds"] * 50) == lengths[str(search.chosen["seconds"])]
    picture = trials_of(found)
    assert "synthetic, people:1\nsearched by groups:2 of" in picture.get_suptitle()
    assert save(picture, tmp_path / "tuned.png").stat().st_size > 5000
    assert found.to_dict()["searches"][0]["trials"][0]["options"] == {"seconds": 2.56}


@pytest.mark.parametrize(
    ("space", "says"),
    [
        ({"rotation": [1]}, "cannot search 'rotation': choose from epochs"),
        ({"rotate": []}, "nothing to choose from for 'rotate'"),
        ({"seconds": [2, 3]}, "cannot search 'seconds'"),
    ],
)
def test_a_wrong_space_is_named(synthetic: Windows, space: dict[str, list[int]], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        tune("features", synthetic, protocol="loso", space=space)


def test_wrong_numbers_are_named(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="cannot search seconds=two: give numbers"):
        tune("features", load_dataset("synthetic"), space={"seconds": ["two"]})
    with pytest.raises(TrainingError, match="nothing to search"):
        tune("features", synthetic, protocol="loso", frame="both", rotate=1.0, around=0.0)
    with pytest.raises(TrainingError, match="trials=0"):
        tune("features", synthetic, protocol="loso", trials=0)
