"""Devices worn for days: calibrated by gravity, non-wear found, their clocks told in local time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import logger_files as files
import numpy as np
import pytest

from ambulo import read
from ambulo.errors import MissingExtraError, RecordingError
from ambulo.readers import Settings, device, findings, pieces
from ambulo.readers.device import found, steps
from ambulo.readers.source import Source
from ambulo.readers.wear import Calibration, calibrate, nonwear
from ambulo.recording import Gap, Recording


def test_calibration_brings_still_periods_to_one_g() -> None:
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(60, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    true = ways.repeat(100, axis=0) + rng.normal(0, 0.002, (6000, 3))
    gain, offset = np.array([1.03, 0.98, 1.01]), np.array([0.02, -0.03, 0.01])
    acc = ((true - offset) / gain).astype(np.float32)
    done = calibrate(acc, rate=10)
    assert done.done and "now" in done.why
    assert np.abs(acc - true).max() < 0.005


def test_calibration_is_left_where_still_periods_show_one_side_only() -> None:
    acc = np.tile(np.float32([0, 0, 1.02]), (6000, 1))
    assert not calibrate(acc, rate=10).done and (acc[:, 2] == np.float32(1.02)).all()


def test_hours_on_a_table_are_not_worn() -> None:
    rng = np.random.default_rng(0)
    acc = np.float32([0, 0, 1]) + rng.normal(0, 0.2, (5 * 3600, 3)).astype(np.float32)
    acc[3600 : 3 * 3600] = [0, 0, 1]
    assert nonwear(acc, rate=1) == [(3600.0, 10800.0)]
    assert nonwear(acc[:3600], rate=1) == []


@pytest.mark.parametrize("at", [0, 5000, 7200, 20_000])
def test_what_was_not_recorded_is_not_said_to_be_not_worn(at: int) -> None:
    """Ten hours without a sample in, at the end of, or after some hours on a table, or none."""
    none = np.ones(3, np.float32)
    gaps = [Gap(100.0, 200.0), Gap(100.0 + at, 36_100.0 + at)] if at else []
    span = (0.0, 7200.0) if at == 7200 else (0.0, 14_400.0)
    told, notes = found(Calibration(False, "none", "", none, none), [span], gaps)
    assert sum(b - a for a, b in notes["nonwear"]) == pytest.approx(span[1])
    assert told[1].decided == f"{span[1] / 3600:.1f} h"
    for start, end in notes["nonwear"]:
        assert all(gap.end <= start or end <= gap.start for gap in gaps)


def test_device_files_tell_zone_wearer_and_temperature(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    geneactiv, actigraph = (read(w(tmp_path)) for w in (files.geneactiv, files.actigraph))
    assert (geneactiv.subject, actigraph.subject) == ("0001", "Anna")
    assert geneactiv.notes["device"]["temperature"]["median"] == pytest.approx(28.2)
    rome = read(tmp_path / "geneactiv.bin", zone="Europe/Rome")
    assert rome.start == files.START and rome.start.utcoffset() == timedelta(hours=1)
    assert geneactiv.start == files.START and geneactiv.start.utcoffset() == timedelta(hours=1)
    axivity = read(files.axivity(tmp_path), zone="Europe/Rome")
    assert axivity.start is not None and axivity.start.hour == files.START.hour
    assert {"calibration", "not worn"} <= {finding.what for finding in findings(rome)}


def test_a_cut_device_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    for write in (files.axivity, files.geneactiv, files.actigraph):
        path = write(tmp_path)
        path.write_bytes(path.read_bytes()[:700])
        with pytest.raises(RecordingError, match=f"{path.name}.*again"):
            read(path)


def test_without_actfast_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.axivity(tmp_path)
    monkeypatch.setitem(sys.modules, "actfast", None)
    with pytest.raises(MissingExtraError, match=r"ambulo\[devices\]"):
        read(path)
    with pytest.raises(MissingExtraError, match=r"ambulo\[devices\]"):
        pieces(path)


def _worn_for_hours() -> np.ndarray:
    """Three hours at 25 Hz in g: still every way up for 20 s each, moved, and on a table."""
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(90, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    still = ways.repeat(500, axis=0) * 1.03 + 0.02 + rng.normal(0, 0.002, (45_000, 3))
    moved = ways.repeat(1500, axis=0)[:100_000] + rng.normal(0, 0.3, (100_000, 3))
    return np.vstack([still, np.tile([0, 0, 1.0], (125_000, 1)), moved])


def _words(counts: np.ndarray) -> np.ndarray:
    """Three axes in a word, each of 10 bits and shifted by 2."""
    x, y, z = np.clip(counts >> 2, -512, 511).astype(np.int64).T & 0x3FF
    return (2 << 30 | z << 20 | y << 10 | x).astype("<u4")[:, None]


def _written(folder: Path, kind: str, late: Callable[[int], float]) -> Path:
    counts = (_worn_for_hours() * 256).round().astype("<i2")
    if kind == "AX6":
        both = np.hstack([counts[::-1], counts * 8])[::4]
        return files.cwa(folder / "a.cwa", both, rate=25, late=late)
    samples, layout = (counts, 0x32) if kind == "AX3" else (_words(counts), 0x30)
    return files.cwa(folder / "a.cwa", samples, layout, 0, rate=25, late=late)


def _same(path: Path) -> Recording:
    """The recording, which is the same in pieces."""
    whole, parts = read(path), pieces(path)
    np.testing.assert_array_equal(np.concatenate([v for _, v in parts]), whole.values)
    assert (parts.gaps, parts.samples, parts.duration) == (whole.gaps, len(whole), whole.duration)
    told = ("start", "rate", "channels", "subject", "name")
    assert all(getattr(parts.sketch, name) == getattr(whole, name) for name in told)
    assert parts.sketch.notes.keys() == whole.notes.keys()
    for key in whole.notes.keys() - {"clipped", "findings"}:
        assert parts.sketch.notes[key] == whole.notes[key], key
    said = [{f.what: f for f in findings(r)} for r in (whole, parts.sketch)]
    assert all(said[0][what] == said[1][what] for what in ("calibration", "not worn", "rate"))
    return whole


@pytest.mark.parametrize("kind", ["AX3", "AX3 packed", "AX6"])
def test_axivity_in_pieces_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The sensor is slow by 0.2 %, and pauses twice: for 20 s, and for less than a block."""
    pytest.importorskip("actfast")
    monkeypatch.setattr("ambulo.readers.axivity.BLOCK", 2600)
    monkeypatch.setattr("ambulo.readers.cwa._AT_ONCE", 50)
    monkeypatch.setattr("ambulo.readers.clean._STRETCHES", 30)
    monkeypatch.setattr("ambulo.readers.in_pieces", None)  # the careful way is not taken
    path = _written(tmp_path, kind, lambda k: k * 0.006 + 20 * (k > 90) + 0.9 * (k > 300))
    whole = _same(path)
    assert [round(gap.end - gap.start) for gap in whole.gaps] == [20, 1]
    assert len(pieces(path).sketch) < len(whole) / 2
    if kind != "AX6":
        assert whole.notes["calibration"].startswith("gain 0.9")
        assert whole.notes["nonwear"]


