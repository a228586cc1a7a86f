"""Ambulo's models as a scikit-learn classifier, for pipelines, cross-validation and searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ambulo.errors import TrainingError
from ambulo.recognizer import Recognizer
from ambulo.windows import Windowing, Windows

Array = npt.NDArray[Any]

_PEOPLE = 30
"""People to whom windows are dealt, where nobody says whose they are."""


class ShapeError(TrainingError, ValueError):
    """Arrays do not fit; a ValueError too, as scikit-learn wants it."""


class AmbuloClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Recognises the activity of windows; fit, predict and predict_proba as in scikit-learn.

    `model` is a name of `ambulo.MODELS`. `channels` names the channels, as `("acc_x", …)`: names
    tell a model which axes belong together, and into how many columns a row of a two-dimensional
    array is folded; without names such a row is a window of one channel. `rate` is in Hz,
    `options` are those of `ambulo.train`, `random_state` a number for the same result again.

    Windows are an array `(n, length, channels)`, an array `(n, length · channels)` whose rows run
    through all channels of the first sample first, a list of n windows `(length, channels)`, or a
    list of arrays `(n_i, length, channels)`, each from a person of its own, with as many labels in
    a list. After `fit`, `recognizer_` is the Recognizer, which can be saved, and predicts whole
    recordings where `channels` has the names of theirs.
    """

    def __init__(
        self,
        model: str = "features",
        *,
        channels: Sequence[str] | None = None,
        rate: float = 50.0,
        options: Mapping[str, Any] | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.channels = channels
        self.rate = rate
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Any = None) -> AmbuloClassifier:
        """Train on windows `X` with labels `y` `(n,)`; gives the classifier itself.

        `groups` `(n,)` says whose each window is: some people are kept aside to stop early and to
        calibrate. Without it windows are dealt to 30 people, each with all activities, and a window
        may calibrate what its neighbour trained. Raises ShapeError for what does not fit,
        TrainingError for options that are none.
        """
        from ambulo.training import train

        X, y, groups = _laid_out(X, y, groups)
        flat, shape = self._flat(X)
        X, y = validate_data(self, flat, y, dtype="numeric")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if not self.rate > 0:
            raise ShapeError(f"rate={self.rate}: give the samples a second, above 0")
        if len(self.classes_) < 2:
            raise ShapeError(f"y has one class, {self.classes_[0]}: give windows of two or more")
        values = self._windows(X, shape)
        self.shape_in_ = values.shape[1:]
        if values.shape[1] < 2:
            raise ShapeError("X has windows of 1 sample (n_features = 1): give 2 samples or more")
        people = _dealt(labels) if groups is None else np.asarray(groups)
        if people.shape != (len(values),):
            raise ShapeError(f"groups of shape {people.shape} for {len(values)} windows: one each")
        names = self._names(values.shape[2])
        windows = Windows(
            values=values,
            labels=labels.astype(np.int16),
            activities=tuple(str(name) for name in self.classes_),
            subjects=people.astype(str),
            recordings=(np.arange(len(values)) if groups is None else people).astype(str),
            starts=np.arange(len(values)) * values.shape[1],
            seconds=np.arange(len(values)) * values.shape[1] / self.rate,
            rate=float(self.rate),
            channels=names,
            windowing=Windowing(values.shape[1] / self.rate, 0.0, float(self.rate), names),
            source="arrays",
        )
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options = {"progress": False, **(self.options or {})}
        self.recognizer_: Recognizer = train(self.model, windows, seed=seed, **options)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Calibrated probabilities `(n, classes)`, in the order of `classes_`."""
        check_is_fitted(self)
        X, _, _ = _laid_out(X, None, None)
        flat, shape = self._flat(X)
        if shape not in (None, self.shape_in_):
            raise ShapeError(
                f"windows of (length, channels) {shape}, fitted on {self.shape_in_}: cut them alike"
            )
        X = validate_data(self, flat, reset=False, dtype="numeric")
        values = self._windows(X, self.shape_in_)
        logits = self.recognizer_.logits(values).astype(np.float64) / self.recognizer_.temperature
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> Array:
        """The likeliest class of each window `(n,)`."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of windows that are recognised; windows and labels as `fit` takes them."""
        X, y, _ = _laid_out(X, y, None)
        return float(super().score(X, y, sample_weight))

    def _flat(self, X: Any) -> tuple[Any, tuple[int, int] | None]:
        """Windows as rows, and their length and channels where these are known."""
        if not hasattr(X, "ndim") or X.ndim < 3:
            return X, None
        if X.ndim > 3:
            raise ShapeError(f"X has shape {X.shape}: give (n, length, channels)")
        return X.reshape(len(X), X.shape[1] * X.shape[2]), (int(X.shape[1]), int(X.shape[2]))

    def _windows(self, rows: Array, shape: tuple[int, int] | None) -> Array:
        """`(n, length, channels)` float32 of rows."""
        width = len(self.channels) if self.channels else 1
        if shape is None and rows.shape[1] % width:
            raise ShapeError(f"rows of {rows.shape[1]} values do not divide into {width} channels")
        return np.ascontiguousarray(rows.reshape(len(rows), *(shape or (-1, width))), np.float32)

    def _names(self, count: int) -> tuple[str, ...]:
        if self.channels is None:
            return tuple(f"acc_{k}" for k in range(count))
        if len(self.channels) != count:
            raise ShapeError(f"{count} channels in X, {len(self.channels)} names in channels")
        return tuple(self.channels)


def _dealt(labels: Array) -> Array:
    """Positions of people to whom windows are dealt, class by class; one each, if they are few.

    What is learnt on each person as a stranger to the others would take for ever with as many
    people as windows.
    """
    people = np.zeros(len(labels), np.int64)
    people[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % _PEOPLE
    return people


def _laid_out(X: Any, y: Any, groups: Any) -> tuple[Any, Any, Any]:
    """Lists of arrays as one array; with the labels, and whose each window is."""
    if not (isinstance(X, (list, tuple)) and X and all(isinstance(x, np.ndarray) for x in X)):
        return X, y, groups
    shapes = {x.shape[-2:] for x in X}
    if len(shapes) > 1 or any(x.ndim not in (2, 3) for x in X):
        if all(x.ndim == 1 for x in X) and len({x.shape for x in X}) == 1:
            return np.stack(X), y, groups
        raise ShapeError(
            f"arrays of shapes {', '.join(map(str, sorted({x.shape for x in X})))}: give windows "
            "of one length and the same channels"
        )
    if all(x.ndim == 2 for x in X):
        return np.stack(X), y, groups
    if not all(x.ndim == 3 for x in X):
        raise ShapeError("a list holds either windows (length, channels), or people's arrays of it")
    counts = [len(x) for x in X]
    if y is not None:
        if len(y) != len(X) or [len(part) for part in y] != counts:
            raise ShapeError("y must be a list of labels for each person's windows, as X is")
        y = np.concatenate([np.asarray(part) for part in y])
    if groups is None:
        groups = np.repeat(np.arange(len(X)), counts)
    elif len(groups) == len(X):
        groups = np.repeat(np.asarray(groups), counts)
    return np.concatenate(X), y, groups
