"""Calibration to gravity, and non-wear, of accelerometers worn for days. Values are in g."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

STILL = 0.013
"""Standard deviation in g below which ten seconds are still (van Hees 2014)."""
_SPREAD = 0.3
"""g that still periods must reach on both sides of every axis for the fit to be sound."""


class Calibration(NamedTuple):
    """Whether it was done, what was done, and why."""

    done: bool
    said: str
    why: str


def statistics(values: Array, length: int) -> tuple[Array, Array, Array]:
    """Mean, deviation and range of pieces of `length` samples: three arrays `(n, channels)`."""
    n = len(values) // length
    out = np.empty((3, n, values.shape[1]))
    for first in range(0, n, 512):
        last = min(first + 512, n)
        piece = values[first * length : last * length].reshape(last - first, length, -1)
        piece = piece.astype(np.float64)
        out[0, first:last], out[1, first:last] = piece.mean(axis=1), piece.std(axis=1)
        out[2, first:last] = np.ptp(piece, axis=1)
    return out[0], out[1], out[2]


def calibrate(acc: Array, rate: float) -> Calibration:
    """Scale and shift the axes of `(samples, 3)` in place so that still periods measure 1 g.

    After van Hees et al., Autocalibration of accelerometer data for free-living physical activity
    assessment using local gravity and temperature, J Appl Physiol 2014 (without temperature):
    still pieces of 10 s are moved to the unit sphere, and gain and offset fitted to that, again
    and again. Nothing is done where still periods do not reach both sides of every axis.
    """
    mean, deviation, _ = statistics(acc, max(round(10 * rate), 2))
    points = mean[(deviation < STILL).all(axis=1)]
    points = points[np.abs(np.linalg.norm(points, axis=1) - 1) < 0.2]
    around = len(points) >= 10 and ((points.max(0) > _SPREAD) & (points.min(0) < -_SPREAD)).all()
    if not around:
        why = f"{len(points)} still pieces do not show both sides of every axis"
        return Calibration(False, "none", why)
    gain, offset = _sphere(points)
    before = float(np.abs(np.linalg.norm(points, axis=1) - 1).mean())
    after = float(np.abs(np.linalg.norm(points * gain + offset, axis=1) - 1).mean())
    if after >= before or np.abs(gain - 1).max() > 0.2 or np.abs(offset).max() > 0.2:
        return Calibration(False, "none", "fitting gain and offset did not help")
    acc *= gain.astype(acc.dtype)
    acc += offset.astype(acc.dtype)
    gains, offsets = (", ".join(f"{v:.4f}" for v in values) for values in (gain, offset))
    why = f"still pieces were {1000 * before:.1f} mg from 1 g, now {1000 * after:.1f} mg"
    return Calibration(True, f"gain {gains}; offset {offsets} g", why)


def _sphere(points: Array) -> tuple[Array, Array]:
    """Gain and offset `(3,)` that bring `points` `(n, 3)` nearest to the unit sphere."""
    gain, offset = np.ones(3), np.zeros(3)
    for _ in range(500):
        moved = points * gain + offset
        target = moved / np.linalg.norm(moved, axis=1, keepdims=True)
        fits = [np.polyfit(moved[:, axis], target[:, axis], 1) for axis in range(3)]
        slope, shift = np.array(fits).T
        gain, offset = gain * slope, offset * slope + shift
        if np.abs(slope - 1).max() + np.abs(shift).max() < 1e-8:
            break
    return gain, offset


def nonwear(acc: Array, rate: float) -> list[tuple[float, float]]:
    """When `(samples, 3)` in g were not worn: `(start, end)` in seconds of samples.

    After van Hees et al., Estimation of daily energy expenditure in pregnant and non-pregnant women
    using a wrist-worn tri-axial accelerometer, PLoS ONE 2011: an hour in which at least two axes
    deviate by less than 13 mg and range over less than 50 mg, found in steps of 15 minutes.
    """
    quarter = max(round(900 * rate), 1)
    count = len(acc) // quarter
    spans: list[tuple[float, float]] = []
    for first in range(count - 3):
        hour = acc[first * quarter : (first + 4) * quarter].astype(np.float64)
        still = (hour.std(axis=0) < STILL) & (np.ptp(hour, axis=0) < 0.05)
        if still.sum() >= 2:
            start, end = first * quarter / rate, (first + 4) * quarter / rate
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
    return spans
