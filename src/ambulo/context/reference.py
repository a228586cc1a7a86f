"""The wearer's own upright posture: gravity in the sensor's frame while the wearer walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

EDGES = np.array([5.0, 10, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 180])
"""Upper edges in degrees of the classes in which angles against the reference are counted."""
STEADY = 3
"""Walking windows in a row that make a walk: fewer may be a stumble on the way to the sofa."""
SMALL = 1e-6


@dataclass(frozen=True)
class Reference:
    """What the angle between gravity now and gravity while walking tells of the activity.

    `gaits` are the activities that show the reference, in windows that are `sure` of them; `memory`
    is how many seconds of walking it averages. If the newest gaits are `turned` degrees away, the
    sensor slipped and it is learnt anew. `angles` `(activities, len(EDGES))` are log-likelihoods of
    the angle, and each window's counts `weight` times. Only between the `still` activities does it
    decide: movement tells the others apart better.
    """

    gaits: tuple[str, ...]
    still: tuple[str, ...]
    angles: tuple[tuple[float, ...], ...]
    weight: float = 0.3
    sure: float = 0.9
    memory: float = 120.0
    turned: float = 35.0

    def redistribute(
        self,
        probabilities: Array,
        gravity: Array,
        activities: Sequence[str],
        step: float,
        offline: bool,
    ) -> Array:
        """Probabilities `(n, activities)` with the share of still activities dealt out by angle.

        `gravity` `(n, 3)` are mean accelerations. Before the first walk nothing changes; offline,
        the first walk tells about what was before it.
        """
        walking = self.walking(probabilities, activities)
        up = follow(gravity, walking, self, step)
        if offline:
            up = backwards(up, gravity, walking, self, step)
        return self.deal(probabilities, gravity, up, activities)

    def walking(self, probabilities: Array, activities: Sequence[str]) -> Array:
        """Whether each window `(n,)` shows a gait for sure."""
        gaits = np.array([activities.index(name) for name in self.gaits], np.int64)
        return np.asarray(probabilities[:, gaits].sum(axis=1) >= self.sure)

    def deal(
        self, probabilities: Array, gravity: Array, up: Array, activities: Sequence[str]
    ) -> Array:
        """The share of still activities dealt out by the angles of `gravity` against `up`."""
        still = np.array([activities.index(name) for name in self.still], np.int64)
        known = ~np.isnan(up[:, 0])
        out = np.array(probabilities, float)
        table = np.exp(self.weight * np.asarray(self.angles)[still])
        mine = out[np.ix_(np.flatnonzero(known), still)]
        dealt = mine * table[:, classes(gravity[known], up[known])].T
        share = mine.sum(axis=1, keepdims=True) / dealt.sum(axis=1, keepdims=True)
        out[np.ix_(np.flatnonzero(known), still)] = dealt * share
        return out


@dataclass
class Upright:
    """Follows the direction of gravity in the sensor's frame while the wearer walks."""

    reference: Reference
    step: float
    total: Array = field(default_factory=lambda: np.zeros(3))
    run: list[Array] = field(default_factory=list)
    STATE: ClassVar = ("total", "run")

    def push(self, gravity: Array, walking: bool) -> Array:
        """The direction `(3,)` after one more window; NaN before the first walk."""
        if walking:
            self.run.append(gravity / max(float(np.linalg.norm(gravity)), SMALL))
            if len(self.run) >= STEADY:
                self._learn()
        else:
            self.run = []
        size = float(np.linalg.norm(self.total))
        return self.total / size if size else np.full(3, np.nan)

    def _learn(self) -> None:
        newest = np.sum(self.run[-STEADY:], axis=0)
        if not self.total.any() or between(newest, self.total) > self.reference.turned:
            self.total = newest  # the first walk, or the sensor slipped
        else:
            kept = np.exp(-self.step / self.reference.memory)
            self.total = self.total * kept + self.run[-1]
        self.run = self.run[-STEADY:]


def follow(gravity: Array, walking: Array, reference: Reference, step: float) -> Array:
    """The reference `(n, 3)` after each window, of gravity `(n, 3)` and walking `(n,)`."""
    upright = Upright(reference, step)
    rows = [upright.push(g, bool(w)) for g, w in zip(gravity, walking, strict=True)]
    return np.array(rows).reshape(-1, 3)


def backwards(
    up: Array, gravity: Array, walking: Array, reference: Reference, step: float
) -> Array:
    """The references `up` `(n, 3)`; where there is none yet, those seen backwards in time."""
    later = follow(gravity[::-1], walking[::-1], reference, step)[::-1]
    return np.where(np.isnan(up), later, up)


def between(a: Array, b: Array) -> float:
    """Degrees between two directions `(3,)`."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(float(a @ b) / max(size, SMALL), -1, 1))))


def classes(gravity: Array, up: Array) -> Array:
    """The class among `EDGES` of the angle between each gravity and reference `(n, 3)`."""
    size = np.linalg.norm(gravity, axis=1) * np.linalg.norm(up, axis=1)
    cosine = np.einsum("ij,ij->i", gravity, up) / np.maximum(size, SMALL)
    degrees = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return np.asarray(np.minimum(np.searchsorted(EDGES, degrees), len(EDGES) - 1))


def counted(activity: Array, gravity: Array, walking: Array, classes_of: int) -> Array:
    """How often `(activities, len(EDGES))` each angle occurs in one recording of known activities.

    `activity` `(n,)` holds codes, negative where unknown. Each activity counts once in all, however
    long it lasted; neighbouring classes share their counts.
    """
    empty = Reference((), (), ())
    up = follow(gravity, walking, empty, 1.0)
    up = backwards(up, gravity, walking, empty, 1.0)
    known = (activity >= 0) & ~np.isnan(up[:, 0])
    out = np.zeros((classes_of, len(EDGES)))
    for code in np.unique(activity[known]):
        mine = known & (activity == code)
        found = np.bincount(classes(gravity[mine], up[mine]), minlength=len(EDGES)).astype(float)
        out[code] = np.convolve(np.pad(found, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")
        out[code] /= out[code].sum()
    return out
