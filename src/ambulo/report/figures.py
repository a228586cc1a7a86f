"""Figures of an evaluation, narrow enough to be read on a phone."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ambulo.errors import EvaluationError, MissingExtraError, OutputError
from ambulo.importance import Importance
from ambulo.scores import Evaluation
from ambulo.timeline import label, write_whole
from ambulo.windows import natural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 4.4
"""Inches across: at the width of a phone, text of 7 points is still read."""
RED = "#b00020"
MOST_PEOPLE = 60
"""Rows of a picture of people."""


def figure(width: float, height: float) -> Figure:
    """An empty figure. Raises MissingExtraError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    return Figure(figsize=(width, height), layout="constrained")


def drawn(picture: Figure, kind: str, dpi: int = 144) -> bytes:
    """A figure as "png" or "svg", the same bytes every time."""
    import matplotlib as mpl

    out = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {}
    with mpl.rc_context({"svg.hashsalt": "ambulo"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name may be in any script
        picture.savefig(out, dpi=dpi, format=kind, metadata=metadata)
    picture.set_layout_engine("none")  # drawn once more, it need not be laid out again
    return out.getvalue()


def save(picture: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all. Raises OutputError for another ending."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path}: a picture is written as .png")
    content = drawn(picture, "png", 120)
    write_whole(path, lambda to: to.write_bytes(content))
    return path


def title(evaluation: Evaluation) -> str:
    """Model, data set, protocol, context and accuracy with its interval, in lines."""
    score = evaluation.accuracy()
    stamp = "INFLATED: " if evaluation.inflated else ""
    context = "" if evaluation.context == "none" else f"context {evaluation.context}\n"
    return (
        f"{label(evaluation.model, 40)} on {label(evaluation.dataset, 40)}\n{context}{stamp}"
        f"{label(evaluation.protocol, 40)}: {100 * score['mean']:.1f} % "
        f"[{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
    )


def _titled(picture: Figure, evaluation: Evaluation) -> Figure:
    """The figure under its title, stamped across where the score is inflated."""
    colour = RED if evaluation.inflated else "black"
    picture.suptitle(title(evaluation), fontsize=10, color=colour)
    return marked(evaluation, picture)


def marked(evaluation: Evaluation, picture: Figure) -> Figure:
    """The figure, with *inflated* across it where the evaluation is."""
    if not evaluation.inflated:
        return picture
    style: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 30, "fontsize": 44}
    picture.text(0.5, 0.5, "INFLATED", color=RED, alpha=0.22, weight="bold", zorder=9, **style)
    return picture


def confusion(evaluation: Evaluation) -> Figure:
    """The confusion matrix over all test people and seeds, in per cent of the true activity."""
    counts = evaluation.confusion.sum(axis=(0, 1))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(evaluation.activities)
    size = max(WIDTH, 1.9 + 0.42 * n)
    picture = figure(size, 0.9 * size + 0.4)
    axes = picture.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            colour = "white" if share[i, j] > 0.5 else "black"
            text = f"{100 * share[i, j]:.{1 if n < 8 else 0}f}"
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
    names = [label(name, 18) for name in evaluation.activities]
    axes.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(n), names, fontsize=8)
    axes.set_xlabel("decided")
    axes.set_ylabel("true")
    axes.set_title("% of the true activity's windows", fontsize=9)
    return _titled(picture, evaluation)


