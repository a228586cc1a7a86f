"""The peers: what others use, as their papers describe it, or as their library has it.

Networks are built as Ambulo's are, `Model(channels, length, classes)`, and trained by its loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ambulo.models.handmade import Handmade
from ambulo.windows import Windows


class DeepConvLSTM(nn.Module):
    """Four convolutions along time, shared by channels, two LSTM layers (Ordóñez, Roggen 2016)."""

    def __init__(self, channels: int, length: int, classes: int, filters: int = 64) -> None:
        super().__init__()
        sizes = [1, *[filters] * 4]
        self.convolutions = nn.Sequential(
            *(
                layer
                for a, b in zip(sizes, sizes[1:], strict=False)
                for layer in (nn.Conv2d(a, b, (5, 1)), nn.ReLU())
            )
        )
        self.lstm = nn.LSTM(filters * channels, 128, 2, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(128, classes)

    def features(self, x: Tensor) -> Tensor:
        maps = self.convolutions(x[:, None])
        steps = maps.permute(0, 2, 1, 3).flatten(2)
        return self.dropout(self.lstm(steps)[0][:, -1])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class CNNHAR(nn.Module):
    """Three convolutions over all channels, pooling, and a dense layer (after Yang et al. 2015)."""

    def __init__(self, channels: int, length: int, classes: int) -> None:
        super().__init__()
        sizes = [channels, 64, 128, 128]
        self.convolutions = nn.Sequential(
            *(
                layer
                for a, b in zip(sizes, sizes[1:], strict=False)
                for layer in (
                    nn.Conv1d(a, b, 5, padding=2),
                    nn.BatchNorm1d(b),
                    nn.ReLU(),
                    nn.MaxPool1d(2),
                )
            )
        )
        self.dense = nn.Sequential(nn.Linear(128 * (length // 8), 128), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(128, classes)

    def features(self, x: Tensor) -> Tensor:
        return self.dense(self.convolutions(x.transpose(1, 2)).flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class TinyHAR(nn.Module):
    """Convolutions for each channel, attention across channels, an LSTM and weighted time.

    After Zhou et al. 2022, with 24 filters.
    """

    def __init__(self, channels: int, length: int, classes: int, filters: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for k in range(4):
            layers += [
                nn.Conv2d(
                    filters if k else 1, filters, (5, 1), stride=(2 - k % 2, 1), padding=(2, 0)
                ),
                nn.ReLU(),
                nn.BatchNorm2d(filters),
            ]
        self.convolutions = nn.Sequential(*layers)
        self.across = nn.TransformerEncoderLayer(
            filters, 1, 2 * filters, dropout=0.1, batch_first=True
        )
        self.fusion = nn.Sequential(nn.Linear(filters * channels, 2 * filters), nn.ReLU())
        self.lstm = nn.LSTM(2 * filters, 2 * filters, batch_first=True)
        self.attention = nn.Sequential(
            nn.Linear(2 * filters, 2 * filters), nn.Tanh(), nn.Linear(2 * filters, 1)
        )
        self.weight = nn.Parameter(torch.zeros(1))
        self.head = nn.Linear(2 * filters, classes)

    def features(self, x: Tensor) -> Tensor:
        maps = self.convolutions(x[:, None])
        batch, filters, steps, channels = maps.shape
        tokens = maps.permute(0, 2, 3, 1).reshape(batch * steps, channels, filters)
        fused = self.fusion(self.across(tokens).reshape(batch, steps, -1))
        hidden = self.lstm(fused)[0]
        weights = torch.softmax(self.attention(hidden), dim=1)
        return hidden[:, -1] + self.weight * (weights * hidden).sum(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


NETWORKS: dict[str, type[nn.Module]] = {
    "deepconvlstm": DeepConvLSTM,
    "cnn-har": CNNHAR,
    "tinyhar": TinyHAR,
}

Fitted = tuple[Callable[[Any], Any], int]
"""From values to decisions `(n,)` or probabilities `(n, classes)`, and the number of parameters."""


def forest(train: Windows, seed: int) -> Fitted:
    """A random forest on the features that engineers choose."""
    from sklearn.ensemble import RandomForestClassifier

    network = Handmade(len(train.channels), train.length, len(train.activities))

    def features(values: Any) -> Any:
        with torch.no_grad():
            return network.features(torch.as_tensor(values)).numpy()

    trees = RandomForestClassifier(300, n_jobs=-1, random_state=seed)
    trees.fit(features(train.values), train.labels)
    nodes = sum(tree.tree_.node_count for tree in trees.estimators_)

    def probabilities(values: Any) -> Any:
        out = np.zeros((len(values), len(train.activities)))
        out[:, trees.classes_] = trees.predict_proba(features(values))
        return out

    return probabilities, nodes


def minirocket(train: Windows, seed: int) -> Fitted:
    """aeon's MiniRocket with scikit-learn's RidgeClassifierCV."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    return _ridge(MiniRocket(n_kernels=10_000, n_jobs=-1, random_state=seed), train)


def hydra(train: Windows, seed: int) -> Fitted:
    """aeon's Hydra with scikit-learn's RidgeClassifierCV."""
    from aeon.transformations.collection.convolution_based import HydraTransformer

    return _ridge(HydraTransformer(n_jobs=-1, random_state=seed), train)


def _ridge(kernels: Any, train: Windows) -> Fitted:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shift, scale = train.values.mean((0, 1)), train.values.std((0, 1))

    def prepared(values: Any) -> Any:
        return np.ascontiguousarray(((values - shift) / scale).transpose(0, 2, 1))

    features = np.asarray(kernels.fit_transform(prepared(train.values)))
    head = make_pipeline(
        StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
    )
    head.fit(features, train.labels)
    return (
        lambda values: head.predict(np.asarray(kernels.transform(prepared(values)))),
        features.shape[1] * len(train.activities),
    )


OTHERS: dict[str, Callable[[Windows, int], Fitted]] = {
    "forest": forest,
    "minirocket": minirocket,
    "hydra": hydra,
}
