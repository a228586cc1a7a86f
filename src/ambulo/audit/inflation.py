"""What a leak is worth: two quick models, scored on a split as it is and without the leak.

The models are a nearest neighbour, which profits most from leaks, and a ridge regression on one-hot
labels, which profits least; both see the mean, deviation, range and mean step of every channel of
a window. They estimate the inflation, not the score of a good network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.audit.arrays import alike, as_windows, column
from ambulo.audit.content import stretches
from ambulo.errors import AuditError
from ambulo.progress import bar
from ambulo.windows import Windows

Array = npt.NDArray[Any]
Model = Callable[[Array, Array, Array], Array]
"""Takes training features, their labels 0 … and test features, and gives test labels."""

_RIDGE = 1e-3
_GROUPS = 10
_PEOPLE = "trained on none of the tested person's windows"
_CHAINED = (
    "trained on none of the tested stretch of recording (its wearer may still be in training)"
)


@dataclass(frozen=True)
class Inflation:
    """Accuracy of each quick model, 0 to 1, on the same test windows.

    `given` trains on all training windows; `honest` leaves out those that leak into the tested
    window, as `how` says; `same_size` leaves out as many at random instead, and shows how much of
    the difference comes from having less to train on.
    """

    how: str
    windows: int
    given: dict[str, float]
    same_size: dict[str, float]
    honest: dict[str, float]

    @property
    def points(self) -> dict[str, float]:
        """By how many points of a hundred each model's score is too high: same size less honest."""
        return {name: 100 * (self.same_size[name] - self.honest[name]) for name in self.given}

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain values for JSON."""
        rows = {k: getattr(self, k) for k in ("given", "same_size", "honest", "points")}
        return {"how": self.how, "windows": self.windows, **rows}

    def __str__(self) -> str:
        lines = [f"inflation on {self.windows} test windows; honest: {self.how}"]
        for name, points in self.points.items():
            lines.append(
                f"  {name:<18} as given {100 * self.given[name]:5.1f} %, honest "
                f"{100 * self.honest[name]:5.1f} % ({100 * self.same_size[name]:.1f} % with as few "
                f"training windows): {points:+.1f} points"
            )
        return "\n".join(lines)


def inflation(train: Windows, test: Windows, *, seed: int = 0) -> Inflation:
    """Estimate the inflation of a split of Windows, whose people are known.

    Honest is: the windows of each test person are scored by models that trained on the training
    windows of all others. Raises AuditError if no test person has anybody else to train on.
    """
    train, test = train.labelled(), test.labelled()
    _needs(len(train) and len(test), "one of the sides has no labelled windows")
    if (train.activities, train.channels) != (test.activities, test.channels):
        raise AuditError("the sides differ in activities or channels: no inflation to estimate")
    return _over_groups(
        (train.values, test.values),
        (train.labels.astype(str), test.labels.astype(str)),
        (train.subjects.astype(str), test.subjects.astype(str)),
        _PEOPLE,
        seed,
    )


def inflation_arrays(
    train: Any,
    test: Any,
    train_labels: Any,
    test_labels: Any,
    subjects_train: Any = None,
    subjects_test: Any = None,
    *,
    channels_first: bool | None = None,
    seed: int = 0,
    progress: bool | None = None,
    names: tuple[str, str] = ("train", "test"),
) -> Inflation:
    """Estimate the inflation of a split of arrays `(windows, length, channels)` with labels.

    With people, honest is as in `inflation`. Without, the stretches of recording are rebuilt from
    the signal that windows share, and dealt to groups; the test windows of each group are scored
    by models that trained on none of its stretches. The same people may still be on both sides
    then, so the true inflation is larger. Raises AuditError for arrays that do not fit, or if
    nothing is left to train on.
    """
    x = as_windows(train, names[0], channels_first)
    y = as_windows(test, names[1], channels_first)
    alike(x, y)
    labels = (
        column(train_labels, f"labels of {names[0]}", len(x)),
        column(test_labels, f"labels of {names[1]}", len(y)),
    )
    if subjects_train is not None and subjects_test is not None:
        people = (
            column(subjects_train, f"people of {names[0]}", len(x)),
            column(subjects_test, f"people of {names[1]}", len(y)),
        )
        return _over_groups((x, y), labels, people, _PEOPLE, seed)
    with bar("inflation", show=progress) as advance:
        together = stretches(np.concatenate([x, y]), advance)
    _needs(together is not None, "windows of under 10 samples say too little about what they share")
    return _over_groups((x, y), labels, _deal(np.asarray(together), len(x), seed), _CHAINED, seed)


def _deal(stretch: Array, train: int, seed: int) -> tuple[Array, Array]:
    """Groups of training and of test windows; a stretch is in one group only."""
    group = np.random.default_rng(seed).permutation(int(stretch.max()) + 1) % _GROUPS
    return group[stretch[:train]], group[stretch[train:]]


def _over_groups(
    sides: tuple[Array, Array],
    labels: tuple[Array, Array],
    groups: tuple[Array, Array],
    how: str,
    seed: int,
) -> Inflation:
    parts = ((groups[0] != group, groups[1] == group) for group in sorted(set(groups[1].tolist())))
    kept = [(train, test) for train, test in parts if train.any()]
    return _estimate(sides, labels, kept, how, seed)


def _estimate(
    sides: tuple[Array, Array],
    labels: tuple[Array, Array],
    parts: list[tuple[Array, Array]],
    how: str,
    seed: int,
) -> Inflation:
    """Score the test windows of each part by models that trained on the training windows in it."""
    _needs(bool(parts) and parts[0][0].any(), "nothing is left to train on without the leak")
    classes, codes = np.unique(np.concatenate(labels), return_inverse=True)
    y, truth = codes[: len(labels[0])], codes[len(labels[0]) :]
    x, tested = features(sides[0]), features(sides[1])
    rng = np.random.default_rng(seed)
    right: dict[str, dict[str, int]] = {k: {} for k in ("given", "same_size", "honest")}
    for kept, rows in parts:
        for kind, used in _training_sets(kept, rng):
            for name, model in MODELS.items():
                decided = model(x[used], y[used], tested[rows])
                hits = int((decided == truth[rows]).sum())
                right[kind][name] = right[kind].get(name, 0) + hits
    n = sum(int(rows.sum()) for _, rows in parts)
    shares = {kind: {m: hits / n for m, hits in row.items()} for kind, row in right.items()}
    return Inflation(how, n, shares["given"], shares["same_size"], shares["honest"])


def _training_sets(kept: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    yield "given", np.ones(len(kept), bool)
    yield "same_size", rng.permutation(kept)
    yield "honest", kept


def features(windows: Array) -> Array:
    """Mean, deviation, range and mean step of every channel, `(windows, 5 · channels)` float64."""
    step = np.abs(np.diff(windows, axis=1)).mean(axis=1) if windows.shape[1] > 1 else 0
    parts = (windows.mean(1), windows.std(1), windows.min(1), windows.max(1))
    return np.concatenate([*parts, step + 0 * parts[0]], axis=1).astype(np.float64)


def _scale(x: Array, test: Array) -> tuple[Array, Array]:
    shift, deviation = x.mean(axis=0), x.std(axis=0)
    width = np.where(deviation > 0, deviation, 1)
    return (x - shift) / width, (test - shift) / width


def nearest(x: Array, y: Array, test: Array) -> Array:
    """Labels of the nearest training windows."""
    x, test = _scale(x, test)
    half = (x**2).sum(axis=1) / 2
    blocks = np.array_split(test, -(-len(test) * len(x) // 4_000_000))
    return np.concatenate([y[(half - block @ x.T).argmin(axis=1)] for block in blocks])


def ridge(x: Array, y: Array, test: Array) -> Array:
    """Labels by least squares on one-hot labels, with a little shrinkage."""
    x, test = _scale(x, test)
    x, test = (np.column_stack([np.ones(len(side)), side]) for side in (x, test))
    targets = np.eye(int(y.max()) + 1)[y]
    gram = x.T @ x + _RIDGE * len(x) * np.eye(x.shape[1])
    return np.asarray((test @ np.linalg.solve(gram, x.T @ targets)).argmax(axis=1))


MODELS: dict[str, Model] = {"nearest neighbour": nearest, "ridge regression": ridge}


def _needs(fulfilled: Any, otherwise: str) -> None:
    if not fulfilled:
        raise AuditError(f"the inflation cannot be estimated: {otherwise}")