def people(evaluation: Evaluation) -> Figure:
    """Accuracy of every test person, with the mean and its interval over people.

    Of more than `MOST_PEOPLE` those who are recognised worst: a page has an end.
    """
    scores = evaluation.per_person()
    names, everybody = natural(evaluation.people), len(evaluation.people)
    if everybody > MOST_PEOPLE:
        names = sorted(names, key=lambda person: scores[person]["accuracy"])[:MOST_PEOPLE]
    values = [100 * scores[person]["accuracy"] for person in names]
    overall, n = evaluation.accuracy(), len(values)
    picture = figure(WIDTH, 1.5 + 0.22 * n)
    axes = picture.subplots()
    axes.plot(values, range(n), "o", color="C0")  # not bars: these would have to begin at 0
    axes.axvspan(
        100 * overall["low"], 100 * overall["high"], color="C1", alpha=0.35, lw=0, zorder=0
    )
    axes.axvline(100 * overall["mean"], color="C1", zorder=1)
    for row, value in enumerate(values):
        axes.annotate(
            f"{value:.1f}",
            (value, row),
            xytext=(-6, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=8,
            bbox={"fc": "w", "ec": "none", "pad": 0.8, "alpha": 0.7},
        )
    axes.set_yticks(range(n), [label(person, 14) for person in names], fontsize=8)
    axes.set_ylim(n - 0.4, -0.6)
    axes.grid(axis="y", alpha=0.3)
    least = min(values)
    axes.set_xlim(max(least - 0.25 * (100 - least) - 2, -2), 101)
    worst = f", the worst {n} of {everybody}" if everybody > n else ""
    axes.set_ylabel(f"test person{worst}")
    axes.set_xlabel("accuracy, %; line and band: mean and its 95 % interval", fontsize=8)
    return _titled(picture, evaluation)


def curves(histories: Sequence[Sequence[dict[str, float]]], title: str = "") -> Figure:
    """Loss and accuracy by epoch on training people and on validation people, a line a run."""
    picture = figure(WIDTH, 4.8)
    many = len(histories) > 1
    for axes, name in zip(picture.subplots(2, 1, sharex=True), ("loss", "accuracy"), strict=True):
        for key, colour, who in ((name, "C0", "training"), (f"validation_{name}", "C1", "valid.")):
            runs = [[(row["epoch"] + 1, row[key]) for row in h if key in row] for h in histories]
            for run in filter(None, runs):
                style = "o-" if len(run) == 1 else "-"
                axes.plot(*zip(*run, strict=True), style, color=colour, lw=1, alpha=0.9, ms=4)
            if any(runs):
                axes.plot([], [], color=colour, label=f"{who} people" + (", a line a run" * many))
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(0.5, max([1, *map(len, histories)]) + 0.5)
    picture.suptitle(title, fontsize=10)
    return picture


def reliability(evaluation: Evaluation) -> Figure:
    """Accuracy against confidence of test windows, and how many windows have which confidence.

    A reliability diagram (DeGroot and Fienberg 1983). Raises EvaluationError for an evaluation
    without probabilities.
    """
    found = evaluation.calibration()
    if found is None:
        raise EvaluationError("this evaluation has no probabilities: evaluate again")
    bins = found["bins"]
    picture = figure(WIDTH, 4.8)
    top, below = picture.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles, widths = ([b["low"] + b["high"] for b in bins], [b["high"] - b["low"] for b in bins])
    centres = np.array(middles) / 2
    top.bar(centres, [b["accuracy"] for b in bins], widths, color="C0", edgecolor="w", alpha=0.55)
    top.plot([0, 1], [0, 1], "--", color="0.4", lw=1, label="confidence = accuracy")
    points = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    top.plot(*points, "o-", color="C1", ms=4, label="test windows")
    top.set_ylabel("accuracy")
    top.set_ylim(0, 1)
    top.legend(fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    top.set_title(f"expected calibration error {100 * found['ece']:.1f} %", fontsize=9, pad=22)
    below.bar(centres, [b["windows"] for b in bins], widths, color="0.5", edgecolor="w")
    below.set_ylabel("windows")
    below.set_xlabel("confidence: calibrated probability of the decision", fontsize=9)
    below.set_xlim(0, 1)
    return _titled(picture, evaluation)


def importance(found: Importance, title: str = "") -> Figure:
    """Accuracy lost without each sensor (above) and each channel, with spread over repeats."""
    groups = [(found.sensors, "C1"), (found.channels, "C0")]
    rows = [(loss, colour) for losses, colour in groups for loss in losses]
    picture = figure(WIDTH, 1.6 + 0.24 * len(rows))
    axes = picture.subplots()
    axes.barh(
        range(len(rows)),
        [100 * loss.mean for loss, _ in rows],
        xerr=[100 * loss.std for loss, _ in rows],
        color=[colour for _, colour in rows],
        ecolor="0.3",
        capsize=2,
    )
    names = [loss.name + (" xyz" if len(loss.channels) > 1 else "") for loss, _ in rows]
    axes.set_yticks(range(len(rows)), [label(name, 28) for name in names], fontsize=8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color="0.3", lw=0.8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel(f"accuracy lost, points of {100 * found.accuracy:.1f} %")
    picture.suptitle(title, fontsize=10)
    return picture
