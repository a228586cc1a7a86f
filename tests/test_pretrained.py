"""Recognizers that come along: they load, say what they are, and the fitting one is chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ambulo.cli import app
from ambulo.datasets.synthetic import make
from ambulo.errors import RecognizerError
from ambulo.pretrained import PRETRAINED, load, suiting
from ambulo.readers.table import write
from ambulo.recording import Recording, channels


def still(direction: tuple[float, float, float], rate: float, names: list[str]) -> Recording:
    """Three minutes of rest, gravity along `direction`."""
    rng = np.random.default_rng(0)
    values = np.zeros((round(180 * rate), len(names)))
    values[:, :3] = np.array(direction) / np.linalg.norm(direction) * 9.81
    values += rng.normal(0, 0.05, values.shape)
    return Recording(
        values=values.astype(np.float32), rate=rate, channels=channels(names), subject="a", name="r"
    )


@pytest.mark.parametrize("name", PRETRAINED)
def test_each_loads_predicts_and_tells_where_it_comes_from(name: str) -> None:
    recognizer = load(name)
    assert recognizer.unknown is not None and recognizer.context is not None
    for field in ("people", "terms", "citation", "limits", "signal"):
        assert recognizer.card[field], field
    scores = recognizer.card["scores"]
    assert scores["command"].startswith("ambulo evaluate ") and 0.5 < scores["accuracy"] < 1
    assert scores["worst person"] <= scores["accuracy"]
    rate = recognizer.windowing.rate or 50.0
    up = tuple(next(iter(recognizer.card["signal"].values()))["up"])
    timeline = recognizer.predict(still(up, rate, list(recognizer.windowing.channels or ())))
    assert timeline.bouts[-1].end == pytest.approx(180, abs=0.1)


@pytest.mark.slow
def test_their_names_do_wherever_a_file_does(tmp_path: Path) -> None:
    recordings = tmp_path / "mine"
    write(make(people=1, minutes=0.5)[0], recordings / "1" / "monday.csv", labels=False)
    lake = str(tmp_path / "lake")
    for command in (
        ["describe", "waist"],
        ["predict", "waist", str(recordings / "1" / "monday.csv")],
        ["stream", "waist", "--from", f"replay:{recordings / '1' / 'monday.csv'}"],
        ["score", str(recordings), lake, "--recognizer", "waist", "--workers", "1"],
        ["evaluate", "synthetic", "--model", "waist"],
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, (command, done.output)


def test_they_are_small_together() -> None:
    folder = Path(__file__).parent.parent / "src" / "ambulo" / "pretrained"
    assert sum(path.stat().st_size for path in folder.glob("*.ambulo")) < 600_000


def test_the_one_that_suits_is_chosen_and_told(tmp_path: Path) -> None:
    up = load("waist").card["signal"]["acc"]["up"]
    names = [f"{sensor}_{axis}" for sensor in ("acc", "gyro") for axis in "xyz"]
    name, _, why = suiting(still(tuple(up), 50.0, names))
    assert name == "waist" and "waist" in why
    path = write(make(people=1, minutes=0.5)[0], tmp_path / "monday.csv", labels=False)
    done = CliRunner().invoke(app, ["predict", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert "recognizer '" in done.stderr and json.loads(done.stdout)


def test_where_nothing_tells_the_placement_the_others_are_named() -> None:
    recording = still((0, 1, 0), 20.0, ["acc_x", "acc_y", "acc_z"])
    name, _, why = suiting(recording)
    assert name == "pocket" and "wrist could be right as well (--as placement=wrist)" in why
    name, _, why = suiting(replace(recording, notes={"placement": "wrist"}))
    assert name == "wrist" and "placement" not in why


def test_where_none_suits_all_reasons_are_told() -> None:
    recording = replace(still((0, 0, 1), 50.0, ["acc_x", "acc_y", "acc_z"]), rate=5.0)
    with pytest.raises(RecognizerError, match="waist.*pocket.*wrist"):
        suiting(recording)
    with pytest.raises(RecognizerError, match="no such file"):
        load("ankle")
