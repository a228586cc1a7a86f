"""The features that engineers choose by hand, in time and frequency, and a linear head."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

BANDS = 8
"""Frequency bands, even in the logarithm, from the lowest frequency of a window to the highest."""
SMALL = 1e-6
STILL = 1e-3
"""A deviation below this, of signals scaled to 1, is taken for this: no sensor that is worn lies so
still (no window of any data set here does), and what is left then is rounding, other everywhere."""
SIDES = 10.0
"""A tenth of a deviation from the mean is on one side of it; nearer, rounding would decide."""


class Handmade(nn.Module):
    """Statistics of each channel, of its slope and spectrum, and of pairs; a logistic head.

    The kind of features of Anguita et al. (2013) and the usual random-forest baselines, all made of
    operators that ONNX has, so that they live in the graph. Three-axis sensors (channels in threes)
    also give the features of their length. The head is solved, not descended to.
    """

    solver: ClassVar[str] = "logistic"
    bands: Tensor
    cosines: Tensor
    sines: Tensor
    first: Tensor
    second: Tensor

    def __init__(self, channels: int, length: int, classes: int) -> None:
        super().__init__()
        self.triads = channels // 3 if channels % 3 == 0 else 0
        signals = channels + self.triads
        cosines, sines, bands = _spectrum(length)
        self.register_buffer("cosines", cosines)
        self.register_buffer("sines", sines)
        self.register_buffer("bands", bands)
        first, second = torch.triu_indices(channels, channels, 1)
        self.register_buffer("first", first)
        self.register_buffer("second", second)
        self.head = nn.Linear(signals * (12 + len(bands) + 2) + len(first), classes)

    def prepare(self, x: Tensor, generator: torch.Generator) -> None:
        """Nothing is learned before the head."""

    def features(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to `(batch, features)`."""
        x = x.transpose(1, 2).contiguous()  # along the signal, which is quicker than across
        plain = x
        if self.triads:
            lengths = x.view(-1, self.triads, 3, x.shape[2]).square().sum(2).sqrt()
            x = torch.cat([x, lengths], dim=1)
        parts = [*self._in_time(x), *self._in_frequency(x), self._of_pairs(plain)]
        return torch.cat(parts, dim=1)

    def _in_time(self, x: Tensor) -> list[Tensor]:
        mean = x.mean(2, keepdim=True)
        centred = x - mean
        deviation = centred.square().mean(2, keepdim=True).sqrt().clamp_min(STILL)
        shape = centred / (deviation + SMALL)
        square = shape * shape  # powers are slow where a network runs
        slope = x[:, :, 1:] - x[:, :, :-1]
        ordered = x.sort(dim=2).values
        quarters = [ordered[..., round(q * (x.shape[2] - 1))] for q in (0.0, 0.25, 0.5, 0.75, 1.0)]
        side = (shape * SIDES).clamp(-1, 1)
        crossings = (side[:, :, 1:] - side[:, :, :-1]).abs().mean(2)
        return [
            mean[:, :, 0],
            (deviation[:, :, 0] + SMALL).log(),
            *quarters,
            (square * shape).mean(2),
            (square * square).mean(2).log1p(),
            crossings,
            (slope.square().mean(2).sqrt() + SMALL).log(),
            (slope.abs().amax(2) + SMALL).log(),
        ]

    def _in_frequency(self, x: Tensor) -> list[Tensor]:
        centred = x - x.mean(2, keepdim=True)
        power = (centred @ self.cosines).square() + (centred @ self.sines).square()
        share = power / (power.sum(-1, keepdim=True) + SMALL)
        entropy = -(share * (share + SMALL).log()).sum(-1)
        steps = torch.linspace(0, 1, power.shape[-1], device=x.device)
        in_bands = (power @ self.bands.T + SMALL).log()
        return [in_bands.flatten(1), entropy, (share * steps).sum(-1)]

    def _of_pairs(self, x: Tensor) -> Tensor:
        centred = x - x.mean(2, keepdim=True)
        size = centred.square().sum(2, keepdim=True).sqrt()
        unit = centred / (size.clamp_min(STILL * x.shape[2] ** 0.5) + SMALL)
        correlation = unit @ unit.transpose(1, 2)
        return correlation[:, self.first, self.second]

    def forward(self, x: Tensor) -> Tensor:
        """`(batch, length, channels)` to logits `(batch, classes)`."""
        out: Tensor = self.head(self.features(x))
        return out


def _spectrum(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cosines and sines `(length, frequencies)` of a tapered transform, and bands of them."""
    frequencies = torch.arange(1, length // 2 + 1)
    angle = 2 * torch.pi * torch.arange(length)[:, None] * frequencies / length
    taper = torch.hann_window(length)[:, None] / length**0.5
    edges = torch.logspace(0, torch.log10(frequencies[-1].float() + 1), BANDS + 1)
    band = torch.bucketize(frequencies.float(), edges, right=True) - 1
    weights = torch.stack([(band == i).float() for i in range(BANDS)])
    weights = weights[weights.sum(1) > 0]
    cosines, sines = (turn(angle) * taper for turn in (torch.cos, torch.sin))
    return cosines.half().float(), sines.half().float(), weights  # which a file can hold in half
