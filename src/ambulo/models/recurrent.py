"""Recurrent networks on raw signals."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from ambulo.models import fast_gru


class LSTM(nn.Module):
    """Two LSTM layers of 64, the last step into FC 128 - ReLU - FC (the `uci-recurrent` system).

    `patch` samples, one after the other, make one step: fewer steps to remember over.
    """

    cell: ClassVar[type[nn.LSTM | nn.GRU]] = nn.LSTM

    def __init__(
        self,
        channels: int,
        length: int,
        classes: int,
        *,
        hidden: int = 64,
        layers: int = 2,
        dense: int = 128,
        dropout: float = 0.3,
        patch: int = 1,
    ) -> None:
        super().__init__()
        self.patch = patch
        between = dropout if layers > 1 else 0.0
        self.recurrent = self.cell(
            channels * patch, hidden, layers, dropout=between, batch_first=True
        )
        self.dense = nn.Sequential(nn.Linear(hidden, dense), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(dense, classes)

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, dense)`."""
        if self.patch > 1:
            steps = x.shape[1] // self.patch
            x = x[:, : steps * self.patch].reshape(-1, steps, self.patch * x.shape[2])
        sequence, _ = self.recurrent(x)
        out: Tensor = self.dense(sequence[:, -1])
        return out

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out


class GRU(LSTM):
    """The same network with GRU cells (Cho et al. 2014)."""

    cell = fast_gru.GRU
