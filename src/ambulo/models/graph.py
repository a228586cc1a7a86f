"""A network as an ONNX graph."""

from __future__ import annotations

import io
import logging
import warnings
from copy import copy
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

OPSET = 18
"""ONNX operator set of every exported graph."""
LARGE = 1024
"""Elements from which a smaller type is worth a cast."""


class _Both(nn.Module):
    """A network's logits, and how strange the window is."""

    def __init__(self, network: nn.Module, novelty: nn.Module) -> None:
        super().__init__()
        self.network, self.novelty = network, novelty

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(x)
        return logits, self.novelty(x, logits)


def to_onnx(
    network: nn.Module, length: int, channels: int, novelty: nn.Module | None = None
) -> bytes:
    """The ONNX graph from `signal` `(batch, length, channels)` to `logits` `(batch, classes)`.

    With `novelty` the graph also gives that, `(batch,)`. The batch is free, the rest is fixed; the
    network is left in evaluation mode on the CPU. What its head passes over is not computed.
    """
    network = lean(network.cpu().eval())
    names = ["logits"] if novelty is None else ["logits", "novelty"]
    whole = network if novelty is None else _Both(network, novelty.cpu().eval())
    example = torch.zeros(2, length, channels)
    batch = torch.export.Dim("batch", min=1, max=1 << 20)
    out = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            whole,
            (example,),
            dynamo=True,
            input_names=["signal"],
            output_names=names,
            dynamic_shapes=({0: batch},),
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        program.save(out)  # type: ignore[arg-type]
    return _slim(out.getvalue())


def lean(network: nn.Module) -> nn.Module:
    """The same network, or one of the same logits that does less."""
    inner: Any = getattr(network, "network", None)
    if not hasattr(inner, "lean"):
        return network
    out: Any = copy(network)
    out._modules = {**network._modules, "network": inner.lean().eval()}
    return cast(nn.Module, out)


def _slim(graph: bytes) -> bytes:
    """The same graph without remarks of the exporter, and with large constants stored exactly.

    Whole numbers, as kernels of -1, 0 and 2, take a quarter of the room as bytes, and what half
    precision can hold takes half; they are cast back once, on loading.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    del model.graph.value_info[:], model.graph.metadata_props[:], model.metadata_props[:]
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    casts: list[Any] = []
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        values = numpy_helper.to_array(tensor)
        kind = _least(values)
        if kind is not None:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), name + "_small"))
            to = onnx.TensorProto.FLOAT
            casts.append(onnx.helper.make_node("Cast", [name + "_small"], [name], to=to))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _least(values: Any) -> type | None:
    """The smallest type that holds large float32 constants exactly; None: they stay as they are."""
    if values.size < LARGE or values.dtype != np.float32:
        return None
    if np.abs(values).max() < 128 and (values == np.round(values)).all():
        return np.int8
    if np.abs(values).max() < 60_000 and (values == values.astype(np.float16)).all():
        return np.float16
    return None
