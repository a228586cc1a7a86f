"""Evaluation on people that training never saw: protocols, scores, intervals over people."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import EvaluationError
from ambulo.progress import Advance, bar
from ambulo.recognizer import Recognizer
from ambulo.training import Fit, Options, fit, make_options, predict_logits, to_device
from ambulo.windows import Windows

Array = npt.NDArray[Any]

DRAWS = 2000
"""Bootstrap samples of people behind every interval."""
LEVEL = 0.95
"""Coverage of the intervals."""


@dataclass(frozen=True)
class Fold:
    """The people of a training and of a test set; nobody is in both."""

    name: str
    train: tuple[str, ...]
    test: tuple[str, ...]


def _official(windows: Windows, argument: str) -> list[Fold]:
    test = [person for person in windows.people if person in windows.official_test]
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
    if not argument.isdigit() or not 2 <= int(argument) <= len(people):
        raise EvaluationError(
            f"groups:K needs K from 2 to the number of people, {len(people)}, got '{argument}'"
        )
    k = int(argument)
    return [_fold(f"group {g + 1}", people, people[g::k]) for g in range(k)]


def _people(windows: Windows, argument: str) -> list[Fold]:
    test = [person.strip() for person in argument.split(",") if person.strip()]
    unknown = [person for person in test if person not in windows.people]
    if unknown or not test:
        raise EvaluationError(
            f"people:… names {', '.join(unknown) or 'nobody'}: choose from "
            + ", ".join(windows.people)
        )
    return [_fold(argument, windows.people, test)]


PROTOCOLS: dict[str, Callable[[Windows, str], list[Fold]]] = {
    "official": _official,
    "loso": _loso,
    "groups": _groups,
    "people": _people,
}
"""How people are split: the published split, each alone, K groups, or the people named."""


def _fold(name: str, people: Sequence[str], test: Sequence[str]) -> Fold:
    train = tuple(person for person in people if person not in test)
    if not train:
        raise EvaluationError(
            f"protocol leaves nobody to train on: all people are tested in '{name}'"
        )
    return Fold(name, train, tuple(test))


def folds(windows: Windows, protocol: str) -> list[Fold]:
    """The folds of a protocol: "official", "loso", "groups:K" or "people:1,2"."""
    name, _, argument = protocol.partition(":")
    if name not in PROTOCOLS:
        raise EvaluationError(
            f"there is no protocol '{protocol}': choose official, loso, groups:K or people:1,2"
        )
    return PROTOCOLS[name](windows, argument)


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
        train = sorted({person for fold in self.folds for person in fold.train}, key=_order)
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


def _order(person: str) -> tuple[int, str]:
    return (len(person), person) if person.isdigit() else (99, person)


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


def evaluate(
    model: Any,
    windows: Windows,
    *,
    protocol: str = "official",
    seeds: int | Sequence[int] = 1,
    workers: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Evaluation:
    """Train and test `model` under a protocol, once for each fold and seed.

    A trained Recognizer is tested as it is, on the people that its card does not name.

    In each fold, scaling, early stopping and calibration see training people only, and the test
    people are scored once. `seeds` is a number (0, 1, …) or the seeds themselves; `workers`
    processes share the work (default: one a core). Raises EvaluationError for an unknown protocol.
    """
    chosen = make_options(options)
    windows = windows.labelled()
    if isinstance(model, Recognizer):
        return _of_recognizer(model, windows)
    seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not seeds:
        raise EvaluationError("at least one seed is needed")
    plan = folds(windows, protocol)
    people = tuple(person for fold in plan for person in fold.test)
    jobs = [(seed, fold) for seed in seeds for fold in plan]
    confusion = np.zeros((len(seeds), len(people), *[len(windows.activities)] * 2), np.int64)
    histories: list[list[dict[str, float]]] = [[] for _ in jobs]
    with bar(f"{model} on {windows.source}", show=progress) as advance:
        for k, counts, history in _run(model, windows, chosen, jobs, workers, advance):
            seed, fold = jobs[k]
            rows = [people.index(person) for person in fold.test]
            confusion[seeds.index(seed), rows] = counts
            histories[k] = history
    return Evaluation(
        dataset=windows.source,
        model=model if isinstance(model, str) else model.__name__,
        protocol=protocol,
        seeds=seeds,
        activities=windows.activities,
        people=people,
        folds=tuple(plan),
        confusion=confusion,
        windows={
            "train": round(np.mean([len(windows.of(fold.train)) for fold in plan])),
            "test": int(confusion[0].sum()),
        },
        options=asdict(chosen),
        histories=histories,
        data={k: v for k, v in windows.describe().items() if k != "people"},
    )


SAME_PEOPLE = {"uci-har": "hapt"}
"""Data sets that show the people of another one, under the same names."""


def _of_recognizer(recognizer: Recognizer, windows: Windows) -> Evaluation:
    """Test a recognizer on the people it was not trained on."""
    card = recognizer.card
    family = [SAME_PEOPLE.get(name, name) for name in (str(card.get("data")), windows.source)]
    seen = card.get("people", []) if family[0] == family[1] else []
    test = windows[~np.isin(windows.subjects, seen)]
    if not len(test):
        raise EvaluationError(
            f"the recognizer was trained on all of these people ({', '.join(windows.people)}): "
            "a score on them would mean nothing; test it on others"
        )
    if (test.activities, test.channels) != (recognizer.activities, recognizer.windowing.channels):
        raise EvaluationError(
            f"the recognizer decides between {', '.join(recognizer.activities)} from "
            f"{', '.join(recognizer.windowing.channels or ())}; these windows have "
            f"{', '.join(test.activities)} and {', '.join(test.channels)}: load the same"
        )
    people = tuple(test.people)
    return Evaluation(
        dataset=windows.source,
        model=str(recognizer.network.get("model")),
        protocol=f"people:{','.join(people)}",
        seeds=(card.get("seed", 0),),
        activities=test.activities,
        people=people,
        folds=(Fold("unseen people", tuple(card.get("people", [])), people),),
        confusion=_count(test, people, recognizer.logits(test.values).argmax(1))[None],
        windows={"train": int(card.get("windows", 0)), "test": len(test)},
        options=card.get("options", {}),
        histories=[card.get("history", [])],
        data={k: v for k, v in test.describe().items() if k != "people"},
    )


Outcome = tuple[int, Array, list[dict[str, float]]]
Job = tuple[int, Fold]


def _run(
    model: Any,
    windows: Windows,
    options: Options,
    jobs: Sequence[Job],
    workers: int | None,
    advance: Advance,
) -> Iterator[Outcome]:
    """Every job's confusion matrices and history, as they get done."""
    share = 1 / (len(jobs) * options.epochs)
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers == 1:
        for k, job in enumerate(jobs):
            yield k, *_one(model, windows, options, job, lambda row: advance(share, _say(row)))
        return
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    pool = ProcessPoolExecutor(workers, context, _prepare_worker, (windows, queue, workers))
    try:
        waiting: dict[Future[Any], int] = {
            pool.submit(_work, model, options, job): k for k, job in enumerate(jobs)
        }
        while waiting:
            done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            _drain(queue, lambda row: advance(share, _say(row)))
            for future in done:
                yield waiting.pop(future), *future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_shared: dict[str, Any] = {}


