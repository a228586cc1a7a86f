"""What the numbers show: units from gravity, gravity present or removed, axes that agree.

The calmest seconds of a recording are what is asked: there an accelerometer feels gravity alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.finding import Finding, Settings
from ambulo.readers.names import ACC, GYRO, MAG
from ambulo.recording import UNITS
from ambulo.signals import STANDARD_GRAVITY

Array = npt.NDArray[Any]

FACTORS = {
    ACC: {"m/s²": 1.0, "g": STANDARD_GRAVITY, "mg": STANDARD_GRAVITY / 1000},
    GYRO: {
        "rad/s": 1.0,
        "rpm": float(np.pi / 30),
        "deg/min": float(np.pi / 180 / 60),
        "mdeg/s": float(np.pi / 180 / 1000),
        "deg/s": float(np.pi / 180),
    },
    MAG: {"µT": 1.0, "gauss": 100.0, "mG": 0.1, "nT": 1e-3, "mT": 1e3, "T": 1e6},
    "ecg": {"mV": 1.0},
}
FACTORS["body_acc"] = FACTORS[ACC]
"""What a unit is multiplied with to become Ambulo's."""
FASTEST_TURN = 40.0
"""rad/s; gyroscopes in wearables end at 2000 deg/s = 35 rad/s, so more is degrees."""
_NEAR = 0.25
"""Relative deviation of calm acceleration from gravity within which a unit is believed."""
_BLOCKS = 2000
_STRIP = 1 << 20


def blocks(values: Array, length: int) -> Array:
    """At most 2000 evenly spread pieces of `length` samples: `(n, length, channels)` float64."""
    n = len(values) // length
    if not n:
        return np.asarray(values, np.float64)[None]
    chosen = np.unique(np.linspace(0, n - 1, min(n, _BLOCKS)).astype(int))
    return np.stack([values[i * length : (i + 1) * length] for i in chosen]).astype(np.float64)


def calm(values: Array, rate: float) -> Array:
    """Mean vectors `(n, 3)` of the calmest fifth of the seconds of acceleration `(samples, 3)`."""
    seconds = blocks(values, max(round(rate), 2))
    moving = seconds.std(axis=1).max(axis=1)
    still = moving <= np.quantile(moving, 0.2)
    return np.asarray(seconds[still].mean(axis=1))


def level(values: Array, rate: float) -> float:
    """The length of gravity as the calmest seconds show it, in the values' own unit."""
    return float(np.median(np.linalg.norm(calm(values, rate), axis=1)))


def acceleration(
    sensor: str,
    values: Array,
    rate: float,
    stated: tuple[str, str],
    settings: Settings,
    certain: bool = False,
) -> tuple[str, float, list[Finding]]:
    """What an accelerometer's `(samples, axes)` are: `acc` or `body_acc`, factor to m/s², why.

    `stated` is a unit that the file states, and where; `certain` tells that its writer is known to
    write it so, whatever the calm seconds show. Raises RecordingError for raw counts.
    """
    whole = values.shape[1] == 3
    calm_level = level(values, rate) if whole else float("nan")
    unit, factor, sure, why = _acc_unit(sensor, calm_level, stated, settings, certain)
    found = [Finding(f"unit of {sensor}", unit, sure, why, f"unit.{sensor}=g")]
    kind, sure, why = _gravity(sensor, calm_level * factor, settings)
    if certain and not settings.gravity:
        kind, sure, why = sensor, "stated", f"{stated[1]}; {why}"
    decided = "included" if kind == ACC else "removed"
    found.append(Finding(f"gravity in {sensor}", decided, sure, why, "gravity=included|removed"))
    return kind, factor, found


def _acc_unit(
    sensor: str, calm_level: float, stated: tuple[str, str], settings: Settings, certain: bool
) -> tuple[str, float, str, str]:
    said = settings.scale.get(sensor) or settings.scale.get(ACC)
    if said:
        return f"{said:g} m/s² a count", float(said), "stated", "you said so"
    unit = settings.unit.get(sensor) or settings.unit.get(ACC)
    if unit:
        return unit, factor_of(sensor, unit), "stated", "you said so"
    unit, where = stated
    shown = _shown(calm_level)
    why = f"calm seconds measure {calm_level:.3g}"
    if unit and shown and shown != unit and sensor == ACC and not certain:
        return shown, FACTORS[ACC][shown], "measured", f"{why}, though {where} says {unit}"
    if unit:
        return unit, FACTORS[ACC][unit], "stated", where
    if shown:
        return shown, FACTORS[ACC][shown], "measured", why
    if calm_level > 40:
        raise RecordingError(
            f"{why}: neither m/s² nor g nor mg, so these are raw counts; state the scale of "
            f"{sensor} in m/s² a count (scale.acc={STANDARD_GRAVITY / calm_level:.3g} if this is "
            "gravity)"
        )
    return "m/s²", 1.0, "assumed", why if np.isfinite(calm_level) else "no three axes to measure"


def _shown(calm_level: float) -> str:
    for unit, factor in FACTORS[ACC].items():
        if abs(calm_level * factor / STANDARD_GRAVITY - 1) < _NEAR:
            return unit
    return ""


