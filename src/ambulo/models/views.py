"""A window seen from several sides, so that no one way to wear the sensor decides."""

from __future__ import annotations

from torch import Tensor, nn


class Views(nn.Module):
    """Each window with its sensors turned a little to several sides (test-time augmentation).

    `turns` `(sides, channels, channels)` are rotations. A network's random features step at some
    angles and not at others; the mean over sides is what it says on average of sensors worn about
    so (Krizhevsky, Sutskever, Hinton 2012 decide on the mean of an image's ten crops).
    """

    turns: Tensor

    def __init__(self, turns: Tensor) -> None:
        super().__init__()
        self.register_buffer("turns", turns)

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(sides · batch, length, channels)`."""
        return (x @ self.turns[:, None]).flatten(0, 1)

    def mean(self, known: Tensor) -> Tensor:
        """What is known of each view `(sides · batch, n)` to its mean `(batch, n)`."""
        return known.reshape(len(self.turns), -1, known.shape[1]).mean(0)
