"""Does a recording suit a recognizer? Said before predicting, with what to do where it does not."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.recognizer import Recognizer
from ambulo.recording import Recording, triads
from ambulo.signals import STANDARD_GRAVITY
from ambulo.windows import Windows

Array = npt.NDArray[Any]

VERDICTS = ("ok", "doubt", "refuse")
"""It suits; it may not, so look; predicting would be nonsense."""
FASTEST_TURN = 40.0
"""rad/s: gyroscopes in wearables end at 35, so a signal that goes beyond is in other units."""
_MOST = 2000
_CALM = 0.2
_ANGLE = 30.0
"""Degrees beyond the training data's own spread at which an orientation is in doubt."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: the verdict (see `VERDICTS`), what was found, what to do."""

    what: str
    verdict: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.what}: {self.found}" + (
            f": {self.remedy}" if self.remedy else ""
        )


@dataclass(frozen=True)
class Suitability:
    """All checks of a recording against a recognizer."""

    checks: tuple[Check, ...]

    @property
    def verdict(self) -> str:
        """The worst verdict of all checks."""
        return max((check.verdict for check in self.checks), key=VERDICTS.index, default="ok")

    def of(self, verdict: str) -> list[Check]:
        """The checks with this verdict."""
        return [check for check in self.checks if check.verdict == verdict]

    def reasons(self, verdict: str) -> str:
        """The same in words."""
        return "; ".join(f"{c.what}: {c.found}: {c.remedy}" for c in self.of(verdict))


def signature(windows: Windows) -> dict[str, Any]:
    """What training data looks like, for a recognizer's card: small enough to print.

    For each three-axis sensor: quantiles (5, 50, 95 %) of the windows' mean length and deviation.
    For an accelerometer that feels gravity also `up`, the middle direction of gravity in calm
    windows, and `angle`, the degrees from it within which 95 % of them lie.
    """
    some = np.linspace(0, len(windows) - 1, min(len(windows), _MOST)).astype(int)
    return _signature(windows.values[some], windows.channels)


