"""The wearer's own upright posture: gravity in the sensor's frame while they walk, or stand."""

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

    Windows in a row that are fewer than `steady` make no walk: they may be a stumble on the way to
    the sofa.

    People walk bent forward or back, but stand much alike each time: wherever the wearer was seen
    in `stance` in another bout than the window's own, `stood` speaks instead of `angles`, the
    log-likelihoods of the angle against that.
    """

    gaits: tuple[str, ...]
    still: tuple[str, ...]
    angles: tuple[tuple[float, ...], ...]
    weight: float = 1.0
    sure: float = 0.9
    memory: float = 120.0
    turned: float = 35.0
    stance: tuple[str, ...] = ()
    stood: tuple[tuple[float, ...], ...] = ()
    steady: int = 3

    def upright(
        self, probabilities: Array, gravity: Array, activities: Sequence[str], step: float
    ) -> Array:
        """Gravity `(n, 3)` while the wearer walked, as known at each window of a whole recording.

        `gravity` `(n, 3)` are mean accelerations. The first walk tells about what was before it
        too; without a walk all is NaN.
        """
        walking = self.walking(probabilities, activities)
        return backwards(follow(gravity, walking, self, step), gravity, walking, self, step)

    def own(
        self, decided: Array, gravity: Array, up: Array, activities: Sequence[str], step: float
    ) -> Array:
        """Gravity `(n, 3)` in the wearer's stance, by what a first pass has `decided`; or NaN."""
        shown, bouts = self.standing(decided, activities), decided.argmax(axis=1)
        return elsewhere(gravity, shown, bouts, up, self, step)

    def walking(self, probabilities: Array, activities: Sequence[str]) -> Array:
        """Whether each window `(n,)` shows a gait for sure."""
        return self._shown(self.gaits, probabilities, activities)

    def standing(self, probabilities: Array, activities: Sequence[str]) -> Array:
        """Whether each window `(n,)` shows the stance for sure."""
        return self._shown(self.stance, probabilities, activities)

    def _shown(
        self, names: Sequence[str], probabilities: Array, activities: Sequence[str]
    ) -> Array:
        codes = np.array([activities.index(name) for name in names], np.int64)
        return np.asarray(probabilities[:, codes].sum(axis=1) >= self.sure)

    def deal(
        self,
        probabilities: Array,
        gravity: Array,
        up: Array,
        activities: Sequence[str],
        angles: Sequence[Sequence[float]],
    ) -> Array:
        """Probabilities with less for still activities that gravity's angle against `up` denies.

        Where the wearer rather keeps still than not, the other still activities gain what these
        lose; elsewhere all do.
        """
        still = np.array([activities.index(name) for name in self.still], np.int64)
        known = np.flatnonzero(~np.isnan(up[:, 0]))
        out = np.array(probabilities, float)
        if not len(still):
            return out
        logs = self.weight * np.asarray(angles)[still]
        table = np.exp(logs - logs.max(axis=0))
        before = out[np.ix_(known, still)]
        mine = before * table[:, classes(gravity[known], up[known])].T
        share = before.sum(axis=1, keepdims=True)
        kept = np.where(share > 0.5, share / mine.sum(axis=1, keepdims=True), 1.0)
        out[np.ix_(known, still)] = mine * kept
        return np.asarray(out / out.sum(axis=1, keepdims=True))


@dataclass
class Upright:
    """Follows the direction of gravity in the sensor's frame while the wearer walks, or stands."""

    reference: Reference
    step: float
    total: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    run: list[list[float]] = field(default_factory=list)
    STATE: ClassVar = ("total", "run")

    def push(self, gravity: Array, shown: bool) -> Array:
        """The direction `(3,)` after one more window; NaN as long as it was never `shown`."""
        return np.array(self.after(np.asarray(gravity, float).tolist(), shown))

    def after(self, gravity: list[float], shown: bool) -> list[float]:
        """The same for three numbers; plain ones, for arrays as short as these are slow."""
        if shown:
            size = max(math.hypot(*gravity), SMALL)
            self.run.append([g / size for g in gravity])
            if len(self.run) >= self.reference.steady:
                self._learn()
        else:
            self.run = []
        size = math.hypot(*self.total)
        return [t / size for t in self.total] if size else [math.nan] * 3

    def _learn(self) -> None:
        self.run = self.run[-self.reference.steady :]
        newest = [sum(axis) for axis in zip(*self.run, strict=True)]
        if not any(self.total) or between(newest, self.total) > self.reference.turned:
            self.total = newest  # the first time, or the sensor slipped
        else:
            kept = math.exp(-self.step / self.reference.memory)
            self.total = [t * kept + g for t, g in zip(self.total, self.run[-1], strict=True)]


