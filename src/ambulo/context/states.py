"""The states of the hidden Markov model: what the wearer does, and what all of a bout looks like.

Windows of one bout of rest resemble each other: who sits leaning far back looks like lying in each
of them, so that a dozen windows err together and are no more to be believed than one. Each still
activity therefore has a state for every other one that a whole bout of it may be taken for. Such
bouts are rare, but what comes before and after may say that this is one: the wearer sat down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class States:
    """What the wearer does in each state, what it looks like, and how states follow each other.

    `does` and `looks` `(states,)` are positions among the activities; `share` `(states,)` is how
    often a bout of an activity looks so.
    """

    does: Array
    looks: Array
    share: Array

    @classmethod
    def of(cls, activities: Sequence[str], still: Sequence[str], taken: float) -> States:
        """A state for each activity, and where a share of bouts is `taken` for others, for those.

        `still` are the activities that may be taken for each other.
        """
        codes = [activities.index(name) for name in still] if taken and len(still) > 1 else []
        pairs = [(code, code) for code in range(len(activities))]
        pairs += [(a, b) for a in codes for b in codes if a != b]
        does, looks = np.array(pairs).T
        share = np.where(np.isin(does, codes), 1 - taken, 1.0)
        share[does != looks] = taken / max(len(codes) - 1, 1)
        return cls(does, looks, share)

    @property
    def start(self) -> Array:
        """Probabilities `(states,)` of the first one: any activity is as likely as another."""
        return np.asarray(self.share / self.share.sum())

    def changes(self, stay: Array, follows: Array) -> Array:
        """Probabilities `(from, to)` of the state one window later.

        `stay` `(activities,)` are those that the activity is the same, and then looks the same;
        `follows` `(activities, activities)` those of what comes after it.
        """
        leave = ((1 - stay)[:, None] * follows)[np.ix_(self.does, self.does)]
        return np.asarray(np.diag(stay[self.does]) + leave * self.share)

    def activities(self, states: Array) -> Array:
        """Probabilities `(…, activities)` of what the wearer does, of those of states."""
        count = int(self.does.max()) + 1
        return np.asarray(states @ (self.does[:, None] == np.arange(count)))
