"""A network before training: where it is computed, what it sees, how it is scaled."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from ambulo.batches import Values, fit_scaling
from ambulo.errors import TrainingError
from ambulo.models import model_class
from ambulo.models.frame import Frame
from ambulo.models.initial import as_keras
from ambulo.models.scaling import Scaled
from ambulo.options import Options
from ambulo.recording import housings
from ambulo.windows import Windows


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
    except (TypeError, ValueError) as error:
        sizes = [
            p.name for p in inspect.signature(kind).parameters.values() if p.kind == p.KEYWORD_ONLY
        ]
        raise TrainingError(
            f"model '{model}' cannot be built: {error}; its sizes are {', '.join(sizes) or 'fixed'}"
        ) from error
    if options.initial == "keras":
        as_keras(inner)
    network = Scaled(inner, channels, frame).to(device)
    fit_scaling(network, x, options.scaling)
    return network
