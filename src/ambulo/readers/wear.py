"""Calibration to gravity, and non-wear, of accelerometers worn for days. Values are in g."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Array = npt.NDArray[Any]

STILL = 0.013
"""Standard deviation in g below which ten seconds are still (van Hees 2014)."""
_SPREAD = 0.3
"""g that still periods must reach on both sides of every axis for the fit to be sound."""
_AT_ONCE = 1 << 18
"""Samples that are looked at together."""


class Calibration(NamedTuple):
    """Whether it was done, what was done, and why; gain and offset `(3,)` float32 in g."""

    done: bool
    said: str
    why: str
    gain: Array
    offset: Array

    def apply(self, acc: Array) -> None:
        """Scale and shift the axes of `(samples, 3)` in place."""
        if self.done:
            acc *= self.gain
            acc += self.offset


class Statistics(NamedTuple):
    """Mean, standard deviation, least and most of pieces of equal length: `(n, 3)` each."""

    mean: Array
    deviation: Array
    low: Array
    high: Array

    def joined(self, count: int, step: int) -> Statistics:
        """Of `count` successive pieces as one, which begin `step` pieces after each other.

        None where there are fewer than `count`.
        """
        if len(self.mean) < count:
            return Statistics(*(part[:0] for part in self))
        views = [sliding_window_view(part, count, axis=0)[::step] for part in self]
        mean = views[0].mean(axis=-1)
        within = views[1] ** 2 + (views[0] - mean[:, :, None]) ** 2
        deviation = np.sqrt(within.mean(axis=-1))
        return Statistics(mean, deviation, views[2].min(axis=-1), views[3].max(axis=-1))

    def calibrated(self, by: Calibration) -> Statistics:
        """Of the samples after calibration."""
        if not by.done:
            return self
        mean, low, high = (part * by.gain + by.offset for part in (self.mean, self.low, self.high))
        return Statistics(mean, self.deviation * by.gain, low, high)


def statistics(acc: Array, length: int) -> Statistics:
    """Those of pieces of `length` samples of `(samples, 3)`; a shorter rest is left out."""
    n = len(acc) // length
    out = np.empty((4, n, acc.shape[1]))
    several = max(_AT_ONCE // length, 1)
    for first in range(0, n, several):
        last = min(first + several, n)
        piece = np.ascontiguousarray(acc[first * length : last * length].T)
        piece = piece.reshape(-1, last - first, length)
        out[2, first:last], out[3, first:last] = piece.min(axis=2).T, piece.max(axis=2).T
        mean = piece.mean(axis=2, dtype=np.float64)
        away = piece - mean[:, :, None]
        out[0, first:last] = mean.T
        out[1, first:last] = np.sqrt(np.einsum("cnl,cnl->nc", away, away) / length)
    return Statistics(*out)


def lengths(rate: float) -> tuple[int, int]:
    """Samples in the 10 s that calibration looks at, and in the 15 minutes of `nonwear`."""
    return max(round(10 * rate), 2), max(round(900 * rate), 1)


def calibrate(acc: Array, rate: float) -> Calibration:
    """Scale and shift the axes of `(samples, 3)` in place so that still periods measure 1 g."""
    fitted = fit(statistics(acc, lengths(rate)[0]))
    fitted.apply(acc)
    return fitted


def fit(pieces: Statistics) -> Calibration:
    """How to calibrate what has these statistics, in g, of pieces of 10 s.

    After van Hees et al., Autocalibration of accelerometer data for free-living physical activity
    assessment using local gravity and temperature, J Appl Physiol 2014 (without temperature):
    still pieces of 10 s are moved to the unit sphere, and gain and offset fitted to that, again
    and again. Nothing is done where still periods do not reach both sides of every axis.
    """
    points = pieces.mean[(pieces.deviation < STILL).all(axis=1)]
    points = points[np.abs(np.linalg.norm(points, axis=1) - 1) < 0.2]
    none = np.ones(3, np.float32), np.zeros(3, np.float32)
    around = len(points) >= 10 and ((points.max(0) > _SPREAD) & (points.min(0) < -_SPREAD)).all()
    if not around:
        why = f"{len(points)} still pieces do not show both sides of every axis"
        return Calibration(False, "none", why, *none)
    gain, offset = _sphere(points)
    before = float(np.abs(np.linalg.norm(points, axis=1) - 1).mean())
    after = float(np.abs(np.linalg.norm(points * gain + offset, axis=1) - 1).mean())
    if after >= before or np.abs(gain - 1).max() > 0.2 or np.abs(offset).max() > 0.2:
        return Calibration(False, "none", "fitting gain and offset did not help", *none)
    gains, offsets = (", ".join(f"{v:.4f}" for v in values) for values in (gain, offset))
    why = f"still pieces were {1000 * before:.1f} mg from 1 g, now {1000 * after:.1f} mg"
    said = f"gain {gains}; offset {offsets} g"
    return Calibration(True, said, why, gain.astype(np.float32), offset.astype(np.float32))


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
    """When `(samples, 3)` in g were not worn: `(start, end)` in seconds of samples."""
    quarter = lengths(rate)[1]
    return unworn(statistics(acc, quarter), rate)


def unworn(quarters: Statistics, rate: float) -> list[tuple[float, float]]:
    """When what has these statistics, in g, of pieces of 15 minutes was not worn, as `nonwear`.

    After van Hees et al., Estimation of daily energy expenditure in pregnant and non-pregnant women
    using a wrist-worn tri-axial accelerometer, PLoS ONE 2011: an hour in which at least two axes
    deviate by less than 13 mg and range over less than 50 mg, found in steps of 15 minutes.
    """
    hours, quarter = quarters.joined(4, 1), lengths(rate)[1]
    still = (hours.deviation < STILL) & (hours.high - hours.low < 0.05)
    spans: list[tuple[float, float]] = []
    for first in np.flatnonzero(still.sum(axis=1) >= 2).tolist():
        start, end = first * quarter / rate, (first + 4) * quarter / rate
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans
