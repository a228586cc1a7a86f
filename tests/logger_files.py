"""Files as logger apps and devices write them, all of one motion: written here, read by Ambulo.

Every writer takes a folder and gives the path it wrote. `MOTION` is what a reader must find.
"""

from __future__ import annotations

import gzip
import json
import struct
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from ambulo.datasets.synthetic import make

G = 9.80665
RATE = 50.0
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
EPOCH = START.timestamp()

_person = make(people=1, minutes=0.5, rate=RATE, seed=3)[0]
ACC = np.round(_person.values[:, :3].astype(float), 5)
GYRO = np.round(_person.values[:, 3:].astype(float), 5)
GRAVITY = np.round(np.full_like(ACC, 1.0) * ACC.mean(axis=0) / np.linalg.norm(ACC.mean(0)) * G, 5)
BODY = np.round(ACC - GRAVITY, 5)
TIME = np.arange(len(ACC)) / RATE
MOTION = np.hstack([ACC, GYRO]).astype(np.float32)


def csv(columns: dict[str, object], separator: str = ",") -> str:
    return pl.DataFrame(columns).write_csv(separator=separator)


def _logger(values: np.ndarray) -> str:
    nanoseconds = (EPOCH * 1e9 + np.round(TIME * 1e9)).astype(np.int64)
    z, y, x = values.T[::-1]
    return csv({"time": nanoseconds, "seconds_elapsed": TIME, "z": z, "y": y, "x": x})


def _metadata(platform: str, standard: str = "false") -> str:
    return (
        "version,device name,recording epoch time,recording time,recording timezone,platform,"
        "appVersion,device id,sensors,sampleRateMs,standardisation,platform version\n"
        f"3,Phone,1,2026-03-01_09-00-00,Europe/Rome,{platform},1.64,x,Accelerometer,20,{standard},1\n"
    )


def _logger_files(platform: str, standard: str = "false") -> dict[str, str]:
    sign = -1 if platform == "ios" and standard == "false" else 1
    return {
        "Metadata.csv": _metadata(platform, standard),
        "Accelerometer.csv": _logger(sign * BODY),
        "Gravity.csv": _logger(sign * GRAVITY),
        "TotalAcceleration.csv": _logger(sign * ACC),
        "Gyroscope.csv": _logger(GYRO),
        "Annotation.csv": "time,seconds_elapsed,text,millisecond_press_duration\n",
    }


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def sensor_logger_android(folder: Path) -> Path:
    return zipped(folder / "logger_android.zip", _logger_files("android"))


def sensor_logger_ios(folder: Path) -> Path:
    return zipped(folder / "logger_ios.zip", _logger_files("ios"))


def sensor_logger_standardised(folder: Path) -> Path:
    return zipped(folder / "logger_standard.zip", _logger_files("ios", "true"))


def sensor_logger_without_total(folder: Path) -> Path:
    files = _logger_files("ios")
    del files["TotalAcceleration.csv"]
    return zipped(folder / "logger_parts.zip", files)


def sensor_logger_folder(folder: Path) -> Path:
    path = folder / "2026-03-01_09-00-00"
    path.mkdir(exist_ok=True)
    for name, text in _logger_files("android").items():
        (path / name).write_text(text)
    return path


def sensor_logger_json(folder: Path) -> Path:
    said = {"sensor": "Metadata", "platform": "ios", "recording timezone": "Europe/Rome"}
    rows: list[dict[str, str]] = [said]
    for sensor, values in (("TotalAcceleration", -ACC), ("Gyroscope", GYRO)):
        for t, (x, y, z) in zip(TIME, values, strict=True):
            when = {"time": str(int(EPOCH * 1e9 + round(t * 1e9))), "seconds_elapsed": str(t)}
            rows.append({"sensor": sensor, **when, "z": str(z), "y": str(y), "x": str(x)})
    path = folder / "logger.json"
    path.write_text(json.dumps(rows))
    return path


_PHYPHOX_TIME = (
    '"event","experiment time","system time","system time text"\n'
    f'"START",0.0E0,{EPOCH:.3f},"2026-03-01 10:00:00.000 UTC+01:00"\n'
)


