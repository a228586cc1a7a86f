"""Heads that are solved, not descended to, on features that no gradient reaches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ambulo.augmentation import Variation
from ambulo.errors import TrainingError
from ambulo.models.scaling import Scaled
from ambulo.options import Options

Array = npt.NDArray[Any]
Data = tuple[Tensor, Tensor]
_BLOCK = 512
_PANEL = 640


class Ridge:
    """Least squares to ±1 for each class, with a penalty (Hoerl and Kennard 1970).

    Rows are added up block by block, so that memory holds `(p, p)` whatever their number.
    """

    strengths = (1.0, 10.0, 100.0, 1000.0)
    """Penalties to choose from."""

    def __init__(self, features: int, classes: int) -> None:
        self.gram = torch.zeros(features + 1, features + 1)
        self.moment = torch.zeros(features + 1, classes)

    def add(self, z: Tensor, y: Tensor, weights: Tensor) -> None:
        """Take in features `(n, p)`, labels `(n,)` and weights `(n,)`."""
        root = weights.sqrt()[:, None]
        z = torch.cat([z, torch.ones(len(z), 1)], dim=1) * root
        target = 2.0 * F.one_hot(y, self.moment.shape[1]) - 1
        for at in range(0, z.shape[1], _PANEL):  # the product is symmetric: its upper half will do
            panel = slice(at, at + _PANEL)
            self.gram[panel, at:].addmm_(z[:, panel].T, z[:, at:])
        self.moment.addmm_(z.T, target * root)

    def __add__(self, other: Ridge) -> Ridge:
        """All that either took in."""
        features, classes = self.moment.shape
        both = Ridge(features - 1, classes)
        both.gram, both.moment = self.gram + other.gram, self.moment + other.moment
        return both

    def solve(self, strength: float, kept: Array | None = None) -> tuple[Array, Array]:
        """Weights `(classes, p)` and biases `(classes,)`; the bias is not penalised.

        With `kept`, numbers of features, all others weigh nothing.
        """
        from scipy.linalg import solve

        features = len(self.gram) - 1
        kept = np.arange(features) if kept is None else kept
        rows = np.append(kept, features)
        gram = self.gram.double().numpy()[np.ix_(rows, rows)]
        gram[np.diag_indices(len(kept))] += strength
        moment = self.moment.double().numpy()[rows]
        solved = solve(gram, moment, assume_a="pos", lower=False, overwrite_a=True)
        weights = np.zeros((moment.shape[1], features))
        weights[:, kept] = solved[:-1].T.astype(np.float16)  # a file holds it in half the room
        return weights, solved[-1]

    def detach(self, strength: float, share: float) -> Array:
        """Numbers of the features that are left, a `share`, when those of least weight go.

        A tenth goes at a time, and the others are solved anew (sequential feature detachment:
        Uribarri, Barone, Ansuini, Fransén 2024). A weight counts by its feature's deviation.
        """
        count, features = float(self.gram[-1, -1]), len(self.gram) - 1
        mean = (self.gram[:-1, -1] / count).double().numpy()
        square = (self.gram.diagonal()[:-1] / count).double().numpy()
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        kept, left = np.arange(features), max(round(share * features), 1)
        while len(kept) > left:
            weights = self.solve(strength, kept)[0][:, kept]
            weight = np.sqrt((weights**2).sum(0)) * deviation[kept]
            fewer = max(left, len(kept) - max(len(kept) // 10, 1))
            kept = np.sort(kept[np.argsort(-weight, kind="stable")[:fewer]])
        return kept


class Logistic:
    """Multinomial logistic regression on standardised features, by scikit-learn."""

    strengths = (0.3, 3.0, 30.0, 300.0)
    """Penalties to choose from."""

    def __init__(self, features: int, classes: int) -> None:
        self.rows: list[tuple[Tensor, Tensor, Tensor]] = []
        self.classes = classes

    def add(self, z: Tensor, y: Tensor, weights: Tensor) -> None:
        """Take in features `(n, p)`, labels `(n,)` and weights `(n,)`."""
        self.rows.append((z, y, weights))

    def solve(self, strength: float) -> tuple[Array, Array]:
        """Weights `(classes, p)` and biases `(classes,)` for features as they are."""
        from sklearn.linear_model import LogisticRegression

        z, y, w = (torch.cat(part).double().numpy() for part in zip(*self.rows, strict=True))
        shift, scale = z.mean(0), np.maximum(z.std(0), 1e-6)
        weights = np.zeros((self.classes, z.shape[1]))
        biases = np.full(self.classes, -1e3)  # an activity that nobody showed is never decided
        if len(shown := np.unique(y.astype(int))) == 1:
            biases[shown] = 0.0
            return weights, biases
        found = LogisticRegression(C=1 / strength, max_iter=1000, tol=1e-3)
        found.fit((z - shift) / scale, y.astype(int), sample_weight=w)
        slopes, offsets = found.coef_ / scale, found.intercept_
        if len(found.classes_) == 2:  # scikit-learn gives one row for two classes
            slopes, offsets = np.concatenate([-slopes, slopes]), np.append(-offsets, offsets)
            slopes, offsets = slopes / 2, offsets / 2
        weights[found.classes_] = slopes
        biases[found.classes_] = offsets - slopes @ shift
        return weights, biases


SOLVERS: dict[str, type[Ridge] | type[Logistic]] = {"ridge": Ridge, "logistic": Logistic}
"""How a model's head is solved, by its `solver`."""


