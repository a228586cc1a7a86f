"""Scores of test decisions: accuracy, F1, every person and activity, intervals over people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.protocols import Fold
from ambulo.windows import natural

Array = npt.NDArray[Any]

DRAWS = 2000
"""Bootstrap samples of people behind every interval."""
LEVEL = 0.95
"""Coverage of the intervals."""


@dataclass(frozen=True)
class Evaluation:
    """Test decisions counted by seed and person, and every score that follows from them.

    `confusion` `(seeds, people, activities, activities)` counts windows: the true activity in rows,
    the decided one in columns.
    """

    dataset: str
    model: str
    protocol: str
    seeds: tuple[int, ...]
    activities: tuple[str, ...]
    people: tuple[str, ...]
    folds: tuple[Fold, ...]
    confusion: Array
    windows: dict[str, int]
    options: dict[str, Any]
    histories: list[list[dict[str, float]]] = field(repr=False)
    data: dict[str, Any] = field(repr=False)

    def accuracy(self) -> dict[str, float]:
        """Share of right windows, the mean over seeds, with its interval over people."""
        return self._summary(_accuracy)

    def macro_f1(self) -> dict[str, float]:
        """F1 averaged over activities; `folds` is the mean of the folds' own macro-F1."""
        return self._summary(_macro_f1) | {"folds": float(np.mean(self._fold_f1()))}

    def _summary(self, score: Callable[[Array], Array]) -> dict[str, float]:
        each = score(self.confusion.sum(axis=1))
        rng = np.random.default_rng(0)
        n = len(self.people)
        draws = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)
        sampled = np.tensordot(draws, self.confusion.sum(axis=0), axes=1)
        low, high = np.quantile(score(sampled), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return {
            "mean": float(each.mean()),
            "low": float(low),
            "high": float(high),
            "seeds_std": float(each.std()),
        }

    def _fold_f1(self) -> list[float]:
        out = []
        for fold in self.folds:
            rows = [self.people.index(person) for person in fold.test]
            out.extend(_macro_f1(self.confusion[:, rows].sum(axis=1)).tolist())
        return out

    def per_person(self) -> dict[str, dict[str, float]]:
        """Accuracy, macro-F1 over the activities the person did, and windows of everyone tested."""
        total = self.confusion.sum(axis=0)
        return {
            person: {
                "accuracy": float(_accuracy(total[i])),
                "macro_f1": float(_macro_f1(total[i])),
                "windows": int(total[i].sum()) // len(self.seeds),
            }
            for i, person in enumerate(self.people)
        }

    def per_class(self) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and windows of each activity, over all people and seeds."""
        total = self.confusion.sum(axis=(0, 1))
        right = np.diag(total)
        truth, decided = total.sum(axis=1), total.sum(axis=0)
        return {
            activity: {
                "precision": float(right[i] / max(decided[i], 1)),
                "recall": float(right[i] / max(truth[i], 1)),
                "f1": float(2 * right[i] / max(truth[i] + decided[i], 1)),
                "windows": int(truth[i]) // len(self.seeds),
            }
            for i, activity in enumerate(self.activities)
        }

    def worst_person(self) -> dict[str, Any]:
        """The person with the lowest accuracy over all seeds."""
        scores = self.per_person()
        worst = min(scores, key=lambda person: scores[person]["accuracy"])
        return {"id": worst, "accuracy": scores[worst]["accuracy"]}

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold, with protocol, seeds, people and every score."""
        train = natural(person for fold in self.folds for person in fold.train)
        return {
            "dataset": self.dataset,
            "model": self.model,
            "protocol": self.protocol,
            "seeds": list(self.seeds),
            "windows": self.windows,
            "people": {"train": train, "test": list(self.people)},
            "accuracy": self.accuracy(),
            "macro_f1": self.macro_f1(),
            "worst_person": self.worst_person(),
            "per_person": self.per_person(),
            "per_class": self.per_class(),
            "activities": list(self.activities),
            "confusion": self.confusion.sum(axis=(0, 1)).tolist(),
            "folds": [asdict(fold) for fold in self.folds],
            "interval": f"{LEVEL:.0%} bootstrap over people, {DRAWS} draws",
            "options": self.options,
            "data": self.data,
            "versions": {name: version(name) for name in ("ambulo", "torch", "numpy")},
            "histories": self.histories,
        }


def _accuracy(confusion: Array) -> Array:
    """Accuracy of confusion matrices `(…, classes, classes)`."""
    right = np.trace(confusion, axis1=-2, axis2=-1)
    return np.asarray(right / np.maximum(confusion.sum(axis=(-2, -1)), 1))


def _macro_f1(confusion: Array) -> Array:
    """F1 averaged over the classes that occur, of confusion matrices `(…, classes, classes)`."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    truth, decided = confusion.sum(axis=-1), confusion.sum(axis=-2)
    f1 = 2 * right / np.maximum(truth + decided, 1)
    occurs = truth > 0
    return np.asarray((f1 * occurs).sum(axis=-1) / np.maximum(occurs.sum(axis=-1), 1))
