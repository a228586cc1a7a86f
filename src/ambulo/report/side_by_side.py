"""Evaluations beside each other: comparisons, and published systems beside their honest scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ambulo.report.figures import WIDTH, figure, marked
from ambulo.report.insight import percent
from ambulo.report.page import Part, Picture, Section, Table, write_page
from ambulo.timeline import label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ambulo.comparison import Comparison
    from ambulo.reproduction import Reproduction, Stage
    from ambulo.tuning import Tuning


def comparison(found: Comparison) -> Figure:
    """Accuracy of each evaluation with its interval over people, and every person as a dot."""
    picture = figure(WIDTH, 1.5 + 0.5 * len(found.evaluations))
    axes = picture.subplots()
    for row, evaluation in enumerate(found.evaluations.values()):
        each = [100 * person["accuracy"] for person in evaluation.per_person().values()]
        score = evaluation.accuracy()
        axes.plot(each, [row] * len(each), "o", ms=4, alpha=0.35, color="C0")
        axes.plot([100 * score["low"], 100 * score["high"]], [row, row], lw=3, color="C1")
        axes.plot(100 * score["mean"], row, "D", color="C1")
        axes.annotate(
            f"{100 * score['mean']:.1f}",
            (100 * score["mean"], row),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    axes.set_yticks(range(len(found.evaluations)), [label(name) for name in found.evaluations])
    axes.set_ylim(len(found.evaluations) - 0.4, -0.6)
    axes.set_xlabel("accuracy, %: mean, 95 % interval\nover people, and each person")
    axes.set_ylabel(label(found.over))
    axes.spines[["top", "right"]].set_visible(False)
    first = next(iter(found.evaluations.values()))
    axes.set_title(
        f"{label(first.dataset, 20)}, {label(first.protocol, 20)}: "
        f"{len(first.people)} test people, {len(first.seeds)} seed(s)",
        fontsize=9,
    )
    return marked(first, picture)


def trials_of(found: Tuning) -> Figure:
    """Every trial's macro-F1 by each option searched; hollow ones were given up early."""
    names = list(found.space)
    picture = figure(WIDTH, 0.8 + 1.5 * len(names))
    picture.suptitle(
        f"{label(found.model)} on {label(found.dataset)}, {label(found.protocol)}\n"
        f"searched by {label(found.inner)} of its training people",
        fontsize=9,
    )
    panels = picture.subplots(len(names), 1, sharey=True, squeeze=False)[:, 0]
    tried = [trial for search in found.searches for trial in search.trials]
    for axes, name in zip(panels, names, strict=True):
        places = {str(value): place for place, value in enumerate(found.space[name])}
        for trial in tried:
            face = "none" if trial.pruned else "C0"
            at = places[str(trial.options[name])]
            axes.plot(at, 100 * trial.mean, "o", color="C0", mfc=face, alpha=0.6, ms=5)
        axes.set_xticks(range(len(places)), list(places))
        axes.set_xlim(-0.5, len(places) - 0.5)
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_ylabel("macro-F1, %")
        axes.spines[["top", "right"]].set_visible(False)
    return picture


def walk(found: Reproduction) -> Figure:
    """From the published number to the honest one, a dot a stage."""
    rows = [(name, 100 * value) for name, value, _ in found.rows() if value is not None]
    picture = figure(WIDTH, 0.9 + 0.36 * len(rows))
    axes = picture.subplots()
    for row, (name, value) in enumerate(rows):
        colour = "C7" if name == "published" else "C2" if name.startswith("honest") else "C0"
        axes.plot(value, row, "o", color=colour, ms=7)
        axes.annotate(
            f"{value:.1f}", (value, row), xytext=(0, 6), textcoords="offset points", ha="center"
        )
    values = [value for _, value in rows]
    axes.set_xlim(max(min(values) - 4, 0), min(max(values) + 4, 102))
    names = [label(name.partition(" (")[0].partition(", epoch")[0], 34) for name, _ in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("accuracy, %")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return picture


def reproductions(found: Sequence[Reproduction]) -> list[Section]:
    """The three columns of every system, then each one's walk, as sections for `write_page`."""
    rows = [
        (
            f"{r.recipe.name}: {r.model}",
            "–" if r.published is None else percent(r.published),
            percent(r.reproduced.accuracy),
            percent(r.honest.accuracy),
        )
        for r in found
    ]
    columns = ("system", "published", "reproduced", "honest")  # a phone's page holds these
    text = (
        "Published: what its authors reported. Reproduced: run again as they did, mistakes "
        "included. Honest: the same network, scored on people who were neither trained nor chosen "
        "on."
    )
    table = Table("Published systems beside their honest numbers", columns, rows)
    return [Section("reproduced", "Published, reproduced, honest", [text, table])] + [
        _one(reproduction) for reproduction in found
    ]


def _one(found: Reproduction) -> Section:
    name = f"{found.recipe.name}-{found.model}"
    rows = [
        (what, "–" if value is None else percent(value), "" if step is None else f"{step:+.1f}")
        for what, value, step in found.rows()
    ]
    alt = "; ".join(f"{what}: {value}" for what, value, _ in rows)
    parts: list[Part] = [
        f"{found.recipe.title}. Data: {found.data}.",
        Picture(f"walk-{name}", walk(found), alt),
        Table("From the published number to the honest one", ("what", "accuracy", "points"), rows),
        *_everyone(found.honest),
    ]
    if found.recipe.silent:
        parts.append(f"Where the publication is silent: {found.recipe.silent}")
    return Section(name, f"{found.recipe.name}: {found.model}", parts, found.to_dict())


def _everyone(stage: Stage) -> list[Part]:
    assert stage.evaluation is not None
    rows = [
        (person, percent(row["accuracy"]), row["windows"])
        for person, row in stage.evaluation.per_person().items()
    ]
    columns = ("person", "accuracy", "windows")
    return [Table("Every test person of the honest protocol", columns, rows, folded=True)]


def write_reproductions(
    found: Sequence[Reproduction], folder: str | Path, *, lead: str = ""
) -> list[Path]:
    """Write a page of reproduced systems; see `write_page`."""
    return write_page("Published systems, reproduced", reproductions(found), folder, lead=lead)
