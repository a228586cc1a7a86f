"""Scores of test decisions: accuracy, F1, every person and activity, intervals over people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from platform import python_version
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.conformal import coverage_by_people
from ambulo.events import EventScores
from ambulo.importance import Importance
from ambulo.protocols import Fold
from ambulo.windows import natural

Array = npt.NDArray[Any]

DRAWS = 2000
"""Bootstrap samples of people behind every interval."""
LEVEL = 0.95
"""Coverage of the intervals."""
FEWEST = 6
"""People from which on an interval can be a 95 % one: between the lowest and the highest of n lies
the median of all with a probability of 1 - 2 / 2^n."""
BINS = 15
"""Bins of equal width in which confidence is compared with accuracy."""
COVERAGES = (0.9, 0.8)
"""How often a set shall hold the true activity: the first that there are people enough for."""


@dataclass(frozen=True)
class Evaluation:
    """Test decisions counted by seed and person, and every score that follows from them.

    `confusion` `(seeds, people, activities, activities)` counts windows: the true activity in rows,
    the decided one in columns. `probabilities` `(seeds, test windows, activities)` float32 are
    calibrated, `truth` `(test windows,)` are the true activities and `positions` say which of the
    labelled windows given to `evaluate` these are; `wearers` names whose they are. With `explain`,
    `importance` is that of channels in the first seed and fold, and `attention` `(test windows,
    layers, steps)` that of the first seed. `audit` is the verdict on leakage, if one was asked for,
    `context` says which other windows spoke for one, and `events`, with context only, scores
    the first seed's timelines by activity.
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
    temperatures: tuple[float, ...] = ()
    probabilities: Array | None = field(default=None, repr=False, compare=False)
    truth: Array | None = field(default=None, repr=False, compare=False)
    positions: Array | None = field(default=None, repr=False, compare=False)
    wearers: Array | None = field(default=None, repr=False, compare=False)
    importance: Importance | None = field(default=None, repr=False)
    attention: Array | None = field(default=None, repr=False, compare=False)
    audit: dict[str, Any] | None = field(default=None, repr=False)
    context: str = "none"
    events: dict[str, EventScores] | None = field(default=None, repr=False)

    @property
    def inflated(self) -> bool:
        """Whether anyone is in training and test, or chose the epoch: no score for new people."""
        return any(fold.inflated for fold in self.folds)

    @property
    def caution(self) -> str:
        """What to think of the intervals, should there be too few people for them; '' else."""
        n = len(self.people)
        if n == 1:
            return "one person says nothing of others: the interval is none, test more people"
        few = f"{n} people are too few for a 95 % interval: it is their own spread, test more"
        return few if n < FEWEST else ""

    def best_seed(self) -> Evaluation:
        """The run that did best on the test people, alone: a mistake, for showing what it adds."""
        best = int(_accuracy(self.confusion.sum(axis=1)).argmax())
        n = len(self.folds)
        keep = slice(best, best + 1)
        return replace(
            self,
            seeds=self.seeds[keep],
            folds=tuple(replace(fold, chosen_on_test=True) for fold in self.folds),
            confusion=self.confusion[keep],
            histories=self.histories[best * n : (best + 1) * n],
            temperatures=self.temperatures[best * n : (best + 1) * n],
            probabilities=None if self.probabilities is None else self.probabilities[keep],
        )

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
            rows = [self.people.index(p) for p in fold.test if p in self.people]
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

    def calibration(self) -> dict[str, Any] | None:
        """How far confidence is from accuracy, over all test windows and seeds.

        `ece` is the expected calibration error over the `bins` (Guo et al. 2017, equation 3), which
        each have `low`, `high`, `windows` and the mean `confidence` and `accuracy` of them. None
        where there are no probabilities.
        """
        if self.probabilities is None or self.truth is None:
            return None
        confidence = self.probabilities.max(axis=2).ravel().astype(float)
        right = (self.probabilities.argmax(axis=2) == self.truth).ravel()
        bins = _bins(confidence, right)
        gaps = [b["windows"] * abs(b["accuracy"] - b["confidence"]) for b in bins]
        return {"ece": float(sum(gaps) / max(len(right), 1)), "bins": bins}

    def proper(self) -> dict[str, float] | None:
        """Scores that only honest probabilities make small, means over test windows and seeds.

        `log_loss`, and `brier`, the squared distance from the truth summed over activities (Brier
        1950). None where there are no probabilities.
        """
        if self.probabilities is None or self.truth is None:
            return None
        p = self.probabilities.astype(float)
        own = np.take_along_axis(p, self.truth[None, :, None], axis=2)[..., 0]
        brier = (p**2).sum(axis=2) - 2 * own + 1
        return {
            "log_loss": float(-np.log(np.maximum(own, 1e-12)).mean()),
            "brier": float(brier.mean()),
        }

    def sets(self) -> dict[str, Any] | None:
        """Conformal sets of the first seed's windows, each person's calibrated on all the others.

        See `ambulo.conformal.coverage_by_people`. None without probabilities, or with fewer than
        five test people.
        """
        if self.probabilities is None or self.truth is None or self.wearers is None:
            return None
        for asked in COVERAGES:
            if len(self.people) - 1 >= round(asked / (1 - asked)):
                return coverage_by_people(self.probabilities[0], self.truth, self.wearers, asked)
        return None

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold, with protocol, seeds, people and every score."""
        train = natural(person for fold in self.folds for person in fold.train)
        return {
            "dataset": self.dataset,
            "model": self.model,
            "protocol": self.protocol,
            "context": self.context,
            "inflated": self.inflated,
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
            "calibration": self.calibration(),
            "proper": self.proper(),
            "sets": self.sets(),
            "events": {k: e.to_dict() for k, e in self.events.items()} if self.events else None,
            "temperatures": list(self.temperatures),
            "importance": self.importance.to_dict() if self.importance else None,
            "audit": self.audit,
            "folds": [asdict(fold) for fold in self.folds],
            "interval": "; ".join(
                [f"{LEVEL:.0%} bootstrap over people, {DRAWS} draws", *filter(None, [self.caution])]
            ),
            "options": self.options,
            "data": self.data,
            "versions": {name: version(name) for name in ("ambulo", "torch", "numpy")}
            | {"python": python_version()},
            "histories": self.histories,
        }


def _bins(confidence: Array, right: Array) -> list[dict[str, float]]:
    """Mean confidence and accuracy in bins of equal width; empty bins are left out."""
    which = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return [
        {
            "low": k / BINS,
            "high": (k + 1) / BINS,
            "confidence": float(confidence[which == k].mean()),
            "accuracy": float(right[which == k].mean()),
            "windows": int((which == k).sum()),
        }
        for k in np.unique(which).tolist()
    ]


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
