"""What a reader decided about a file, how sure it is, and how a user says otherwise."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

from ambulo.errors import RecordingError
from ambulo.readers.names import parse
from ambulo.recording import UNITS

SURE = ("stated", "measured", "assumed")
"""The file or the user says so; the numbers show it; neither does, so it is worth a look."""
NEAR = 0.05
"""Relative deviation of a stated rate from that of the samples which is none."""


@dataclass(frozen=True)
class Finding:
    """One decision: what it is about, what was decided, how sure (see `SURE`), and why.

    `override` is what to give to `read` (or to `--as`, or in a TOML file) to decide otherwise.
    """

    what: str
    decided: str
    sure: str
    why: str
    override: str = ""

    def __str__(self) -> str:
        otherwise = f" [otherwise: --as {self.override}]" if self.override else ""
        return f"{self.what}: {self.decided} ({self.sure}: {self.why}){otherwise}"


@dataclass(frozen=True)
class Settings:
    """What a user states about a file, in place of what would be found in it.

    `rate` in Hz, to which faster samples are filtered; `subject`, `placement`: the wearer, and
    where the device was worn; `unit`: of a sensor, as `{"acc": "g"}`; `scale`: Ambulo's unit per
    count of a sensor, as `{"acc": 0.0024}`;
    `gravity`: "included" or "removed"; `sign`: "android" (at rest the upward axis reads +g) or
    "ios" (it reads -g); `time`: the unit of the time column, s, ms, us, ns, min or h; `zone`: the
    time zone of wall times, as "Europe/Rome"; `dates`: "day-first" or "month-first", for 5/3/2026;
    `columns`: a column for a channel or for time, as `{"acc_x": "A1"}`; `max_gap`: seconds above
    which a pause is a gap; `activity`: one activity for all of it; `intervals`: a file with the
    columns start, end, activity, beside the recording.
    """

    rate: float | None = None
    subject: str | None = None
    placement: str | None = None
    unit: Mapping[str, str] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    gravity: str | None = None
    sign: str | None = None
    time: str | None = None
    zone: str | None = None
    dates: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    max_gap: float | None = None
    activity: str | None = None
    intervals: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in _ALLOWED.items():
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise RecordingError(f"{name}={value!r}: choose from {', '.join(allowed)}")
        for name in ("unit", "scale", "columns"):
            if not isinstance(getattr(self, name), Mapping):
                raise RecordingError(f"{name} is a table: write {name}.acc=…, or {{'acc': …}}")
        for name in ("unit", "scale"):
            unknown = [key for key in getattr(self, name) if key not in UNITS]
            if unknown:
                raise RecordingError(
                    f"{name}.{unknown[0]}: there is no such sensor: choose from {', '.join(UNITS)}"
                )
        unknown = [key for key in self.columns if key != "time" and not parse(key)]
        if unknown:
            raise RecordingError(
                f"columns.{unknown[0]}: there is no such channel: write time, or SENSOR_AXIS as in "
                "acc_x, left_ankle.gyro_z"
            )
        for name in ("subject", "placement", "zone", "activity", "intervals"):
            if not isinstance(getattr(self, name), str | None):
                raise RecordingError(f"{name}={getattr(self, name)!r}: must be text")
        numbers = {"rate": (self.rate, 1e5), "max_gap": (self.max_gap, 1e9)}
        numbers |= {f"scale.{key}": (value, 1e12) for key, value in self.scale.items()}
        for name, (number, top) in numbers.items():
            if number is not None and not (_is_number(number) and 0 < number < top):
                what = "samples per second" if name == "rate" else "a number above 0"
                raise RecordingError(f"{name}={number!r} cannot be: give {what}")
        _zone(self.zone)


_ALLOWED = {
    "gravity": ("included", "removed"),
    "sign": ("android", "ios"),
    "time": ("s", "ms", "us", "ns", "min", "h"),
    "dates": ("day-first", "month-first"),
}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _zone(name: str | None) -> None:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError) as error:
        raise RecordingError(
            f"zone='{name}' is no time zone that is known here: write it as in Europe/Rome"
        ) from error


def placed_at(rate: float, settings: Settings) -> float:
    """The rate of the grid for samples at `rate` Hz: the stated one, unless they are faster."""
    stated = settings.rate or rate
    return rate if rate > (1 + NEAR) * stated else stated


def told_rate(rate: float, jitter: float, settings: Settings) -> Finding:
    """The rate in Hz, and by how much of a step the steps between samples deviate from it."""
    if settings.rate:
        why = "you said so"
        if abs(rate / settings.rate - 1) > NEAR:
            why += f", though samples come at {rate:g} Hz"
        return Finding("rate", f"{settings.rate:g} Hz", "stated", why, "rate=50")
    why = f"steps deviate by {100 * jitter:.1f} % from 1/{rate:g} s"
    return Finding("rate", f"{rate:g} Hz", "stated" if jitter < 0.2 else "measured", why, "rate=50")


def bare(name: str) -> str:
    """A file's name or address without its ending: `monday` of `monday.csv` and `monday.csv.gz`."""
    inner = name[:-3] if name.lower().endswith(".gz") else name
    return inner.removesuffix(PurePosixPath(inner).suffix)


def settings(path: Path, given: Mapping[str, Any]) -> Settings:
    """What is stated about the file at `path`: in the TOML file beside it, and, over it, `given`.

    `monday.toml` speaks of `monday.csv` and `monday.csv.gz`; its keys are the fields of `Settings`.
    """
    beside = path.with_name(bare(path.name) + ".toml")
    known = {item.name for item in fields(Settings)}
    stated: dict[str, Any] = {}
    if beside != path and path.suffix and beside.is_file():
        try:
            stated = tomllib.loads(beside.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError, RecursionError) as error:
            raise RecordingError(f"{beside}: is not a TOML file ({error}): repair it") from error
    for name, where in [*((n, beside) for n in stated), *((n, path) for n in given)]:
        if name not in known:
            raise RecordingError(
                f"{where}: '{name}' cannot be stated about a recording: choose from "
                f"{', '.join(sorted(known))}"
            )
    try:
        first = Settings(**stated)
    except RecordingError as error:
        raise RecordingError(f"{beside}: {error}") from error
    try:
        return replace(first, **{name: v for name, v in given.items() if v is not None})
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from error
