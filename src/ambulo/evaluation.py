"""Evaluation: train and test under a protocol, on people that training never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from ambulo.audit import audit
from ambulo.batches import to_device
from ambulo.context import MODES
from ambulo.context.windows import decide, in_other_order
from ambulo.errors import EvaluationError
from ambulo.events import EventScores, windows_as_events
from ambulo.importance import Importance, attention_over_time, channel_importance
from ambulo.options import Options, make_options
from ambulo.processes import Tell, run
from ambulo.progress import bar
from ambulo.protocols import Fold, folds
from ambulo.recognizer import Recognizer, softmax
from ambulo.scores import Evaluation
from ambulo.training import fit, predict_logits, recognizer_of, rows, say
from ambulo.windows import Windows, concatenate, windows_only

Array = npt.NDArray[Any]


def evaluate(
    model: Any,
    windows: Windows,
    *,
    protocol: str | Sequence[Fold] | None = None,
    seeds: int | Sequence[int] = 1,
    workers: int = 1,
    progress: bool | None = None,
    explain: bool = False,
    context: str = "none",
    lag: int = 0,
    shuffled: bool = False,
    report: Tell | None = None,
    keep: str | Path | None = None,
    **options: Any,
) -> Evaluation:
    """Train and test `model` under a protocol, by name or as folds, once for each fold and seed.

    The official one, unless another is named. A trained Recognizer is tested as it is, on the
    people that neither its card names nor those of the recognizers that it was made of.

    In each fold, scaling, early stopping and calibration see training people only, and the test
    people are scored once. `seeds` is a number (0, 1, …) or the seeds themselves; with several
    `workers`, processes share folds and seeds; a script that asks for them must keep its own work
    under `if __name__ == "__main__":`. With `explain` the importance of channels (in the first seed
    and fold) and the attention of models that have it (in the first seed) are worked out too; a
    report shows them. `context` "causal" or "offline" lets a recording's other windows speak for
    each (see `ambulo.context`), those that nobody labelled too; "causal" may look `lag` windows
    ahead. With `shuffled` the test recordings' bouts come in random order, so that a context that
    learnt the script of a study gains nothing by it. `report` is called with every epoch's row of
    history. In the folder `keep` each fold's recognizer stays, as `FOLD-SEED.ambulo`. Raises
    EvaluationError for an unknown protocol, or for what a trained recognizer cannot heed,
    WindowingError for what are no windows.
    """
    windows_only(windows)
    if context not in MODES:
        raise EvaluationError(f"context must be one of {', '.join(MODES)}, got '{context}'")
    if context == "none" and keep is None:
        windows = windows.labelled()
    if isinstance(model, Recognizer):
        stated = {"protocol": protocol is not None, "keep": keep, "shuffled": shuffled}
        idle = [*options, *(name for name, given in stated.items() if given)]
        if idle:
            raise EvaluationError(
                f"a recognizer is tested as it is: {', '.join(idle)} would change nothing; name a "
                "model to train instead"
            )
        return _of_recognizer(model, windows, explain, context, lag)
    name = model if isinstance(model, str) else model.__name__
    chosen = make_options(options, windows, name)
    seeds = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not seeds:
        raise EvaluationError("at least one seed is needed")
    protocol = "official" if protocol is None else protocol
    plan = folds(windows.labelled(), protocol) if isinstance(protocol, str) else list(protocol)
    jobs = _jobs(seeds, plan, explain, (context, lag, shuffled), Path(keep) if keep else None)
    audited = _audit(windows, plan, explain, progress)
    with bar(f"{name} on {windows.source}", show=progress) as advance:
        share = 1 / (len(jobs) * rows(model, chosen))
        shared = (model, windows, chosen)

        def tell(row: dict[str, float]) -> None:
            advance(share, say(row))
            if report:
                report(row)

        done = dict(run(train_and_test, shared, jobs, workers, tell))
    outcomes = [done[k] for k in range(len(jobs))]
    first = outcomes[: len(plan)]
    return Evaluation(
        dataset=windows.source,
        model=name,
        protocol=protocol if isinstance(protocol, str) else ", ".join(f.name for f in plan),
        seeds=seeds,
        folds=tuple(plan),
        windows={
            "train": round(
                np.mean([(windows.labels[f.split(windows)[0]] >= 0).sum() for f in plan])
            ),
            "test": sum(len(outcome.probabilities) for outcome in first),
        },
        options=asdict(chosen),
        histories=[outcome.history for outcome in outcomes],
        data={k: v for k, v in windows.describe().items() if k != "people"},
        temperatures=tuple(outcome.temperature for outcome in outcomes),
        audit=audited,
        context=_stated(context, lag, shuffled),
        events=_events(windows, plan, first) if context != "none" and not shuffled else None,
        importance=first[0].importance,
        attention=_joined([outcome.attention for outcome in first]),
        **_tested(windows, plan, [outcome.probabilities for outcome in outcomes]),
    )


def _stated(context: str, lag: int, shuffled: bool = False) -> str:
    """What other windows said, in words: of what was asked for, that which changed anything."""
    later = f", {lag} windows later" if lag and context == "causal" else ""
    return context + later + (", bouts in random order" if shuffled and context != "none" else "")


def _events(
    windows: Windows, plan: Sequence[Fold], outcomes: Sequence[Outcome]
) -> dict[str, EventScores]:
    tested = concatenate([windows[fold.split(windows)[1]].labelled() for fold in plan])
    return _as_events(tested, np.concatenate([outcome.probabilities for outcome in outcomes]))


def _as_events(tested: Windows, probabilities: Array) -> dict[str, EventScores]:
    """Decisions on labelled windows `(windows, activities)`, as events."""
    return windows_as_events(
        np.char.add(np.char.add(tested.subjects.astype(str), "/"), tested.recordings.astype(str)),
        tested.seconds,
        tested.labels,
        probabilities,
        tested.activities,
        tested.windowing.spacing(tested.rate),
    )


def _audit(
    windows: Windows, plan: Sequence[Fold], thorough: bool, progress: bool | None
) -> dict[str, Any]:
    """What the leakage audit says of the folds, together.

    People, sample spans and whom the epoch was chosen on are looked at in each fold; contents,
    which takes seconds, in the first one, or in each if `thorough`.
    """
    audits = []
    for k, fold in enumerate(plan):
        train, test = (windows[positions] for positions in fold.split(windows))
        chosen_on = fold.test if fold.chosen_on_test else ()
        content = thorough or k == 0
        audits.append(audit(train, test, chosen_on=chosen_on, content=content, progress=progress))
    found = [(fold, f) for fold, a in zip(plan, audits, strict=True) for f in a.findings]
    leaks = len({f.kind for _, f in found if f.severity == "leak"})
    clean = all(a.clean for a in audits)
    contents = "each fold" if thorough or len(plan) == 1 else "the first fold"
    return {
        "clean": clean,
        "verdict": ("No leak found" if clean else f"LEAK: {leaks} kind(s) found")
        + f" in {len(plan)} fold(s); contents were compared in {contents}.",
        "findings": [
            {"fold": fold.name, "kind": f.kind, "severity": f.severity, "count": f.count}
            | {"text": f"{fold.name}: {f.sentence}"}
            for fold, f in found
        ],
        "checked": list(audits[0].checked),
    }


def _jobs(
    seeds: Sequence[int],
    plan: Sequence[Fold],
    explain: bool,
    context: tuple[str, int, bool],
    keep: Path | None,
) -> list[Job]:
    """Every fold with every seed; the first seed's folds are explained, if anything is."""
    return [
        Job(seed, fold, *context, explain and i == 0, explain and i == 0 and k == 0, keep)
        for i, seed in enumerate(seeds)
        for k, fold in enumerate(plan)
    ]


