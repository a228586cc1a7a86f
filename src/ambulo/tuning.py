"""Tuning: options searched by people-grouped validation, and scored on people the search never saw.

Nested validation (Varma and Simon 2006): each outer fold's training people are split again for a
search of their own, and only what it chose meets the fold's test people, once.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ambulo.datasets import Dataset
from ambulo.errors import EvaluationError, MissingExtraError, TrainingError
from ambulo.evaluation import Job, evaluate, train_and_test
from ambulo.models import model_class
from ambulo.options import Options, make_options
from ambulo.progress import bar
from ambulo.protocols import Fold, folds
from ambulo.scores import Evaluation
from ambulo.windows import Windows

Space = Mapping[str, Sequence[Any]]

CUTTING = ("seconds", "overlap")
"""What a search may choose beside training options: how windows are cut."""
SOLVED: dict[str, list[Any]] = {
    "frame": ["sensor", "both"],
    "rotate": [0.0, 5.0, 10.0, 15.0, 20.0],
    "around": [0.0, 15.0, 30.0, 60.0],
}
"""What is searched for models whose head is solved, unless said otherwise."""
DESCENDED: dict[str, list[Any]] = {
    "learning_rate": [5e-4, 1e-3, 2e-3, 4e-3],
    "rotate": [0.0, 5.0, 10.0, 15.0, 20.0],
    "smoothing": [0.0, 0.1],
    "batch": [32, 64, 128],
}
"""What is searched for models that descend by gradient."""


@dataclass(frozen=True)
class Trial:
    """Options that were tried, and the macro-F1 on each inner fold's people that it came to.

    `pruned` says that it was given up after these folds, being worse than half of the others.
    """

    options: dict[str, Any]
    scores: tuple[float, ...]
    pruned: bool = False

    @property
    def mean(self) -> float:
        """The mean over the inner folds that were run."""
        return float(np.mean(self.scores))


@dataclass(frozen=True)
class Search:
    """One outer fold: its trials, what they chose, and the score of that on its test people."""

    fold: str
    trials: tuple[Trial, ...]
    chosen: dict[str, Any]
    evaluation: Evaluation = field(repr=False)


@dataclass(frozen=True)
class Tuning:
    """A search for each outer fold of a protocol."""

    model: str
    dataset: str
    protocol: str
    inner: str
    space: dict[str, list[Any]]
    searches: tuple[Search, ...]

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "inner": self.inner,
            "space": self.space,
            "searches": [
                {
                    "fold": search.fold,
                    "chosen": search.chosen,
                    "trials": [
                        {"options": t.options, "macro_f1": t.mean, "folds": t.scores}
                        | {"pruned": t.pruned}
                        for t in search.trials
                    ],
                    "test": {
                        "accuracy": search.evaluation.accuracy(),
                        "macro_f1": search.evaluation.macro_f1(),
                        "worst_person": search.evaluation.worst_person(),
                    },
                }
                for search in self.searches
            ],
        }


def tune(
    model: str,
    data: Windows | Dataset,
    *,
    protocol: str = "official",
    inner: str = "groups:3",
    trials: int = 20,
    space: Space | None = None,
    seed: int = 0,
    study: str | Path | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Tuning:
    """Search training options for `model`, with Optuna's TPE (Akiba et al. 2019).

    Each outer fold of `protocol` searches among its training people, split by `inner`, for the
    options with the best mean macro-F1, and tests them once on its test people. `space` maps
    options, `sizes.NAME`, and with a Dataset also "seconds" and "overlap", to the values to choose
    from; the first trial takes the first of each, so put there what is used now. A trial that is
    worse than the median of others after the same folds is given up, and none is tried twice.
    `study` is a file that keeps every trial, so that a search that broke off goes on. `options`
    hold for every trial, and are not searched. Raises TrainingError for a wrong space or option,
    EvaluationError for a protocol that is unknown, leaves nobody, or is "random": its people are
    in the search and in the score.
    """
    windows = cut(data, {})
    make_options(options, windows, model)  # which says what is wrong with them
    held = {*options, *(f"sizes.{name}" for name in options.get("sizes", {}))}
    unheld = {key: values for key, values in default_space(model).items() if key not in held}
    given = {key: _distinct(values) for key, values in (space or unheld).items()}
    check_space(given, data)
    if both := sorted(held & {*given}):
        raise TrainingError(f"{', '.join(both)}: is given and searched: leave one of them out")
    if trials < 1:
        raise TrainingError(f"a search needs one trial at least, got trials={trials}")
    plan = _folds(windows, protocol, "protocol")
    searches = []
    with bar(f"tuning {model} on {windows.source}", show=progress) as advance:
        for fold in plan:
            name = f"{fold.name}: {_key(model, windows, protocol, inner, given, options, seed)}"
            with _study(name, seed, study) as made:
                objective = Objective(model, data, fold.train, inner, given, options, seed)
                most = min(trials, math.prod(len(values) for values in given.values()))
                for _ in range(len(_finished(made)), most):
                    made.enqueue_trial(_untried(made, given, seed))
                    made.optimize(objective, n_trials=1)
                    advance(1 / (most * len(plan)), f"best macro-F1 {made.best_value:.3f}")
                chosen = dict(made.best_params)
                tried = tuple(_finished(made))
            cutting, training = _parted(chosen)
            searches.append(
                Search(
                    fold.name,
                    tried,
                    chosen,
                    evaluate(
                        model,
                        cut(data, cutting),
                        protocol=[fold],
                        seeds=[seed],
                        progress=False,
                        **_merged(options, training),
                    ),
                )
            )
    return Tuning(model, windows.source, protocol, inner, given, tuple(searches))


def default_space(model: str) -> dict[str, list[Any]]:
    """What is searched for a model if nothing else is said."""
    return SOLVED if hasattr(model_class(model), "solver") else DESCENDED


def check_space(space: Space, data: Windows | Dataset) -> None:
    """Raise TrainingError for an option that is none, or has nothing to choose from."""
    known = [*Options.__dataclass_fields__, *(CUTTING if isinstance(data, Dataset) else ())]
    if not space:
        raise TrainingError("nothing to search: all that is searched of itself is given")
    for name, values in space.items():
        if name not in known and not name.startswith("sizes."):
            raise TrainingError(
                f"cannot search '{name}': choose from {', '.join(known)}, sizes.NAME"
            )
        if not values:
            raise TrainingError(f"nothing to choose from for '{name}': give its values")
        if name in CUTTING and (odd := [v for v in values if not isinstance(v, (int, float))]):
            raise TrainingError(f"cannot search {name}={odd[0]}: give numbers")


@dataclass(frozen=True)
class Objective:
    """The mean macro-F1 of a trial's options over the inner folds of `people`."""

    model: str
    data: Windows | Dataset
    people: tuple[str, ...]
    inner: str
    space: Space
    options: dict[str, Any]
    seed: int

    def __call__(self, trial: Any) -> float:
        """Train and test fold by fold, and give up early where others did better."""
        import optuna

        chosen = {key: trial.suggest_categorical(key, list(v)) for key, v in self.space.items()}
        cutting, training = _parted(chosen)
        windows = cut(self.data, cutting).of(self.people).labelled()
        options = make_options(_merged(self.options, training), windows, self.model)
        scores: list[float] = []
        for k, fold in enumerate(_folds(windows, self.inner, "inner, of training people,")):
            shared = (self.model, windows, options)
            outcome = train_and_test(shared, Job(self.seed, fold), lambda row: None)
            truth = windows.labels[fold.split(windows)[1]]
            scores.append(_macro_f1(truth, outcome.probabilities.argmax(1)))
            trial.set_user_attr("scores", scores)
            trial.report(float(np.mean(scores)), k)
            if trial.should_prune():
                raise optuna.TrialPruned
        return float(np.mean(scores))


