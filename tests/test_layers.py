"""Layers made quick for training are those of torch: the same outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ambulo.models.convolutional import Halve
from ambulo.models.fast_gru import GRU


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
