"""Windows as training takes them: tensors in memory, or read batch by batch from a file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ambulo.datasets.stored import Rows
from ambulo.models.scaling import Scaled
from ambulo.windows import Windows


class OnDisk:
    """As much of a tensor `(windows, length, channels)` as training needs, out of a file."""

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self.rows, self.device = rows, device

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Tensor) -> Tensor:
        return torch.as_tensor(np.asarray(self.rows[index.numpy()]), device=self.device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Blocks of so many windows, one after the other."""
        for at in range(0, max(len(self), 1), size):
            yield torch.as_tensor(np.asarray(self.rows[at : at + size]), device=self.device)


Values = Tensor | OnDisk


def to_device(windows: Windows, device: torch.device) -> tuple[Values, Tensor]:
    """Values and labels; values that are in a file stay there."""
    y = torch.as_tensor(windows.labels.astype(np.int64), device=device)
    if isinstance(windows.values, Rows):
        return OnDisk(windows.values, device), y
    return in_memory(windows, device)[0], y


def in_memory(windows: Windows, device: torch.device) -> tuple[Tensor, Tensor]:
    """Values and labels as tensors."""
    x = torch.as_tensor(np.ascontiguousarray(windows.values), device=device)
    return x, torch.as_tensor(windows.labels.astype(np.int64), device=device)


def fit_scaling(network: Scaled, x: Values, kind: str) -> None:
    """Fit a network's scaling on training windows."""
    if isinstance(x, Tensor):
        network.scaling.fit(network.frame(x), kind)
    else:
        network.scaling.fit_blocks((network.frame(block) for block in x.split(512)), kind)
