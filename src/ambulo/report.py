"""Pictures of data and of scores: each function gives a matplotlib Figure, `save` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ambulo.datasets import Dataset
from ambulo.errors import MissingExtraError
from ambulo.recording import Channel
from ambulo.scores import Evaluation
from ambulo.timeline import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    path = Path(path)
    write_whole(path, lambda to: figure.savefig(to, dpi=120, format="png"))
    return path


def confusion(evaluation: Evaluation) -> Figure:
    """The confusion matrix over all test people and seeds, in per cent of the true activity."""
    counts = evaluation.confusion.sum(axis=(0, 1))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(evaluation.activities)
    figure = _figure(2.6 + 0.62 * n, 1.9 + 0.55 * n)
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            colour = "white" if share[i, j] > 0.5 else "black"
            axes.text(j, i, f"{100 * share[i, j]:.1f}", ha="center", va="center", color=colour)
    axes.set_xticks(range(n), evaluation.activities, rotation=40, ha="right")
    axes.set_yticks(range(n), evaluation.activities)
    axes.set_xlabel("decided")
    axes.set_ylabel("true")
    axes.set_title(f"{_title(evaluation)}\n% of the true activity's windows", fontsize=10)
    return figure


def _title(evaluation: Evaluation) -> str:
    score = evaluation.accuracy()
    return (
        f"{evaluation.model} on {evaluation.dataset}, {evaluation.protocol}: "
        f"{100 * score['mean']:.1f} % [{100 * score['low']:.1f}, {100 * score['high']:.1f}]"
    )


def people(evaluation: Evaluation) -> Figure:
    """Accuracy of every test person, with the mean and its interval over people."""
    scores = evaluation.per_person()
    values = [100 * scores[person]["accuracy"] for person in evaluation.people]
    overall = evaluation.accuracy()
    figure = _figure(max(5.0, 0.3 * len(values) + 2), 3.4)
    axes = figure.subplots()
    axes.bar(range(len(values)), values, color="C0")
    axes.axhspan(100 * overall["low"], 100 * overall["high"], color="C1", alpha=0.25)
    axes.axhline(100 * overall["mean"], color="C1")
    axes.set_xticks(range(len(values)), evaluation.people, rotation=90 if len(values) > 20 else 0)
    axes.set_ylim(max(min(values) - 10, 0), 100)
    axes.set_xlabel("test person")
    axes.set_ylabel("accuracy, %")
    axes.set_title(_title(evaluation), fontsize=10)
    return figure


def curves(histories: Sequence[Sequence[dict[str, float]]], title: str = "") -> Figure:
    """Loss and accuracy by epoch on training people and on validation people, a line a run."""
    figure = _figure(9, 3.4)
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for run, history in enumerate(histories):
            for key, style, who in (
                (name, "C0", "training"),
                (f"validation_{name}", "C1", "valid."),
            ):
                points = [(row["epoch"] + 1, row[key]) for row in history if key in row]
                if points:
                    label = f"{who} people" if run == 0 else None
                    axes.plot(*zip(*points, strict=True), style, alpha=0.8, label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.legend()
    figure.suptitle(title, fontsize=10)
    return figure


def signals(dataset: Dataset, seconds: float = 6.0) -> Figure:
    """A few seconds of every activity: a row an activity, a column a sensor."""
    windows = dataset.windows() if dataset.fixed is not None else dataset.windows(seconds=seconds)
    sensors: dict[str, list[int]] = {}
    for i, name in enumerate(windows.channels):
        sensors.setdefault(name[:-2], []).append(i)
    rows = [a for a in range(len(windows.activities)) if (windows.labels == a).any()]
    figure = _figure(3.1 * len(sensors) + 1, 1.15 * len(rows) + 0.8)
    grid = figure.subplots(len(rows), len(sensors), sharex=True, sharey="col", squeeze=False)
    time = np.arange(windows.length) / windows.rate
    for row, activity in enumerate(rows):
        mine = np.flatnonzero(windows.labels == activity)
        window = windows.values[mine[len(mine) // 2]]
        for column, (sensor, index) in enumerate(sensors.items()):
            axes = grid[row, column]
            for i in index:
                axes.plot(time, window[:, i], lw=0.8, label=windows.channels[i][-1])
            if row == 0:
                axes.set_title(f"{sensor}, {Channel(windows.channels[index[0]]).unit}", fontsize=9)
        label = windows.activities[activity]
        grid[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
    grid[0, 0].legend(fontsize=6, ncols=3, loc="upper right")
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    return figure


def write_evaluation(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """The scores as `scores.json`, and confusion matrix, people and curves as PNG, in a folder."""
    import json

    folder = Path(folder)
    content: dict[str, Any] = evaluation.to_dict()
    text = json.dumps(content, indent=1)
    write_whole(folder / "scores.json", lambda to: to.write_text(text))
    pictures = {
        "confusion.png": confusion(evaluation),
        "people.png": people(evaluation),
        "curves.png": curves(evaluation.histories, _title(evaluation)),
    }
    return [folder / "scores.json"] + [save(f, folder / name) for name, f in pictures.items()]