def _prepare_worker(windows: Windows, queue: Any, workers: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(max((os.cpu_count() or 1) // workers, 1))
    _shared.update(windows=windows, queue=queue)


def _work(model: Any, options: Options, job: Job) -> tuple[Array, list[dict[str, float]]]:
    return _one(model, _shared["windows"], options, job, _shared["queue"].put)


def _drain(queue: Any, report: Callable[[dict[str, float]], None]) -> None:
    while True:
        try:
            report(queue.get_nowait())
        except Empty:
            return


def _say(row: dict[str, float]) -> str:
    return f"epoch {row['epoch'] + 1:.0f}, loss {row['loss']:.3f}"


def _one(
    model: Any,
    windows: Windows,
    options: Options,
    job: Job,
    report: Callable[[dict[str, float]], None],
) -> tuple[Array, list[dict[str, float]]]:
    """Train on a fold's training people, and count decisions on each of its test people."""
    seed, fold = job
    fitted = fit(model, windows.of(fold.train), options, seed=seed, report=report)
    test = windows.of(fold.test)
    return _count(test, fold.test, _decide(fitted, test)), fitted.history


def _count(windows: Windows, people: Sequence[str], decided: Array) -> Array:
    """Confusion matrices `(people, classes, classes)` of decisions on labelled windows."""
    classes = len(windows.activities)
    counts = np.zeros((len(people), classes, classes), np.int64)
    rows = {person: row for row, person in enumerate(people)}
    who = np.array([rows[str(person)] for person in windows.subjects], np.int64)
    np.add.at(counts, (who, windows.labels, decided), 1)
    return counts


def _decide(fitted: Fit, windows: Windows) -> Array:
    device = next(fitted.network.parameters()).device
    x, _ = to_device(windows, device)
    return np.asarray(predict_logits(fitted.network, x).argmax(1).cpu())