def cut(data: Windows | Dataset, cutting: dict[str, Any]) -> Windows:
    """Windows of a data set, or those given."""
    return data.windows(**cutting) if isinstance(data, Dataset) else data.labelled()


def _folds(windows: Windows, protocol: str, whose: str) -> list[Fold]:
    """The folds of a protocol that says nothing of people who were seen."""
    try:
        plan = folds(windows, protocol)
    except EvaluationError as error:
        raise EvaluationError(f"{whose} {protocol}: {error}") from error
    if any(fold.inflated for fold in plan):
        raise EvaluationError(
            f"{whose} {protocol}: tests people who were trained on, so that nothing chosen or "
            "scored by it holds for others: choose official, loso, groups:K or people:1,2"
        )
    return plan


def _parted(chosen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was chosen of how windows are cut, and of how to train on them."""
    cutting = {key: value for key, value in chosen.items() if key in CUTTING}
    training: dict[str, Any] = {}
    for key, value in chosen.items():
        if key.startswith("sizes."):
            training.setdefault("sizes", {})[key[len("sizes.") :]] = value
        elif key not in CUTTING:
            training[key] = value
    return cutting, training


def _merged(options: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    sizes = {**options.get("sizes", {}), **training.get("sizes", {})}
    return {**options, **training, **({"sizes": sizes} if sizes else {})}


@contextmanager
def _study(name: str, seed: int, file: str | Path | None) -> Iterator[Any]:
    """A study of this name, kept in `file` if there is one."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise MissingExtraError("optuna", "train") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = None
        if file is not None:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            try:
                _whole(Path(file))
                storage = optuna.storages.JournalStorage(JournalFileBackend(str(file)))
            except (ValueError, KeyError, TypeError, OSError) as error:
                raise TrainingError(
                    f"--study {file}: holds no search, or is damaged: name another file"
                ) from error
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
        )
        # A search that goes on must not draw again what it drew at first.
        goes_on = seed + len(study.trials)
        study.sampler = optuna.samplers.TPESampler(seed=goes_on, n_startup_trials=8)
        yield study
    finally:
        optuna.logging.set_verbosity(before)


