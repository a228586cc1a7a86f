"""Evaluation: train and test under a protocol, on people that training never saw."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from queue import Empty
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import EvaluationError
from ambulo.options import Options, make_options
from ambulo.progress import Advance, bar
from ambulo.protocols import Fold, folds
from ambulo.recognizer import Recognizer
from ambulo.scores import Evaluation
from ambulo.training import Fit, fit, predict_logits, rows, say, to_device
from ambulo.windows import Windows

Array = npt.NDArray[Any]


def evaluate(
    model: Any,
    windows: Windows,
    *,
    protocol: str | Sequence[Fold] = "official",
    seeds: int | Sequence[int] = 1,
    workers: int = 1,
    progress: bool | None = None,
    **options: Any,
) -> Evaluation:
    """Train and test `model` under a protocol, by name or as folds, once for each fold and seed.

    A trained Recognizer is tested as it is, on the people that its card does not name.

    In each fold, scaling, early stopping and calibration see training people only, and the test
    people are scored once. `seeds` is a number (0, 1, …) or the seeds themselves; with several
    `workers`, processes share folds and seeds; a script that asks for them must keep its own work
    under `if __name__ == "__main__":`. Raises EvaluationError for an unknown protocol.
    """
    windows = windows.labelled()
    if isinstance(model, Recognizer):
        return _of_recognizer(model, windows)
    name = model if isinstance(model, str) else model.__name__
    chosen = make_options(options, windows, name)
    seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not seeds:
        raise EvaluationError("at least one seed is needed")
    plan = folds(windows, protocol) if isinstance(protocol, str) else list(protocol)
    people = tuple(person for fold in plan for person in fold.test)
    jobs = [(seed, fold) for seed in seeds for fold in plan]
    confusion = np.zeros((len(seeds), len(people), *[len(windows.activities)] * 2), np.int64)
    histories: list[list[dict[str, float]]] = [[] for _ in jobs]
    with bar(f"{name} on {windows.source}", show=progress) as advance:
        for k, counts, history in _run(model, windows, chosen, jobs, workers, advance):
            seed, fold = jobs[k]
            rows = [people.index(person) for person in fold.test]
            confusion[seeds.index(seed), rows] = counts
            histories[k] = history
    return Evaluation(
        dataset=windows.source,
        model=name,
        protocol=protocol if isinstance(protocol, str) else ", ".join(f.name for f in plan),
        seeds=seeds,
        activities=windows.activities,
        people=people,
        folds=tuple(plan),
        confusion=confusion,
        windows={
            "train": round(np.mean([len(fold.split(windows)[0]) for fold in plan])),
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
    workers: int,
    advance: Advance,
) -> Iterator[Outcome]:
    """Every job's confusion matrices and history, as they get done."""
    share = 1 / (len(jobs) * rows(model, options))
    workers = min(workers, len(jobs))
    if workers == 1:
        for k, job in enumerate(jobs):
            yield k, *_one(model, windows, options, job, lambda row: advance(share, say(row)))
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
            _drain(queue, lambda row: advance(share, say(row)))
            for future in done:
                yield waiting.pop(future), *future.result()
    finally:
        pool.shutdown(cancel_futures=True)


_shared: dict[str, Any] = {}


def _prepare_worker(windows: Windows, queue: Any, workers: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(max((os.cpu_count() or 1) // workers, 1))
    _shared.update(windows=windows, queue=queue)


def _end_with_parent() -> None:
    """A worker whose parent was killed would train on for nobody."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(model: Any, options: Options, job: Job) -> tuple[Array, list[dict[str, float]]]:
    return _one(model, _shared["windows"], options, job, _shared["queue"].put)


def _drain(queue: Any, report: Callable[[dict[str, float]], None]) -> None:
    while True:
        try:
            report(queue.get_nowait())
        except Empty:
            return


def _one(
    model: Any,
    windows: Windows,
    options: Options,
    job: Job,
    report: Callable[[dict[str, float]], None],
) -> tuple[Array, list[dict[str, float]]]:
    """Train on a fold's training people, and count decisions on each of its test people."""
    seed, fold = job
    train, test = fold.split(windows)
    chosen_on = test if fold.chosen_on_test else None
    fitted = fit(model, train, options, seed=seed, report=report, validation=chosen_on)
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
