"""Deciding on the mean over a window's sides (`tta`)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ambulo import Recognizer, adapt, export, train
from ambulo.building import SIDES, views
from ambulo.errors import OutputError, TrainingError
from ambulo.signals import rotation_matrices
from ambulo.windows import Windows

FEW = {"features": 168}
ASKED: dict[str, Any] = {"progress": False, "rotate": 10.0, "copies": 1}


@pytest.fixture(scope="module")
def pair(short: Windows) -> tuple[Recognizer, Recognizer]:
    """Without and with views."""
    without, seen = (train("rocket", short, tta=tta, sizes=FEW, **ASKED) for tta in (0, 15))
    return without, seen


def turned(values: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Windows of two three-axis sensors in one housing, turned by a vector in degrees."""
    matrix = rotation_matrices(np.deg2rad(vector)[None])[0]
    out = values.reshape(*values.shape[:2], 2, 3) @ matrix
    return out.reshape(values.shape).astype(np.float32)


def test_sides_cancel_each_other_and_turn_all_sensors_alike(short: Windows) -> None:
    x, seen = short.values[:5], views(short.channels, 15)
    found = seen(torch.as_tensor(x)).numpy().reshape(len(SIDES), *x.shape)
    for side, made in zip(SIDES, found, strict=True):
        np.testing.assert_allclose(made, turned(x, 15 * side), atol=1e-4)
    assert np.abs(found.mean(0) - x * np.sinc(15 / 180)).max() < 0.03 * np.abs(x).max()


@pytest.mark.parametrize(
    "model, sizes",
    [("best", FEW), pytest.param("cnn-lstm", {"filters": 8}, marks=pytest.mark.slow)],
)
def test_the_file_says_the_mean_of_what_it_would_of_each_side(
    model: str, sizes: dict[str, int], short: Windows
) -> None:
    seen = train(model, short, tta=15, epochs=1, sizes=sizes, **ASKED)
    plain = seen.to_network()
    assert plain is not None
    plain.views = None
    x = short.values[:40]
    with torch.no_grad():
        each = [plain(torch.as_tensor(turned(x, 15 * side))).numpy() for side in SIDES]
    np.testing.assert_allclose(seen.logits(x), np.mean(each, axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(seen.logits(x)[:1], seen.logits(x[:1]), rtol=1e-4, atol=1e-5)


def test_a_turned_sensor_changes_less_of_what_is_said(
    pair: tuple[Recognizer, Recognizer], short: Windows
) -> None:
    x = short.values[::4]

    def moved(recognizer: Recognizer) -> float:
        said = recognizer.logits(x)
        sides = [np.array([a, b, 0.0]) for a, b in ((8, 0), (-8, 0), (0, 8), (0, -8))]
        return float(np.mean([np.abs(recognizer.logits(turned(x, s)) - said) for s in sides]))

    plain, seen = map(moved, pair)
    assert seen < 0.9 * plain


def test_what_it_learns_later_is_decided_so_too(
    pair: tuple[Recognizer, Recognizer], short: Windows
) -> None:
    parent, mine = pair[1], short.of(short.people[-1:])
    mine = replace(mine, values=turned(mine.values, np.array([0, 0, 80.0])))
    child = adapt(parent, mine)
    np.testing.assert_array_equal(child.tensors["views.turns"], parent.tensors["views.turns"])
    before, after = (r.logits(mine.values).argmax(1) == mine.labels for r in (parent, child))
    assert after.mean() > before.mean()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_plain_c_decides_so_too(
    pair: tuple[Recognizer, Recognizer], short: Windows, tmp_path: Path
) -> None:
    done = export(pair[1], tmp_path / "net.h", format="c", windows=short.values)
    assert done.difference < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("format", ["phone", "float16", "int8"])
def test_other_formats_keep_the_sides_or_say_why_not(
    format: str, pair: tuple[Recognizer, Recognizer], short: Windows, tmp_path: Path
) -> None:
    try:
        done = export(pair[1], tmp_path / "x", format=format, windows=short.values)
    except OutputError as error:
        assert "not written" in str(error) and format == "int8"
        return
    assert done.difference <= 1e-3


def test_without_three_axes_there_is_nothing_to_turn(short: Windows) -> None:
    flat = replace(short, values=short.values[:, :, :2], channels=short.channels[:2])
    with pytest.raises(TrainingError, match="three-axis"):
        train("rocket", flat, tta=15, progress=False)
