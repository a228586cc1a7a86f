"""What carries state, as plain objects and back. Numbers come back to the last bit."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ambulo.recognizer import Recognizer


def freeze(part: Any) -> dict[str, Any]:
    """The fields of `part` that its class names in `STATE`, as JSON can hold them."""
    return {name: _plain(getattr(part, name)) for name in part.STATE}


def thaw(part: Any, state: dict[str, Any]) -> None:
    """Set the fields of `part` to what `freeze` gave; KeyError or ValueError if damaged."""
    for name in part.STATE:
        setattr(part, name, _value(state[name]))


def fingerprint(recognizer: Recognizer) -> str:
    """A name of a recognizer's network."""
    return hashlib.sha256(recognizer.graph).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"array": str(value.dtype), "shape": value.shape, "values": value.ravel().tolist()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _value(value: Any) -> Any:
    if isinstance(value, dict) and "array" in value:
        if value["array"] not in ("float32", "float64"):
            raise ValueError(f"no array is of type {value['array']}")
        return np.array(value["values"], value["array"]).reshape(value["shape"])
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _value(item) for key, item in value.items()}
    return value
