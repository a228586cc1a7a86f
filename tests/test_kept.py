"""A head that keeps a share of its features, and a graph that computes no others (`kept`)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ambulo import Recognizer, adapt, export, train
from ambulo.closed_form import Ridge
from ambulo.errors import TrainingError
from ambulo.windows import Windows

ASKED: dict[str, Any] = {"progress": False, "epochs": 1}
FEW = {"features": 504}
LEARNT = 128
"""Features of the CNN, which comes first and stays whole."""


@pytest.fixture(scope="module")
def pair(short: Windows) -> tuple[Recognizer, Recognizer]:
    """With all features, and with a quarter of them."""
    whole, lean = (train("best", short, kept=kept, sizes=FEW, **ASKED) for kept in (1, 0.25))
    return whole, lean


def test_what_is_left_out_weighs_nothing_and_is_not_in_the_graph(
    pair: tuple[Recognizer, Recognizer],
) -> None:
    whole, lean = pair
    weights = [each.to_network().network.head.weight for each in pair]  # type: ignore[union-attr]
    used = [(each[:, LEARNT:] != 0).any(0).float().mean() for each in weights]
    assert used[0] > 0.9 and used[1] == pytest.approx(0.25, abs=0.01)
    assert len(lean.graph) < len(whole.graph)


def test_the_graph_says_what_the_whole_network_says(
    pair: tuple[Recognizer, Recognizer], short: Windows, tmp_path: Path
) -> None:
    lean = pair[1]
    network = lean.to_network()
    assert network is not None
    x = short.values[:200]
    with torch.no_grad():
        expected = network(torch.as_tensor(x)).numpy()
    np.testing.assert_allclose(lean.logits(x), expected, rtol=1e-4, atol=1e-4)
    written = export(lean, tmp_path / "lean.h", format="c", windows=x)
    assert written.difference < 1e-4


def test_it_decides_about_as_well(pair: tuple[Recognizer, Recognizer], short: Windows) -> None:
    whole, lean = ((each.logits(short.values).argmax(1) == short.labels).mean() for each in pair)
    assert lean > whole - 0.05


@pytest.mark.slow
def test_a_child_learns_from_all_features(
    pair: tuple[Recognizer, Recognizer], short: Windows
) -> None:
    mine = short.of(short.people[:1])
    child = adapt(pair[1], replace(mine, values=mine.values[:, :, [1, 0, 2, 4, 3, 5]]))
    network = child.to_network()
    assert network is not None
    assert (network.network.head.weight != 0).any(0).float().mean() > 0.9


def test_detaching_keeps_what_tells_and_drops_noise() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    told = np.eye(3)[labels][:, :2] + 0.1 * rng.normal(size=(600, 2))
    z = np.hstack([rng.normal(size=(600, 20)), told, rng.normal(size=(600, 20))])
    ridge = Ridge(42, 3)
    ridge.add(torch.as_tensor(z).float(), torch.as_tensor(labels), torch.ones(600))
    assert ridge.detach(1.0, 2 / 42).tolist() == [20, 21]
    weights, _ = ridge.solve(1.0, np.array([20, 21]))
    alone = Ridge(2, 3)
    alone.add(torch.as_tensor(told).float(), torch.as_tensor(labels), torch.ones(600))
    np.testing.assert_allclose(weights[:, [20, 21]], alone.solve(1.0)[0], atol=1e-3)
    assert not np.delete(weights, [20, 21], axis=1).any()


@pytest.mark.parametrize("kept", [0, 1.5, -1])
def test_a_share_that_is_none_is_refused(kept: float, short: Windows) -> None:
    with pytest.raises(TrainingError, match="kept must be a share above 0, up to 1"):
        train("small", short, kept=kept, **ASKED)


def test_heads_that_cannot_keep_a_share_say_so(short: Windows) -> None:
    with pytest.raises(TrainingError, match="kept is for random kernels"):
        train("features", short, kept=0.5, **ASKED)
