"""Research devices: Axivity .cwa, GENEActiv .bin, ActiGraph .gt3x, decoded by actfast.

Calibrated to 1 g from still periods where they allow it, with non-wear found and stated.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ambulo.errors import MissingExtraError, RecordingError
from ambulo.readers.finding import Finding, Settings, placed_at, told_rate
from ambulo.readers.grid import MAX_GAP, Stream, place
from ambulo.readers.meaning import Layout, Placed, finish
from ambulo.readers.names import Column
from ambulo.readers.source import LARGEST, Source
from ambulo.readers.wear import Calibration, calibrate, nonwear
from ambulo.recording import Gap, Recording

Array = npt.NDArray[Any]


def axivity(source: Source) -> bool:
    """Axivity AX3 or AX6: OpenMovement's CWA, whose header begins with MD."""
    return source.head[:2] == b"MD" and source.path.suffix.lower() == ".cwa"


def geneactiv(source: Source) -> bool:
    """GENEActiv: text pages of hexadecimal samples, after a header with the device's identity."""
    return source.head[:15] == b"Device Identity"


def actigraph(source: Source) -> bool:
    """ActiGraph GT3X: a zip of info.txt and log.bin."""
    return source.path.suffix.lower() == ".gt3x" and source.head[:2] == b"PK"


DEVICES = {"axivity": axivity, "geneactiv": geneactiv, "actigraph": actigraph}
"""Every kind of device file, and what knows it."""


@dataclass(frozen=True)
class Told:
    """What a device states: its `own` rate in Hz, and its clock; `rate` is that of the grid.

    `epoch` is what the clock showed at the first sample, in whole seconds since 1970 as if it were
    UTC, `east` its seconds east of UTC, and `how` both are known.
    """

    own: float
    rate: float
    max_gap: float
    epoch: float
    east: float
    how: tuple[Finding, ...]


OTHERWISE = 0.1
"""By which share the rate of a device's settings may differ from that of its samples."""


def read_device(name: str, source: Source, settings: Settings) -> Recording | None:
    """The recording of a device file of this name in `DEVICES`, None where it is another.

    Raises RecordingError where the file is damaged, MissingExtraError without actfast.
    """
    if not DEVICES[name](source):
        return None
    data = decode(source)
    sensors = [t for t in data["timeseries"].values() if "acceleration" in t]
    if not sensors or len(sensors[0]["datetime"]) < 3:
        raise RecordingError(f"{source.path}: holds no acceleration: download it again")
    fast = sensors[0]
    each = _each(data, fast["datetime"])
    told = tell(source, data, settings, fast["datetime"][::each], each)
    values = np.hstack([fast[name] for name in ("acceleration", "gyroscope") if name in fast])
    time = _smooth(fast["datetime"], told, each)
    names = tuple(column.name for column in columns(values.shape[1]))
    ordered, backwards, doubled = Stream(names, time, values).in_order()
    grid, gaps, pieces = place([ordered], told.rate, told.max_gap)
    fitted = calibrate(grid[:, :3], told.rate)
    worn = found(fitted, nonwear(grid[:, :3], told.rate), gaps)
    counts = {"rows": len(values), "rows_dropped": 0, "rows_out_of_order": backwards}
    counts["rows_of_the_same_time"] = doubled
    placed = placed_of(data, told, grid, gaps, pieces[0][0], worn, counts)
    return finished(source, placed, told, settings)


def tell(source: Source, data: Any, settings: Settings, datetime_ns: Array, each: int = 1) -> Told:
    """What the device states, or the user, and else its times in nanoseconds `(n,)` do.

    The times are those of every `each`th sample.
    """
    nominal, sure, why = _nominal(source, data, datetime_ns, each)
    said = Finding("rate", f"{nominal:g} Hz", sure, why, "rate=50")
    if settings.rate:
        said = told_rate(nominal, 0.0, settings)
    rate = placed_at(nominal, settings)
    epoch = float(int(datetime_ns[0]) // 1_000_000_000)
    clock, east = _zone(data, settings, epoch)
    return Told(
        nominal, rate, settings.max_gap or max(MAX_GAP, 2 / rate), epoch, east, (clock, said)
    )


def columns(count: int) -> tuple[Column, ...]:
    """The three columns of acceleration, and where there are six those of the gyroscope."""
    sensors = (("acceleration", "acc"), ("gyroscope", "gyro"))
    every = [Column(f"{name}_{axis}", sensor, axis) for name, sensor in sensors for axis in "xyz"]
    return tuple(every[:count])


def placed_of(
    data: Any,
    told: Told,
    values: Array,
    gaps: Sequence[Gap],
    start: float,
    worn: tuple[list[Finding], dict[str, Any]],
    counts: dict[str, int],
) -> Placed:
    """Samples on a grid that starts `start` s after `told.epoch`, calibrated, in g and deg/s."""
    return Placed(
        columns=columns(values.shape[1]),
        values=values,
        rate=told.rate,
        gaps=tuple(gaps),
        epoch=told.epoch + start - told.east,
        findings=(*told.how, *worn[0]),
        notes={**worn[1], **counts, "device": _facts(data)},
        subject=_subject(data),
    )


def finished(source: Source, placed: Placed, told: Told, settings: Settings) -> Recording:
    """The Recording, which starts at the time that the device's clock showed."""
    layout = Layout(
        title=str(placed.notes["device"]["format"]),
        units={"acc": "g", "gyro": "deg/s"},
        sign="android",
        sure="stated",
        why="these devices read +g upwards at rest",
    )
    whole = finish(source, placed, layout, settings)
    recording = whole.resampled(settings.rate or whole.rate)
    share = len(recording) / max(len(whole), 1)
    cut = {name: round(n * share) for name, n in whole.notes.get("clipped", {}).items()}
    recording = replace(recording, notes={**recording.notes, "clipped": cut})
    if recording.start is None or settings.zone:
        return recording
    zone = timezone(timedelta(seconds=told.east))
    return replace(recording, start=recording.start.astimezone(zone))


def decode(source: Source) -> Any:
    """What actfast finds in the file; raises what `read_device` does."""
    try:
        import actfast
    except ImportError as error:
        raise MissingExtraError("actfast", "devices") from error
    _check_size(source)
    try:
        return actfast.read(source.path)
    except (ValueError, OSError, OverflowError, MemoryError) as error:
        raise RecordingError(
            f"{source.path}: is damaged ({str(error)[:200]}): download it from the device again"
        ) from error
    except BaseException as error:  # a panic of the decoder, in Rust, is no Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise RecordingError(
            f"{source.path}: is damaged (the decoder gave up): download it from the device again"
        ) from error


def _check_size(source: Source) -> None:
    """Raise RecordingError for a zip, as ActiGraph's, that would fill the memory."""
    if not zipfile.is_zipfile(source.path):
        return
    try:
        with zipfile.ZipFile(source.path) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # which the decoder tells
    if size > LARGEST:
        raise RecordingError(f"{source.path}: would unpack to over 4 GiB: refused")


def _nominal(source: Source, data: Any, datetime_ns: Array, each: int) -> tuple[float, str, str]:
    """The rate that the device was set to, if its times agree, else theirs; how sure, and why."""
    step = float(np.median(np.diff(datetime_ns))) / 1e9 / each
    why = "its samples come so"
    for group, key in (
        ("configuration", "sample_rate_hz"),
        ("Configuration Info", "Measurement Frequency"),
        ("info", "Sample Rate"),
    ):
        text = data["metadata"].get(group, {}).get(key, "").split(" ")[0]
        try:
            stated = float(text)
        except ValueError:
            continue
        if 1 <= stated <= 10_000:
            if not 1e-4 <= step <= 1 or abs(stated * step - 1) <= OTHERWISE:
                return stated, "stated", "the device's settings"
            why += f", though its settings say {stated:g} Hz"
    if not 1e-4 <= step <= 1:
        raise RecordingError(f"{source.path}: its clock is damaged: download it again")
    return round(1 / step, 1), "measured", why


def _each(data: Any, datetime_ns: Array) -> int:
    """Samples in a block, which Axivity alone stamps; 1 where each sample has its time."""
    slow = data["timeseries"].get("low_frequency")
    blocks = 0 if slow is None else len(slow["datetime"])
    if data["format"] != "Axivity CWA" or blocks < 2 or len(datetime_ns) % blocks:
        return 1
    return len(datetime_ns) // blocks


