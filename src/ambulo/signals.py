"""Arrays in, arrays out: units, regular time, resampling, gravity. Knows nothing of recordings.

Every step here is local or per window, so that a stream can do the same as a batch.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STANDARD_GRAVITY = 9.80665
"""Acceleration of standard gravity in m/s² (ISO 80000-3)."""


def regular(
    time: Array, values: Array, rate: float, *, max_gap: float = 0.5
) -> tuple[Array, list[tuple[float, float]]]:
    """Place irregular samples on a regular grid, and state the gaps.

    `time` `(n,)` in seconds must increase strictly; `values` is `(n, channels)`. Between two
    samples less than `max_gap` seconds apart the signal is interpolated linearly; a longer pause
    is a gap, and the grid starts anew behind it. Returns the values on the grid, float32
    `(m, channels)`, and the gaps as `(start, end)` in seconds since `time[0]`.
    """
    time = np.asarray(time, np.float64) - time[0]
    edges = np.flatnonzero(np.diff(time) > max_gap) + 1
    pieces, gaps, end = [], [], 0.0
    for first, last in zip([0, *edges], [*edges, len(time)], strict=True):
        start = time[first]
        if first:
            start = max(start, end)
            gaps.append((end, start))
        n = int(np.floor((time[last - 1] - time[first]) * rate + 1e-6)) + 1
        grid = time[first] + np.arange(n) / rate
        pieces.append(_interpolate(grid, time[first:last], values[first:last]))
        end = start + n / rate
    return np.concatenate(pieces), gaps


def _interpolate(grid: Array, time: Array, values: Array) -> Array:
    columns = [np.interp(grid, time, column) for column in np.asarray(values).T]
    return np.stack(columns, axis=1).astype(np.float32)


def resample(values: Array, rate: float, target: float) -> Array:
    """Change the sampling rate of `(n, channels)` from `rate` to `target` Hz, anti-aliased.

    A polyphase FIR filter (`scipy.signal.resample_poly`, Kaiser window), which looks at a bounded
    neighbourhood of each sample only. Returns float32 `(round(n · target / rate), channels)`, give
    or take one sample.
    """
    ratio = Fraction(target / rate).limit_denominator(1000)
    if ratio == 1 or not len(values):
        return np.asarray(values, np.float32)
    from scipy.signal import resample_poly

    out = resample_poly(
        values.astype(np.float64), ratio.numerator, ratio.denominator, axis=0, padtype="edge"
    )
    return np.asarray(out, np.float32)


def remove_gravity(windows: Array) -> Array:
    """Subtract each window's own mean from every axis: `(n, length, axes)` in and out.

    The mean over a window of a few seconds is the usual estimate of gravity (Mizell 2003); being a
    step inside one window, it is the same in a stream.
    """
    return np.asarray(windows - windows.mean(axis=1, keepdims=True), windows.dtype)


def rotation_matrices(vectors: Array) -> Array:
    """Rotation matrices `(n, 3, 3)` of rotation vectors `(n, 3)` in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    out = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(out)
