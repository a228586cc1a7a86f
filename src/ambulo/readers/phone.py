"""Logger apps for phones: which export it is, and what the app writes into it.

Core Motion (iOS) gives acceleration in g, with a sign such that a phone lying face up at rest
reads z = -1; Android gives m/s² and +9.81. Ambulo has Android's sign.
"""

from __future__ import annotations

from collections.abc import Callable

from ambulo.readers.meaning import Layout
from ambulo.readers.names import ACC, GRAVITY, GYRO, MAG
from ambulo.readers.source import Source

Find = Callable[[Source], Layout | None]

_LOGGER_FILES = {
    "totalacceleration": ACC,
    "accelerometer": "body_acc",
    "gravity": GRAVITY,
    "gyroscope": GYRO,
    "magnetometer": MAG,
}
_EVENTS = {
    **dict.fromkeys(("accelerometer", "type_accelerometer", "1"), ACC),
    **dict.fromkeys(("magnetic_field", "type_magnetic_field", "magnetometer", "2"), MAG),
    **dict.fromkeys(("gyroscope", "type_gyroscope", "4"), GYRO),
    **dict.fromkeys(("gravity", "type_gravity", "9"), GRAVITY),
    **dict.fromkeys(("linear_acceleration", "type_linear_acceleration", "10"), "body_acc"),
}
"""Names and numbers of Android's sensor types (Sensor.TYPE_ACCELEROMETER is 1, …)."""
_LOGGER_UNITS = {ACC: "m/s²", "body_acc": "m/s²", GRAVITY: "m/s²", GYRO: "rad/s", MAG: "µT"}


def sensor_logger(source: Source) -> Layout | None:
    """Sensor Logger (Kelvin Choi): zip, folder, or one sensor's CSV, with time in ns since 1970.

    Columns `time, seconds_elapsed, z, y, x`, or a JSON array of records that name their `sensor`
    and hold numbers as text; `Accelerometer` is without gravity on both systems,
    `TotalAcceleration` with it; on iOS all accelerations are negative of Android's unless
    Metadata.csv says that `standardisation` was on (README, UNITS, COORDINATES and CROSSPLATFORM
    of github.com/tszheichoi/awesome-sensor-logger). Without the phone's sensors it is a watch's
    `WristMotion`: Core Motion's, in g unless standardised, with gravity apart.
    """
    stems = {name: _stem(name) for name in source.tables}
    exported = [
        name
        for name, stem in stems.items()
        if stem in _LOGGER_FILES
        and {"time", "seconds_elapsed", "x", "y", "z"} <= set(source.tables[name].columns)
    ]
    watch = any(
        stem == "wristmotion" and {"accelerationX", "gravityX"} <= set(source.tables[name].columns)
        for name, stem in stems.items()
    )
    if not exported and not watch:
        return None
    said = _metadata(source)
    platform = said.get("platform", "").lower()
    standard = said.get("standardisation", "").lower() == "true"
    sign, sure, why = "", "assumed", "there is no Metadata.csv that names the platform"
    if platform in ("ios", "android"):
        sign = "ios" if platform == "ios" and not standard else "android"
        sure = "stated"
        why = f"Metadata.csv says {platform}" + (", standardised" if standard else "")
    if not exported:
        unit, sign = ("m/s²", "android") if standard else ("g", "ios")
        return Layout(
            title="Sensor Logger (Apple Watch)",
            sensors={"wristmotion": "?"},
            units={**_LOGGER_UNITS, ACC: unit, "body_acc": unit, GRAVITY: unit},
            sign=sign,
            sure="stated" if said else "assumed",
            why="WristMotion is Core Motion's" + (", standardised" if standard else ""),
            zone=_known_zone(said.get("recording timezone", "")),
        )
    return Layout(
        title=f"Sensor Logger ({platform or 'platform not stated'})",
        sensors=_LOGGER_FILES,
        units=_LOGGER_UNITS,
        sign=sign,
        sure=sure,
        why=why,
        zone=_known_zone(said.get("recording timezone", "")),
    )


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0].replace(" ", "").lower()


def _metadata(source: Source) -> dict[str, str]:
    for name, frame in source.tables.items():
        if _stem(name) == "metadata" and len(frame):
            row = frame.row(0, named=True)
            return {key.lower(): str(value or "").strip() for key, value in row.items()}
    return {}


def _known_zone(name: str) -> str | None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return None
    return name


def phyphox(source: Source) -> Layout | None:
    """phyphox: CSV, or a zip of one CSV a sensor with `meta/device.csv` and `meta/time.csv`.

    Columns `Time (s)`, `Acceleration x (m/s^2)`, `Linear Acceleration x (m/s^2)`,
    `Gyroscope x (rad/s)`, with comma, semicolon or tab (phyphox.org/wiki: Export, and the app's
    own experiments); `meta/time.csv` tells when START was, in seconds since 1970. The app writes
    iOS' acceleration as iOS has it in old versions, so on an iPhone the sign is assumed.
    """
    meta = {name for name in source.tables if name.startswith("meta/") or "/meta/" in name}
    columns = {
        c for name, frame in source.tables.items() if name not in meta for c in frame.columns
    }
    if "Time (s)" not in columns or not any(
        c.startswith(("Acceleration x", "Linear Acceleration x", "Gyroscope x", "X (m/s^2)"))
        for c in columns
    ):
        return None
    device = _pairs(source, "device.csv", "property", "value")
    model = device.get("deviceModel", "")
    apple = model.startswith(("iPhone", "iPad", "iPod"))
    known = bool(model) and not apple
    epoch, pauses = _started(source)
    return Layout(
        title=f"phyphox ({model or 'device not stated'})",
        sign="android",
        sure="stated" if known else "assumed",
        why=f"meta/device.csv says {model}" if model else "there is no meta/device.csv",
        epoch=epoch,
        pauses=pauses,
    )


