"""Published systems, run as they were published and run honestly, and the way between the two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ambulo.datasets import Dataset, load_dataset
from ambulo.errors import EvaluationError
from ambulo.evaluation import evaluate
from ambulo.processes import Tell, run
from ambulo.progress import bar
from ambulo.protocols import Fold, folds
from ambulo.recipes import RECIPES, Recipe
from ambulo.recipes.mistakes import MISTAKES, ON_ROWS, ON_WINDOWS, RUNS
from ambulo.scores import Evaluation
from ambulo.training import say
from ambulo.windows import Windows


@dataclass(frozen=True)
class Stage:
    """One line on the way from the published number to the honest one."""

    label: str
    mistakes: tuple[str, ...]
    honest: bool = False
    evaluation: Evaluation | None = None

    @property
    def accuracy(self) -> float:
        """Mean over seeds."""
        assert self.evaluation is not None
        return self.evaluation.accuracy()["mean"]


@dataclass(frozen=True)
class Reproduction:
    """A recipe's model: what was published, and every stage that was run."""

    recipe: Recipe
    model: str
    data: str
    variants: tuple[Stage, ...]
    walk: tuple[Stage, ...]

    @property
    def published(self) -> float | None:
        """The accuracy that was reported, where one was."""
        return self.recipe.published.get(self.model)

    @property
    def reproduced(self) -> Stage:
        """Under its own protocol."""
        return self.walk[0]

    @property
    def honest(self) -> Stage:
        """On people who were neither trained nor chosen on."""
        return self.walk[-1]

    def rows(self) -> list[tuple[str, float | None, float | None]]:
        """Every line: what it is, accuracy, and the points that it differs from the line before.

        Variants are compared with the reproduced number.
        """
        out: list[tuple[str, float | None, float | None]] = [("published", self.published, None)]
        before = self.published
        for stage in self.walk:
            out.append((stage.label, stage.accuracy, _points(stage.accuracy, before)))
            before = stage.accuracy
        for stage in self.variants:
            points = _points(stage.accuracy, self.reproduced.accuracy)
            out.append((stage.label, stage.accuracy, points))
        return out

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "recipe": self.recipe.name,
            "model": self.model,
            "title": self.recipe.title,
            "data": self.data,
            "silent": self.recipe.silent,
            "published": self.published,
            "reproduced": self.reproduced.accuracy,
            "honest": self.honest.accuracy,
            "rows": [
                dict(zip(("what", "accuracy", "points"), r, strict=True)) for r in self.rows()
            ],
            "stages": [
                {"label": s.label, "mistakes": s.mistakes, "scores": s.evaluation.to_dict()}
                for s in (*self.walk, *self.variants)
                if s.evaluation
            ],
        }


def _points(now: float, before: float | None) -> float | None:
    return None if before is None else 100 * (now - before)


def reproduce(
    name: str,
    *,
    steps: Sequence[str] | None = None,
    quick: bool = False,
    seeds: int = 1,
    workers: int = 1,
    data: str | Path | None = None,
    progress: bool | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Reproduction]:
    """Run a recipe of `RECIPES`: one Reproduction for each of its models.

    With `steps`, only its own protocol with exactly these mistakes is run, and the honest one.
    `quick` trains so briefly that the numbers mean nothing. `tell` is given a line of text as each
    stage is done. Raises EvaluationError for an unknown recipe or mistake.
    """
    if name not in RECIPES:
        raise EvaluationError(f"there is no recipe '{name}': choose from {', '.join(RECIPES)}")
    unknown = [step for step in steps or () if step not in MISTAKES]
    if unknown:
        raise EvaluationError(
            f"there is no step '{', '.join(unknown)}': choose from {', '.join(MISTAKES)}"
        )
    recipe = RECIPES[name]
    dataset = load_dataset(recipe.dataset, data, activities=recipe.activities)
    jobs = [(m, stage) for m in recipe.models for stage in stages(recipe, m, steps, dataset)]
    jobs.sort(key=lambda job: not job[1].honest)  # the longest first, so that none is left over
    shared, found = (recipe, dataset, quick, seeds), {}
    with bar(f"reproducing {name}", show=progress) as advance:
        for k, evaluation in run(_run, shared, jobs, workers, lambda row: advance(0.0, say(row))):
            model, stage = jobs[k]
            found[model, stage.label] = replace(stage, evaluation=evaluation)
            advance(1 / len(jobs), stage.label)
            if tell:
                score = evaluation.accuracy()["mean"]
                tell(f"{name}, {model}, {stage.label}: {100 * score:.1f} %")
    return [
        _assembled(recipe, model, dataset, [found[m, label] for m, label in found if m == model])
        for model in recipe.models
    ]


