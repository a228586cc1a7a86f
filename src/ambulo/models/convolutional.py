"""Convolutions that shorten the signal, recurrence over what is left, and attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Halve(nn.Module):
    """Max pooling over pairs of steps: `(batch, channels, length)` to half the length.

    The same numbers and gradients as `MaxPool1d(2)`, at a third of its training time on a CPU; an
    odd last step is dropped.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Keep the larger of each two neighbours."""
        x = x[..., : x.shape[-1] // 2 * 2]
        if self.training and torch.is_grad_enabled():
            out: Tensor = _Larger.apply(x)  # type: ignore[no-untyped-call]
            return out
        return torch.maximum(x[..., 0::2], x[..., 1::2])


class _Larger(torch.autograd.Function):
    """The larger of each two neighbours, whose gradient goes to the first where they are equal."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        first, second = x[..., 0::2], x[..., 1::2]
        ctx.save_for_backward(first >= second)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (taken,) = ctx.saved_tensors
        to_first = gradient * taken
        return torch.stack((to_first, gradient - to_first), -1).flatten(-2)


class CNN(nn.Module):
    """Three convolutions, then the mean and the largest value of each over time.

    Where in the window something happens says nothing; how strong it is, and how much of the
    window it takes, does. Pooling over all of time is that of Lin, Chen, Yan 2014; with `norm`,
    each convolution is normalised over a batch (Ioffe and Szegedy 2015).
    """

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        filters: Sequence[int] = (48, 64, 64),
        kernel: int = 5,
        dropout: float = 0.5,
        norm: bool = True,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs, outputs in zip((channels, *filters), filters, strict=False):
            blocks.append(nn.Conv1d(inputs, outputs, kernel, padding="same"))
            blocks += [nn.BatchNorm1d(outputs)] if norm else []
            blocks += [Halve(), nn.ReLU()]
        del blocks[-2]  # the last one keeps all of its steps
        self.convolution = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * filters[-1], classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, 2 · filters)`."""
        maps = self.convolution(x.transpose(1, 2))
        out: Tensor = self.dropout(torch.cat([maps.mean(-1), maps.amax(-1)], dim=1))
        return out

    def fold(self) -> None:
        """Let the convolutions do what, after training, the normalisations do."""
        layers: list[nn.Module] = []
        for layer in self.convolution:
            if isinstance(layer, nn.BatchNorm1d):
                layers[-1] = fuse_conv_bn_eval(layers[-1], layer)  # type: ignore[type-var]
            else:
                layers.append(layer)
        self.convolution = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out


class CNNLSTM(nn.Module):
    """Three convolutions with ReLU and pooling, two LSTM layers, FC 64 - FC (`uci-cnn-lstm`).

    `filters` is their number in each convolution, or one number for each of the three; `dropout`
    lies between the LSTM layers, `after` behind the second one.
    """

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        filters: int | Sequence[int] = 64,
        kernel: int = 3,
        hidden: int = 64,
        dense: int = 64,
        dropout: float = 0.5,
        after: float = 0.0,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        first, second, last = (filters,) * 3 if isinstance(filters, int) else filters
        for inputs, outputs in ((channels, first), (first, second), (second, last)):
            # ReLU and the larger of two commute: it is cheaper on half the steps.
            blocks += [nn.Conv1d(inputs, outputs, kernel, padding="same"), Halve(), nn.ReLU()]
        self.convolution = nn.Sequential(*blocks)
        self.recurrent = nn.LSTM(last, hidden, 2, dropout=dropout, batch_first=True)
        self.after = nn.Dropout(after) if after else nn.Identity()
        self.dense = nn.Sequential(nn.Linear(hidden, dense), nn.ReLU())
        self.head = nn.Linear(dense, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, dense)`."""
        steps = self.convolution(x.transpose(1, 2)).transpose(1, 2)
        sequence, _ = self.recurrent(steps)
        out: Tensor = self.dense(self.after(sequence[:, -1]))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out


def attend(x: Tensor) -> Tensor:
    """Dot-product self-attention over time, `(batch, length, d)` in and out.

    Query, key and value are the sequence itself and the scores are not scaled, as in Keras
    `Attention` (Luong et al. 2015).
    """
    x = x.contiguous()  # recurrent layers give time-major memory, slow in batched products
    return attention_weights(x) @ x


def attention_weights(x: Tensor) -> Tensor:
    """Weights `(batch, query, step)` of self-attention over `(batch, length, d)`; rows sum to 1."""
    return torch.softmax(x @ x.transpose(1, 2), dim=-1)


class CNNLSTMAttention(nn.Module):
    """Convolution, three LSTM layers with self-attention, two branches (`mhealth-attention`)."""

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        filters: int = 16,
        kernel: int = 3,
        hidden: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(channels, filters, kernel)
        self.norm = nn.Sequential(nn.BatchNorm1d(filters), nn.Dropout(dropout))
        self.first = nn.LSTM(filters, hidden, batch_first=True)
        self.second = nn.LSTM(hidden, hidden, batch_first=True)
        self.third = nn.LSTM(hidden, hidden, batch_first=True)
        self.branch_a = _branch(hidden, dropout)
        self.branch_b = _branch(hidden, dropout)
        self.dense = nn.Sequential(nn.Linear(3 * hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, hidden)`."""
        x = self.norm(self.convolution(x.transpose(1, 2))).transpose(1, 2)
        x = attend(self.first(x)[0])
        x = attend(self.second(x)[0])
        last = self.third(x)[0][:, -1]
        out: Tensor = self.dense(torch.cat([last, self.branch_a(last), self.branch_b(last)], dim=1))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out

    def attention(self, x: Tensor) -> Tensor:
        """Attention that time steps receive, `(batch, length, channels)` to `(batch, 2, steps)`.

        The mean over queries in the first and the second attention layer; each sums to 1 over
        steps. Step t is centred on sample t + (length - steps) / 2; a recurrent layer lies before,
        so a step also speaks for what came before it.
        """
        x = self.norm(self.convolution(x.transpose(1, 2))).transpose(1, 2)
        received = []
        for layer in (self.first, self.second):
            sequence = layer(x)[0].contiguous()
            weights = attention_weights(sequence)
            received.append(weights.mean(dim=1))
            x = weights @ sequence
        return torch.stack(received, dim=1)


def _branch(width: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(2):
        layers += [nn.Linear(width, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
