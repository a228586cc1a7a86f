"""Files of apps and devices, written here in their layouts, become the same recording."""

from __future__ import annotations

import gzip
import json
import os
import tomllib
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import logger_files as files
import numpy as np
import polars as pl
import pytest

from ambulo import load_dataset, read
from ambulo.errors import RecordingError
from ambulo.readers import findings, pieces

NAMES = ["acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"]
DATED = ("logger", "phyphox", "sensorlog", "axivity", "geneactiv", "actigraph")
DATED += ("actilife", "genea", "omgui")


@pytest.mark.parametrize("write", files.WRITERS, ids=lambda w: w.__name__)
def test_one_motion_is_one_recording_whatever_wrote_it(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    if write.__name__ in ("axivity", "geneactiv", "actigraph"):
        pytest.importorskip("actfast")
    path = write(tmp_path)
    got = read(path)
    channels = [c.name for c in got.channels]
    assert channels == NAMES[: len(channels)] and len(channels) >= 3
    assert got.rate == 50 and not got.gaps and len(got) >= len(files.MOTION) - 40
    expected = files.MOTION[: len(got), : len(channels)]
    coarse = 0.02 if path.suffix in (".bin", ".gt3x", ".cwa") else 2e-6  # 12 bits: g / 256 / 2
    assert np.abs(got.values - expected).max() < coarse
    if path.name.startswith(DATED):
        assert got.start is not None and abs(got.start - files.START) < timedelta(seconds=0.002)


def test_ios_and_android_of_one_motion_are_equal(tmp_path: Path) -> None:
    android = read(files.sensor_logger_android(tmp_path))
    ios = read(files.sensor_logger_ios(tmp_path))
    assert np.array_equal(android.values, ios.values)
    assert (android.rate, android.channels, android.start) == (ios.rate, ios.channels, ios.start)
    assert [f.sure for r in (ios, android) for f in findings(r) if f.what == "sign of acc"] == [
        "stated"
    ] * 2


def test_tables_that_are_no_motion_are_named(tmp_path: Path) -> None:
    watch = {"time": files.TIME, "gravityX": files.TIME, "accelerationX": files.TIME}
    more = files._logger_files("ios") | {"WristMotion.csv": files.csv(watch)}
    got = read(files.zipped(tmp_path / "more.zip", more))
    assert np.allclose(got.values, files.MOTION, atol=1e-5)
    left_out = got.notes["tables_left_out"]
    assert left_out == ["Metadata.csv", "WristMotion.csv", "Annotation.csv"]


@pytest.mark.parametrize("standard", ["false", "true"])
def test_a_watch_alone_has_its_gravity_apart(tmp_path: Path, standard: str) -> None:
    unit = 1.0 if standard == "true" else -1 / files.G
    told = {"rotationRate": files.GYRO, "gravity": unit * files.GRAVITY}
    told |= {"acceleration": unit * files.BODY}
    nanoseconds = np.round((files.EPOCH + files.TIME) * 1e9).astype(np.int64)
    watch = {"time": nanoseconds, "seconds_elapsed": files.TIME}
    watch |= {f"{k}{a}": v[:, i] for k, v in told.items() for i, a in enumerate("XYZ")}
    all_of_it = {
        "Metadata.csv": files._metadata("ios", standard),
        "HeartRate.csv": "time,bpm\n1,60\n",
    }
    all_of_it |= {"Headphone.csv": files.csv(watch), "WristMotion.csv": files.csv(watch)}
    got = read(files.zipped(tmp_path / "watch.zip", all_of_it))
    assert [c.name for c in got.channels] == [f"{s}_{a}" for s in ("acc", "gyro") for a in "xyz"]
    assert np.allclose(got.values, files.MOTION, atol=1e-4)
    assert got.notes["tables_left_out"] == ["Metadata.csv", "HeartRate.csv", "Headphone.csv"]


def test_start_is_told_in_the_wearers_zone(tmp_path: Path) -> None:
    start = read(files.sensor_logger_android(tmp_path)).start
    assert start is not None and start.utcoffset() == timedelta(hours=1)


def test_a_paused_experiment_has_a_gap(tmp_path: Path) -> None:
    all_of_it = files._phyphox("Pixel 6a")
    at, away = float(files.TIME[500]) - 0.01, 300.0
    all_of_it["meta/time.csv"] += (
        f"PAUSE,{at},{files.EPOCH + at},x\nSTART,{at},{files.EPOCH + at + away},x\n"
    )
    got = read(files.zipped(tmp_path / "paused.zip", all_of_it))
    assert [(g.start, g.end) for g in got.gaps] == [(10.0, 310.0)]
    assert np.allclose(got.values, files.MOTION, atol=1e-5)


def test_what_is_not_stated_is_measured_or_said_to_be_assumed(tmp_path: Path) -> None:
    found = {f.what: f for f in findings(read(files.plain_unsaid(tmp_path)))}
    assert (found["unit of acc"].decided, found["unit of acc"].sure) == ("g", "measured")
    assert found["time"].decided.startswith("ms") and found["time"].sure == "measured"
    assert found["sign of acc"].sure == "assumed" and "sign=ios" in found["sign of acc"].override
    apple = {f.what: f for f in findings(read(files.phyphox_ios(tmp_path)))}
    assert apple["sign of acc"].sure == "assumed"


def test_every_decision_can_be_stated_otherwise(tmp_path: Path) -> None:
    path = files.plain_unsaid(tmp_path)
    usual = read(path)
    turned = read(path, sign="ios")
    assert np.array_equal(turned.values[:, :3], -usual.values[:, :3])
    assert np.allclose(
        read(path, unit={"acc": "m/s²"}).values[:, :3] * files.G, usual.values[:, :3]
    )
    scaled = read(path, scale={"acc": 2.0}, gravity="removed")
    assert scaled.channels[0].name == "body_acc_x"
    assert np.allclose(scaled.values[:, 0], 2 * files.ACC[:, 0] / files.G, atol=1e-5)
    assert read(path, time="us", rate=50_000 / 10).rate == 5000
    swapped = read(path, columns={"acc_x": "accelerometer_y", "time": "timestamp"})
    assert [c.name for c in swapped.channels] == ["acc_x"]


def test_a_packed_file_is_called_and_spoken_of_as_what_is_in_it(tmp_path: Path) -> None:
    path = files.plain_unsaid(tmp_path)
    packed = tmp_path / "unsaid.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    (tmp_path / "unsaid.toml").write_text('placement = "wrist"\n')
    recording = read(packed)
    assert (recording.name, recording.subject) == ("unsaid", "unsaid")
    assert recording.notes["placement"] == "wrist"
    path.unlink()
    assert [r.name for r in load_dataset(tmp_path).recordings] == ["unsaid"]


def test_a_toml_file_beside_speaks_and_the_caller_overrules_it(tmp_path: Path) -> None:
    path = files.plain_unsaid(tmp_path)
    (tmp_path / "unsaid.toml").write_text('sign = "ios"\nsubject = "anna"\nplacement = "wrist"\n')
    got = read(path)
    assert got.subject == "anna" and got.notes["placement"] == "wrist"
    assert np.allclose(got.values[:, :3], -files.ACC, atol=1e-5)
    assert np.allclose(read(path, sign="android").values[:, :3], files.ACC, atol=1e-5)
    (tmp_path / "unsaid.toml").write_text('sing = "ios"\n')
    with pytest.raises(RecordingError, match="unsaid.toml: 'sing' cannot be stated"):
        read(path)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ('unit = { gyr = "deg/s" }', "unit.gyr: .* choose from acc, body_acc, gyro"),
        ('unit = { accel = "g" }', "unit.accel: .* choose from acc"),
        ("scale = { gyr = 0.1 }", "scale.gyr: .* choose from acc"),
        ('columns = { acx = "accelerometer_x" }', "columns.acx: .* SENSOR_AXIS"),
    ],
)
def test_what_is_stated_of_no_sensor_is_refused(stated: str, says: str, tmp_path: Path) -> None:
    path = files.plain_unsaid(tmp_path)
    with pytest.raises(RecordingError, match=f"unsaid.*: {says}"):
        read(path, **tomllib.loads(stated))
    (tmp_path / "unsaid.toml").write_text(stated)
    with pytest.raises(RecordingError, match=f"unsaid.toml: {says}"):
        read(path)