def test_a_slow_sensor_is_as_slow_before_a_gap() -> None:
    begins = 0.804 * np.arange(10) + 7.0 * (np.arange(10) >= 5)  # blocks of 80 at nearly 100 Hz
    np.testing.assert_allclose(steps(begins, 80, 100), 0.01005)
    np.testing.assert_allclose(steps(begins[[0, 5]], 80, 100), 0.01)


def test_axivity_is_filtered_to_a_stated_rate(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    t = np.arange(80 * 100) / 100
    turning = np.stack([256 * np.sin(60 * np.pi * t), 0 * t, 256 + 0 * t], axis=1)
    path = files.cwa(tmp_path / "a.cwa", turning.round().astype("<i2"), 0x32, 0, rate=100)
    for got in (read(path, rate=50), *(v for _, v in pieces(path, rate=50))):
        values = got.values if isinstance(got, Recording) else got
        assert len(values) == 4000 and np.abs(values[50:-50, 0]).max() < 0.1
    told = {f.what: f for f in findings(read(path, rate=50))}["rate"]
    assert told.decided == "50 Hz" and "come at 100 Hz" in told.why


def test_axivity_out_of_the_ordinary_is_read_with_care(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    swapped = read(_written(tmp_path, "AX6", lambda k: -40 * (k == 90)))
    assert swapped.notes["rows_out_of_order"]
    _same(tmp_path / "a.cwa")
    damaged = bytearray((tmp_path / "a.cwa").read_bytes())
    damaged[60_000] ^= 1
    (tmp_path / "a.cwa").write_bytes(damaged)
    with pytest.raises(RecordingError, match="a.cwa: is damaged"):
        pieces(tmp_path / "a.cwa")


@pytest.mark.real
@pytest.mark.parametrize("name", ["ax3_sample.cwa", "ax6_sample.cwa"])
def test_device_samples_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("actfast")
    path = Path(os.environ.get("AMBULO_DATA", "")) / "device-samples" / name
    if not path.exists():
        pytest.skip(f"put {name} into {path.parent}")
    monkeypatch.setattr("ambulo.readers.axivity.BLOCK", 2600)
    monkeypatch.setattr("ambulo.readers.in_pieces", None)
    _same(path)


def exported(folder: Path, rows: str, dates: str = "M/d/yyyy", start: str = "3/1/2026") -> Path:
    path = folder / "exported.csv"
    path.write_text(files.actilife_lines(dates, start) + rows)
    return path


@pytest.mark.parametrize(
    ("dates", "start"),
    [("M/d/yyyy", "3/1/2026"), ("dd/MM/yyyy", "01/03/2026"), ("d.M.yyyy", "1.3.2026")]
    + [("yyyy-MM-dd", "2026-03-01"), ("dd-MMM-yy", "01-Mar-26")],
)
def test_an_actigraph_csv_begins_on_the_day_that_its_form_of_dates_says(
    dates: str, start: str, tmp_path: Path
) -> None:
    rows = "0.001,-1.000,0.012\n" * 100
    path = exported(tmp_path, rows, dates, start)
    assert read(path).start == files.START and read(path, zone="Europe/Rome").start is not None
    timed = "".join(f"{start} 09:00:{t:06.3f},0.001,-1.0,0.012\n" for t in np.arange(100) / 50)
    names = "Timestamp,Accelerometer X,Accelerometer Y,Accelerometer Z\n"
    assert read(exported(tmp_path, names + timed, dates, start)).start == files.START


def test_zeros_of_an_actigraph_that_slept_are_a_pause(tmp_path: Path) -> None:
    awake = "0.001,-1.000,0.012\n" * 100
    got = read(exported(tmp_path, awake + "0.000,0.000,0.000\n" * 1000 + awake))
    (gap,) = got.gaps
    assert (gap.start, gap.end) == pytest.approx((2, 22)) and len(got) == 200


def test_an_actigraph_csv_of_a_land_with_decimal_commas(tmp_path: Path) -> None:
    got = read(exported(tmp_path, "0,001;-1,000;0,012\n" * 100))
    assert np.allclose(got.values, np.array([0.001, -1, 0.012]) * files.G, atol=1e-5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            files.actilife_lines("M/d/yyyy", "3/1/2026").replace(" at 50 Hz", "")
            + "Date,Time,Axis1,Axis2,Axis3\n3/1/2026,09:00:00,10,20,30\n",
            "counts.*gt3x",
        ),
        (files.actilife_lines("M/d/yyyy", "13/1/2026") + "0,1,0\n" * 9, "'13/1/2026 09:00:00'"),
        ("Device Type,GENEActiv\n" + "2026-03-01 09:00:00:000" + ",1" * 11 + "\n", "means.*bin"),
    ],
    ids=["counts", "no such day", "means"],
)
def test_exports_that_hold_no_samples_are_named(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    path.write_text(content)
    with pytest.raises(RecordingError, match=f"epochs.csv.*{says}"):
        read(path)


def test_rows_without_names_are_measured_not_believed(tmp_path: Path) -> None:
    path = files.omgui(tmp_path)
    found = {finding.what: finding for finding in findings(read(path))}
    assert found["format"].sure == "assumed" and found["unit of acc"].sure == "measured"
    metres = path.read_text().splitlines()
    rows = [line.split(",") for line in metres]
    path.write_text(
        "\n".join(f"{t},{','.join(f'{float(v) * files.G:.6f}' for v in r)}" for t, *r in rows)
    )
    assert np.allclose(read(path).values, files.ACC, atol=1e-4)


def test_a_zone_may_be_named_behind_the_time(tmp_path: Path) -> None:
    path = tmp_path / "zoned.csv"
    rows = [f"2026-03-29 01:59:{s:02}.000000+0100 [Europe/Rome],0,0,9.8" for s in range(58, 60)]
    rows += [f"2026-03-29 03:00:{s:02}.000000+0200 [Europe/Rome],0,0,9.8" for s in range(20)]
    path.write_text("time,x,y,z\n" + "\n".join(rows))
    got = read(path)
    assert str(got.start) == "2026-03-29 01:59:58+01:00" and not got.gaps and len(got) == 22
    assert str(got.start.tzinfo) == "Europe/Rome"


@pytest.mark.parametrize("rate", [60.0, 100.0])
def test_a_rate_above_the_devices_leaves_movement_as_fast_as_it_is(
    tmp_path: Path, rate: float
) -> None:
    """Axivity stamps blocks: how far apart samples in one are is the device's to say."""
    path = files.axivity(tmp_path)
    plain = read(path)
    for fast in (read(path, rate=rate), pieces(path, rate=rate).sketch):
        n = min(len(fast), round(rate / plain.rate * len(plain))) - 1
        at = np.arange(n) / rate
        expected = np.interp(at, np.arange(len(plain)) / plain.rate, plain.values[:, 2])
        away = np.abs(fast.values[:n, 2] - expected)
        assert np.quantile(away, 0.95) < 0.05 * max(plain.values[:, 2].std(), 1.0)


@pytest.mark.parametrize("zone", ["30:00:00", "nan:00", "inf"])
def test_a_zone_that_is_none_is_none(zone: str) -> None:
    told, east = device._zone({"metadata": {"info": {"TimeZone": zone}}}, Settings(), 1.77e9)
    assert (told.sure, east) == ("assumed", 0.0)


def test_settings_that_its_samples_contradict_are_not_believed() -> None:
    data = {"metadata": {"info": {"Sample Rate": "100"}}}
    times = np.arange(500) * 20_000_000
    rate, sure, why = device._nominal(Source(Path("x")), data, times, 1)
    assert (rate, sure) == (50.0, "measured") and "settings say 100 Hz" in why
    assert device._nominal(Source(Path("x")), data, times // 2, 1)[:2] == (100.0, "stated")
