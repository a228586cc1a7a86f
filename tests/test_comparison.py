"""Evaluations side by side are paired by people, and start afresh each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ambulo import train
from ambulo.cli.compare import _say
from ambulo.comparison import Comparison, ablate, compare
from ambulo.datasets import load_dataset
from ambulo.datasets.synthetic import make
from ambulo.errors import DatasetError, EvaluationError, OutputError, TrainingError
from ambulo.report import comparison, save, write_evaluation
from ambulo.windows import Windows


@pytest.fixture(scope="module")
def done() -> Comparison:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=3, minutes=1.0)))
    return ablate("features", dataset, ["acc_x", "acc_x+acc_y+acc_z"], protocol="loso")


def test_groups_share_people_and_windows(done: Comparison) -> None:
    one, three = done.evaluations.values()
    assert one.people == three.people and one.windows == three.windows
    assert list(done.evaluations) == ["acc_x", "acc_x+acc_y+acc_z"]
    assert three.data["windowing"]["channels"] == ("acc_x", "acc_y", "acc_z")
    assert min(done.seconds.values()) > 0


def test_differences_are_paired_by_people(done: Comparison, tmp_path: Path) -> None:
    same = replace(done, evaluations={"a": (e := done.evaluations["acc_x"]), "b": e})
    assert same.difference("b") == {"mean": 0.0, "low": 0.0, "high": 0.0}
    gap = done.difference("acc_x+acc_y+acc_z")
    assert gap["low"] <= gap["mean"] <= gap["high"]
    assert done.to_dict()["results"][1]["difference"] == gap
    picture = comparison(done)
    assert picture.axes[0].get_title() == "synthetic, loso: 3 test people, 1 seed(s)"
    assert save(picture, tmp_path / "sensors.png").stat().st_size > 5000


def test_too_few_people_for_an_interval_are_told(
    done: Comparison, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _say(done)
    assert "3 people are too few for a 95 % interval" in capsys.readouterr().out
    three = done.evaluations["acc_x"]
    assert three.to_dict()["interval"].endswith("their own spread, test more")
    assert "too few for a 95 %" in write_evaluation(three, tmp_path)[0].read_text()
    assert "one person says nothing" in replace(three, people=("1",)).caution
    assert replace(three, people=tuple("123456")).caution == ""


def test_options_and_models_are_compared(synthetic: Windows) -> None:
    found = compare("features", synthetic, "imbalance", ["none", "weights"], protocol="people:1")
    assert [e.options["imbalance"] for e in found.evaluations.values()] == ["none", "weights"]
    models = compare("", synthetic, "model", ["features", "small"], protocol="people:1", sizes={})
    assert [e.model for e in models.evaluations.values()] == ["features", "small"]
    made = train("features", synthetic.of(["1", "2"]), validation=0.5, progress=False)
    tested = compare("", synthetic, "model", [made]).evaluations.values()
    assert [e.people for e in tested] == [("3", "4")]


@pytest.mark.slow
def test_recognizers_are_compared_on_the_same_people(synthetic: Windows) -> None:
    """Their differences are paired by people, whom each recognizer leaves to test by itself."""
    made = [
        train("features", synthetic.of(who), validation=0.5, progress=False)
        for who in (["1", "2"], ["1", "3"])
    ]
    with pytest.raises(EvaluationError, match=r"is tested on 2, 4, '.*' on 3, 4: compare what"):
        compare("", synthetic, "model", made)


def test_an_inflated_comparison_is_stamped(
    synthetic: Windows, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inflated, honest = (
        compare("features", synthetic, "copies", [1], protocol=p) for p in ("random", "people:1")
    )
    _say(inflated)
    assert capsys.readouterr().out.startswith("INFLATED: the same people")
    _say(honest)
    assert "INFLATED" not in capsys.readouterr().out
    assert [text.get_text() for text in comparison(inflated).texts] == ["INFLATED"]
    with pytest.raises(OutputError, match=r"a.pdf: a picture is written as .png"):
        save(comparison(honest), tmp_path / "a.pdf")


def test_mistakes_are_explained(synthetic: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        EvaluationError, match="cannot compare over 'speed': choose model, sizes.NAME, epochs"
    ):
        compare("features", synthetic, "speed", [1])
    with pytest.raises(EvaluationError, match="at least one value"):
        compare("features", synthetic, "epochs", [])
    monkeypatch.setattr("ambulo.comparison.evaluate", None)  # nothing is trained before
    for over, values in (("rotate", [0.0, "far"]), ("model", ["features", "x"])):
        with pytest.raises(TrainingError, match="rotate must be of type float|no model 'x'"):
            compare("features", synthetic, over, values)
    with pytest.raises(DatasetError, match="no channels 'knee'"):
        ablate("features", load_dataset("synthetic"), ["knee"])


@pytest.mark.slow
def test_sizes_are_compared_beside_others_that_stay(synthetic: Windows) -> None:
    found = compare(
        "small", synthetic, "sizes.features", [84, 168], protocol="people:1", sizes={"share": 0.1}
    )
    sizes = [e.options["sizes"] for e in found.evaluations.values()]
    assert sizes == [{"features": n, "share": 0.1} for n in (84, 168)]
    with pytest.raises(TrainingError, match="features must be at least 1"):
        compare("small", synthetic, "sizes.features", [0], protocol="people:1")


@pytest.mark.slow
def test_recognizers_that_print_alike_are_both_compared(synthetic: Windows) -> None:
    made = [
        train("features", synthetic.of(["1", "2"]), validation=0.5, progress=False, seed=seed)
        for seed in (0, 0)
    ]
    assert len(compare("", synthetic, "model", made).evaluations) == 2
