"""Figures of windows: a data set's signals, windows that were decided, where a model looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.datasets import Dataset
from ambulo.errors import EvaluationError
from ambulo.recording import Channel
from ambulo.report.figures import WIDTH, figure, marked
from ambulo.scores import Evaluation
from ambulo.timeline import label
from ambulo.windows import Windows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

MOST_SENSORS = 6
"""Sensors that an example shows at most."""


@dataclass(frozen=True)
class Example:
    """A test window of the first seed: where it is in the evaluation and in the windows given."""

    row: int
    position: int
    person: str
    recording: str
    second: float
    true: str
    decided: str
    probability: float
    probability_of_true: float

    @property
    def right(self) -> bool:
        """Whether the decision was the true activity."""
        return self.true == self.decided


def choose(evaluation: Evaluation, windows: Windows, most: int = 4) -> list[Example]:
    """Up to `most` windows that were right and `most` that were wrong, in the first seed.

    The right ones are of the commonest activities, each of median confidence; the wrong ones are
    the most confident mistakes, one for each pair of activities first. `windows` are those given
    to `evaluate`; raises EvaluationError for others.
    """
    if evaluation.probabilities is None or evaluation.truth is None:
        return []
    places, truth = _places(evaluation, windows), evaluation.truth
    p = evaluation.probabilities[0]
    decided, sure = p.argmax(axis=1), p.max(axis=1)
    rows = _typical(truth, sure, decided == truth, most)
    rows += _mistakes(truth, decided, sure, most)
    return [_example(evaluation, windows, row, int(places[row])) for row in rows]


def _places(evaluation: Evaluation, windows: Windows) -> Array:
    """Where the test windows are among the windows given, which must be those evaluated."""
    labelled = np.flatnonzero(windows.labels >= 0)
    positions, truth = evaluation.positions, evaluation.truth
    assert positions is not None and truth is not None
    if positions.max() < len(labelled):
        places: Array = labelled[positions]
        names = np.asarray(windows.activities)[windows.labels[places]]
        if (names == np.asarray(evaluation.activities)[truth]).all():
            return places
    raise EvaluationError("these are not the windows that were evaluated: give the same ones")


def _typical(truth: Array, sure: Array, right: Array, most: int) -> list[int]:
    """A right window of median confidence of each of the commonest activities."""
    rows: list[int] = []
    for activity in np.argsort(-np.bincount(truth), kind="stable").tolist():
        mine = np.flatnonzero(right & (truth == activity))
        if len(mine) and len(rows) < most:
            rows.append(int(mine[np.argsort(sure[mine], kind="stable")[len(mine) // 2]]))
    return rows


def _mistakes(truth: Array, decided: Array, sure: Array, most: int) -> list[int]:
    """The most confident mistakes: the first of each pair of activities, then the others."""
    wrong = np.flatnonzero(decided != truth)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
    pairs = np.stack([truth[wrong], decided[wrong]], axis=1)
    _, first = np.unique(pairs, axis=0, return_index=True)
    first = np.sort(first)
    order = [*first.tolist(), *np.setdiff1d(np.arange(len(wrong)), first).tolist()]
    return [int(wrong[k]) for k in order[:most]]


def _example(evaluation: Evaluation, windows: Windows, row: int, place: int) -> Example:
    assert evaluation.probabilities is not None and evaluation.truth is not None
    p, true = evaluation.probabilities[0, row], int(evaluation.truth[row])
    return Example(
        row=row,
        position=place,
        person=str(windows.subjects[place]),
        recording=str(windows.recordings[place]),
        second=float(windows.seconds[place]),
        true=evaluation.activities[true],
        decided=evaluation.activities[int(p.argmax())],
        probability=float(p.max()),
        probability_of_true=float(p[true]),
    )


def sensors(names: Sequence[str]) -> dict[str, list[int]]:
    """Positions of each sensor's channels among channel names."""
    out: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        out.setdefault(name.rpartition("_")[0], []).append(i)
    return out


def example(
    values: Array, windows: Windows, title: str, attention: Array | None = None, colour: str = "k"
) -> Figure:
    """A window's signal `(length, channels)`, a row a sensor; below, attention `(layers, steps)`.

    `windows` gives rate and channel names.
    """
    shown = list(sensors(windows.channels).items())[:MOST_SENSORS]
    rows = len(shown) + (attention is not None)
    heights = [1.0] * len(shown) + [0.45] * (attention is not None)
    picture = figure(WIDTH, 0.9 + 0.95 * sum(heights))
    grid = picture.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    time = np.arange(len(values)) / windows.rate
    for axes, (sensor, index) in zip(grid, shown, strict=False):
        _traces(axes, time, values, index, windows.channels)
        placement, _, kind = sensor.rpartition(".")
        unit = Channel(windows.channels[index[0]]).unit
        axes.set_ylabel("\n".join(filter(None, (label(placement, 16), kind, unit))), fontsize=7)
    grid[0].legend(fontsize=7, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)
    if attention is not None:
        _strip(grid[-1], attention, len(values), windows.rate)
    grid[-1].set_xlabel("seconds", fontsize=8)
    grid[-1].set_xlim(0, len(values) / windows.rate)
    picture.suptitle(title, fontsize=10, color=colour)
    return picture