def _smooth(datetime_ns: Array, told: Told, each: int) -> Array:
    """Seconds of every sample since `told.epoch`, spread evenly from block to block of `each`."""
    time = (datetime_ns - int(told.epoch) * 1_000_000_000) / 1e9
    return (
        np.asarray(time)
        if each == 1
        else spread(time[::each], steps(time[::each], each, told.own), each)
    )


def steps(begins: Array, each: int, rate: float) -> Array:
    """Seconds between the samples of each block `(n,)`; blocks of `each` begin at `begins`.

    Axivity stamps a block of samples; within it, actfast counts at the nominal rate, and a sensor
    that runs a little faster or slower would jump at each block. Where the next block begins
    within a tenth of where it should, samples are spread over what lies between; else, as before
    a gap, they are as far apart as usual.
    """
    between = np.append(np.diff(begins), np.inf) / each
    near = np.abs(between * rate - 1) < 0.1
    return np.where(near, between, np.median(between[near]) if near.any() else 1 / rate)


def spread(begins: Array, between: Array, each: int) -> Array:
    """Seconds of every sample of blocks that begin at `begins`, `between` apart: `(n * each,)`."""
    return np.asarray((begins[:, None] + np.arange(each) * between[:, None]).ravel())


def found(
    fitted: Calibration, unworn: Sequence[tuple[float, float]], gaps: Sequence[Gap]
) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and notes about calibration, and when the device was not worn."""
    spans = [span for start, end in unworn for span in _between(start, end, gaps)]
    hours = sum(end - start for start, end in spans) / 3600
    said = [
        Finding("calibration", fitted.said, "measured" if fitted.done else "assumed", fitted.why),
        Finding("not worn", f"{hours:.1f} h", "measured", "still for an hour or more (van Hees)"),
    ]
    return said, {"nonwear": spans, "calibration": fitted.said}


def _between(start: float, end: float, gaps: Sequence[Gap]) -> list[tuple[float, float]]:
    """When it was, between gaps and after the start, that samples `start` to `end` s in came."""
    out = []
    for gap in gaps:
        if gap.start >= end:
            break
        if gap.start > start:
            out.append((start, gap.start))
        missing = gap.end - gap.start
        start, end = max(start + missing, gap.end), end + missing
    return [*out, (start, end)]


def _zone(data: Any, settings: Settings, clock: float) -> tuple[Finding, float]:
    """How the device's clock, which shows local time, is told; and its seconds east of UTC.

    `clock` is what it showed at the start, in seconds since 1970 as if it were UTC.
    """
    meta = data["metadata"]
    text = meta.get("info", {}).get("TimeZone") or meta.get("Configuration Info", {}).get(
        "Time Zone", ""
    )
    hours, _, minutes = text.replace("GMT", "").strip().partition(":")
    try:
        east = 3600 * float(hours) + 60 * float(minutes[:2] or 0) * (-1 if "-" in hours else 1)
        if not abs(east) < 86400:
            raise ValueError("no clock is so far from UTC")
        return Finding("time", f"local, {text}", "stated", "the device's settings"), east
    except ValueError:
        local = datetime.fromtimestamp(clock, ZoneInfo("UTC")).replace(tzinfo=None)
    if settings.zone:
        offset = ZoneInfo(settings.zone).utcoffset(local) or timedelta(0)
        found = Finding("time", f"local in {settings.zone}", "stated", "you said so")
        return found, offset.total_seconds()
    said = "the device's clock names no zone"
    return Finding("time", "UTC", "assumed", said, "zone=Europe/Rome"), 0.0


def _facts(data: Any) -> dict[str, Any]:
    temperatures = [t["temperature"] for t in data["timeseries"].values() if "temperature" in t]
    facts: dict[str, Any] = {"format": str(data["format"])}
    if temperatures and len(temperatures[0]):
        low, middle, high = np.quantile(temperatures[0], [0.05, 0.5, 0.95])
        facts["temperature"] = {"p5": float(low), "median": float(middle), "p95": float(high)}
    return facts


def _subject(data: Any) -> str | None:
    meta = data["metadata"]
    name = meta.get("Subject Info", {}).get("Subject Code") or meta.get("info", {}).get(
        "Subject Name"
    )
    return str(name).strip("\x00 ") or None if name else None
