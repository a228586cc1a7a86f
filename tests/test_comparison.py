"""Evaluations side by side are paired by people, and start afresh each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ambulo import train
from ambulo.comparison import Comparison, ablate, compare
from ambulo.datasets import load_dataset
from ambulo.datasets.synthetic import make
from ambulo.errors import DatasetError, EvaluationError
from ambulo.report import comparison, save
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
    assert save(comparison(done), tmp_path / "sensors.png").stat().st_size > 5000


def test_options_and_models_are_compared(synthetic: Windows) -> None:
    found = compare("features", synthetic, "imbalance", ["none", "weights"], protocol="people:1")
    assert [e.options["imbalance"] for e in found.evaluations.values()] == ["none", "weights"]
    models = compare("", synthetic, "model", ["features", "small"], protocol="people:1", sizes={})
    assert [e.model for e in models.evaluations.values()] == ["features", "small"]
    made = train("features", synthetic.of(["1", "2"]), validation=0.5, progress=False)
    tested = compare("", synthetic, "model", [made]).evaluations.values()
    assert [e.people for e in tested] == [("3", "4")]


def test_mistakes_are_explained(synthetic: Windows) -> None:
    with pytest.raises(EvaluationError, match="cannot compare over 'speed': choose model, epochs"):
        compare("features", synthetic, "speed", [1])
    with pytest.raises(EvaluationError, match="at least one value"):
        compare("features", synthetic, "epochs", [])
    with pytest.raises(DatasetError, match="no channels 'knee'"):
        ablate("features", load_dataset("synthetic"), ["knee"])
