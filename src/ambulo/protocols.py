"""Protocols: how people are split into training and test.

Nobody is ever on both sides, but in "random", which is there to show by how much it inflates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ambulo.errors import EvaluationError
from ambulo.windows import Windows

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """The people of a training and of a test set.

    The other two fields are the mistakes of published systems, to show what they are worth:
    `random` is the share of all windows that is tested, drawn at random whoever's they are, and
    `chosen_on_test` lets the test people choose the epoch.
    """

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    random: float = 0.0
    chosen_on_test: bool = False

    @property
    def inflated(self) -> bool:
        """Whether a score under this fold says nothing about people never seen."""
        return self.chosen_on_test or bool(self.random) or bool({*self.train} & {*self.test})

    def split(self, windows: Windows) -> tuple[Positions, Positions]:
        """Positions of training and of test windows; at random, of each activity its share."""
        members = [np.isin(windows.subjects, list(side)) for side in (self.train, self.test)]
        if not self.random:
            return np.flatnonzero(members[0]), np.flatnonzero(members[1])
        everyone, rng = members[0] | members[1], np.random.default_rng(0)
        tested = np.zeros(len(windows), bool)
        for activity in range(len(windows.activities)):
            mine = rng.permutation(np.flatnonzero(everyone & (windows.labels == activity)))
            tested[mine[: round(self.random * len(mine))]] = True
        return np.flatnonzero(everyone & ~tested), np.flatnonzero(tested)


def _official(windows: Windows, argument: str) -> list[Fold]:
    test = [person for person in windows.people if person in windows.official_test]
    if windows.official_test and not test:
        raise EvaluationError(
            f"none of the official test people, {', '.join(windows.official_test)}, is among these,"
            f" {', '.join(windows.people)}: use loso, groups:K or people:1,2"
        )
    if not test:
        raise EvaluationError(
            f"'{windows.source}' has no official split: use loso, groups:K or people:1,2"
        )
    return [_fold("official", windows.people, test)]


def _loso(windows: Windows, argument: str) -> list[Fold]:
    return [_fold(person, windows.people, [person]) for person in windows.people]


def _groups(windows: Windows, argument: str) -> list[Fold]:
    """People in natural order are dealt to K groups like cards: person i goes to group i mod K."""
    people = windows.people
    if not argument.isdecimal() or not 2 <= int(argument) <= len(people):
        raise EvaluationError(
            f"groups:K needs K from 2 to the number of people, {len(people)}, got '{argument}'"
        )
    k = int(argument)
    return [_fold(f"group {g + 1}", people, people[g::k]) for g in range(k)]


def _people(windows: Windows, argument: str) -> list[Fold]:
    test = list(dict.fromkeys(p.strip() for p in argument.split(",") if p.strip()))
    unknown = [person for person in test if person not in windows.people]
    if unknown or not test:
        raise EvaluationError(
            f"people:… names {', '.join(unknown) or 'nobody'}: choose from "
            + ", ".join(windows.people)
        )
    return [_fold(argument, windows.people, test)]


def _random(windows: Windows, argument: str) -> list[Fold]:
    try:
        share = float(argument or 0.2)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise EvaluationError(f"random:SHARE needs a share between 0 and 1, got '{argument}'")
    everyone = tuple(windows.people)
    return [Fold("random windows", everyone, everyone, random=share)]


PROTOCOLS: dict[str, Callable[[Windows, str], list[Fold]]] = {
    "official": _official,
    "loso": _loso,
    "groups": _groups,
    "people": _people,
    "random": _random,
}
"""How people are split: the published split, each alone, K groups, the people named, or not at all:
random windows, whose scores are inflated."""


def _fold(name: str, people: Sequence[str], test: Sequence[str]) -> Fold:
    train = tuple(person for person in people if person not in test)
    if not train:
        raise EvaluationError(
            f"protocol leaves nobody to train on: all people are tested in '{name}'"
        )
    return Fold(name, train, tuple(test))


def folds(windows: Windows, protocol: str) -> list[Fold]:
    """The folds of a protocol: "official", "loso", "groups:K", "people:1,2" or "random:SHARE"."""
    name, _, argument = protocol.partition(":")
    if name not in PROTOCOLS:
        raise EvaluationError(
            f"there is no protocol '{protocol}': choose official, loso, groups:K or people:1,2"
        )
    if argument and name in ("official", "loso"):
        raise EvaluationError(f"{name} takes nothing after it, got '{protocol}': write {name}")
    if not len(windows):
        raise EvaluationError("there is no labelled window: check labels and activities")
    return PROTOCOLS[name](windows, argument)
