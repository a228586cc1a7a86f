"""A network as an ONNX graph."""

from __future__ import annotations

import io
import logging
import warnings

import torch
from torch import nn

OPSET = 18
"""ONNX operator set of every exported graph."""


def to_onnx(network: nn.Module, length: int, channels: int) -> bytes:
    """The ONNX graph from `signal` `(batch, length, channels)` to `logits` `(batch, classes)`.

    The batch is free, the rest is fixed; the network is left in evaluation mode on the CPU.
    """
    network = network.cpu().eval()
    example = torch.zeros(2, length, channels)
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    out = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            input_names=["signal"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(out)  # type: ignore[arg-type]
    return out.getvalue()
