"""Errors that users can act on. Every message names the file or field, and what to do next.

    AmbuloError
    ├── DatasetError        a data set is absent, damaged, or not what it claims to be
    ├── RecordingError      a recording cannot be read, or its fields contradict each other
    ├── WindowingError      windows cannot be cut as asked
    ├── TrainingError       a model, an option or the people to train on do not fit together
    ├── AdaptError          a recognizer cannot be taught these windows, or they do not help
    ├── EvaluationError     a protocol is unknown or leaves nobody to test
    ├── AuditError          arrays or a split cannot be audited as they are
    ├── RecognizerError     a recognizer file is damaged, too new, or does not suit a recording
    ├── StreamError         a live source or sink cannot be opened, or a message not understood
    ├── FleetError          there is nothing to score, or no engine to score it with
    ├── OutputError         a result cannot be written where it was asked for
    └── MissingExtraError   an optional part of Ambulo is not installed

The command line prints the message alone and ends with exit code 2.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without what would steer a terminal: names of files and activities are anybody's."""
    return "".join(c if c.isprintable() or c in _HARMLESS else "\ufffd" for c in text)


_HARMLESS = "\n\t\u00a0\u00ad\u202f\u3000\u200c\u200d"
"""Lines, blanks, where words may break, and what joins or parts letters in Persian and Hindi."""


class AmbuloError(Exception):
    """Base of every error that Ambulo raises on purpose."""


class DatasetError(AmbuloError):
    """A data set is absent, damaged, or not what it claims to be."""


class RecordingError(AmbuloError):
    """A recording cannot be read, or its fields contradict each other."""


class WindowingError(AmbuloError):
    """Windows cannot be cut as asked."""


class TrainingError(AmbuloError):
    """A model, an option or the people to train on do not fit together."""


class AdaptError(AmbuloError):
    """A recognizer cannot be taught these windows, or they do not help."""


class EvaluationError(AmbuloError):
    """A protocol is unknown or leaves nobody to test."""


class AuditError(AmbuloError):
    """Arrays or a split cannot be audited as they are."""


class RecognizerError(AmbuloError):
    """A recognizer file is damaged, too new, or does not suit a recording."""


class StreamError(AmbuloError):
    """A live source or sink cannot be opened, or a message not understood."""


class FleetError(AmbuloError):
    """There is nothing to score, or no engine to score it with."""


class OutputError(AmbuloError):
    """A result cannot be written where it was asked for."""


class MissingExtraError(AmbuloError):
    """An optional part of Ambulo is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs the package '{package}', which is not installed: "
            f"pip install 'ambulo[{extra}]'"
        )
        self._made_of = (package, extra)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """How it goes from one process to another."""
        return type(self), self._made_of


EXTRAS = {
    "actfast": "devices",
    "torch": "train",
    "sklearn": "train",
    "onnxscript": "train",
    "onnx": "train",
    "optuna": "train",
    "matplotlib": "report",
    "jinja2": "report",
    "cryptography": "serve",
    "fastapi": "serve",
    "segno": "serve",
    "uvicorn": "serve",
    "websockets": "serve",
    "fsspec": "fleet",
    "ray": "fleet",
    "s3fs": "fleet",
}
"""The extra that brings a package."""
