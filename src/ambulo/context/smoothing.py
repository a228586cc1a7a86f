"""The forward and backward passes of a hidden Markov model over very many windows, quickly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def forward(likelihood: Array, change: Array, start: Array) -> Array:
    """What is known at each of n windows `(n, states)` from it and those before it.

    `change` `(from, to)` are the probabilities of the state one window later, `start` `(states,)`
    those of the first one (Rabiner 1989, section III).
    """

    def step(now: Array, row: Array) -> Array:
        return (now @ change) * row

    first = start * likelihood[0]
    rest = _scan(likelihood[1:], first / first.sum(), step)
    return np.concatenate([(first / first.sum())[None], rest])


def backward(likelihood: Array, change: Array) -> Array:
    """What windows after each of n tell about its state, `(n, states)`, each row of sum 1."""
    n, states = likelihood.shape
    back = change.T

    def step(now: Array, row: Array) -> Array:
        return (now * row) @ back

    last = np.full(states, 1 / states)
    rest = _scan(likelihood[:0:-1], last, step)
    return np.concatenate([last[None], rest])[::-1]


def _scan(rows: Array, first: Array, step: Any) -> Array:
    """`now = step(now, row)`, scaled to sum 1, for every row `(n, states)` in turn.

    The step is linear in `now`. The rows are cut into about √n stretches that go forward together:
    first from every single state, which gives the state at each stretch's beginning, then from it.
    """
    n, states = rows.shape
    count = max(int(np.sqrt(n)), 1)
    length = -(-n // count)
    padded = np.concatenate([rows, np.ones((count * length - n, states))])
    folded = padded.reshape(count, length, states)
    whole = np.tile(np.eye(states), (count, 1, 1))
    for k in range(length if count > 1 else 0):
        whole = step(whole, folded[:, k, None])
        whole /= whole.sum(axis=(1, 2), keepdims=True)
    now = np.empty((count, states))
    for k in range(count):
        now[k] = first
        first = first @ whole[k]
        first = first / first.sum()
    out = np.empty((length, count, states))
    for k in range(length):
        now = step(now, folded[:, k])
        now /= now.sum(axis=1, keepdims=True)
        out[k] = now
    return out.transpose(1, 0, 2).reshape(-1, states)[:n]
