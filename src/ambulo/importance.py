"""What decisions rest on: channels by permutation, and time steps by attention."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import EvaluationError
from ambulo.recognizer import Recognizer
from ambulo.recording import triads
from ambulo.windows import Windows

if TYPE_CHECKING:
    from torch import Tensor, nn

Array = npt.NDArray[Any]

_BATCH = 256


@dataclass(frozen=True)
class Loss:
    """Accuracy lost when `channels` are permuted together: mean and deviation over repeats."""

    name: str
    channels: tuple[str, ...]
    mean: float
    std: float


@dataclass(frozen=True)
class Importance:
    """Accuracy of `windows` windows, and what is lost of it without each channel and sensor."""

    accuracy: float
    windows: int
    repeats: int
    channels: tuple[Loss, ...]
    sensors: tuple[Loss, ...]

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return asdict(self)


def channel_importance(
    network: Recognizer | nn.Module,
    windows: Windows,
    *,
    repeats: int = 5,
    seed: int = 0,
    limit: int | None = 1000,
) -> Importance:
    """Loss in accuracy when a channel, or a sensor's three axes together, is permuted.

    `network` is a Recognizer, or a trained network that takes `(batch, length, channels)` in the
    windows' units. A permuted channel comes from another of the windows, drawn anew in each of
    `repeats`; at most `limit` windows are used, drawn by `seed`. Permutation importance: Breiman
    2001, section 10. Channels that tell the same share their importance: a small loss does not mean
    that a channel tells nothing. Raises EvaluationError without labelled windows or repeats, or for
    windows that a recognizer does not take.
    """
    windows = windows.labelled()
    if isinstance(network, Recognizer):
        strange = [name for name in windows.shown() if name not in network.activities]
        if wrong := windows.unlike(network.windowing) or ", ".join(strange):
            raise EvaluationError(f"the recognizer does not take or know this: {wrong}")
        windows = windows.coded(network.activities)
    rng = np.random.default_rng(seed)
    if limit is not None and len(windows) > limit:
        windows = windows[np.sort(rng.choice(len(windows), limit, replace=False))]
    if len(windows) < 2 or repeats < 1:
        raise EvaluationError("importance needs two labelled windows and one repeat at least")
    logits = network.logits if isinstance(network, Recognizer) else _runner(network)

    def accuracy(values: Array) -> float:
        return float((logits(values).argmax(1) == windows.labels).mean())

    whole = accuracy(windows.values)

    def losses(groups: list[list[int]]) -> tuple[Loss, ...]:
        return tuple(
            _loss(
                [windows.channels[i] for i in axes],
                whole - np.array([accuracy(v) for v in _permuted(windows, axes, repeats, rng)]),
            )
            for axes in groups
        )

    alone = [[i] for i in range(len(windows.channels))]
    return Importance(whole, len(windows), repeats, losses(alone), losses(triads(windows.channels)))


def _permuted(
    windows: Windows, axes: list[int], repeats: int, rng: np.random.Generator
) -> Iterator[Array]:
    for _ in range(repeats):
        values = np.array(windows.values)  # which may be in a file
        values[:, :, axes] = values[rng.permutation(len(values))][:, :, axes]
        yield values


def _loss(names: list[str], lost: Array) -> Loss:
    name = names[0] if len(names) == 1 else names[0].removesuffix("_x")
    return Loss(name, tuple(names), float(lost.mean()), float(lost.std()))


def attention_over_time(network: Recognizer | nn.Module, values: Array) -> Array | None:
    """Attention that time steps of `(windows, length, channels)` receive, where a model has any.

    `(windows, layers, steps)` float16, each layer's sum over steps 1; None for a model without the
    method `attention`. Attention says where a model looked, not why it decided so (Jain and Wallace
    2019).
    """
    whole: Any = network.to_network() if isinstance(network, Recognizer) else network
    inner = getattr(whole, "network", whole)
    if not hasattr(inner, "attention"):
        return None
    scaled = getattr(whole, "scaled", lambda x: x)
    return _runner(whole, lambda x: inner.attention(scaled(x)))(values).astype(np.float16)


def _runner(
    network: nn.Module, step: Callable[[Tensor], Tensor] | None = None
) -> Callable[[Array], Array]:
    """A function from arrays to arrays that runs a network in evaluation mode, in batches."""
    import torch

    device = next(network.parameters()).device
    network.eval()

    def run(values: Array) -> Array:
        x = torch.as_tensor(np.ascontiguousarray(values, np.float32))
        with torch.no_grad():
            parts = [
                (step or network)(part.to(device)).float().cpu() for part in torch.split(x, _BATCH)
            ]
        return np.asarray(torch.cat(parts))

    return run
