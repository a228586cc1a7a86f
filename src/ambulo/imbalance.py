"""What training does when some activities are rare: how windows are drawn, and what a loss is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

FOCUS = 2.0
"""Exponent of the focal loss, as published."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of logits `(batch, classes)` against labels `(batch,)`."""


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Weights inverse to frequency among training windows `(classes,)`, of mean 1 over windows."""
    counts = torch.bincount(y, minlength=classes).float()
    shown = (counts > 0).sum()
    return torch.where(counts > 0, len(y) / (shown * counts.clamp_min(1)), 0.0)


def make_loss(kind: str, y: Tensor, classes: int, smoothing: float) -> Loss:
    """The training loss for labels `y` of training windows.

    "weights" multiplies each window's cross-entropy by its class's weight; "focal" by (1 - p)² for
    the probability p of the true class, so that easy windows count less (Lin et al. 2017); "logits"
    adds the logarithm of each class's frequency to its logit in training only, so that the plain
    logits decide as if all classes were equally frequent (Menon et al. 2021). Any other kind is
    plain cross-entropy.
    """
    weights = class_weights(y, classes) if kind == "weights" else None
    shares = torch.bincount(y, minlength=classes).float() / max(len(y), 1)
    prior = shares.clamp_min(1e-6).log()

    def plain(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, weight=weights, label_smoothing=smoothing)

    def focal(logits: Tensor, target: Tensor) -> Tensor:
        each = F.cross_entropy(logits, target, label_smoothing=smoothing, reduction="none")
        sure = logits.softmax(1).gather(1, target[:, None])[:, 0]
        return ((1 - sure) ** FOCUS * each).mean()

    def adjusted(logits: Tensor, target: Tensor) -> Tensor:
        return plain(logits + prior, target)

    return {"focal": focal, "logits": adjusted}.get(kind, plain)


def order(kind: str, y: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """An epoch's windows: each once, or, with "sampling", as many drawn with all classes alike."""
    if kind != "sampling":
        return torch.randperm(len(y), generator=generator)
    chance = class_weights(y, classes)[y].cpu()
    return torch.multinomial(chance, len(y), replacement=True, generator=generator)
