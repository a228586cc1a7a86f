"""Every registered model keeps these promises; a new one is covered by being registered."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ambulo import MODELS, Recognizer, load_dataset
from ambulo.context.learning import learn
from ambulo.datasets.synthetic import make
from ambulo.exporting import export
from ambulo.models import model_class
from ambulo.models.scaling import Scaled
from ambulo.options import Options
from ambulo.recognizer import softmax
from ambulo.stream import Stream
from ambulo.training import fit
from ambulo.windows import Windows

PARAMETERS = {
    "lstm": 61_574,
    "gru": 48_454,
    "cnn": 39_302,
    "cnn-lstm": 97_606,
    "cnn-lstm-attention": 117_926,
    "rocket": 29_742,
    "features": 1_806,
    "best": 55_366,
    "small": 4_326,
}
"""Trainable parameters for 9 channels, 128 samples, 6 classes."""


LENGTH = 32
SIZES: dict[str, dict[str, int]] = {"rocket": {"features": 840}, "best": {"features": 840}}
"""Short windows and fewer kernels: recurrent networks are written, and heads solved, sooner."""


@pytest.fixture(scope="module")
def short() -> Windows:
    """Windows of 32 samples of four made-up people."""
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=1.0)))
    return dataset.windows(seconds=LENGTH / 50, overlap=0.0)


@pytest.fixture(scope="module", params=list(MODELS))
def trained(
    request: pytest.FixtureRequest, short: Windows, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Scaled, Recognizer, Path]:
    """A network trained for one epoch, and its recognizer saved and loaded again."""
    sizes = SIZES.get(request.param, {})
    fitted = fit(request.param, short, Options(epochs=1, sizes=sizes))
    made = Recognizer.from_network(
        fitted.network, short, name=request.param, sizes=sizes, temperature=1.7
    )
    path = made.save(tmp_path_factory.mktemp("models") / "model.ambulo")
    return fitted.network, Recognizer.load(path), path


@pytest.mark.parametrize("name", MODELS)
def test_size_is_the_published_one(name: str) -> None:
    network = model_class(name)(9, 128, 6)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", MODELS)
def test_head_decides_on_features(name: str) -> None:
    network = model_class(name)(6, 100, 4).eval()
    x = torch.randn(5, 100, 6)
    with torch.no_grad():
        assert torch.allclose(network(x), network.head(network.features(x)))
        assert network(x).shape == (5, 4)


def test_reloaded_equals_torch(trained: tuple[Scaled, Recognizer, Path], short: Windows) -> None:
    network, loaded, _ = trained
    with torch.no_grad():
        logits = network(torch.as_tensor(short.values)).numpy()
    expected = softmax(logits / 1.7)
    got = loaded.probabilities(short.values)
    assert (got.argmax(1) == expected.argmax(1)).all()
    assert np.abs(got - expected).max() < 1e-5


def test_a_window_does_not_depend_on_its_batch(
    trained: tuple[Scaled, Recognizer, Path], short: Windows
) -> None:
    _, loaded, _ = trained
    together = loaded.probabilities(short.values[:20])
    alone = np.concatenate([loaded.probabilities(short.values[i : i + 1]) for i in range(20)])
    assert np.abs(together - alone).max() < 1e-5


def test_a_sensor_that_lies_still_gives_no_rounding_to_decide_on(
    trained: tuple[Scaled, Recognizer, Path],
) -> None:
    network, loaded, _ = trained
    rng = np.random.default_rng(0)
    level = rng.normal(0, 5.7, (40, 1, 6)) * [1, 1, 1, 0.02, 0.02, 0.02]
    steps = np.where(
        rng.random((40, LENGTH, 6)) < 0.001, 1, 0
    )  # a converter's last bit, now and then
    still = ((np.round(level / 0.039) + steps) * 0.039).astype(np.float32)
    together = loaded.probabilities(still)
    alone = np.concatenate([loaded.probabilities(window[None]) for window in still])
    with torch.no_grad():
        exact = deepcopy(network).double()(torch.as_tensor(still).double()).numpy()
    assert np.abs(together - alone).max() < 1e-3
    assert np.abs(together - softmax(exact / 1.7)).max() < 1e-3


def test_no_windows_no_probabilities(trained: tuple[Scaled, Recognizer, Path]) -> None:
    _, loaded, _ = trained
    assert loaded.probabilities(np.zeros((0, LENGTH, 6), np.float32)).shape == (0, 6)


def test_tensors_rebuild_the_network(
    trained: tuple[Scaled, Recognizer, Path], short: Windows
) -> None:
    network, loaded, _ = trained
    of = loaded.network
    again = Scaled(model_class(of["model"])(6, LENGTH, 6, **of["sizes"]), 6)
    again.load_state_dict({k: torch.as_tensor(v) for k, v in loaded.tensors.items()})
    x = torch.as_tensor(short.values[:8])
    with torch.no_grad():
        assert torch.equal(again.eval()(x), network(x))


@pytest.mark.parametrize("lag", [0, 2])
def test_a_stream_decides_as_the_batch(trained: tuple[Scaled, Recognizer, Path], lag: int) -> None:
    dataset = load_dataset("synthetic")
    context = learn(dataset.windows(keep="all").of(["1", "2", "3"]))
    recognizer = replace(trained[1], context=context)
    (recording,) = [replace(r, intervals=()) for r in make(people=1, minutes=1.0, rate=100.0)]
    windows = recognizer.windowing.cut([recording], recognizer.activities)
    expected = recognizer.decide(windows, context="causal", lag=lag)
    stream, time, rng = Stream(recognizer, lag=lag), recording.time, np.random.default_rng(lag)
    edges = [0, *np.sort(rng.choice(len(time), 30)), len(time)]
    decided = [
        decision
        for a, b in zip(edges, edges[1:], strict=False)
        for decision in stream.push(time[a:b], recording.values[a:b])
    ] + stream.finish()
    assert np.abs(np.array([d.probabilities for d in decided]) - expected).max() < 1e-4
    activities = [recognizer.activities[k] for k in expected.argmax(1)]
    assert [d.activity for d in decided] == activities
    assert [d.start for d in decided] == pytest.approx(windows.seconds)


def test_the_phone_bundle_decides_alike(
    trained: tuple[Scaled, Recognizer, Path], short: Windows, tmp_path: Path
) -> None:
    network, loaded, _ = trained
    done = export(loaded, tmp_path / "phone.zip", format="phone", windows=short.values[:64])
    assert done.difference < 1e-4 and done.changed == 0 and done.opset == 18
    again = Recognizer.load(tmp_path / "phone.zip")  # it is a recognizer without its tensors
    with torch.no_grad():
        logits = network(torch.as_tensor(short.values[:64])).numpy()
    assert np.abs(again.probabilities(short.values[:64]) - softmax(logits / 1.7)).max() < 1e-5