def table(path: Path, acc: np.ndarray, name: str = "acc {}", **more: np.ndarray) -> Path:
    columns = {name.format(a): acc[:, i] for i, a in enumerate("xyz")}
    pl.DataFrame({"time": files.TIME, **columns, **more}).write_csv(path)
    return path


def test_units_are_found_in_the_numbers(tmp_path: Path) -> None:
    for factor in (1 / files.G, 1000 / files.G, 1.0):
        got = read(table(tmp_path / "a.csv", files.ACC * factor))
        assert np.allclose(got.values, files.ACC, atol=2e-3)
    with pytest.raises(RecordingError, match="raw counts; state the scale"):
        read(table(tmp_path / "raw.csv", files.ACC / files.G * 4096))
    got = read(tmp_path / "raw.csv", scale={"acc": files.G / 4096})
    assert np.allclose(got.values, files.ACC, atol=1e-4)


def test_a_header_that_the_numbers_belie_is_not_believed(tmp_path: Path) -> None:
    got = read(table(tmp_path / "lie.csv", files.ACC, "acc_{} [g]"))
    assert np.allclose(got.values, files.ACC, atol=1e-4)
    found = {f.what: f for f in findings(got)}["unit of acc"]
    assert found.sure == "measured" and "says g" in found.why


def test_removed_gravity_is_noticed(tmp_path: Path) -> None:
    still = files.ACC - np.stack([np.convolve(c, np.ones(51) / 51, "same") for c in files.ACC.T], 1)
    got = read(table(tmp_path / "linear.csv", still[30:-30].repeat(2, axis=0)[: len(still)]))
    assert [c.sensor for c in got.channels] == ["body_acc"] * 3


