"""Context for windows as they come, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.context.reference import Upright, between

if TYPE_CHECKING:
    from ambulo.context import Context

Array = npt.NDArray[Any]


class Causal:
    """The forward filter with a fixed lag, and the wearer's references, carried along.

    The filter is that of Rabiner (1989, section III), in memory for `lag` windows. Each window
    feels the wearer's stance as it was before the bout that the window belongs to.
    """

    STATE = ("seconds", "now", "waiting", "bout", "own")

    def __init__(self, context: Context, lag: int = 0) -> None:
        self.context, self.lag = context, lag
        self.states, self.change = context.states, context.transitions
        self.seconds: float | None = None
        self.now: Array | None = None
        self.waiting: list[tuple[Array, Array]] = []
        """What was known at each undecided window, and its own likelihood, of states."""
        self.bout = -1
        """The activity that the newest window seems to show."""
        self.own: list[float] | None = None
        """The wearer's stance before this bout, if there was one."""
        reference = context.reference
        self.upright = Upright(reference, context.step) if reference else None
        self.stance = Upright(reference, context.step) if reference and reference.stance else None

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
        likelihood = self._likelihood(probabilities[None], gravity)[self.states.looks]
        now = (self.states.start if self.now is None else self.now @ self.change) * likelihood
        self.now, self.seconds = now / now.sum(), seconds
        if gravity is not None and self.stance is not None:
            self._stand(self.states.activities(self.now), gravity)
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
            angles = reference.angles
            if self.own is not None and not between(self.own, up.tolist()) > reference.turned:
                up, angles = np.array(self.own), reference.stood
            sound = reference.deal(sound, gravity[None], up[None], activities, angles)
        return np.asarray(context.weighed(sound, context.causal)[0])

    def _stand(self, now: Array, gravity: Array) -> None:
        """Learn how the wearer stands, for the bouts to come."""
        stance, bout = self.stance, int(now.argmax())
        assert stance is not None
        if bout != self.bout:
            self.bout, self.own = bout, stance.total if any(stance.total) else None
        reference = stance.reference
        stance.push(gravity, bool(reference.standing(now[None], self.context.activities)[0]))

    def _decide(self) -> Array:
        """The probabilities of the window that waits longest, given all that came after it."""
        known, _ = self.waiting.pop(0)
        back = np.ones(len(known))
        for _, likelihood in self.waiting[::-1]:
            back = self.change @ (likelihood * back)
            back = back / back.sum()
        out = self.states.activities(known * back)
        return np.asarray(out / out.sum(), np.float32)