def follow(gravity: Array, shown: Array, reference: Reference, step: float) -> Array:
    """The reference `(n, 3)` after each window, of gravity `(n, 3)` and what is `shown` `(n,)`."""
    upright = Upright(reference, step)
    out = np.full((len(gravity), 3), np.nan)
    after = np.flatnonzero(np.diff(shown.astype(np.int8), prepend=0) < 0)
    turns = np.union1d(np.flatnonzero(shown), after)  # elsewhere nothing changes
    rows = [
        upright.after(g, w)
        for g, w in zip(gravity[turns].tolist(), shown[turns].tolist(), strict=True)
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


def elsewhere(
    gravity: Array, shown: Array, bouts: Array, up: Array, reference: Reference, step: float
) -> Array:
    """Gravity `(n, 3)` while a posture is `shown` `(n,)`, outside each window's own bout.

    That is where `bouts` `(n,)` stays the same: a bout must not bear witness to itself. The last
    time before it and the first after it count alike, unless the sensor sits otherwise there: the
    angle against `up` says so. NaN where there is no such time.
    """
    none = np.full((1, 3), np.nan)
    before = np.concatenate([none, follow(gravity, shown, reference, step)])
    after = np.concatenate([follow(gravity[::-1], shown[::-1], reference, step)[::-1], none])
    starts = np.flatnonzero(np.r_[True, np.diff(bouts) != 0])
    lengths = np.diff(starts, append=len(bouts))
    total = np.zeros(gravity.shape)
    for seen in (before[starts], after[starts + lengths]):
        seen = np.repeat(seen, lengths, axis=0)
        same = ~np.isnan(seen[:, 0]) & ~(degrees(seen, up) > reference.turned)
        total[same] += seen[same]
    return np.where(total.any(axis=1, keepdims=True), total, np.nan)


def between(a: Sequence[float], b: Sequence[float]) -> float:
    """Degrees between two directions of three numbers."""
    size = math.hypot(*a) * math.hypot(*b)
    cosine = sum(x * y for x, y in zip(a, b, strict=True)) / max(size, SMALL)
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))


def degrees(a: Array, b: Array) -> Array:
    """Degrees `(n,)` between two directions `(n, 3)`."""
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = np.einsum("ij,ij->i", a, b) / np.maximum(size, SMALL)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def classes(gravity: Array, up: Array) -> Array:
    """The class among `EDGES` of the angle between each gravity and reference `(n, 3)`."""
    return np.asarray(np.minimum(np.searchsorted(EDGES, degrees(gravity, up)), len(EDGES) - 1))


def counted(activity: Array, gravity: Array, up: Array, classes_of: int) -> Array:
    """How often `(activities, len(EDGES))` each angle against `up` occurs in one recording.

    `activity` `(n,)` holds known codes, negative where unknown. Each activity counts once in all,
    however long it lasted; neighbouring classes share their counts.
    """
    known = (activity >= 0) & ~np.isnan(up[:, 0])
    out = np.zeros((classes_of, len(EDGES)))
    for code in np.unique(activity[known]):
        mine = known & (activity == code)
        found = np.bincount(classes(gravity[mine], up[mine]), minlength=len(EDGES)).astype(float)
        out[code] = np.convolve(np.pad(found, 1, mode="edge"), (0.25, 0.5, 0.25), "valid")
        out[code] /= out[code].sum()
    return out