def test_degrees_are_found_by_how_gravity_turns(tmp_path: Path) -> None:
    t, w = files.TIME, 1.2 * np.cos(0.8 * files.TIME)
    angle = 1.5 * np.sin(0.8 * t)
    acc = files.G * np.stack([np.zeros_like(t), np.sin(angle), np.cos(angle)], axis=1)
    turns = {f"gyr_{a}": v for a, v in zip("xyz", (np.degrees(w), 0 * t, 0 * t), strict=True)}
    got = read(table(tmp_path / "turn.csv", acc, **turns))
    found = {f.what: f for f in findings(got)}
    assert (found["unit of gyro"].decided, found["unit of gyro"].sure) == ("deg/s", "measured")
    assert np.abs(got.values[:, 3] - w).max() < 1e-4 and found["axes"].decided == "agree"
    mirrored = read(table(tmp_path / "mirror.csv", acc * [1, -1, 1], **turns))
    assert any("swapped or mirrored" in f.decided for f in findings(mirrored))


def test_sensors_in_files_of_their_own_share_one_grid(tmp_path: Path) -> None:
    acc = {"time": files.TIME, **{f"acc_{a}": files.ACC[:, i] for i, a in enumerate("xyz")}}
    gyro = {f"gyro_{a}": files.GYRO[5::2, i] for i, a in enumerate("xyz")}
    pause = np.where(files.TIME[5::2] > 15, files.TIME[5::2] + 2, files.TIME[5::2])
    both = {"a.csv": files.csv(acc), "g.csv": files.csv({"time": pause, **gyro})}
    got = read(files.zipped(tmp_path / "two.zip", both))
    assert [c.name for c in got.channels] == NAMES
    assert [(round(g.start, 1), round(g.end, 1)) for g in got.gaps] == [(14.9, 16.9)]
    assert np.allclose(got.values[0], [*files.ACC[5], *files.GYRO[5]], atol=1e-5)


