"""What the names of columns say: `Acc X (g)`, `gyro.x`, `linear acceleration x (m/s^2)`, `gFx`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ambulo.errors import RecordingError
from ambulo.recording import Channel

ACC, GYRO, MAG = "acc", "gyro", "mag"
GRAVITY = "gravity"
"""A sensor that files have and recordings do not: with `body_acc` it makes `acc`."""


@dataclass(frozen=True)
class Column:
    """What a column's name says: placement, sensor, axis, and unit ('' where it says none).

    `named` tells that the name is one of Ambulo's own, whose unit and meaning are fixed.
    """

    name: str
    sensor: str
    axis: str
    placement: str = ""
    unit: str = ""
    named: bool = False

    @property
    def group(self) -> str:
        """Sensor and placement: columns that share it are axes of one sensor."""
        return f"{self.placement}.{self.sensor}" if self.placement else self.sensor


_BRACKETS = re.compile(r"[(\[]([^)\]]*)[)\]]")
_SHORT = {
    **{f"a{axis}": (ACC, axis, "") for axis in "xyz"},
    **{f"gf{axis}": (ACC, axis, "g") for axis in "xyz"},
    **{f"w{axis}": (GYRO, axis, "") for axis in "xyz"},
    **{f"g{axis}": (GYRO, axis, "") for axis in "xyz"},
    **{f"b{axis}": (MAG, axis, "") for axis in "xyz"},
    **{f"m{axis}": (MAG, axis, "") for axis in "xyz"},
}
_SENSORS = {
    GYRO: {"gyro", "gyr", "gyroscope", "rotationrate", "rotation", "angular", "angularvelocity"},
    MAG: {"mag", "magn", "magnetometer", "magnetic", "magneticfield"},
    ACC: {
        *("acc", "accel", "accelerometer", "accelerometers", "acceleration", "totalacceleration"),
        *("accelerations", "gforce", "useracceleration", "linearacceleration"),
    },
    GRAVITY: {"gravity", "grav"},
}
_BODY = {"linear", "lin", "user", "body", "useracceleration", "linearacceleration"}
_NOISE = {
    *("motion", "sensor", "device", "data", "value", "values", "raw", "rate", "velocity", "field"),
    *("total", "force", "including", "with", "without", "calibrated", "uncalibrated", "axis", "g"),
    *("includinggravity", "android", "type", "wearable"),
}
_AXES = {"x": "x", "y": "y", "z": "z", "alpha": "x", "beta": "y", "gamma": "z"}
_UNITS = {
    **dict.fromkeys(("g", "gs", "gravities"), "g"),
    **dict.fromkeys(("mg", "millig"), "mg"),
    **dict.fromkeys(
        ("m/s2", "m/s^2", "m/s²", "ms-2", "ms^-2", "m/s/s", "ms2", "mps2", "m*s^-2"), "m/s²"
    ),
    **dict.fromkeys(("deg/s", "d/s", "°/s", "dps", "degs", "deg/sec", "degrees/s"), "deg/s"),
    **dict.fromkeys(("mdps", "mdeg/s", "m°/s"), "mdeg/s"),
    **dict.fromkeys(("deg/min", "°/min", "degrees/min"), "deg/min"),
    **dict.fromkeys(("rpm", "rev/min", "1/min"), "rpm"),
    **dict.fromkeys(("rad/s", "rads", "rad/sec", "radians/s", "rps"), "rad/s"),
    **dict.fromkeys(("µt", "ut", "μt", "microtesla"), "µT"),
    **dict.fromkeys(("gauss",), "gauss"),
    **dict.fromkeys(("mgauss", "milligauss"), "mG"),
    **dict.fromkeys(("nt",), "nT"),
    **dict.fromkeys(("t", "tesla"), "T"),
    **dict.fromkeys(("mt", "millitesla"), "mT"),
    **dict.fromkeys(("mv",), "mV"),
}
TIME_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds", "millisecond"), "ms"),
    **dict.fromkeys(("us", "µs", "micros", "microseconds"), "us"),
    **dict.fromkeys(("ns", "nanos", "nanoseconds"), "ns"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
}


def unit_of(text: str) -> str:
    """Ambulo's spelling of a unit, '' where it is none that is known."""
    return _UNITS.get(text.strip().lower().replace(" ", ""), "")


