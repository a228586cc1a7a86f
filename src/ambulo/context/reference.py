"""The wearer's own upright posture: gravity in the sensor's frame while the wearer walks."""

from __future__ import annotations

import math
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
FORGOTTEN = 40.0
"""Memories of walking after which nothing is left of a walk: e to the minus 40."""


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
    weight: float = 1.0
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
    total: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    run: list[list[float]] = field(default_factory=list)
    STATE: ClassVar = ("total", "run")

    def push(self, gravity: Array, walking: bool) -> Array:
        """The direction `(3,)` after one more window; NaN before the first walk."""
        return np.array(self.after(np.asarray(gravity, float).tolist(), walking))

    def after(self, gravity: list[float], walking: bool) -> list[float]:
        """The same for three numbers; plain ones, for arrays as short as these are slow."""
        if walking:
            size = max(math.hypot(*gravity), SMALL)
            self.run.append([g / size for g in gravity])
            if len(self.run) >= STEADY:
                self._learn()
        else:
            self.run = []
        size = math.hypot(*self.total)
        return [t / size for t in self.total] if size else [math.nan] * 3

    def _learn(self) -> None:
        self.run = self.run[-STEADY:]
        newest = [sum(axis) for axis in zip(*self.run, strict=True)]
        if not any(self.total) or between(newest, self.total) > self.reference.turned:
            self.total = newest  # the first walk, or the sensor slipped
        else:
            kept = math.exp(-self.step / self.reference.memory)
            self.total = [t * kept + g for t, g in zip(self.total, self.run[-1], strict=True)]


def follow(gravity: Array, walking: Array, reference: Reference, step: float) -> Array:
    """The reference `(n, 3)` after each window, of gravity `(n, 3)` and walking `(n,)`."""
    upright = Upright(reference, step)
    out = np.full((len(gravity), 3), np.nan)
    after = np.flatnonzero(np.diff(walking.astype(np.int8), prepend=0) < 0)
    turns = np.union1d(np.flatnonzero(walking), after)  # elsewhere nothing changes
    rows = [
        upright.after(g, w)
        for g, w in zip(gravity[turns].tolist(), walking[turns].tolist(), strict=True)
    ]
    at = np.searchsorted(turns, np.arange(len(gravity)), side="right") - 1
    if rows:
        out[at >= 0] = np.array(rows)[at[at >= 0]]
    return out


def backwards(
    up: Array, gravity: Array, walking: Array, reference: Reference, step: float
) -> Array:
    """The references `up` `(n, 3)`; where there is none yet, those seen backwards in time."""
    none = int(np.isnan(up[:, 0]).sum())  # before the first walk; later there is always one
    walks = np.flatnonzero(walking)
    far = int(FORGOTTEN * reference.memory / step)
    until = int(walks[far]) + 1 if far < len(walks) else len(up)
    until = max(until, none)
    later = follow(gravity[:until][::-1], walking[:until][::-1], reference, step)[::-1]
    return np.concatenate([later[:none], up[none:]])


def between(a: Sequence[float], b: Sequence[float]) -> float:
    """Degrees between two directions of three numbers."""
    size = math.hypot(*a) * math.hypot(*b)
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / max(size, SMALL)
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


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
