"""Context for Windows: recording by recording, in the order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context
from ambulo.windows import Windows, passages

Array = npt.NDArray[Any]


def decide(
    context: Context, windows: Windows, probabilities: Array, mode: str = "offline", lag: int = 0
) -> Array:
    """Probabilities `(windows, activities)` given context, recording by recording."""
    out = np.array(probabilities, np.float32)
    for index in positions(windows):
        part = windows[index]
        gravity = mean_acceleration(part)
        out[index] = context.decide(
            probabilities[index], part.seconds, mode, gravity=gravity, lag=lag
        )
    return out


def positions(windows: Windows) -> list[Array]:
    """Positions of each recording's windows in the order of time."""
    if not len(windows):
        return []
    own = [
        np.unique(names, return_inverse=True)[1] for names in (windows.subjects, windows.recordings)
    ]
    codes = own[0] * (own[1].max() + 1) + own[1]
    order = np.lexsort((windows.seconds, codes))
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def in_other_order(windows: Windows, seed: int = 0) -> Windows:
    """The windows as if each recording's bouts had come in random order, one after the other.

    A context that has learnt the script of a study does worse on them than on the true order. Only
    `seconds` change; what nobody labelled stays behind the bout that it followed, as does the
    passage that ended it.
    """
    rng, seconds = np.random.default_rng(seed), np.array(windows.seconds)
    step, passage = windows.windowing.spacing(windows.rate), passages(windows.activities)
    for index in positions(windows):
        labels = windows.labels[index]
        starts = (np.diff(labels, prepend=-9) != 0) & (labels >= 0) & ~passage[labels]
        bouts = np.split(index, np.flatnonzero(starts[1:]) + 1)
        order = np.concatenate([bouts[k] for k in rng.permutation(len(bouts))])
        seconds[order] = np.arange(len(order)) * step
    return replace(windows, seconds=seconds)


def mean_acceleration(windows: Windows) -> Array | None:
    """Each window's mean acceleration `(n, 3)` at the first placement; None if gravity is gone."""
    axes = gravity_axes(windows.channels)
    if axes is None or windows.windowing.gravity != "keep":
        return None
    return windows.each(lambda values: np.asarray(values[:, :, axes].mean(axis=1)))


def gravity_axes(channels: Sequence[str]) -> list[int] | None:
    """Positions of the axes of the first accelerometer that feels gravity."""
    for k, name in enumerate(channels):
        stem = name[:-1]
        if name.rpartition(".")[2] == "acc_x" and {stem + "y", stem + "z"} <= set(channels):
            return [k, channels.index(stem + "y"), channels.index(stem + "z")]
    return None