def _pairs(source: Source, ending: str, key: str, value: str) -> dict[str, str]:
    for name, frame in source.tables.items():
        if name.endswith(ending) and {key, value} <= set(frame.columns):
            return {str(k): str(v) for k, v in frame.select(key, value).iter_rows()}
    return {}


def _started(source: Source) -> tuple[float | None, tuple[tuple[float, float], ...]]:
    """Seconds since 1970 at experiment time 0, and the pauses, by START in `meta/time.csv`.

    Experiment time stands still from PAUSE to the next START.
    """
    for name, frame in source.tables.items():
        if not (name.endswith("time.csv") and {"event", "system time"} <= set(frame.columns)):
            continue
        epochs: list[tuple[float, float]] = []
        for row in frame.filter(frame["event"] == "START").iter_rows(named=True):
            try:
                at = float(row.get("experiment time") or 0)
                epochs.append((at, float(row["system time"]) - at))
            except (TypeError, ValueError):
                break
        if epochs:
            first = epochs[0][1]
            return first, tuple((at, own - first) for at, own in epochs[1:] if own > first)
    return None, ()


def physics_toolbox(source: Source) -> Layout | None:
    """Physics Toolbox: CSV `time, gFx, gFy, gFz, TgF` (g), or with `wx` (rad/s), `Bx` (µT).

    Android totals the g-force as `TgF`, iOS as `gFTotal`, where a phone standing upright reads
    negative; without either the sign is assumed.
    """
    columns = {c for frame in source.tables.values() for c in frame.columns}
    if not {"gFx", "gFy", "gFz"} <= columns:
        return None
    told = {"gFTotal": "ios", "TgF": "android"}
    total = next((name for name in told if name in columns), "")
    return Layout(
        title="Physics Toolbox",
        units={ACC: "g", GYRO: "rad/s", MAG: "µT"},
        sign=told.get(total, ""),
        sure="measured" if total else "assumed",
        why=f"there is a column {total}" if total else "no column tells the platform",
    )


def sensorlog(source: Source) -> Layout | None:
    """SensorLog (Bernd Thomas, iOS): `loggingTime(txt)`, `accelerometerAccelerationX(G)`, ….

    Core Motion's units and sign; `motionUserAcceleration` is without gravity, `motionGravity`
    gravity alone (the column names carry the units; sensorlog.berndthomas.net).
    """
    columns = {c for frame in source.tables.values() for c in frame.columns}
    if not any(c.startswith(("accelerometerAcceleration", "motionUserAccel")) for c in columns):
        return None
    return Layout(
        title="SensorLog (iOS)",
        units={ACC: "g", "body_acc": "g", GRAVITY: "g", GYRO: "rad/s", MAG: "µT"},
        sign="ios",
        sure="stated",
        why="the app runs on iOS alone and writes Core Motion's values",
    )


def motion_json(source: Source) -> Layout | None:
    """JSON as the systems name it: Core Motion, Android's SensorEvent, or the web's DeviceMotion.

    Core Motion: `userAcceleration`, `gravity`, `rotationRate` with x, y, z (g, rad/s; Apple:
    CMDeviceMotion). Android: `sensor` or `type`, `timestamp` (ns since boot), `values` (m/s²,
    rad/s; Android: SensorEvent). Web: `accelerationIncludingGravity` (m/s²) and `rotationRate`
    with alpha, beta, gamma (deg/s, about x, y and z as browsers do it: w3c/deviceorientation, 43).
    """
    if not all(name.lower().endswith((".json", ".jsonl")) for name in source.tables):
        return None
    columns = {c for frame in source.tables.values() for c in frame.columns}
    if {_stem(name) for name in source.tables} & set(_EVENTS) and {"x", "y", "z"} <= columns:
        return Layout(
            title="Android's SensorEvents",
            sensors=_EVENTS,
            units=_LOGGER_UNITS,
            sign="android",
            sure="measured",
            why="records name a sensor and its values as Android does",
        )
    if "userAcceleration.x" in columns:
        return Layout(
            title="Core Motion's JSON",
            units={ACC: "g", "body_acc": "g", GRAVITY: "g", GYRO: "rad/s", MAG: "µT"},
            sign="ios",
            sure="stated",
            why="userAcceleration is Core Motion's name",
        )
    if "accelerationIncludingGravity.x" in columns:
        return Layout(
            title="the web's DeviceMotion",
            units={ACC: "m/s²", "body_acc": "m/s²", GYRO: "deg/s"},
            sign="",
            why="browsers on iOS differ from others; nothing tells which it was",
        )
    return None


def table(source: Source) -> Layout | None:
    """Any table whose columns are named as `ambulo.readers.names` understands."""
    return Layout()


LAYOUTS: dict[str, Find] = {
    "sensor-logger": sensor_logger,
    "phyphox": phyphox,
    "physics-toolbox": physics_toolbox,
    "sensorlog": sensorlog,
    "motion-json": motion_json,
    "table": table,
}
"""Every layout of tables, in the order in which they are tried."""