def _assembled(recipe: Recipe, model: str, dataset: Dataset, done: list[Stage]) -> Reproduction:
    order = [stage.label for stage in stages(recipe, model, None, dataset)]
    done.sort(key=lambda stage: order.index(stage.label) if stage.label in order else -1)
    walk = [stage for stage in done if stage.label not in _alone(recipe, model)]
    lone = [stage for stage in done if stage not in walk]
    return Reproduction(recipe, model, describe(dataset), tuple(lone), tuple(walk))


def describe(dataset: Dataset) -> str:
    """What the data is, and what is missing of it."""
    text = f"{dataset.info.name}: {len(dataset.people)} people"
    if dataset.notes.get("partial"):
        text += (
            ", the part of the rows that is in the partial files, without the null class: "
            "not all that was published on"
        )
    return text


def stages(
    recipe: Recipe, model: str, steps: Sequence[str] | None, dataset: Dataset
) -> list[Stage]:
    """What is run: the own protocol, its mistakes undone one by one, the honest one, variants."""
    own = recipe.own if steps is None else tuple(steps)
    protocol = "reproduced, its own protocol" + (f" ({', '.join(own)})" if own else "")
    out = [Stage(protocol, own)]
    several = recipe.test == recipe.honest and len(recipe.test.split(":")) > 1
    alike = several and own[-1:] == ("random-windows",)  # then the honest stage is that one
    undone = [] if steps is not None else [m for m in own if has_effect(m, dataset)]
    for i, mistake in enumerate(undone):
        if not (alike and i == len(undone) - 1):
            out.append(Stage(f"without {mistake}", tuple(undone[i + 1 :])))
    out.append(Stage(f"honest, {recipe.honest}, epoch chosen on validation people", (), True))
    alone = _alone(recipe, model) if steps is None else {}
    return out + [Stage(label, (mistake,)) for label, mistake in alone.items()]


def _alone(recipe: Recipe, model: str) -> dict[str, str]:
    """Mistakes shown alone, by their label."""
    return {f"with {mistake} alone": mistake for mistake in recipe.also.get(model, ())}


def has_effect(mistake: str, dataset: Dataset) -> bool:
    """Whether a mistake changes anything on this data: without null rows none can be shuffled."""
    if mistake != "shuffled-null":
        return True
    return any(i.activity == "null" for r in dataset.recordings for i in r.intervals)


Shared = tuple[Recipe, Dataset, bool, int]
"""Recipe, data, whether it is quick, and seeds: what all stages share."""


def _run(shared: Shared, job: tuple[str, Stage], tell: Tell) -> Evaluation:
    (recipe, dataset, quick, seeds), (model, stage) = shared, job
    windows = replace(cut(recipe, dataset, stage.mistakes), training={})
    options = {**recipe.options, **(recipe.quick if quick else {})}
    if not stage.honest:
        options["validation"] = 0.0
    best = "best-of-runs" in stage.mistakes
    done = evaluate(
        model,
        windows,
        protocol=_folds(recipe, windows, stage, quick),
        seeds=RUNS if best else seeds,
        progress=False,
        report=tell,
        **options,
    )
    return done.best_seed() if best else done


def cut(recipe: Recipe, dataset: Dataset, mistakes: Sequence[str]) -> Windows:
    """The recipe's windows, with those of `mistakes` that are made on rows or windows."""
    on_rows = [ON_ROWS[name] for name in ON_ROWS if name in mistakes]
    options = dict(recipe.windows)
    if on_rows:
        wanted = dataset.info.select(options.pop("channels", None)) or dataset.info.channels
        recordings = [recording.select(wanted) for recording in dataset.recordings]
        for make in on_rows:
            recordings = make(recordings)
        dataset = replace(dataset, recordings=tuple(recordings))
        options |= {"channels": wanted, "coverage": 1e-6}  # a window's commonest label is its label
    windows = dataset.windows(**options)
    for name, make_windows in ON_WINDOWS.items():
        if name in mistakes:
            windows = make_windows(windows)
    return windows


def _folds(recipe: Recipe, windows: Windows, stage: Stage, quick: bool) -> list[Fold]:
    if stage.honest:
        plan = folds(windows, recipe.honest)
        return plan[:2] if quick else plan
    plan = folds(windows, recipe.test)
    if "random-windows" in stage.mistakes:
        people = plan[0].train if len(plan) == 1 else tuple(windows.people)
        plan = [Fold("random windows", people, people, random=recipe.random)]
    chosen = "select-on-test" in stage.mistakes
    return [replace(fold, chosen_on_test=chosen) for fold in plan]