def _traces(
    axes: Any, time: Array, values: Array, index: Sequence[int], names: Sequence[str]
) -> None:
    for i in index:
        axes.plot(time, values[:, i], lw=0.9, label=names[i].rpartition("_")[2])
    axes.tick_params(labelsize=7)


def _strip(axes: Any, attention: Array, length: int, rate: float) -> None:
    """Attention by layer as shades over time; steps are centred in the window."""
    layers, steps = attention.shape
    begin = (length - steps) / 2 / rate
    extent = (begin, begin + steps / rate, layers + 0.5, 0.5)
    shades = attention.astype(float) * steps
    style: dict[str, Any] = {"cmap": "Purples", "vmin": 0, "vmax": max(3, shades.max())}
    axes.imshow(shades, aspect="auto", extent=extent, interpolation="none", **style)
    axes.set_yticks(range(1, layers + 1))
    axes.set_ylabel("attention\nlayer", fontsize=7)
    axes.tick_params(labelsize=7)


def attention(evaluation: Evaluation, windows: Windows) -> Figure:
    """Mean attention over time for each true activity, a panel a layer; 1 is an even spread.

    Raises EvaluationError for an evaluation without attention.
    """
    received, truth = evaluation.attention, evaluation.truth
    if received is None or truth is None:
        raise EvaluationError("this evaluation has no attention: evaluate a model that has some")
    there = [k for k in range(len(evaluation.activities)) if (truth == k).any()]
    steps, layers = received.shape[2], received.shape[1]
    means = np.stack([received[truth == k].mean(axis=0, dtype=float) for k in there]) * steps
    picture = figure(WIDTH, 0.8 + layers * (0.5 + 0.24 * len(there)))
    grid = picture.subplots(layers, 1, sharex=True, squeeze=False)[:, 0]
    begin = (windows.length - steps) / 2 / windows.rate
    extent = (begin, begin + steps / windows.rate, len(there) - 0.5, -0.5)
    names = [label(evaluation.activities[k], 18) for k in there]
    far = max(float(np.quantile(abs(means - 1), 0.98)), 0.05)
    style: dict[str, Any] = {"cmap": "PuOr_r", "vmin": 1 - far, "vmax": 1 + far, "aspect": "auto"}
    for layer, axes in enumerate(grid):
        shades = axes.imshow(means[:, layer], extent=extent, interpolation="none", **style)
        axes.set_yticks(range(len(there)), names, fontsize=8)
        axes.set_title(f"layer {layer + 1}", fontsize=9)
    picture.colorbar(shades, ax=list(grid), label="attention, 1 = even", shrink=0.8, extend="both")
    grid[-1].set_xlabel("seconds from the window's start")
    return marked(evaluation, picture)


def signals(dataset: Dataset, seconds: float = 6.0) -> Figure:
    """A few seconds of every activity: a row an activity, a column a sensor."""
    windows = dataset.windows() if dataset.fixed is not None else dataset.windows(seconds=seconds)
    columns = sensors(windows.channels)
    rows = [a for a in range(len(windows.activities)) if (windows.labels == a).any()]
    picture = figure(3.1 * len(columns) + 1, 1.15 * len(rows) + 0.8)
    grid = picture.subplots(len(rows), len(columns), sharex=True, sharey="col", squeeze=False)
    time = np.arange(windows.length) / windows.rate
    for row, activity in enumerate(rows):
        mine = np.flatnonzero(windows.labels == activity)
        window = windows.values[mine[len(mine) // 2]]
        for axes, (sensor, index) in zip(grid[row], columns.items(), strict=True):
            _traces(axes, time, window, index, windows.channels)
            if row == 0:
                axes.set_title(f"{sensor}, {Channel(windows.channels[index[0]]).unit}", fontsize=9)
        name = label(windows.activities[activity])
        grid[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    grid[0, 0].legend(fontsize=6, ncols=3, loc="upper right")
    for axes in grid[-1]:
        axes.set_xlabel("seconds")
    return picture