def _phyphox(device: str, separator: str = ",") -> dict[str, str]:
    acc = {f"Acceleration {a} (m/s^2)": ACC[:, i] for i, a in enumerate("xyz")}
    gyro = {f"Gyroscope {a} (rad/s)": GYRO[:, i] for i, a in enumerate("xyz")}
    total = {"Absolute acceleration (m/s^2)": np.linalg.norm(ACC, axis=1)}
    return {
        "Accelerometer.csv": csv({"Time (s)": TIME, **acc, **total}, separator),
        "Gyroscope.csv": csv({"Time (s)": TIME, **gyro}, separator),
        "meta/device.csv": f'"property","value"\n"version","1.2.0"\n"deviceModel","{device}"\n',
        "meta/time.csv": _PHYPHOX_TIME,
    }


def phyphox_android(folder: Path) -> Path:
    return zipped(folder / "phyphox.zip", _phyphox("Pixel 6a"))


def phyphox_ios(folder: Path) -> Path:
    return zipped(folder / "phyphox_ios.zip", _phyphox("iPhone14,2"))


def phyphox_comma(folder: Path) -> Path:
    """As German settings export it: semicolons, and decimal commas."""
    files = _phyphox("Pixel 6a", ";")
    tables = ("Accelerometer.csv", "Gyroscope.csv")
    files |= {name: files[name].replace(".", ",") for name in tables}
    return zipped(folder / "phyphox_comma.zip", files)


def physics_toolbox_android(folder: Path) -> Path:
    g = {f"gF{a}": ACC[:, i] / G for i, a in enumerate("xyz")}
    turns = {f"w{a}": GYRO[:, i] for i, a in enumerate("xyz")}
    path = folder / "toolbox.csv"
    path.write_text(csv({"time": TIME, **g, "TgF": np.linalg.norm(ACC, axis=1) / G, **turns}))
    return path


def physics_toolbox_ios(folder: Path) -> Path:
    g = {f"gF{a}": -ACC[:, i] / G for i, a in enumerate("xyz")}
    turns = {f"w{a}": GYRO[:, i] for i, a in enumerate("xyz")}
    clock = [f"2026-03-01 09:00:{t:07.4f}" for t in TIME]
    path = folder / "toolbox_ios.csv"
    path.write_text(csv({"time": clock, **g, "gFTotal": np.linalg.norm(ACC, axis=1) / G, **turns}))
    return path


def sensorlog(folder: Path) -> Path:
    acc = {f"accelerometerAcceleration{a}(G)": -ACC[:, i] / G for i, a in enumerate("XYZ")}
    turns = {f"motionRotationRate{a}(rad/s)": GYRO[:, i] for i, a in enumerate("XYZ")}
    user = {f"motionUserAcceleration{a}(G)": -BODY[:, i] / G for i, a in enumerate("XYZ")}
    clock = [f"2026-03-01 10:00:{t:06.3f} +0100" for t in TIME]
    head = {"loggingTime(txt)": clock, "loggingSample(N)": np.arange(len(TIME))}
    boot = {"accelerometerTimestamp_sinceReboot(s)": 62608 + TIME}
    path = folder / "sensorlog.csv"
    path.write_text(csv({**head, **boot, **acc, **user, **turns, "motionYaw(rad)": TIME}))
    return path


def core_motion_json(folder: Path) -> Path:
    rows = [
        {
            "timestamp": 62608 + t,
            "userAcceleration": dict(zip("xyz", (-b / G).tolist(), strict=True)),
            "gravity": dict(zip("xyz", (-g / G).tolist(), strict=True)),
            "rotationRate": dict(zip("xyz", w.tolist(), strict=True)),
        }
        for t, b, g, w in zip(TIME, BODY, GRAVITY, GYRO, strict=True)
    ]
    path = folder / "motion.json"
    path.write_text(json.dumps(rows))
    return path


def android_json(folder: Path) -> Path:
    rows = [
        {"sensor": name, "timestamp": 9_000_000_000 + round(t * 1e9), "values": v.tolist()}
        for t, a, w in zip(TIME, ACC, GYRO, strict=True)
        for name, v in (("android.sensor.accelerometer", a), ("android.sensor.gyroscope", w))
    ]
    path = folder / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def device_motion_json(folder: Path) -> Path:
    turns = np.degrees(GYRO)
    rows = [
        {
            "time": t * 1000,
            "accelerationIncludingGravity": dict(zip("xyz", a.tolist(), strict=True)),
            "rotationRate": dict(zip(("alpha", "beta", "gamma"), w.tolist(), strict=True)),
        }
        for t, a, w in zip(TIME, ACC, turns, strict=True)
    ]
    path = folder / "web.json"
    path.write_text(json.dumps({"events": rows}))
    return path


