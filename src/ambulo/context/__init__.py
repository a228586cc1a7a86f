"""Decisions across windows: how long activities last, and how the wearer holds the sensor.

A window is decided by itself first. What came before it, and offline what comes after it, then
speaks too: an activity lasts for a while (a hidden Markov model, Rabiner 1989), and gravity now
against gravity while the same wearer walked tells sitting from standing wherever the sensor hangs
(`ambulo.context.reference`). So does, better yet, how the wearer stood at other times. What is
causal looks back only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context.causal import Causal
from ambulo.context.reference import Reference
from ambulo.context.smoothing import backward, forward
from ambulo.context.states import States
from ambulo.errors import RecognizerError
from ambulo.windows import passages

Array = npt.NDArray[Any]

MODES = ("none", "causal", "offline")
"""What may speak for a window's activity: itself; the past too; the whole recording."""
DOUBT = 0.01
"""The share of windows that no training person's were like: their decision means nothing."""
TINY = 1e-12


@dataclass(frozen=True)
class Context:
    """How long each activity lasts, which may follow which, and how much a window counts.

    Windows are `step` seconds apart. `seconds` `(activities,)` are mean durations of bouts,
    `follows` `(activities, activities)` the probabilities of what comes after an activity ends,
    zero on the diagonal, and `prior` the shares of activities that the windows' own probabilities
    were learnt with. Windows overlap and neighbours resemble each other, so that each counts
    `weight` times an independent observation where the whole recording speaks. Where only the past
    does, it counts `causal` times: what is smoother there is later, too. As far as a window shows
    a passage between postures, which one or two windows see, it counts so in any case.

    A share `taken` of a still activity's bouts is taken for another still one from the first window
    to the last (`ambulo.context.states`).
    """

    activities: tuple[str, ...]
    step: float
    seconds: tuple[float, ...]
    follows: tuple[tuple[float, ...], ...]
    prior: tuple[float, ...]
    weight: float = 0.3
    causal: float = 1.0
    reference: Reference | None = None
    taken: float = 0.0

    def every(self, step: float) -> Context:
        """The same for windows that are `step` seconds apart.

        As much signal says as much: where there are more windows in it, each counts for less, and
        where there are fewer for more, up to one that is independent. A walk lasts as long.
        """
        if step == self.step:
            return self
        ratio, reference = step / self.step, self.reference
        if reference is not None:
            steady = 1 + max(round((reference.steady - 1) / ratio), 1)
            reference = replace(reference, steady=steady)
        weight, causal = (min(w * ratio, max(w, 1.0)) for w in (self.weight, self.causal))
        return replace(self, step=step, weight=weight, causal=causal, reference=reference)

    @property
    def states(self) -> States:
        """What the wearer does and what it looks like, as far as the filter tells them apart."""
        still = () if self.reference is None else self.reference.still
        return States.of(self.activities, still, self.taken)

    @property
    def transitions(self) -> Array:
        """Probabilities `(from, to)` of the state one window later."""
        stay = np.exp(-self.step / np.asarray(self.seconds))
        return self.states.changes(stay, np.asarray(self.follows))

    def decide(
        self,
        probabilities: Array,
        seconds: Array,
        mode: str = "offline",
        *,
        gravity: Array | None = None,
        lag: int = 0,
    ) -> Array:
        """Probabilities `(n, activities)` given context, of one recording's windows in order.

        `probabilities` are the windows' own, `seconds` `(n,)` says when each starts, and `gravity`
        `(n, 3)` is each one's mean acceleration; without it the reference is silent. "causal" may
        wait for `lag` further windows, which delays decisions by `lag · step` seconds. After a gap
        in time any activity is as likely as another. Raises RecognizerError for an unknown mode.
        """
        if mode not in MODES:
            raise RecognizerError(f"context must be one of {', '.join(MODES)}, got {mode!r}")
        if mode == "none" or not len(probabilities):
            return probabilities
        if mode == "causal":
            return self._one_by_one(probabilities, seconds, gravity, lag)
        apart = np.flatnonzero(self.apart(seconds[:-1], seconds[1:])) + 1
        sound, reference = self.doubted(probabilities), self.reference
        if reference is None or gravity is None:
            return self._smoothed(sound, apart)
        up = reference.upright(sound, gravity, self.activities, self.step)
        dealt = reference.deal(sound, gravity, up, self.activities, reference.angles)
        out = self._smoothed(dealt, apart)
        if reference.stance:  # which the first pass has shown
            own = reference.own(out, gravity, up, self.activities, self.step)
            known = ~np.isnan(own[:, 0])
            dealt[known] = reference.deal(
                sound[known], gravity[known], own[known], self.activities, reference.stood
            )
            out = self._smoothed(dealt, apart)
        return out

    def likelihood(self, probabilities: Array) -> Array:
        """How likely each activity makes each window `(n, activities)`, by the window alone."""
        return self.weighed(self.doubted(probabilities), self.weight)

    def doubted(self, probabilities: Array) -> Array:
        """The windows' own probabilities, none of which is beyond doubt."""
        return (1 - DOUBT) * np.asarray(probabilities, float) + DOUBT / len(self.activities)

    def weighed(self, probabilities: Array, weight: float) -> Array:
        """How likely each activity makes each window, of what the window itself tells."""
        shown = probabilities[:, passages(self.activities)].sum(axis=1, keepdims=True)
        counts = weight + (self.causal - weight) * shown
        logs = counts * np.log(probabilities / np.asarray(self.prior))
        return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)))

    def apart(self, before: Array | float, after: Array | float) -> Any:
        """Whether windows that start at these seconds are too far apart to follow each other."""
        gap = np.asarray(after) - np.asarray(before)
        return (gap > 1.5 * self.step) | (gap < 0)

    def _one_by_one(
        self, probabilities: Array, seconds: Array, gravity: Array | None, lag: int
    ) -> Array:
        causal, out = Causal(self, lag), []
        for k, row in enumerate(probabilities):
            out += causal.push(row, float(seconds[k]), None if gravity is None else gravity[k])
        return np.stack(out + causal.finish())

    def _smoothed(self, probabilities: Array, apart: Array) -> Array:
        """Probabilities given all windows between gaps, which come before the windows `apart`.

        The forward-backward algorithm (Rabiner 1989, section III).
        """
        change, states = self.transitions, self.states
        parts = np.split(self.weighed(probabilities, self.weight)[:, states.looks], apart)
        out = np.concatenate(
            [forward(part, change, states.start) * backward(part, change) for part in parts]
        )
        out = states.activities(out / out.sum(axis=1, keepdims=True))
        return np.asarray(out, np.float32)

    def viterbi(self, likelihood: Array) -> Array:
        """The likeliest sequence of activities `(n,)` of windows without a gap (Viterbi 1967)."""
        states, change = self.states, np.log(np.maximum(self.transitions, TINY**2))
        logs = np.log(np.maximum(likelihood, TINY**2))[:, states.looks]
        came = np.zeros(logs.shape, np.int64)
        best = logs[0] + np.log(states.start)
        for k in range(1, len(logs)):
            ways = best[:, None] + change
            came[k] = ways.argmax(axis=0)
            best = ways.max(axis=0) + logs[k]
        path = [int(best.argmax())]
        for row in came[:0:-1]:
            path.append(int(row[path[-1]]))
        return np.asarray(states.does[path[::-1]])

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Context:
        """The inverse of `to_dict`."""
        content = {key: _frozen(value) for key, value in content.items()}
        if content.get("reference") is not None:
            inner = {key: _frozen(value) for key, value in content["reference"].items()}
            content["reference"] = Reference(**inner)
        return cls(**content)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