@torch.no_grad()
def solve_head(
    network: Scaled,
    training: Data,
    validation: Data,
    options: Options,
    variation: Variation | None,
    weights: Tensor | None,
    generator: torch.Generator,
    tell: Callable[[], None],
) -> tuple[float, Data]:
    """Solve the head on training people and copies of their windows, each turned at random.

    The penalty is the one with the least loss on validation people; with it the head is solved
    anew on all of them. Returns that penalty, and the validation people's logits and labels from
    before. `tell` is called after each of `steps(…)` parts of the work.
    """
    model: Any = network.network
    x, head = training[0], model.head
    model.prepare(network.scaled(x), generator)
    solver = SOLVERS[str(model.solver)](head.in_features, head.out_features)
    for copy in range(1 + _copies(options)):
        _add(solver, network, training, variation if copy else None, weights, generator)
        tell()
    if not len(validation[0]):
        strength = solver.strengths[1]
        _put(head, _solved(solver, strength, _kept(solver, strength, options)))
        said = [network(part) for part in torch.split(x, _BLOCK)]
        return strength, (torch.cat(said), training[1])
    seen = [network.features(part) for part in torch.split(validation[0], _BLOCK)]
    features, labels = torch.cat(seen), validation[1]

    def best(kept: Array | None) -> float:
        losses = []
        for strength in solver.strengths:
            _put(head, _solved(solver, strength, kept))
            losses.append(calibrated_loss(head(features), labels, training[1]))
            tell()
        return solver.strengths[int(np.argmin(losses))]

    strength, kept = best(None), None
    if options.kept < 1:
        kept = _kept(solver, strength, options)
        strength = best(kept)
    _put(head, _solved(solver, strength, kept))
    logits = head(features)
    for copy in range(1 + _copies(options)):
        _add(solver, network, validation, variation if copy else None, weights, generator)
    _put(head, _solved(solver, strength, kept))
    return strength, (logits, labels)


def steps(solver: str, options: Options) -> int:
    """How often `solve_head` tells of progress."""
    penalties = len(SOLVERS[solver].strengths) * (1 + (options.kept < 1))
    return 1 + _copies(options) + (penalties if options.validation else 0)


def _kept(solver: Ridge | Logistic, strength: float, options: Options) -> Array | None:
    """Numbers of the features that the head is to see; None for all."""
    if options.kept == 1:
        return None
    if not isinstance(solver, Ridge):
        raise TrainingError("kept is for random kernels: best, small or rocket")
    return solver.detach(strength, options.kept)


def _solved(solver: Ridge | Logistic, strength: float, kept: Array | None) -> tuple[Array, Array]:
    return solver.solve(strength, kept) if isinstance(solver, Ridge) else solver.solve(strength)


def _copies(options: Options) -> int:
    return options.copies if options.varied else 0


def _add(
    solver: Ridge | Logistic,
    network: Scaled,
    data: Data,
    variation: Variation | None,
    weights: Tensor | None,
    generator: torch.Generator,
) -> None:
    model: Any = network.network
    for x, y in zip(*(torch.split(part, _BLOCK) for part in data), strict=True):
        turned = variation(x, generator) if variation else x
        each = torch.ones(len(y)) if weights is None else weights[y]
        solver.add(model.features(network.scaled(turned)), y, each)


def _put(head: nn.Linear, solved: tuple[Array, Array]) -> None:
    for parameter, value in zip((head.weight, head.bias), solved, strict=True):
        parameter.copy_(torch.as_tensor(value))


def temperature(logits: Tensor, labels: Tensor, taught: Tensor | None = None) -> float:
    """The divisor of the logits with the least log-loss (Guo et al. 2017).

    Where labels that were `taught` are given, windows of other activities have no say: no divisor
    makes right what could not be learnt.
    """
    from scipy.optimize import minimize_scalar

    logits, labels = _of_taught(logits, labels, taught)

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_t), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 3.0), method="bounded").x))


def _of_taught(logits: Tensor, labels: Tensor, taught: Tensor | None) -> Data:
    known = torch.ones_like(labels, dtype=torch.bool)
    if taught is not None:
        known = torch.isin(labels, taught.to(labels.device))
    return (logits[known], labels[known]) if known.any() else (logits, labels)


def calibrated_loss(logits: Tensor, labels: Tensor, taught: Tensor | None = None) -> float:
    """Log-loss of the logits after division by their best temperature."""
    logits, labels = _of_taught(logits, labels, taught)
    return float(F.cross_entropy(logits / temperature(logits, labels), labels))