def _tested(
    windows: Windows, plan: Sequence[Fold], probabilities: Sequence[Array]
) -> dict[str, Any]:
    """What an Evaluation says of its test windows, from probabilities by seed and fold."""
    positions = np.concatenate([fold.split(windows)[1] for fold in plan])
    positions = positions[windows.labels[positions] >= 0]
    n = len(plan)
    by_seed = [np.concatenate(probabilities[k : k + n]) for k in range(0, len(probabilities), n)]
    tested = windows.subjects[positions], windows.labels[positions]
    there = {*tested[0].tolist()}  # random windows may leave none of a person to test
    people = tuple(dict.fromkeys(p for fold in plan for p in fold.test if p in there))
    return {
        "activities": windows.activities,
        "people": people,
        "confusion": np.stack(
            [_count(*tested, people, len(windows.activities), p.argmax(1)) for p in by_seed]
        ),
        "probabilities": np.stack(by_seed),
        "truth": tested[1].astype(np.int64),
        "positions": (np.cumsum(windows.labels >= 0) - 1)[positions],
        "wearers": tested[0],
    }


def _joined(parts: Sequence[Array | None]) -> Array | None:
    there = [part for part in parts if part is not None]
    return np.concatenate(there) if there and len(there) == len(parts) else None


SAME_PEOPLE = {"uci-har": "hapt"}
"""Data sets that show the people of another one, under the same names."""


