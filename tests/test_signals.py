"""Resampling and regular grids keep what is in the signal and invent nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambulo.signals import Grid, Resampler, resample, rotation_matrices


@given(st.sampled_from([25.0, 33.3, 50.0, 100.0, 128.0]), st.sampled_from([20.0, 50.0]))
def test_resampling_keeps_a_slow_wave(rate: float, target: float) -> None:
    time = np.arange(int(20 * rate)) / rate
    out = resample(np.sin(2 * np.pi * time)[:, None], rate, target)
    expected = np.sin(2 * np.pi * np.arange(len(out)) / target)
    inner = slice(int(target), -int(target))
    assert abs(len(out) / target - 20) < 0.1
    assert np.abs(out[inner, 0] - expected[inner]).max() < 0.02


@pytest.mark.parametrize("rate", [199.9, 400.2, 100.1, 49.7])
@pytest.mark.parametrize("target", [20.0, 50.0])
def test_resampling_keeps_time_for_a_week(rate: float, target: float) -> None:
    resampler = Resampler(rate, target)
    seconds = 7 * 86400 * (resampler.up / resampler.down / (target / rate) - 1)
    assert abs(seconds) < 0.01


def test_resampling_removes_what_would_alias() -> None:
    time = np.arange(2000) / 100
    out = resample(np.sin(2 * np.pi * 40 * time)[:, None], 100, 20)
    assert np.abs(out[20:-20]).max() < 0.02


@given(st.integers(1, 500), st.floats(-20, 20))
def test_resampling_keeps_a_constant_to_the_edge(n: int, level: float) -> None:
    out = resample(np.full((n, 2), level), 50, 20)
    assert np.allclose(out, level, rtol=1e-3, atol=1e-3)


@given(
    st.lists(st.floats(0.005, 0.045), min_size=2, max_size=200),
    st.lists(st.floats(1.0, 30.0), max_size=3),
)
def test_grid_and_gaps_make_up_the_whole_time(steps: list[float], pauses: list[float]) -> None:
    steps = steps + [s for pause in pauses for s in (pause, 0.02, 0.02)]
    time = np.r_[0, np.cumsum(steps)]
    grid = Grid(50.0)
    ends: dict[float, float] = {}
    for begin, piece in [*grid.push(time, time[:, None]), *grid.finish()]:
        ends[begin] = ends.get(begin, begin) + len(piece) / 50
        # A signal that is its own time shows that samples stand where they belong.
        assert np.allclose(piece[:, 0], ends[begin] - np.arange(len(piece), 0, -1) / 50, atol=1e-4)
    assert len(ends) == len(pauses) + 1
    for end, begin, pause in zip(ends.values(), [*ends][1:], pauses, strict=False):
        assert abs(begin - end - pause) < 0.021
    assert abs([*ends.values()][-1] - time[-1]) < 0.021


def test_interpolation_stays_between_neighbours() -> None:
    grid = Grid(100.0)
    pieces = [*grid.push(np.array([0, 0.03, 0.04]), np.array([[0.0], [3.0], [4.0]]))]
    values = np.concatenate([piece for begin, piece in [*pieces, *grid.finish()] if begin == 0])
    assert np.allclose(values[:, 0], [0, 1, 2, 3, 4])


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_rotations_are_rotations(vector: list[float]) -> None:
    (turn,) = rotation_matrices(np.array([vector]))
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    assert np.isclose(np.linalg.det(turn), 1)
    assert np.allclose(turn @ vector, vector, atol=1e-6)