def test_a_sensor_that_is_faster_than_the_accelerometer_is_filtered(tmp_path: Path) -> None:
    """At 200 Hz, with a pause: turns of 45 Hz would seem to be of 5 Hz beside 50 Hz."""
    t = np.r_[0:2000, 2600:6000] / 200
    fast, slow = np.sin(90 * np.pi * t), np.sin(4 * np.pi * t)
    frame = {"time": files.EPOCH + t, "x": fast, "y": slow, "z": 0 * t}
    both = {"acc.csv": files.csv({"time": files.EPOCH + files.TIME, **acc_columns()})}
    both["gyro.csv"] = files.csv(frame)
    got = read(files.zipped(tmp_path / "two.zip", both), unit={"gyro": "rad/s"})
    assert got.rate == 50 and [round(gap.end - gap.start, 1) for gap in got.gaps] == [3.0]
    edges = [abs(got.time - s) < 0.5 for s in (0, 10, 13, got.duration)]
    inner = ~np.logical_or.reduce(edges)
    turns = got.select(["gyro_x", "gyro_y"]).values[inner]
    assert np.abs(turns[:, 0]).max() < 0.01
    assert np.abs(turns[:, 1] - np.sin(4 * np.pi * got.time[inner])).max() < 0.01


def acc_columns() -> dict[str, object]:
    return dict(zip("xyz", files.ACC.T, strict=True))


def test_clipping_is_counted(tmp_path: Path) -> None:
    acc = np.clip(files.ACC, None, np.quantile(files.ACC[:, 2], 0.9))
    got = read(table(tmp_path / "cut.csv", acc))
    assert got.notes["clipped"]["acc_z"] >= 100


