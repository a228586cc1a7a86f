"""What a decision rests on is found, and what it does not rest on is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_training import Tiny
from torch import nn

from ambulo import evaluate, train
from ambulo.errors import EvaluationError
from ambulo.importance import attention_over_time, channel_importance
from ambulo.models.convolutional import CNNLSTMAttention, attend, attention_weights
from ambulo.models.scaling import Scaled
from ambulo.options import Options
from ambulo.training import fit
from ambulo.windows import Windows


class ByOneChannel(nn.Module):
    """Decides by the mean of channel 2 alone."""

    def __init__(self, channels: int, length: int, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x[:, :, 2].mean(1)
        return torch.stack([-mean, mean], 1)


@pytest.fixture
def told(synthetic: Windows) -> Windows:
    """Windows whose label is the sign of the mean of channel 2."""
    values = np.random.default_rng(0).normal(0, 1, synthetic.values.shape).astype(np.float32)
    labels = (values[:, :, 2].mean(1) > 0).astype(np.int16)
    return replace(synthetic, values=values, labels=labels)


def test_only_the_channel_that_decides_matters(told: Windows) -> None:
    found = channel_importance(ByOneChannel(6, 128, 2), told, repeats=4)
    assert found.accuracy == 1.0 and found.repeats == 4 and found.windows == min(len(told), 1000)
    lost = {loss.name: loss for loss in (*found.channels, *found.sensors)}
    assert set(lost) == {*told.channels, "acc", "gyro"}
    for name in (told.channels[2], "acc"):
        assert lost[name].mean == pytest.approx(0.5, abs=0.1) and 0 < lost[name].std < 0.1
    others = set(lost) - {told.channels[2], "acc"}
    assert all(lost[name].mean == lost[name].std == 0 for name in others)
    assert lost["acc"].channels == told.channels[:3]


def test_a_seed_decides_importance_and_nothing_is_changed(synthetic: Windows) -> None:
    recognizer = train(Tiny, synthetic, epochs=2)
    before = synthetic.values.copy()
    first, again = (channel_importance(recognizer, synthetic, limit=80) for _ in range(2))
    assert first == again and first.windows == 80
    assert first != channel_importance(recognizer, synthetic, limit=80, seed=1)
    assert (synthetic.values == before).all()


def test_nothing_to_permute_is_refused(synthetic: Windows) -> None:
    network = ByOneChannel(6, 128, 2)
    for windows, repeats in ((synthetic[:1], 5), (synthetic, 0)):
        with pytest.raises(EvaluationError, match="two labelled windows and one repeat"):
            channel_importance(network, windows, repeats=repeats)


def test_attention_is_that_of_forward() -> None:
    torch.manual_seed(0)
    network = CNNLSTMAttention(3, 40, 4, hidden=8).eval()
    x = torch.randn(5, 40, 3)
    seen = []
    network.second.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network.third.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        network(x)
        received = network.attention(x)
        sequence = network.first(network.norm(network.convolution(x.mT)).mT)[0]
        weights = attention_weights(sequence)
    assert received.shape == (5, 2, 38)
    torch.testing.assert_close(received.sum(-1), torch.ones(5, 2))
    torch.testing.assert_close(received[:, 0], weights.mean(1))
    torch.testing.assert_close(weights @ sequence, seen[0])
    torch.testing.assert_close(attend(network.second(seen[0])[0]), seen[1])


def test_attention_is_shown_of_signals_along_gravity_too(short: Windows) -> None:
    sizes = {"filters": 8, "hidden": 8}
    options = Options(frame="both", epochs=1, sizes=sizes)
    network = fit("cnn-lstm-attention", short, options).network
    received = attention_over_time(network, short.values[:3])
    assert received is not None
    np.testing.assert_allclose(received.sum(-1, dtype=float), 1, atol=0.02)


def test_a_model_without_attention_has_none(synthetic: Windows) -> None:
    assert attention_over_time(Scaled(Tiny(6, 128, 6), 6), synthetic.values) is None
    assert attention_over_time(train(Tiny, synthetic, epochs=1), synthetic.values) is None


def test_probabilities_are_calibrated_and_in_order(synthetic: Windows) -> None:
    found = evaluate(Tiny, synthetic, protocol="groups:2", seeds=2, epochs=2, workers=1)
    assert found.probabilities is not None and found.truth is not None
    assert found.positions is not None and found.importance is None and found.attention is None
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.shape == (2, len(synthetic.labelled()), 6)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, rtol=1e-5)
    labelled = synthetic.labelled()
    assert (labelled.labels[found.positions] == found.truth).all()
    for i, person in enumerate(found.people):
        mine = labelled.subjects[found.positions] == person
        right = (found.probabilities.argmax(-1) == found.truth)[:, mine].sum()
        assert right == np.trace(found.confusion[:, i].sum(0))
    assert len(found.temperatures) == 4 and all(t > 0 for t in found.temperatures)


def test_calibration_error_is_the_gap(synthetic: Windows) -> None:
    found = evaluate(Tiny, synthetic, protocol="people:1", epochs=1, workers=1)
    sure = np.array([[[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.0, 1.0]]], np.float32)
    known = replace(found, probabilities=sure, truth=np.array([0, 1, 0, 1]))
    calibration = known.calibration()
    assert calibration is not None
    # two windows at 0.9 with accuracy 0.5, one at 0.6 and one at 1.0 that are right
    assert calibration["ece"] == pytest.approx((2 * 0.4 + 0.4 + 0) / 4, abs=1e-6)
    assert [b["windows"] for b in calibration["bins"]] == [1, 2, 1]
    proper = known.proper()
    assert proper is not None and 0 < proper["brier"] < 2 and proper["log_loss"] > 0
