"""Sets of activities that hold the true one with a stated probability, for a person never seen.

Split conformal prediction (Vovk et al. 2005; least ambiguous sets: Sadinle, Lei, Wasserman 2019)
over people: windows of one person resemble each other, so that a hundred windows of three people
are three observations and not three hundred (hierarchical conformal prediction: Lee, Barber,
Willett 2023).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import EvaluationError

Array = npt.NDArray[Any]


def threshold(probabilities: Array, truth: Array, people: Array, coverage: float = 0.9) -> float:
    """The least probability that an activity needs to be in a set.

    `probabilities` `(n, activities)`, `truth` `(n,)` and `people` `(n,)` are of people kept aside.
    Each person weighs 1 / (people + 1), shared among the person's windows, and the last share is
    the new person's, who may be unlike all of them. Raises EvaluationError where there are too few
    people for the coverage: 0.9 needs 9.
    """
    names, who, windows = np.unique(people, return_inverse=True, return_counts=True)
    if not 0 < coverage < 1:
        raise EvaluationError(f"coverage must be between 0 and 1, got {coverage}")
    needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
    if len(names) < needed:
        raise EvaluationError(
            f"a coverage of {coverage:g} needs {needed} people to calibrate on, there are "
            f"{len(names)}: give more people, or a coverage of at most "
            f"{100 * len(names) // (len(names) + 1) / 100}"  # which they do reach: rounded down
        )
    weights = 1 / ((len(names) + 1) * windows[who])
    own = probabilities[np.arange(len(truth)), truth]
    order = np.argsort(-own, kind="stable")
    reached = np.cumsum(weights[order])
    at = min(int(np.searchsorted(reached, coverage - 1e-9)), len(order) - 1)
    return float(own[order[at]])


def sets(probabilities: Array, least: float) -> Array:
    """Which activities are in each window's set `(n, activities)`; the likeliest always is."""
    inside = probabilities >= least
    inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return np.asarray(inside)


def coverage_by_people(
    probabilities: Array, truth: Array, people: Array, coverage: float = 0.9
) -> dict[str, Any]:
    """What sets come to, each person's being calibrated on all the others.

    `coverage` is the mean over people of how often the true activity is inside, `people` each
    one's, and `size` the mean number of activities in a set.
    """
    each, sizes = {}, []
    for person in np.unique(people):
        mine = people == person
        least = threshold(probabilities[~mine], truth[~mine], people[~mine], coverage)
        inside = sets(probabilities[mine], least)
        each[str(person)] = float(inside[np.arange(mine.sum()), truth[mine]].mean())
        sizes.append(float(inside.sum(axis=1).mean()))
    return {
        "asked": coverage,
        "coverage": float(np.mean(list(each.values()))),
        "size": float(np.mean(sizes)),
        "people": each,
    }
