"""Layers made quick for training are those of torch: the same outputs and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ambulo.models.convolutional import Halve
from ambulo.models.fast_gru import GRU
from ambulo.models.rocket import PARTS, Chosen, Rocket


def test_outputs_and_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    quick, stock = GRU(5, 16, 2, batch_first=True), nn.GRU(5, 16, 2, batch_first=True)
    stock.load_state_dict(quick.state_dict())
    inputs = [torch.randn(7, 30, 5, requires_grad=True) for _ in range(2)]
    with torch.no_grad():
        inputs[1].copy_(inputs[0])
    weight = torch.randn(7, 30, 16)
    outputs = [model(x)[0] for model, x in zip((quick, stock), inputs, strict=True)]
    for output in outputs:
        (output * weight).sum().backward()
    assert torch.allclose(*outputs, atol=1e-6)
    assert torch.allclose(inputs[0].grad, inputs[1].grad, atol=1e-5)
    for ours, theirs in zip(quick.parameters(), stock.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_dropout_acts_between_layers_in_training_only() -> None:
    model = GRU(5, 16, 2, dropout=0.5, batch_first=True)
    x = torch.randn(3, 10, 5)
    assert not torch.equal(model(x)[0], model(x)[0])
    model.eval()
    assert torch.equal(model(x)[0], model(x)[0])


@pytest.mark.parametrize("length", [12, 13])
def test_halving_is_max_pooling_in_gradients_too(length: int) -> None:
    torch.manual_seed(0)
    values = torch.randn(4, 3, length).round()  # rounded, so that neighbours are often equal
    inputs = [values.clone().requires_grad_() for _ in range(2)]
    outputs = [layer(x) for layer, x in zip((Halve(), nn.MaxPool1d(2)), inputs, strict=True)]
    weight = torch.randn_like(outputs[0])
    for output in outputs:
        (output * weight).sum().backward()
    assert torch.equal(*outputs)
    assert torch.equal(inputs[0].grad, inputs[1].grad)


@pytest.fixture(scope="module")
def rocket() -> tuple[Rocket, torch.Tensor]:
    """Random kernels with thresholds from 50 windows, the first of which is still."""
    torch.manual_seed(0)
    x = torch.randn(50, 40, 3)
    x[0] = 0
    model = Rocket(3, 40, 2, features=504)
    model.prepare(x, torch.Generator().manual_seed(0))
    return model, x


def test_thresholds_are_of_windows_drawn_from_all(rocket: tuple[Rocket, torch.Tensor]) -> None:
    names = [name for name, _ in rocket[0].named_buffers() if name.startswith("thresholds")]
    thresholds = torch.cat([rocket[0].get_buffer(name).flatten() for name in names])
    assert (thresholds != 0).float().mean() > 0.9


def test_features_are_what_is_counted_by_hand(rocket: tuple[Rocket, torch.Tensor]) -> None:
    model, x = rocket
    found = model.features(x)[7].view(42, -1)
    signal = x[7].double().numpy() * 256
    for row in (0, 20, 41):
        expected = []
        for dilation in model.dilations:
            for part in PARTS:
                kernel = model.get_buffer(f"kernels_{part}_{dilation}")[row, :, 0].numpy()
                reach = 4 * dilation
                padded = np.pad(signal, ((reach if part == "padded" else 0,) * 2, (0, 0)))
                steps = len(padded) - 2 * reach
                output = sum(
                    padded[tap * dilation : tap * dilation + steps] @ kernel[:, tap]
                    for tap in range(9)
                )
                edges = model.get_buffer(f"thresholds_{part}_{dilation}")[row].double().numpy()
                expected.append(np.clip(output - edges, -1, 1).mean(1))
        np.testing.assert_allclose(found[row].numpy(), np.concatenate(expected), atol=1e-3)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_chosen_features_are_those_of_all(
    rocket: tuple[Rocket, torch.Tensor], share: float
) -> None:
    model, x = rocket
    used = torch.rand(len(model), generator=torch.Generator().manual_seed(1)) < share
    chosen = Chosen(model, used)
    assert sorted(chosen.order.tolist()) == used.nonzero().flatten().tolist()
    expected = model.features(x)[:, chosen.order]
    assert torch.allclose(chosen.features(x), expected, atol=1e-4)  # sums round otherwise
