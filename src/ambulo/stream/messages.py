"""Messages from phones and other senders, as samples of named channels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError, StreamError
from ambulo.recording import Channel

Array = npt.NDArray[np.float64]

LARGEST = 1 << 20
"""Bytes of the longest message that is read."""
SENSORS = {
    "gyroscope": "gyro",
    "magnetometer": "mag",
    "totalacceleration": "acc",
    "accelerometer": "body_acc",
    "gravity": "gravity",
}
"""Sensor Logger's names for what is calibrated. Its accelerometer is without gravity."""


@dataclass(frozen=True)
class Part:
    """Samples of some channels, `(n,)` each, taken at the same times `(n,)` in seconds."""

    time: Array
    channels: dict[str, Array]


def parse(message: bytes | str) -> list[Part]:
    """What a JSON message holds.

    Either `{"time": 12.5, "acc_x": 0.1, …}` in seconds and Ambulo's units, or the same with a list
    each, or a list of such objects; or what the app Sensor Logger pushes (its PUSHING.md; switch on
    "Standardise Units & Frames" there, and Gravity beside the accelerometer). Raises StreamError
    for anything else.
    """
    if len(message) > LARGEST:
        raise StreamError(f"a message of {len(message)} bytes is too long: send parts of it")
    try:
        return list(_parts(json.loads(message)))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise StreamError(
            f"a message is not understood ({error!r}): see 'ambulo stream --help'"
        ) from error


def _parts(content: Any) -> Iterable[Part]:
    if isinstance(content, list):
        for item in content:
            yield _plain(item)
    elif "payload" in content:
        yield from _sensor_logger(content["payload"])
    else:
        yield _plain(content)


def _plain(content: dict[str, Any]) -> Part:
    time = np.atleast_1d(np.asarray(content["time"], np.float64))
    channels = {
        name: np.atleast_1d(np.asarray(value, np.float64))
        for name, value in content.items()
        if _is_channel(name)
    }
    if not channels or any(column.shape != time.shape for column in channels.values()):
        raise ValueError("it needs a value of some channel for each time")
    if time.ndim != 1:
        raise ValueError("time must be a number or a list of numbers")
    return Part(time, channels)


def _is_channel(name: str) -> bool:
    try:
        Channel(name)
    except RecordingError:
        return False
    return True


def _sensor_logger(payload: list[dict[str, Any]]) -> Iterable[Part]:
    rows: dict[str, list[tuple[float, float, float, float]]] = {}
    for reading in payload:
        sensor = SENSORS.get(reading["name"])
        if sensor is not None:
            x, y, z = (float(reading["values"][axis]) for axis in "xyz")
            rows.setdefault(sensor, []).append((float(reading["time"]) / 1e9, x, y, z))
    for sensor, found in rows.items():
        time, *axes = np.array(found).T
        names = (f"{sensor}_{axis}" for axis in "xyz")
        yield Part(time, dict(zip(names, axes, strict=True)))