def _gravity(sensor: str, calm_level: float, settings: Settings) -> tuple[str, str, str]:
    if settings.gravity:
        return (ACC if settings.gravity == "included" else "body_acc"), "stated", "you said so"
    if not np.isfinite(calm_level):
        return sensor, "assumed", "no three axes to measure"
    why = f"calm seconds measure {calm_level:.3g} m/s²"
    if abs(calm_level / STANDARD_GRAVITY - 1) < _NEAR:
        return ACC, "stated" if sensor == ACC else "measured", why
    if calm_level < 0.25 * STANDARD_GRAVITY:
        sure = "measured" if calm_level < 0.05 * STANDARD_GRAVITY else "assumed"
        return "body_acc", "stated" if sensor == "body_acc" else sure, why
    return sensor, "assumed", why + ", which is neither 9.81 nor 0"


def factor_of(sensor: str, unit: str) -> float:
    """What values in `unit` are multiplied with; RecordingError for one the sensor cannot have."""
    from ambulo.readers.names import unit_of

    known = FACTORS.get(sensor, {})
    name = unit_of(str(unit))
    if name not in known:
        raise RecordingError(f"unit.{sensor}={unit!r}: choose from {', '.join(known)}")
    return known[name]


def other(
    sensor: str,
    values: Array,
    rate: float,
    stated: tuple[str, str],
    settings: Settings,
    acc: Array | None,
) -> tuple[float, list[Finding]]:
    """The factor to Ambulo's unit of a sensor that is no accelerometer, and how it was found.

    `acc` is the acceleration `(samples, 3)` in m/s² on the same grid, where there is one.
    """
    if settings.scale.get(sensor):
        factor = float(settings.scale[sensor])
        return factor, [
            _unit(sensor, f"{factor:g} {UNITS[sensor]} a count", "stated", "you said so")
        ]
    if settings.unit.get(sensor):
        unit = settings.unit[sensor]
        return factor_of(sensor, unit), [_unit(sensor, unit, "stated", "you said so")]
    if stated[0] in FACTORS[sensor]:
        unit, where = stated
        return FACTORS[sensor][unit], [_unit(sensor, unit, "stated", where)]
    if sensor == GYRO:
        return _turn_unit(values, rate, acc)
    return 1.0, [_unit(sensor, UNITS[sensor], "assumed", "nothing says otherwise")]


def _unit(sensor: str, unit: str, sure: str, why: str) -> Finding:
    other_unit = list(FACTORS[sensor])[-1]
    return Finding(f"unit of {sensor}", unit, sure, why, f"unit.{sensor}={other_unit}")


def _turn_unit(values: Array, rate: float, acc: Array | None) -> tuple[float, list[Finding]]:
    fast = float(np.quantile(np.abs(blocks(values, max(round(rate), 2))), 0.995))
    degrees = FACTORS[GYRO]["deg/s"]
    if fast > FASTEST_TURN:
        why = f"turns of {fast:.3g} are faster than any sensor in rad/s"
        return degrees, [_unit(GYRO, "deg/s", "measured", why)]
    if acc is not None and values.shape[1] == 3:
        scale, likeness = turning(acc, values, rate)
        if abs(likeness) > 0.5:
            unit = "deg/s" if abs(scale) < 0.13 else "rad/s"  # geometric middle of 1 and π/180
            why = f"gravity turns {abs(scale):.2g} rad/s for each of it"
            return FACTORS[GYRO][unit], [_unit(GYRO, unit, "measured", why)]
    return 1.0, [_unit(GYRO, "rad/s", "assumed", f"turns reach {fast:.3g}")]


def turning(acc: Array, gyro: Array, rate: float) -> tuple[float, float]:
    """How gravity's turning in the sensor follows the gyroscope: `(factor to rad/s, likeness)`.

    A vector that is fixed in the world moves in a turning sensor as du/dt = -ω × u, so the slope
    of one on the other is 1 for rad/s, and the correlation, from -1 to 1, is near 1 where the two
    sensors have the same axes, whatever the sign of acceleration.
    """
    step = max(round(rate / 10), 1)
    n = min(len(acc), 600 * round(max(rate, 1))) // step
    if n < 20:
        return 1.0, 0.0
    up = acc[: n * step].reshape(n, step, 3).astype(np.float64).mean(axis=1)
    omega = gyro[: n * step].reshape(n, step, 3).astype(np.float64).mean(axis=1)
    up = (up[:-2] + up[1:-1] + up[2:]) / 3
    up /= np.maximum(np.linalg.norm(up, axis=1, keepdims=True), 1e-9)
    omega = omega[1:-1]
    change = (up[2:] - up[:-2]) * rate / step / 2
    expected = -np.cross(omega, up)[1:-1]
    power, own = float((expected**2).sum()), float((change**2).sum())
    both = float((expected * change).sum())
    if not (power > 0 and own > 0):
        return 1.0, 0.0
    return both / power, both / float(np.sqrt(power * own))


def clipped(values: Array, low: Array, high: Array) -> Array:
    """Samples of each channel that stand at its extreme for three samples or more `(channels,)`.

    `low` and `high` are each channel's extremes.
    """
    out = np.zeros(values.shape[1], int)
    for i, column in enumerate(values.T):
        for edge in {float(low[i]), float(high[i])} - {0.0}:
            for first in range(0, len(column) if low[i] < high[i] else 0, _STRIP):
                at = column[first : first + _STRIP] == edge
                many = int(np.count_nonzero(at))
                if many > 2 and (at[:-2] & at[1:-1] & at[2:]).any():
                    out[i] += many
    return out
