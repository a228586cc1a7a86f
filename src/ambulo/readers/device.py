"""Research devices: Axivity .cwa, GENEActiv .bin, ActiGraph .gt3x, decoded by actfast.

Calibrated to 1 g from still periods where they allow it, with non-wear found and stated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import MissingExtraError, RecordingError
from ambulo.readers.finding import Finding, Settings
from ambulo.readers.grid import MAX_GAP, Stream, place
from ambulo.readers.meaning import Layout, Placed, finish
from ambulo.readers.names import Column
from ambulo.readers.source import Source
from ambulo.readers.wear import calibrate, nonwear
from ambulo.recording import Recording

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
_ENDINGS = (".cwa", ".gt3x", ".bin")


def read_device(name: str, source: Source, settings: Settings) -> Recording | None:
    """The recording of a device file of this name in `DEVICES`, None where it is another.

    Raises RecordingError where the file is damaged, MissingExtraError without actfast.
    """
    if not DEVICES[name](source):
        return None
    data = _decode(source)
    sensors = [t for t in data["timeseries"].values() if "acceleration" in t]
    if not sensors or len(sensors[0]["datetime"]) < 3:
        raise RecordingError(f"{source.path}: holds no acceleration: download it again")
    fast = sensors[0]
    rate = settings.rate or _nominal(source, data, fast["datetime"])
    epoch = float(int(fast["datetime"][0]) // 1_000_000_000)
    time = _smooth(data, fast["datetime"], epoch, rate)
    names = [f"{sensor}_{axis}" for sensor in ("acceleration", "gyroscope") for axis in "xyz"]
    values = np.hstack([fast[s] for s in ("acceleration", "gyroscope") if s in fast])
    stream, backwards, doubled = Stream(tuple(names[: values.shape[1]]), time, values).in_order()
    max_gap = settings.max_gap or max(MAX_GAP, 2 / rate)
    placed, gaps, pieces = place([stream], rate, max_gap)
    found, notes = _worn(placed, rate)
    clock, seconds_east = _zone(data, settings)
    columns = [Column(n, n[:3] if n[0] == "a" else "gyro", n[-1]) for n in stream.names]
    said = [Finding("rate", f"{rate:g} Hz", "stated", "the device's settings", "rate=50")]
    counts = {"rows": len(values), "rows_dropped": 0, "rows_out_of_order": backwards}
    notes |= {**counts, "rows_of_the_same_time": doubled, "device": _facts(data)}
    return finish(
        source,
        Placed(
            columns=tuple(columns),
            values=placed,
            rate=rate,
            gaps=tuple(gaps),
            epoch=epoch + pieces[0][0] - seconds_east,
            findings=(clock, *said, *found),
            notes=notes,
            subject=_subject(data),
        ),
        Layout(
            title=str(data["format"]),
            units={"acc": "g", "gyro": "deg/s"},
            sign="android",
            sure="stated",
            why="these devices read +g upwards at rest",
        ),
        settings,
    )


def _decode(source: Source) -> Any:
    try:
        import actfast
    except ImportError as error:
        raise MissingExtraError("actfast", "devices") from error
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


def _nominal(source: Source, data: Any, datetime_ns: Array) -> float:
    """The rate that the device was set to, else that of its times."""
    for group, key in (
        ("configuration", "sample_rate_hz"),
        ("Configuration Info", "Measurement Frequency"),
        ("info", "Sample Rate"),
    ):
        text = data["metadata"].get(group, {}).get(key, "").split(" ")[0]
        try:
            if 1 <= float(text) <= 10_000:
                return float(text)
        except ValueError:
            continue
    step = float(np.median(np.diff(datetime_ns))) / 1e9
    if not 1e-4 <= step <= 1:
        raise RecordingError(f"{source.path}: its clock is damaged: download it again")
    return round(1 / step, 1)


def _smooth(data: Any, datetime_ns: Array, epoch: float, rate: float) -> Array:
    """Seconds of every sample, spread evenly from block to block.

    Axivity stamps a block of samples; within it, actfast counts at the nominal rate, and a sensor
    that runs a little faster or slower would jump at each block. Where the next block begins
    within a tenth of where it should, samples are spread over what lies between.
    """
    time = (datetime_ns - int(epoch) * 1_000_000_000) / 1e9
    slow = data["timeseries"].get("low_frequency")
    blocks = 0 if slow is None else len(slow["datetime"])
    if data["format"] != "Axivity CWA" or blocks < 2 or len(time) % blocks:
        return np.asarray(time)
    each = len(time) // blocks
    begins = time[::each]
    steps = np.diff(begins) / each
    steps = np.where(np.abs(steps * rate - 1) < 0.1, steps, 1 / rate)
    steps = np.append(steps, np.median(steps))
    return np.asarray((begins[:, None] + np.arange(each) * steps[:, None]).ravel())


def _worn(values: Array, rate: float) -> tuple[list[Finding], dict[str, Any]]:
    """Calibrate acceleration in g in place, and find when the device was not worn."""
    acc = values[:, :3]
    fitted = calibrate(acc, rate)
    spans = nonwear(acc, rate)
    hours = sum(end - start for start, end in spans) / 3600
    found = [
        Finding("calibration", fitted.said, "measured" if fitted.done else "assumed", fitted.why),
        Finding("not worn", f"{hours:.1f} h", "measured", "still for an hour or more (van Hees)"),
    ]
    return found, {"nonwear": spans, "calibration": fitted.said}


def _zone(data: Any, settings: Settings) -> tuple[Finding, float]:
    """How the device's clock, which shows local time, is told; and its seconds east of UTC."""
    meta = data["metadata"]
    text = meta.get("info", {}).get("TimeZone") or meta.get("Configuration Info", {}).get(
        "Time Zone", ""
    )
    sign, _, rest = text.replace("GMT", "").strip().partition(":")
    if settings.zone:
        return Finding("time", f"local in {settings.zone}", "stated", "you said so"), 0.0
    try:
        hours, minutes = float(sign), float(rest[:2] or 0)
    except ValueError:
        said = "the device's clock names no zone"
        return Finding("time", "UTC", "assumed", said, "zone=Europe/Rome"), 0.0
    east = 3600 * hours + (60 * minutes if hours >= 0 else -60 * minutes)
    return Finding("time", f"local, {text}", "stated", "the device's settings"), east


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
