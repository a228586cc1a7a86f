"""Context for windows as they come: what `Context.decide` makes of the past, one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context import Context
from ambulo.context.reference import Upright

Array = npt.NDArray[Any]


class Causal:
    """The forward filter with a fixed lag, and the wearer's reference, carried along.

    The same as `Context.decide(…, "causal", lag=lag)` on all windows together (Rabiner 1989,
    section III), in memory for `lag` windows.
    """

    STATE = ("seconds", "now", "waiting")

    def __init__(self, context: Context, lag: int = 0) -> None:
        self.context, self.lag, self.change = context, lag, context.transitions
        self.seconds: float | None = None
        self.now: Array | None = None
        self.waiting: list[tuple[Array, Array]] = []
        """What was known at each undecided window, and its own likelihood."""
        reference = context.reference
        self.upright = Upright(reference, context.step) if reference else None

    def push(
        self, probabilities: Array, seconds: float, gravity: Array | None = None
    ) -> list[Array]:
        """Take a window's own probabilities `(activities,)`; give those that are decided now.

        `seconds` says when it starts, `gravity` `(3,)` is its mean acceleration. Windows are
        decided in the order in which they came.
        """
        out = []
        if self.seconds is not None and self.context.apart(self.seconds, seconds):
            out = self.finish()
        likelihood = self._likelihood(probabilities[None], gravity)
        self.now, self.seconds = self.context.forward(self.now, likelihood, self.change), seconds
        self.waiting.append((self.now, likelihood))
        if len(self.waiting) > self.lag:
            out.append(self._decide())
        return out

    def finish(self) -> list[Array]:
        """The windows that still wait, where no later one follows."""
        out = [self._decide() for _ in range(len(self.waiting))]
        self.now = self.seconds = None
        return out

    def _likelihood(self, probabilities: Array, gravity: Array | None) -> Array:
        context, sound = self.context, self.context.doubted(probabilities)
        if self.upright is not None and gravity is not None:
            reference, activities = self.upright.reference, context.activities
            up = self.upright.push(gravity, bool(reference.walking(sound, activities)[0]))
            sound = reference.deal(sound, gravity[None], up[None], activities)
        return np.asarray(context.weighed(sound, context.causal)[0])

    def _decide(self) -> Array:
        """The probabilities of the window that waits longest, given all that came after it."""
        known, _ = self.waiting.pop(0)
        back = np.ones(len(known))
        for _, likelihood in self.waiting[::-1]:
            back = self.change @ (likelihood * back)
            back = back / back.sum()
        out = known * back
        return np.asarray(out / out.sum(), np.float32)