def test_people_are_not_mixed(tmp_path: Path) -> None:
    path = table(tmp_path / "two.csv", files.ACC, user=np.arange(len(files.ACC)) // 750)
    with pytest.raises(RecordingError, match=r"several people \(0, 1, …\)"):
        read(path)


def test_intervals_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", files.ACC)
    (tmp_path / "m.intervals.csv").write_text("start,end,activity\n0,10,sitting\n12,20.5,rowing\n")
    got = read(path, intervals="m.intervals.csv")
    assert [(i.start, i.end, i.activity) for i in got.intervals] == [
        (0, 10, "sitting"),
        (12, 20.5, "rowing"),
    ]
    (tmp_path / "m.intervals.csv").write_text("start,end,activity\n10,0,sitting\n")
    with pytest.raises(RecordingError, match="row 1 is no interval"):
        read(path, intervals="m.intervals.csv")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("0,10000,sitting\n10000,20000,rowing\n", "row 2, .* outside .* 30.0 s, as if .* in ms"),
        ("9e9,1e10,rowing\n2e10,3e10,rowing\n", "row 1, .* outside .* 30.0 s, as if .* in ns"),
        ("0,15000000,sitting\n", "row 1, .* outside .* 30.0 s, as if .* in us"),
        ("0,10,sitting\n5000,6000,rowing\n", "row 2, 5000 to 6000 s, lies outside .* 30.0 s: "),
        ("-9,-5,sitting\n-5,-1,rowing\n0,10,rowing\n", "row 1, -9 to -5 s, lies outside"),
        ("0,20,sitting\n30,40,sitting\n40,50,rowing\n", "row 2, .* outside .* 30.0 s: write"),
        ("0,10,sitting\n8.9,15,rowing\n", r"row 1 \(sitting.* row 2 \(rowing"),
        ("0,0.5,sitting\n0,15,rowing\n", r"row 1 \(sitting.* row 2 \(rowing"),
        ("0,10,sitting\n20,30,rowing\n5,15,rowing\n", r"row 1 \(sitting.* row 3 \(rowing"),
        ("0,20,sitting\n2,3,sitting\n5,15,rowing\n", r"row 1 \(sitting.* row 3 \(rowing"),
        ("0,10, \n", "row 1 is no interval"),
    ],
)
def test_intervals_that_cannot_be_are_refused_by_row(rows: str, says: str, tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", files.ACC)
    (tmp_path / "m.intervals.csv").write_text("start,end,activity\n" + rows)
    with pytest.raises(RecordingError, match=rf"m.intervals.csv: {says}"):
        read(path, intervals="m.intervals.csv")


@pytest.mark.parametrize(
    ("rows", "row"),
    [("0,15,a\n15,33,b\n33,50,c\n", 3), ("-5,-1,z\n0,15,a\n15,33,b\n", 1)],
)
def test_intervals_may_outlast_the_recording(rows: str, row: int, tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", files.ACC)
    (tmp_path / "i.csv").write_text("start,end,activity\n" + rows)
    got = read(path, intervals="i.csv")
    assert [(i.start, i.end, i.activity) for i in got.intervals] == [(0, 15, "a"), (15, 33, "b")]
    left_out = {f.what: f for f in findings(got)}["intervals left out"]
    assert left_out.decided == "1" and f"row {row}" in left_out.why


def test_of_intervals_that_overlap_by_a_second_the_earlier_ends(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", files.ACC)
    (tmp_path / "i.csv").write_text("start,end,activity\n9.5,20,b\n0,10,a\n5,10,a\n20,30,c\n")
    got = read(path, intervals="i.csv")
    ends = [(i.start, i.end, i.activity) for i in got.intervals]
    assert ends == [(0, 9.5, "a"), (5, 9.5, "a"), (9.5, 20, "b"), (20, 30, "c")]


def test_dated_intervals_may_tell_of_other_recordings_too(tmp_path: Path) -> None:
    dated = table(tmp_path / "m.csv", files.ACC)
    frame = pl.read_csv(dated)
    frame.with_columns(pl.col("time") + 1.7e9).write_csv(dated)
    at = "{}.5,{}.0,{}\n".format
    mine, other = at(1700000001, 1700000009, "sitting "), at(1700009001, 1700009009, "rowing")
    (tmp_path / "i.csv").write_text("start,end,activity\n" + other + mine)
    got = read(dated, intervals="i.csv")
    assert [(i.start, i.end, i.activity) for i in got.intervals] == [(1.5, 9, "sitting")]
    left_out = {f.what: f for f in findings(got)}["intervals left out"]
    assert left_out.decided == "1" and "row 1" in left_out.why
    (tmp_path / "i.csv").write_text("start,end,activity\n" + other)
    with pytest.raises(RecordingError, match="all its intervals lie outside"):
        read(dated, intervals="i.csv")


def test_a_recording_in_pieces_is_labelled_over_all_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambulo.readers.clean._STRETCHES", 4)
    time = np.arange(30_000) / 10
    day = pl.DataFrame({"time": time, "acc_x": 0.0, "acc_y": 0.0, "acc_z": 9.8})
    day.write_parquet(tmp_path / "day.parquet")
    (tmp_path / "i.csv").write_text("start,end,activity\n2000,3000,sitting\n")
    for stated in ({"intervals": "i.csv"}, {"activity": "sitting"}):
        whole, part = (of(tmp_path / "day.parquet", **stated) for of in (read, pieces))
        assert part.sketch.intervals == whole.intervals


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"../a.csv": "time,acc_x\n"}, "climbs out"),
        ({"inner.zip": "PK"}, "another archive"),
        ({"readme.md": "hello"}, "no table in it"),
        ({"a.csv": "x", "b.csv": "y"}, "no table in it|no column"),
    ],
)
def test_hostile_and_empty_archives_are_refused(
    members: dict[str, str], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordingError, match=says):
        read(files.zipped(tmp_path / "bad.zip", members))


