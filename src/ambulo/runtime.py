"""A network's graph, run by ONNX Runtime: a block of windows on each core."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecognizerError
from ambulo.processes import threads

Array = npt.NDArray[Any]


class Runtime:
    """An ONNX graph from `signal`, windows `(n, length, channels)`, to whatever outputs it has.

    `batch` windows go through it together. Raises RecognizerError for a graph that cannot be run.
    """

    def __init__(self, graph: bytes, batch: int) -> None:
        self.graph, self.batch = graph, max(batch, 1)

    def __call__(self, values: Array, names: Sequence[str]) -> list[Array]:
        """The named outputs for one window or more, float32."""
        blocks = [values[at : at + self.batch] for at in range(0, len(values), self.batch)]
        if len(blocks) > 1:
            out = list(self._map(lambda block: _run(self._alone, block, names), blocks))
        else:
            out = [_run(self._alone if len(values) == 1 else self._whole, blocks[0], names)]
        return [np.concatenate(parts) for parts in zip(*out, strict=True)]

    def on_one_thread(self) -> Runtime:
        """The same graph, which leaves the other cores to others."""
        other, session = Runtime(self.graph, self.batch), self._alone
        other.__dict__.update(_whole=session, _alone=session, _map=map)
        return other

    @cached_property
    def _whole(self) -> Any:
        return _open(self.graph, threads())

    @cached_property
    def _alone(self) -> Any:
        """For one window or block: threads that wait for each other would only delay it."""
        return _open(self.graph, 1)

    @cached_property
    def _map(self) -> Any:
        """One block a core: twice as quick as all cores on one block after the other."""
        return ThreadPoolExecutor(threads()).map


def _run(session: Any, block: Array, names: Sequence[str]) -> list[Array]:
    out: list[Array] = session.run(list(names), {"signal": block})
    return out


def _open(graph: bytes, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, threads
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
        raise RecognizerError(
            f"the network inside cannot be run ({error}): train it again"
        ) from error