def _signature(values: Array, names: Sequence[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for axes in triads(names):
        block = values[:, :, axes].astype(np.float64)
        mean, moving = block.mean(axis=1), block.std(axis=1).max(axis=1)
        length = np.linalg.norm(mean, axis=1)
        sensor = names[axes[0]].rpartition("_")[0]
        out[sensor] = {"level": _quantiles(length), "deviation": _quantiles(moving)}
        calm = moving <= np.quantile(moving, _CALM)
        out[sensor]["calm level"] = round(float(np.median(length[calm])), 4)
        if sensor.rpartition(".")[2] == "acc":
            up, angle = _direction(mean[calm])
            out[sensor] |= {"up": [round(float(v), 3) for v in up], "angle": round(angle, 1)}
    return out


def _quantiles(values: Array) -> list[float]:
    return [round(float(q), 4) for q in np.quantile(values, [0.05, 0.5, 0.95])]


def _direction(means: Array) -> tuple[Array, float]:
    units = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    up = units.mean(axis=0)
    up = up / max(float(np.linalg.norm(up)), 1e-9)
    angles = np.degrees(np.arccos(np.clip(units @ up, -1, 1)))
    return up, float(np.quantile(angles, 0.95))


def fit(recording: Recording, recognizer: Recognizer) -> Suitability:
    """Whether `recording` suits `recognizer`: channels, rate, units, range, orientation, placement.

    What the recognizer was trained on is in its card; a card without (of an older Ambulo) leaves
    out what needs it. Raises nothing: what is wrong is in the result.
    """
    checks = [_channels(recording, recognizer), _rate(recording, recognizer)]
    if any(check.verdict == "refuse" for check in checks):
        return Suitability(tuple(checks))
    names = list(recognizer.windowing.channels or [c.name for c in recording.channels])
    chosen = recording.select(names)
    found = _signature(_blocks(chosen, recognizer.windowing.seconds), names)
    trained = recognizer.card.get("signal", {})
    for sensor, own in found.items():
        kind = sensor.rpartition(".")[2]
        if kind == "acc":
            checks.append(_gravity(sensor, own))
            mirror = recognizer.card.get("options", {}).get("mirror", "")
            checks.append(_orientation(sensor, own, trained.get(sensor, {}), mirror))
        if kind == "gyro":
            checks.append(_turns(sensor, chosen, names))
        checks.append(_range(sensor, own, trained.get(sensor, {})))
    checks += [_clipping(recording), _placement(recording, recognizer)]
    return Suitability(tuple(checks))


def _blocks(recording: Recording, seconds: float) -> Array:
    """At most 2000 evenly spread stretches of a window's length `(n, length, channels)`."""
    length = max(round(seconds * recording.rate), 2)
    n = len(recording) // length
    if not n:
        return recording.values[None]
    chosen = np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(int))
    return np.stack([recording.values[i * length : (i + 1) * length] for i in chosen])


def _channels(recording: Recording, recognizer: Recognizer) -> Check:
    have = [channel.name for channel in recording.channels]
    missing = [name for name in recognizer.windowing.channels or () if name not in have]
    if not missing:
        return Check("channels", "ok", ", ".join(recognizer.windowing.channels or have))
    remedy = "name its columns (--as columns.acc_x=NAME), or use a recognizer for its channels"
    if any(name.rpartition(".")[2].startswith("body_acc") for name in have):
        remedy = "its gravity was removed: record acceleration with gravity (TotalAcceleration)"
    found = f"lacks the channels {', '.join(missing)}; has {', '.join(have)}"
    return Check("channels", "refuse", found, remedy)


def _rate(recording: Recording, recognizer: Recognizer) -> Check:
    wanted = recognizer.windowing.rate or recording.rate
    found = f"{recording.rate:g} Hz, trained at {wanted:g} Hz"
    if recording.rate < 0.8 * wanted:
        return Check("rate", "refuse", found, f"record at {wanted:g} Hz or more")
    return Check("rate", "ok", found)


def _gravity(sensor: str, own: dict[str, Any]) -> Check:
    level = own["calm level"]
    found = f"calm stretches measure {level:.3g} m/s², gravity is {STANDARD_GRAVITY:.3g}"
    away = abs(level / STANDARD_GRAVITY - 1)
    if away < 0.15:
        return Check(f"gravity in {sensor}", "ok", found)
    remedy = "state its unit (--as unit.acc=g) or scale (--as scale.acc=…), or record gravity too"
    return Check(f"gravity in {sensor}", "doubt" if away < 0.4 else "refuse", found, remedy)


def _orientation(sensor: str, own: dict[str, Any], trained: dict[str, Any], mirror: str) -> Check:
    what = f"orientation of {sensor}"
    if "up" not in trained:
        return Check(what, "ok", "the recognizer's card says nothing of it")
    ways = itertools.product(*((1, -1) if axis in mirror else (1,) for axis in "xyz"))
    cosine = max(float(np.dot(own["up"], np.multiply(trained["up"], way))) for way in ways)
    angle = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    found = f"gravity lies {angle:.0f}° from where it lay in training"
    found += f" (there within {trained['angle']:.0f}°)"
    if angle <= max(trained["angle"], own["angle"]) + _ANGLE:
        return Check(what, "ok", found)
    if 180 - angle <= _ANGLE:
        remedy = "the sign may be turned (--as sign=ios), or the device was worn upside down"
    else:
        remedy = "wear the device as in training, or train with rotate=180"
    return Check(what, "doubt", found, remedy)


def _turns(sensor: str, recording: Recording, names: Sequence[str]) -> Check:
    own = [i for i, name in enumerate(names) if name.startswith(f"{sensor}_")]
    step = max(len(recording) // 1_000_000, 1)
    fast = float(np.quantile(np.abs(recording.values[::step, own]), 0.995))
    if fast <= FASTEST_TURN:
        return Check(f"unit of {sensor}", "ok", f"turns reach {fast:.3g} rad/s")
    remedy = "state its unit (--as unit.gyro=deg/s)"
    return Check(f"unit of {sensor}", "refuse", f"turns reach {fast:.3g} rad/s", remedy)


def _range(sensor: str, own: dict[str, Any], trained: dict[str, Any]) -> Check:
    what = f"range of {sensor}"
    if own["deviation"][2] == 0:
        return Check(what, "doubt", "it never moves", "look whether the device was worn and on")
    if "deviation" not in trained:
        return Check(what, "ok", "the recognizer's card says nothing of it")
    here, there = own["deviation"][2], trained["deviation"][2]
    found = f"movement reaches {here:.3g}, in training {there:.3g}"
    if here > 4 * max(there, 1e-6):
        return Check(what, "doubt", found, "state its unit, or use a recognizer for such movement")
    return Check(what, "ok", found)


def _clipping(recording: Recording) -> Check:
    cut = recording.notes.get("clipped", {})
    worst = max(cut.values(), default=0) / max(len(recording), 1)
    found = f"{100 * worst:.2g} % of samples stand at a channel's limit"
    if worst > 0.01:
        return Check("clipping", "doubt", found, "record with a larger range (as ±8 g)")
    return Check("clipping", "ok", found)


def _placement(recording: Recording, recognizer: Recognizer) -> Check:
    worn = recording.notes.get("placement")
    trained = list(recognizer.card.get("placements", ()))
    where = ", ".join(trained) or "a place its card does not say"
    if not worn:
        return Check("placement", "ok", f"not stated; the recognizer is for {where}")
    if not trained or worn.strip().lower().replace(" ", "_") in trained:
        return Check("placement", "ok", f"{worn}; the recognizer is for {where}")
    remedy = "use a recognizer for this placement, or train one"
    return Check("placement", "doubt", f"{worn}, but the recognizer is for {where}", remedy)
