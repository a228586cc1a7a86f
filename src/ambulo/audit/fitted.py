"""Statistics that were fitted on test windows, recognised by the numbers they left behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.audit.findings import Finding
from ambulo.errors import AuditError

Array = npt.NDArray[Any]

_EXACT = 1e-3  # how near a fitted number must come, relative to the channel's deviation
_VISIBLE = 1e-4  # below this, training alone fits as well as everything together
_TIMES = 10.0  # how many times nearer everything together must come
_RARE = 4  # windows that may hold an extreme before it looks like the end of a sensor's range


@dataclass(frozen=True)
class _Moments:
    """Count, mean, deviation and range of every channel, float64."""

    n: int
    mean: Array
    deviation: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, windows: Array) -> _Moments:
        """Those of `(windows, length, channels)`."""
        flat = windows.reshape(-1, windows.shape[-1])
        mean = flat.mean(axis=0, dtype=np.float64)
        blocks = range(0, len(flat), 1 << 18)
        square = sum(((flat[at : at + (1 << 18)] - mean) ** 2).sum(axis=0) for at in blocks)
        deviation = np.sqrt(np.asarray(square) / len(flat))
        return cls(len(flat), mean, deviation, flat.min(axis=0), flat.max(axis=0))

    def __add__(self, other: _Moments) -> _Moments:
        n = self.n + other.n
        mean = (self.n * self.mean + other.n * other.mean) / n
        squares = [m.n * (m.deviation**2 + (m.mean - mean) ** 2) for m in (self, other)]
        return _Moments(
            n,
            mean,
            np.sqrt((squares[0] + squares[1]) / n),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )


def given_scaling(train: Array, test: Array, shift: Array, scale: Array) -> Finding | None:
    """Whether `(x - shift) · scale` was fitted on training and test, or on test alone.

    `shift` and `scale` `(channels,)` are those of a standard or a min-max scaler; the windows are
    in the units that the scaler takes in. Raises AuditError if they do not fit the windows.
    """
    shift, scale = np.asarray(shift, np.float64), np.asarray(scale, np.float64)
    if shift.shape != (train.shape[-1],) or scale.shape != shift.shape or not scale.all():
        raise AuditError(
            f"the scaling has a shift of shape {shift.shape} and a scale of shape {scale.shape}: "
            f"give one number, not 0, for each of the {train.shape[-1]} channels"
        )
    own, other = _Moments.of(train), _Moments.of(test)
    sides = {"training windows": own, "training and test windows": own + other}
    sides["test windows"] = other
    far = {name: _distance(shift, 1 / scale, side) for name, side in sides.items()}
    nearest = min(far, key=lambda name: far[name])
    if nearest == "training windows" or not _clearly(far[nearest], far["training windows"]):
        return None
    return Finding(
        "fitted-on-test",
        "leak",
        len(test),
        len(test),
        f"the given scaling is that of the {nearest} together, not of the training windows: "
        "fit it on training windows only"
        if "and" in nearest
        else "the given scaling is that of the test windows: fit it on training windows only",
        {"distance_train": far["training windows"], "distance_found": far[nearest]},
    )


def _distance(shift: Array, width: Array, side: _Moments) -> float:
    """How far a scaling is from the nearer of a standard and a min-max one, in deviations."""
    unit = np.where(side.deviation > 0, side.deviation, 1)
    standard = np.maximum(np.abs(shift - side.mean), np.abs(width - side.deviation))
    minmax = np.maximum(np.abs(shift - side.low), np.abs(width - (side.high - side.low)))
    varies = side.deviation > 0
    pairs = ((d / unit)[varies] for d in (standard, minmax))
    return min(float(d.max(initial=0)) for d in pairs)


def _clearly(together: float, train: float) -> bool:
    return together < _EXACT and train > max(_TIMES * together, _VISIBLE)


def scaled_together(train: Array, test: Array) -> Finding | None:
    """Whether the values show a scaler that was fitted on training and test windows together.

    Then both together have mean 0 and deviation 1 in every channel, or fill a range exactly, and
    the training windows alone do not.
    """
    for shape in (train.shape[-1], 1):  # each channel by itself, or one scaler for all
        own, other = (_Moments.of(side.reshape(-1, 1, shape)) for side in (train, test))
        found = _standardised(own, own + other)
        if found is not None:
            return _fitted(len(test), "leak", "mean 0 and deviation 1", found)
    return _ranged(train, test)


def _standardised(own: _Moments, both: _Moments) -> dict[str, float] | None:
    varies = both.deviation > 0
    if not varies.any():
        return None
    together, train = (
        float(np.maximum(np.abs(m.mean), np.abs(m.deviation - 1))[varies].max())
        for m in (both, own)
    )
    return {"error_together": together, "error_train": train} if _clearly(together, train) else None


def _ranged(train: Array, test: Array) -> Finding | None:
    own, other = _Moments.of(train), _Moments.of(test)
    both = own + other
    varies = both.high > both.low
    missing = (own.low > both.low + _VISIBLE) | (own.high < both.high - _VISIBLE)
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        edges = np.abs(both.low - low) + np.abs(both.high - high)
        if varies.any() and edges[varies].max() < 1e-6 and missing.any():
            severity = "leak" if _holders(test, own, both) <= _RARE else "doubt"
            details = {"channels": int(missing.sum())}
            return _fitted(len(test), severity, f"the range {low:g} to {high:g}", details)
    return None


def _holders(test: Array, own: _Moments, both: _Moments) -> int:
    """The most test windows that hold an extreme which no training window holds."""
    low = (test == both.low).any(axis=1).sum(axis=0)[own.low > both.low + _VISIBLE]
    high = (test == both.high).any(axis=1).sum(axis=0)[own.high < both.high - _VISIBLE]
    return int(max(low.max(initial=0), high.max(initial=0)))


def _fitted(n: int, severity: Any, what: str, details: dict[str, Any]) -> Finding:
    return Finding(
        "fitted-on-test",
        severity,
        n,
        n,
        f"training and test windows together have {what} in every channel, the training windows "
        "alone do not: the scaler was fitted on both; fit it on training windows only",
        details,
    )
