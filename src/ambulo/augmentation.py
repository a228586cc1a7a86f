"""Training windows as they might have been recorded otherwise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ambulo.signals import rotation_matrices


def rotate(
    x: Tensor, axes: list[list[int]], degrees: float, generator: torch.Generator | None = None
) -> Tensor:
    """Turn the sensor frame of each window `(batch, length, channels)` by a small random rotation.

    All three-axis sensors at one placement sit in one housing and turn together; here every triad
    of the window turns alike. Rotation vectors are normal with `degrees` of deviation per axis
    (augmentation by rotation: Um et al. 2017).
    """
    vectors = torch.randn(len(x), 3, generator=generator) * np.deg2rad(degrees)
    turn = torch.as_tensor(rotation_matrices(vectors.numpy()), dtype=x.dtype, device=x.device)
    out = x.clone()
    for triad in axes:
        out[:, :, triad] = x[:, :, triad] @ turn
    return out
