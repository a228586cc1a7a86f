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

    def solve(self, strength: float) -> tuple[Array, Array]:
        """Weights `(classes, p)` and biases `(classes,)`; the bias is not penalised."""
        from scipy.linalg import solve

        gram = self.gram.double().numpy()
        gram[np.diag_indices(len(gram) - 1)] += strength
        solved = solve(
            gram, self.moment.double().numpy(), assume_a="pos", lower=False, overwrite_a=True
        )
        weights = solved[:-1].T.astype(np.float16)  # which a file can hold in half the room
        return weights.astype(np.float64), solved[-1]


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
        _put(head, solver.solve(strength))
        said = [network(part) for part in torch.split(x, _BLOCK)]
        return strength, (torch.cat(said), training[1])
    seen = [network.features(part) for part in torch.split(validation[0], _BLOCK)]
    features, labels = torch.cat(seen), validation[1]
    losses = []
    for strength in solver.strengths:
        _put(head, solver.solve(strength))
        losses.append(calibrated_loss(head(features), labels))
        tell()
    strength = solver.strengths[int(np.argmin(losses))]
    _put(head, solver.solve(strength))
    logits = head(features)
    for copy in range(1 + _copies(options)):
        _add(solver, network, validation, variation if copy else None, weights, generator)
    _put(head, solver.solve(strength))
    return strength, (logits, labels)


def steps(solver: str, options: Options) -> int:
    """How often `solve_head` tells of progress."""
    return 1 + _copies(options) + (len(SOLVERS[solver].strengths) if options.validation else 0)


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


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The divisor of the logits with the least log-loss (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_t), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 3.0), method="bounded").x))


def calibrated_loss(logits: Tensor, labels: Tensor) -> float:
    """Log-loss of the logits after division by their best temperature."""
    return float(F.cross_entropy(logits / temperature(logits, labels), labels))
