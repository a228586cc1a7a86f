"""Ambulo: what is the wearer doing, and when?

    read ──► Recording ──window──► Windows ──train──► Recognizer ──predict──► Timeline

Public names load on first use, so that `import ambulo` is quick and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ambulo.adaptation import adapt as adapt
    from ambulo.datasets import load_dataset as load_dataset
    from ambulo.day import Day as Day
    from ambulo.day import days as days
    from ambulo.errors import AmbuloError as AmbuloError
    from ambulo.evaluation import evaluate as evaluate
    from ambulo.exporting import export as export
    from ambulo.models import MODELS as MODELS
    from ambulo.piecewise import predict_file as predict_file
    from ambulo.readers import pieces as pieces
    from ambulo.readers import read as read
    from ambulo.recognizer import Recognizer as Recognizer
    from ambulo.recording import Channel as Channel
    from ambulo.recording import Gap as Gap
    from ambulo.recording import Interval as Interval
    from ambulo.recording import Recording as Recording
    from ambulo.reproduction import reproduce as reproduce
    from ambulo.sklearn_door import AmbuloClassifier as AmbuloClassifier
    from ambulo.stream import Decision as Decision
    from ambulo.stream import Stream as Stream
    from ambulo.suitability import fit as fit
    from ambulo.timeline import Timeline as Timeline
    from ambulo.training import train as train
    from ambulo.windows import Windowing as Windowing
    from ambulo.windows import Windows as Windows

__version__ = "0.1.0"

_HOMES = {
    "read": "readers",
    "load_dataset": "datasets",
    "Recording": "recording",
    "Channel": "recording",
    "Interval": "recording",
    "Gap": "recording",
    "Windowing": "windows",
    "Windows": "windows",
    "MODELS": "models",
    "train": "training",
    "evaluate": "evaluation",
    "reproduce": "reproduction",
    "Recognizer": "recognizer",
    "fit": "suitability",
    "adapt": "adaptation",
    "export": "exporting",
    "Stream": "stream",
    "Decision": "stream",
    "Timeline": "timeline",
    "pieces": "readers",
    "predict_file": "piecewise",
    "Day": "day",
    "days": "day",
    "AmbuloClassifier": "sklearn_door",
    "AmbuloError": "errors",
}
__all__ = [*_HOMES]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "pretrained":
        return import_module("ambulo.pretrained")
    if name not in _HOMES:
        raise AttributeError(f"module 'ambulo' has no attribute '{name}'")
    try:
        return getattr(import_module(f"ambulo.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        from ambulo.errors import EXTRAS, MissingExtraError

        if error.name in EXTRAS:
            raise MissingExtraError(error.name, EXTRAS[error.name]) from error
        raise


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