def _whole(file: Path) -> None:
    """Cut off the half line of a search that broke off while it wrote, as on a full disk."""
    content = file.read_bytes() if file.exists() else b""
    last = content.rfind(b"\n") + 1
    if content.startswith(b'{"op_code":') and last < len(content):
        with file.open("r+b") as kept:
            kept.truncate(last)


def _untried(study: Any, space: Space, seed: int) -> dict[str, Any]:
    """What the sampler proposes or, where that was tried before, any options that were not."""
    import optuna

    choices = {key: optuna.distributions.CategoricalDistribution(v) for key, v in space.items()}
    tried = [trial.options for trial in _finished(study)]
    if not tried:
        return {key: values[0] for key, values in space.items()}
    asked = study.ask(choices)
    chosen: dict[str, Any] = dict(asked.params)
    study.tell(asked, state=optuna.trial.TrialState.FAIL)
    rng = random.Random(f"{seed} {len(tried)}")
    while chosen in tried:
        chosen = {key: rng.choice(values) for key, values in space.items()}
    return chosen


def _distinct(values: Sequence[Any]) -> list[Any]:
    """The values, each once: 0 and 0.0 are the same to a search."""
    return [value for k, value in enumerate(values) if value not in values[:k]]


def _finished(study: Any) -> list[Trial]:
    """The trials that came to a score, whole or pruned."""
    return [
        Trial(dict(t.params), tuple(t.user_attrs["scores"]), t.state.name == "PRUNED")
        for t in study.trials
        if t.state.name in ("COMPLETE", "PRUNED")
    ]


def _key(*facts: Any) -> str:
    """A short name of what must be the same for a search to go on."""
    import hashlib

    model, windows, *rest = facts
    text = json.dumps(
        [model, windows.describe(), windows.digest(), *rest], default=str, sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _macro_f1(truth: Any, decided: Any) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(truth, decided, average="macro", labels=np.unique(truth)))