def parse(name: str) -> Column | None:
    """What a column's name says, or None where it names no motion channel.

    A unit stands in brackets or last, as in `Acc X (g)`, `gyro_x_dps`; words that are neither
    sensor, axis nor unit are the placement, as in `left_wrist_acc_x`.
    """
    own = _own(name)
    if own:
        return own
    bare, unit = _split_unit(name)
    if bare.lower() in _SHORT:
        sensor, axis, usual = _SHORT[bare.lower()]
        return Column(name, sensor, axis, unit=unit or usual)
    words = _words(bare)
    if len(words) > 1 and words[-1] not in _AXES and unit_of(words[-1]):
        unit = unit or unit_of(words.pop())
    words = _apart(words)
    if not words or words[-1] not in _AXES:
        return None
    sensor = _sensor(words[:-1])
    axis = _AXES[words[-1]]
    if not sensor or (words[-1] not in "xyz" and sensor != GYRO):
        return None
    known = set().union(*_SENSORS.values()) | _BODY | _NOISE
    placement = "_".join(word for word in words[:-1] if word not in known and word.isascii())
    return Column(name, sensor, axis, placement, "mG" if (sensor, unit) == (MAG, "mg") else unit)


def unit_in(name: str) -> str:
    """The unit that stands in any column's name, '' where there is none that is known."""
    column = parse(name)
    return (column.unit if column else "") or _split_unit(name)[1]


def strange_unit(name: str) -> str:
    """What stands in brackets in a column's name as units do, and is none that is known; or ''."""
    said = _bracketed(name)
    return said if re.search(r"[/°²^]|lsb|count", said.lower()) and not unit_of(said) else ""


def _own(name: str) -> Column | None:
    try:
        channel = Channel(name)
    except RecordingError:
        return None
    axis = name.rpartition("_")[2]
    return Column(name, channel.sensor, axis, channel.placement, named=True)


def _bracketed(name: str) -> str:
    match = _BRACKETS.search(name)
    return match[1].strip() if match else ""


def _split_unit(name: str) -> tuple[str, str]:
    match = _BRACKETS.search(name)
    if not match:
        return name.strip(), ""
    return (name[: match.start()] + " " + name[match.end() :]).strip(), unit_of(match[1])


def _words(text: str) -> list[str]:
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    return [word.lower() for word in re.split(r"[^A-Za-z0-9²^/°µ]+", text) if word]


def _apart(words: list[str]) -> list[str]:
    """`accx` as `acc`, `x`; `xacc` and `x`, `acc` as `acc`, `x`."""
    every = set().union(*_SENSORS.values())
    if words and words[-1][:-1] in every and words[-1][-1] in "xyz":
        return [*words[:-1], words[-1][:-1], words[-1][-1]]
    if words and words[0] in ("x", "y", "z"):
        return [*words[1:], words[0]]
    return words


def _sensor(words: list[str]) -> str:
    found = set(words)
    for sensor in (GYRO, MAG, ACC, GRAVITY):
        if found & _SENSORS[sensor]:
            if sensor != ACC:
                return sensor
            return "body_acc" if found & _BODY else ACC
    return ""


_TIME = (
    *("time", "timestamp", "datetime", "date_time", "loggingtime", "time_ms", "seconds_elapsed"),
    *("elapsed", "elapsed_time", "t", "epoch", "unix", "date", "recorded_at", "created_at"),
)
_ACTIVITY = ("activity", "label", "activity_label", "class", "annotation", "state")
_SUBJECT = ("subject", "person", "user", "participant", "subject_id", "user_id")


def time_column(names: list[str]) -> tuple[str, str]:
    """The column that tells time, and the unit its name states: ('', '') where there is none."""
    found: dict[int, tuple[str, str]] = {}
    for name in names:
        bare, unit = time_unit(name)
        if bare in _TIME:
            found.setdefault(_TIME.index(bare), (name, unit))
        elif "timestamp" in bare and "gps" not in bare and "location" not in bare:
            found.setdefault(len(_TIME), (name, unit))
    return found[min(found)] if found else ("", "")


def time_unit(name: str) -> tuple[str, str]:
    """The name of a column of time without its unit, in small letters, and that unit or ''."""
    unit = TIME_UNITS.get(_bracketed(name).lower(), "")
    bare = re.sub(r"[(\[].*", "", name).strip().lower().replace(" ", "_")
    stem, _, last = bare.rpartition("_")
    if stem and last in TIME_UNITS:
        return stem, unit or TIME_UNITS[last]
    return bare, unit


def activity_column(names: list[str]) -> str | None:
    """The column that tells the activity, if there is one."""
    return _first(names, _ACTIVITY)


def subject_column(names: list[str]) -> str | None:
    """The column that tells the wearer, if there is one."""
    return _first(names, _SUBJECT)


def _first(names: list[str], wanted: tuple[str, ...]) -> str | None:
    by = {name.strip().lower(): name for name in reversed(names)}
    return next((by[name] for name in wanted if name in by), None)