def plain_g_and_degrees(folder: Path) -> Path:
    acc = {f"Acc {a} (g)": ACC[:, i] / G for i, a in enumerate("XYZ")}
    turns = {f"Gyro {a} (deg/s)": np.degrees(GYRO[:, i]) for i, a in enumerate("XYZ")}
    path = folder / "plain.tsv.gz"
    path.write_bytes(gzip.compress(csv({"time_ms": TIME * 1000, **acc, **turns}, "\t").encode()))
    return path


def plain_unsaid(folder: Path) -> Path:
    """Nothing states the unit: g, and milliseconds, must be found in the numbers."""
    acc = {f"accelerometer_{a}": ACC[:, i] / G for i, a in enumerate("xyz")}
    turns = {f"gyro.{a}": GYRO[:, i] for i, a in enumerate("xyz")}
    path = folder / "unsaid.csv"
    path.write_text("# made by a logger\n" + csv({"timestamp": TIME * 1000, **acc, **turns}))
    return path


def own_parquet(folder: Path) -> Path:
    names = [f"{s}_{a}" for s in ("acc", "gyro") for a in "xyz"]
    path = folder / "own.parquet"
    columns = {n: MOTION[:, i] for i, n in enumerate(names)}
    pl.DataFrame({"time": TIME, **columns}).write_parquet(path)
    return path


def own_feather(folder: Path) -> Path:
    path = folder / "own.feather"
    pl.read_parquet(own_parquet(folder)).write_ipc(path)
    return path


_AX = struct.Struct("<HHHIIIHHBBBBhH480s")


def _packed(seconds: float) -> tuple[int, int]:
    """OpenMovement's packed time, and the fraction of a second in 1/32768 with its flag."""
    t = datetime.fromtimestamp(int(seconds), UTC)
    packed = (t.year - 2000) << 26 | t.month << 22 | t.day << 17
    return packed | t.hour << 12 | t.minute << 6 | t.second, 0x8000 | int(seconds % 1 * 32768)


