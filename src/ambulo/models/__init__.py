"""Networks by name. A model is an nn.Module built as `Model(channels, length, classes, **sizes)`.

It takes `(batch, length, channels)` and gives logits `(batch, classes)`; `features(x)` gives what
its `head` decides on. Nothing here knows of Ambulo, and importing this page imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ambulo.errors import TrainingError

if TYPE_CHECKING:
    from torch import nn

MODELS = {
    "lstm": "recurrent:LSTM",
    "gru": "recurrent:GRU",
    "cnn": "convolutional:CNN",
    "cnn-lstm": "convolutional:CNNLSTM",
    "cnn-lstm-attention": "convolutional:CNNLSTMAttention",
    "rocket": "rocket:Rocket",
    "features": "handmade:Handmade",
    "best": "best:Best",
    "small": "best:Small",
}
"""Every model: its name, and the file and class that it is."""


def model_class(model: str | type[nn.Module]) -> type[nn.Module]:
    """The class of a registered name; a class is given back as it is."""
    if not isinstance(model, str):
        return model
    if model not in MODELS:
        raise TrainingError(f"there is no model '{model}': choose from {', '.join(MODELS)}")
    file, _, name = MODELS[model].partition(":")
    found: type[nn.Module] = getattr(import_module(f"ambulo.models.{file}"), name)
    return found
