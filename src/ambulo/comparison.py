"""Evaluations side by side: sensors left out, and training options against each other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.datasets import Dataset
from ambulo.errors import EvaluationError
from ambulo.evaluation import evaluate
from ambulo.models import model_class
from ambulo.options import Options
from ambulo.recognizer import Recognizer
from ambulo.scores import DRAWS, LEVEL, Evaluation
from ambulo.windows import Windows


@dataclass(frozen=True)
class Comparison:
    """Evaluations of the same people under the same protocol, by what differs between them.

    `seconds` is how long each took, training and testing.
    """

    over: str
    evaluations: dict[str, Evaluation]
    seconds: dict[str, float]

    def difference(self, name: str) -> dict[str, float]:
        """Accuracy of `name` minus that of the first, with its interval over people.

        The same people are drawn for both (paired bootstrap), so that hard people do not count as
        a difference.
        """
        first, other = next(iter(self.evaluations.values())), self.evaluations[name]
        counts = [_right_and_all(e) for e in (other, first)]
        n = len(first.people)
        draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS)
        drawn = [(draws @ right) / (draws @ total) for right, total in counts]
        low, high = np.quantile(drawn[0] - drawn[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        mean = other.accuracy()["mean"] - first.accuracy()["mean"]
        return {"mean": float(mean), "low": float(low), "high": float(high)}

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "over": self.over,
            "results": [
                {
                    self.over: name,
                    "seconds": self.seconds[name],
                    "difference": self.difference(name),
                    "scores": evaluation.to_dict(),
                }
                for name, evaluation in self.evaluations.items()
            ],
        }


def _right_and_all(evaluation: Evaluation) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Right windows and all windows of each person, over all seeds."""
    counts = evaluation.confusion.sum(axis=0)
    return np.trace(counts, axis1=1, axis2=2), counts.sum(axis=(1, 2))


def ablate(
    model: Any,
    dataset: Dataset,
    groups: Sequence[str],
    *,
    seconds: float | None = None,
    overlap: float | None = None,
    protocol: str = "loso",
    **options: Any,
) -> Comparison:
    """Train fresh networks on each group of channels, as "ankle+arm", on the same people.

    `options` are those of `evaluate`. Nothing goes on from the network of another group.
    """
    if not groups:
        raise EvaluationError("name at least one group of channels")
    cuts = [
        (group, dataset.windows(seconds=seconds, overlap=overlap, channels=group))
        for group in groups
    ]
    return _compare("channels", ((g, model, w, {}) for g, w in cuts), protocol, options)


def compare(
    model: Any,
    windows: Windows,
    over: str,
    values: Sequence[Any],
    *,
    protocol: str = "official",
    **options: Any,
) -> Comparison:
    """Evaluate once for each of `values` of the training option `over`, "sizes.NAME", or "model".

    Raises TrainingError for a wrong value, before anything is trained, EvaluationError for another
    option, no value, or trained recognizers that leave other people to test than the first.
    """
    size = over.removeprefix("sizes.") if over.startswith("sizes.") else ""
    if over != "model" and not size and over not in Options.__dataclass_fields__:
        raise EvaluationError(
            f"cannot compare over '{over}': choose model, sizes.NAME, "
            f"{', '.join(Options.__dataclass_fields__)}"
        )
    if not values:
        raise EvaluationError(f"give at least one value of {over} to compare")
    for value in values:
        if size:
            continue
        if over != "model":
            Options(**{over: value})
        elif not isinstance(value, Recognizer):
            model_class(value)

    def own(value: Any) -> dict[str, Any]:
        if size:
            return {"sizes": {**options.get("sizes", {}), size: value}}
        return {} if over == "model" else {over: value}

    names = [str(value) for value in values]
    told = [f"{n} ({k})" if names.count(n) > 1 else n for k, n in enumerate(names, start=1)]
    each = zip(told, values, strict=True)
    runs = ((name, v if over == "model" else model, windows, own(v)) for name, v in each)
    return _compare(over, runs, protocol, options)


def _compare(
    over: str,
    runs: Iterable[tuple[str, Any, Windows, dict[str, Any]]],
    protocol: str,
    options: dict[str, Any],
) -> Comparison:
    evaluations, seconds = {}, {}
    for name, model, windows, own in runs:
        start = time.perf_counter()
        who = {} if isinstance(model, Recognizer) else {"protocol": protocol}
        found = evaluations[name] = evaluate(model, windows, **{**who, **options, **own})
        seconds[name] = time.perf_counter() - start
        first, people = next((other, e.people) for other, e in evaluations.items())
        if found.people != people:
            raise EvaluationError(
                f"{over} '{name}' is tested on {', '.join(found.people)}, '{first}' on "
                f"{', '.join(people)}: compare what leaves the same people to test"
            )
    return Comparison(over, evaluations, seconds)