def cwa(
    path: Path,
    samples: np.ndarray,
    layout: int = 0x62,
    scales: int = 0b0110100000000000,  # acceleration in 1/2^(8+3) g, turns of ±8000/2^2 deg/s
    rate: int = 50,
    late: Callable[[int], float] = lambda block: 0.0,
) -> Path:
    """OpenMovement's CWA: a header of 1024 bytes, then blocks of 512, each `late` by some seconds.

    `samples` are counts `(n, axes)` int16, or words `(n, 1)` uint32 of three packed axes; what is
    left after the last whole block is not written.
    """
    each, code = 480 // samples[0].nbytes, 15 - int(np.log2(3200 / rate))
    hardware = 0x64 if layout == 0x62 else 0x17
    head = struct.pack(
        "<2sHBHIHIIIBBB", b"MD", 1020, hardware, 7, 1, 0xFFFF, 0, 0xFFFFFFFF, *[0] * 4
    )
    head = head.ljust(36, b"\0") + bytes([0x40 | code]) + b"\0" * 4 + bytes([54])
    blocks = [head.ljust(64, b"\0") + b" " * 448 + b"\xff" * 512]
    for k in range(len(samples) // each):
        packed, fraction = _packed(EPOCH + k * each / rate + late(k))
        body = _AX.pack(
            *(0x5841, 508, fraction & 0xFFFF, 1, k, packed, scales, 300, 0, 200),
            *(0x40 | code, layout, -((fraction << 1 & 0xFFFF) * rate >> 16), each),
            samples[k * each : k * each + each].tobytes(),
        )
        words = int(np.frombuffer(body, "<u2").sum())
        blocks.append(body + struct.pack("<H", -words & 0xFFFF))
    path.write_bytes(b"".join(blocks))
    return path


def axivity(folder: Path) -> Path:
    """AX6: blocks with 40 samples of gyroscope and acceleration."""
    counts = np.hstack([np.degrees(GYRO) * 32768 / 2000, ACC / G * 2048]).round().astype("<i2")
    return cwa(folder / "axivity.cwa", counts)


_GENEACTIV = """Device Identity
Device Unique Serial Code:051386
Device Type:GENEActiv
Device Model:1.1
Device Firmware Version:Ver4.08a date14Jul14
Calibration Date:2019-02-04 13:49:24:000

Device Capabilities
Accelerometer Range:-8 to 8
Accelerometer Resolution:0.0039
Accelerometer Units:g
Light Meter Range:0 to 5000
Light Meter Resolution:5
Light Meter Units:lux
Temperature Sensor Range:0 to 70
Temperature Sensor Resolution:0.1
Temperature Sensor Units:deg. C

Configuration Info
Measurement Frequency:50 Hz
Measurement Period:360 Hours
Start Time:2026-03-01 10:00:00:000
Time Zone:GMT +01:00

Trial Info
Study Centre:
Study Code:
Investigator ID:
Exercise Type:
Config Operator ID:
Config Time:2026-03-01 09:00:00:000
Config Notes:
Extract Operator ID:
Extract Time:2026-03-02 09:00:00:000
Extract Notes:

Subject Info
Device Location Code:left wrist
Subject Code:0001
Date of Birth:1900-1-1
Sex:
Height:
Weight:
Handedness Code:
Subject Notes:

Calibration Data
x gain:25600
x offset:0
y gain:25600
y offset:0
z gain:25600
z offset:0
Volts:42
Lux:886

Memory Status
Number of Pages:{pages}

"""


def geneactiv(folder: Path) -> Path:
    """Pages of 300 samples, 12 hexadecimal digits each: 12 bits an axis, light, button."""
    counts = (ACC / G * 256).round().astype(int) & 0xFFF
    pages = len(counts) // 300
    text = _GENEACTIV.format(pages=pages)
    for page in range(pages):
        seconds = page * 300 / RATE
        rows = counts[page * 300 : page * 300 + 300]
        text += (
            "Recorded Data\nDevice Unique Serial Code:051386\n"
            f"Sequence Number:{page}\nPage Time:2026-03-01 10:00:{seconds:06.3f}".replace(".", ":")
            + "\nUnassigned:\nTemperature:28.2\nBattery voltage:4.1642\nDevice Status:Recording\n"
            "Measurement Frequency:50.0\n"
            + "".join(f"{x:03X}{y:03X}{z:03X}000" for x, y, z in rows)
            + "\n"
        )
    path = folder / "geneactiv.bin"
    path.write_bytes(text.replace("\n", "\r\n").encode())
    return path


def actigraph(folder: Path) -> Path:
    """A zip of info.txt and log.bin: a record a second, 12 bits an axis, in the order y, x, z."""
    ticks = int((EPOCH + 3600 - datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1e7)
    info = (
        "Serial Number: MOS2E17210537\nDevice Type: wGT3XBT\nFirmware: 1.9.2\n"
        f"Battery Voltage: 4\nSample Rate: 50\nStart Date: {ticks}\nStop Date: 0\n"
        f"Last Sample Time: {ticks}\nTimeZone: 01:00:00\nDownload Date: {ticks}\n"
        "Board Revision: 5\nUnexpected Resets: 0\n"
        "Acceleration Scale: 256.0\nAcceleration Min: -8.0\nAcceleration Max: 8.0\n"
        "Subject Name: Anna\n"
    )
    counts = (ACC[:, [1, 0, 2]] / G * 256).round().astype(int) & 0xFFF
    start = int(EPOCH) + 3600
    entries = ((0, 55, 0x9400000), (1, 10, 50), (1, 12, start))  # 256 counts a g, 50 Hz
    log = _record(21, start, b"".join(struct.pack("<HHI", *entry) for entry in entries))
    for second in range(len(counts) // 50):
        bits = "".join(f"{v:012b}" for v in counts[second * 50 : second * 50 + 50].ravel())
        log += _record(0, start + second, int(bits, 2).to_bytes(len(bits) // 8, "big"))
    path = folder / "actigraph.gt3x"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("info.txt", info.replace("\n", "\r\n"))
        archive.writestr("log.bin", log)
    return path


def actilife(folder: Path) -> Path:
    """ActiLife's raw CSV: ten lines and names; no time, but when it began and how fast it goes."""
    path = folder / "actilife.csv"
    path.write_text(actilife_lines("M/d/yyyy", "3/1/2026") + _in_g("", _NAMES))
    return path


def actilife_imu(folder: Path) -> Path:
    """The same of a device with a gyroscope, in degrees a second, with times."""
    path = folder / "actilife_imu.csv"
    moments = [f"2026-03-01T09:00:{t:010.7f}" for t in TIME]
    table = {"Timestamp": moments} | dict(zip(_NAMES, (ACC / G).T, strict=True))
    table |= {"Temperature": np.full(len(TIME), 23.1)}
    table |= {f"Gyroscope {a}": v for a, v in zip("XYZ", np.degrees(GYRO).T, strict=True)}
    path.write_text(actilife_lines("dd/MM/yyyy", "01/03/2026") + csv(table))
    return path


def actilife_lines(dates: str, start: str) -> str:
    """What ActiLife writes above the names."""
    return (
        "------------ Data File Created By ActiGraph GT3X+ ActiLife v6.13.3 Firmware v2.5.0 date "
        f"format {dates} at 50 Hz  Filter Normal -----------\nSerial Number: NEO1C15110103\n"
        f"Start Time 09:00:00\nStart Date {start}\nEpoch Period (hh:mm:ss) 00:00:00\n"
        f"Download Time 16:25:52\nDownload Date {start}\nCurrent Memory Address: 0\n"
        "Current Battery Voltage: 4.21     Mode = 12\n" + 50 * "-" + "\n"
    )


_NAMES = tuple(f"Accelerometer {axis}" for axis in "XYZ")


def _in_g(moment: str, names: tuple[str, ...] = (), more: str = "") -> str:
    rows = [",".join(names)] if names else []
    for t, row in zip(TIME, ACC / G, strict=True):
        time = [moment.format(int(t), round(t % 1 * 1000))] if moment else []
        rows.append(",".join([*time, *(f"{v:.8f}" for v in row)]) + more)
    return "\n".join(rows) + "\n"


def genea(folder: Path) -> Path:
    """The raw CSV of GENEActiv's software: 100 lines, then rows without names, by its own clock."""
    facts = {0: "Device Type,GENEActiv", 1: "Device Model,1.1", 14: "Time Zone,GMT +01:00"}
    facts |= {10: "Measurement Frequency,50 Hz", 20: "Subject Code,0001"}
    path = folder / "genea.csv"
    above = "".join(facts.get(i, "") + "\n" for i in range(100))
    path.write_text(above + _in_g("2026-03-01 10:00:{:02}:{:03}", more=",12,0,25.6"))
    return path


def omgui(folder: Path) -> Path:
    """OmGui's CSV of an Axivity: a time and three numbers in g, no names."""
    path = folder / "omgui.csv"
    path.write_text(_in_g("2026-03-01 09:00:{:02}.{:03}"))
    return path


def _record(kind: int, seconds: int, payload: bytes) -> bytes:
    record = struct.pack("<BBIH", 0x1E, kind, seconds, len(payload)) + payload
    check = 0
    for byte in record:
        check ^= byte
    return record + bytes([~check & 0xFF])


GOLDEN: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "axivity": (axivity,),
    "geneactiv": (geneactiv,),
    "actigraph": (actigraph,),
    "parquet": (own_parquet,),
    "actigraph-csv": (actilife, actilife_imu),
    "geneactiv-csv": (genea,),
    "nameless": (omgui,),
    "sensor-logger": (
        sensor_logger_android,
        sensor_logger_ios,
        sensor_logger_standardised,
        sensor_logger_without_total,
        sensor_logger_folder,
        sensor_logger_json,
    ),
    "phyphox": (phyphox_android, phyphox_ios, phyphox_comma),
    "physics-toolbox": (physics_toolbox_android, physics_toolbox_ios),
    "sensorlog": (sensorlog,),
    "motion-json": (core_motion_json, android_json, device_motion_json),
    "table": (plain_g_and_degrees, plain_unsaid, own_feather),
}
"""The files that show each reader at work, by its name in `READERS`."""
WRITERS = [writer for writers in GOLDEN.values() for writer in writers]