def test_a_file_without_a_name_in_an_archive_is_passed_over(tmp_path: Path) -> None:
    path = files.zipped(tmp_path / "bad.zip", {"nameless.csv": "time,acc_x\n"})
    path.write_bytes(path.read_bytes().replace(b"nameless.csv", b"\0ameless.csv"))
    with pytest.raises(RecordingError, match="no table in it"):
        read(path)


def test_a_zip_bomb_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambulo.readers.source.LARGEST", 1 << 20)
    path = files.zipped(tmp_path / "bomb.zip", {"a.csv": "time,acc_x\n" + "0,0\n" * (1 << 19)})
    with pytest.raises(RecordingError, match="would unpack to over"):
        read(path)
    plain = files.plain_g_and_degrees(tmp_path)
    monkeypatch.setattr("ambulo.readers.source.LARGEST", 1 << 10)
    with pytest.raises(RecordingError, match="would unpack to over"):
        read(plain)


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    path = files.sensor_logger_android(tmp_path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(RecordingError, match="damaged"):
        read(path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(RecordingError, match="no table in it|empty"):
        read(tmp_path / "empty.zip")


SAMPLES = Path(os.environ.get("AMBULO_DATA", "")) / "device-samples"


@pytest.mark.real
@pytest.mark.parametrize("name", ["ax3_sample.cwa", "ax6_sample.cwa", "gnactv_sample.bin"])
def test_device_samples_agree_with_a_second_reader(name: str) -> None:
    """The sample files in scikit-digital-health's source archive, and what its readers gave."""
    if not (SAMPLES / name).exists():
        pytest.skip(f"put {name} and {name.split('_')[0]}_data.npz into {SAMPLES}")
    actfast = pytest.importorskip("actfast")
    truth = np.load(SAMPLES / f"{name.split('_')[0]}_data.npz")
    raw = actfast.read(SAMPLES / name)["timeseries"]["high_frequency"]
    assert np.abs(raw["acceleration"] - truth["accel"]).max() < 1e-4
    assert "gyro" not in truth or np.abs(raw["gyroscope"] - truth["gyro"]).max() < 1e-4
    got = read(SAMPLES / name, max_gap=30)
    assert got.rate == (truth["fs"][0] if "fs" in truth else 50)
    assert got.start is not None
    on_grid = np.arange(len(got)) / got.rate
    for first, key, factor in ((0, "accel", files.G), (3, "gyro", np.pi / 180)):
        if key in truth:
            time = truth["time"] - truth["time"][0]
            again = np.stack([np.interp(on_grid, time, c * factor) for c in truth[key].T], axis=1)
            away = np.abs(got.values[:, first : first + 3] - again)
            assert np.median(away) < 0.02 * np.abs(again).max()


@pytest.mark.parametrize("first", [True, False])
def test_the_web_tells_acceleration_with_and_without_gravity(tmp_path: Path, first: bool) -> None:
    """W3C's DeviceMotion has both, and the one without comes first."""
    rows = []
    for k in range(400):
        swing = float(np.sin(k / 8))
        both = {
            "acceleration": {"x": swing, "y": 0.0, "z": 0.0},
            "accelerationIncludingGravity": {"x": swing, "y": 0.0, "z": 9.81},
        }
        names = list(both) if first else list(both)[::-1]
        rows.append({"time": k / 50, **{name: both[name] for name in names}})
    (tmp_path / "web.json").write_text(json.dumps(rows))
    got = read(tmp_path / "web.json")
    assert [c.name for c in got.channels] == ["acc_x", "acc_y", "acc_z"]
    assert got.values[:, 2].mean() == pytest.approx(9.81, rel=1e-3)