def _learnt_from(card: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Data sets and their people that a recognizer has learnt from, and those it was made of."""
    out = [(str(part.get("data")), part.get("people", [])) for part in (card, card.get("old", {}))]
    above = card.get("parent", {}).get("card")
    return out + (_learnt_from(above) if above else [])


def _family(name: str) -> str:
    """What a data set's people are known by: a folder's own name, wherever it lies."""
    return SAME_PEOPLE.get(name, Path(name).name)


def _of_recognizer(
    recognizer: Recognizer, windows: Windows, explain: bool, context: str, lag: int
) -> Evaluation:
    """Test a recognizer on the people it was not trained on."""
    card, known, own = recognizer.card, recognizer.activities, _family(windows.source)
    windows = windows.coded((*known, *(n for n in windows.shown() if n not in known)))
    shown: list[str] = []
    for name, them in _learnt_from(recognizer.card):
        # those of other data are other people, though they may go by the same numbers
        shown += them if _family(name) == own else [f"{name} {person}" for person in them]
    test = windows[~np.isin(windows.subjects, shown)]
    people = tuple(test.labelled().people)
    if not people:
        raise EvaluationError(
            f"the recognizer has learnt from all of these people ({', '.join(windows.people)}): "
            "a score on them would mean nothing; test it on others (a folder is known by its own "
            "name: if these are other people, rename it)"
        )
    if strange := [name for name in test.shown() if name not in known]:
        raise EvaluationError(
            f"the recognizer decides between {', '.join(known)}; these windows show "
            f"{', '.join(strange)} as well: load the same activities"
        )
    test, windows = (replace(part, activities=known) for part in (test, windows))
    if unlike := test.unlike(recognizer.windowing):
        raise EvaluationError(f"{unlike}: cut them by recognizer.windowing")
    decided = recognizer.decide(test, context=context, lag=lag)
    tested = decided[test.labels >= 0]
    fold = Fold("unseen people", tuple(dict.fromkeys(shown)), people)
    return Evaluation(
        dataset=windows.source,
        model=str(recognizer.network.get("model")),
        protocol=f"people:{','.join(people)}",
        seeds=(card.get("seed", 0),),
        folds=(fold,),
        windows={"train": int(card.get("windows", 0)), "test": int((test.labels >= 0).sum())},
        options=card.get("options", {}),
        histories=[card.get("history", [])],
        data={k: v for k, v in test.describe().items() if k != "people"},
        temperatures=(recognizer.temperature,),
        importance=channel_importance(recognizer, test) if explain else None,
        attention=attention_over_time(recognizer, test.labelled().values) if explain else None,
        context=_stated(context, lag),
        events=None if context == "none" else _as_events(test.labelled(), tested),
        **_tested(windows, [fold], [tested]),
    )


Shared = tuple[Any, Windows, Options]
"""Model, windows and options: what all folds share."""


@dataclass(frozen=True)
class Job:
    """A fold to train and test with a seed, in which context, what to explain, where to keep it."""

    seed: int
    fold: Fold
    context: str = "none"
    lag: int = 0
    shuffled: bool = False
    attention: bool = False
    importance: bool = False
    keep: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """Calibrated probabilities `(test windows, classes)` float32 of a job, and how they came."""

    probabilities: Array
    temperature: float
    history: list[dict[str, float]]
    importance: Importance | None = None
    attention: Array | None = None


def train_and_test(shared: Shared, job: Job, report: Tell) -> Outcome:
    """Train on a fold's training people, and decide on each window of its test people."""
    model, windows, options = shared
    training, test = (windows[positions] for positions in job.fold.split(windows))
    chosen_on = test.labelled() if job.fold.chosen_on_test else None
    fitted = fit(
        model,
        training,
        options,
        seed=job.seed,
        report=report,
        validation=chosen_on,
        context=job.keep is not None or job.context != "none",
    )
    if job.keep is not None:
        name = model if isinstance(model, str) else model.__name__
        kept = recognizer_of(fitted, training.labelled(), name, options, job.seed)
        plain = job.fold.name.replace("-", "--").replace(" ", "-")  # no two become one
        fold = quote(plain, safe="")  # may be a person's, so anything
        kept.save(job.keep / f"{fold}-{job.seed}.ambulo")
    network = fitted.network
    x, _ = to_device(test, next(network.parameters()).device)
    logits = np.asarray(predict_logits(network, x).cpu())
    probabilities = softmax(logits / np.float32(fitted.temperature))
    if fitted.context is not None and job.context != "none":
        order = in_other_order(test, job.seed) if job.shuffled else test
        probabilities = decide(fitted.context, order, probabilities, job.context, job.lag)
    return Outcome(
        probabilities=probabilities[test.labels >= 0],
        temperature=fitted.temperature,
        history=fitted.history,
        importance=channel_importance(network, test) if job.importance else None,
        attention=attention_over_time(network, test.labelled().values) if job.attention else None,
    )


def _count(
    subjects: Array, labels: Array, people: Sequence[str], classes: int, decided: Array
) -> Array:
    """Confusion matrices `(people, classes, classes)` of decisions on labelled windows."""
    counts = np.zeros((len(people), classes, classes), np.int64)
    rows = {person: row for row, person in enumerate(people)}
    who = np.array([rows[str(person)] for person in subjects], np.int64)
    np.add.at(counts, (who, labels, decided), 1)
    return counts
