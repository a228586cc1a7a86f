"""A network before training: where it is computed, what it sees, how it is scaled."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ambulo.batches import Values, fit_scaling
from ambulo.errors import TrainingError
from ambulo.models import model_class
from ambulo.models.frame import Frame
from ambulo.models.initial import as_keras
from ambulo.models.scaling import Scaled
from ambulo.models.views import Views
from ambulo.options import Options
from ambulo.recording import housings, triads
from ambulo.signals import rotation_matrices
from ambulo.windows import Windows

SIDES = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
"""The corners of a tetrahedron: axes that sensors are turned about, which cancel each other."""
SHORT = 16
"""Samples below which a window may be too short for a model."""


def pick_device(name: str) -> torch.device:
    """The named torch device; "auto" takes CUDA, then MPS, then the CPU."""
    if name == "auto":
        cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
        name = "cuda" if cuda else "mps" if mps else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device '{name}' cannot be used here ({error}): try 'cpu'") from error
    return device


def build(
    model: str | type[nn.Module],
    windows: Windows,
    x: Values,
    options: Options,
    seed: int,
    device: torch.device,
) -> Scaled:
    """A new network behind its scaling, which is fitted on the training windows `x`."""
    torch.manual_seed(seed)
    frame = None
    channels = len(windows.channels)
    if options.frame != "sensor":
        frame = Frame(channels, housings(windows.channels), options.frame)
        channels = frame.channels
    kind = model_class(model)
    try:
        inner = kind(channels, windows.length, len(windows.activities), **options.sizes)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        if windows.length < SHORT and isinstance(error, IndexError | RuntimeError):
            raise _too_short(model, windows) from error
        sizes = [
            p.name for p in inspect.signature(kind).parameters.values() if p.kind == p.KEYWORD_ONLY
        ]
        raise TrainingError(
            f"model '{model}' cannot be built: {error}; its sizes are {', '.join(sizes) or 'fixed'}"
        ) from error
    if options.initial == "keras":
        as_keras(inner)
    sides = views(windows.channels, options.tta) if options.tta else None
    network = Scaled(inner, channels, frame, sides).to(device)
    fit_scaling(network, x, options.scaling)
    if not isinstance(model, str):
        _check_logits(network, windows, device)
    elif windows.length < SHORT:
        _check_length(model, network, windows, device)
    return network


def _check_length(model: str, network: Scaled, windows: Windows, device: torch.device) -> None:
    """Raise TrainingError where windows are too short for what a network does with them."""
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(2, *windows.values.shape[1:], device=device))
    except (RuntimeError, IndexError) as error:
        raise _too_short(model, windows) from error
    network.train()


def _too_short(model: str | type[nn.Module], windows: Windows) -> TrainingError:
    return TrainingError(
        f"windows of {windows.length} samples are too short for '{model}': cut longer ones"
    )


def _check_logits(network: Scaled, windows: Windows, device: torch.device) -> None:
    """Raise TrainingError where a network of the caller's own gives anything but logits."""
    name, classes = type(network.network).__name__, len(windows.activities)
    with torch.no_grad():
        out = network.eval()(torch.zeros(2, *windows.values.shape[1:], device=device))
    network.train()
    if tuple(out.shape) != (2, classes):
        raise TrainingError(
            f"model '{name}' gives {tuple(out.shape)} for two windows where logits of {classes} "
            f"activities are (2, {classes}): it is built as {name}(channels, length, classes)"
        )


def views(channels: Sequence[str], degrees: float) -> Views:
    """All three-axis sensors among the channels turned by so many degrees, to each of `SIDES`."""
    axes = triads(channels)
    if not axes:
        raise TrainingError("tta turns three-axis sensors, of which these windows have none")
    turns = torch.eye(len(channels)).repeat(len(SIDES), 1, 1)
    for turn, matrix in zip(turns, rotation_matrices(np.deg2rad(degrees) * SIDES), strict=True):
        for triad in axes:
            turn[np.ix_(triad, triad)] = torch.as_tensor(matrix).float()
    return Views(turns)
