"""Saying "I don't know": windows that are unlike all that was learnt, for long enough to matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context

Array = npt.NDArray[Any]

NAMES = ("known", "unknown")
SHARPNESS = 4.0
"""How fast novelty beyond the limit turns into certainty."""


@dataclass(frozen=True)
class Unknown:
    """When the wearer does something that the recognizer never learnt.

    A window by itself is unknown where its novelty (`ambulo.models.novelty`) is `above` a limit
    that 2 % of known windows pass. With context a hidden Markov model of two states decides, known
    and unknown, which last for `seconds` on average, so that a single odd window says nothing.
    """

    above: float
    seconds: tuple[float, float] = (600.0, 60.0)
    weight: float = 0.5

    def context(self, step: float) -> Context:
        """The two states, for windows that are `step` seconds apart."""
        follows, prior = ((0.0, 1.0), (1.0, 0.0)), (0.5, 0.5)
        return Context(NAMES, step, self.seconds, follows, prior, self.weight, self.weight)

    def each(self, ratio: float) -> Unknown:
        """The same for windows that are so many times as far apart, as `Context.every`."""
        return replace(self, weight=min(self.weight * ratio, max(self.weight, 1.0)))

    def own(self, novelty: Array) -> Array:
        """Probabilities `(n, 2)` of known and unknown, by each window's novelty `(n,)` alone."""
        odd = 1 / (1 + np.exp(-np.clip(SHARPNESS * (novelty - self.above), -30, 30)))
        return np.stack([1 - odd, odd], axis=1)

    def decide(
        self, novelty: Array, seconds: Array, step: float, mode: str = "offline", lag: int = 0
    ) -> Array:
        """Probabilities `(n,)` that windows of one recording, in order, show the unknown."""
        return self.context(step).decide(self.own(novelty), seconds, mode, lag=lag)[:, 1]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Unknown:
        """What `dataclasses.asdict` made of one, after JSON."""
        return cls(**{**content, "seconds": tuple(content["seconds"])})
