"""Tables become recordings, or are refused in words that say what to do."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambulo import Recording, read
from ambulo.errors import AmbuloError, OutputError, RecordingError
from ambulo.readers import clean, findings, pieces, source
from ambulo.readers.grid import rate_of
from ambulo.readers.table import write
from ambulo.recording import Channel


def csv(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def rows(n: int = 200, rate: float = 50.0) -> list[str]:
    return [f"{i / rate:.3f},{i},0.5,9.8" for i in range(n)]


HEADER = "time,acc_x,acc_y,acc_z"


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_what_is_written_is_read(recording: Recording, tmp_path: Path, ending: str) -> None:
    again = read(write(recording, tmp_path / f"minute{ending}"), subject="anna")
    assert np.allclose(again.values, recording.values, atol=1e-5)
    assert (again.rate, again.channels, again.name) == (50, recording.channels, "minute")
    assert [i.activity for i in again.intervals] == ["sitting", "walking"]
    assert [i.end for i in again.intervals] == pytest.approx([30, 60])


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("hours", [0, 2, -5])
def test_what_is_written_keeps_its_hours(
    recording: Recording, tmp_path: Path, ending: str, hours: int
) -> None:
    start = datetime(2026, 6, 1, 23, tzinfo=timezone(timedelta(hours=hours)))
    path = write(replace(recording, start=start), tmp_path / f"night{ending}", labels=False)
    for got in (read(path), pieces(path).sketch):
        assert got.start == start and got.start.utcoffset() == timedelta(hours=hours)
        assert "time" in {f.what for f in findings(got)}


def test_gaps_are_stated_not_filled(tmp_path: Path) -> None:
    lines = rows()[:100] + [f"{5 + i / 50:.3f},{i},0.5,9.8" for i in range(100)]
    got = read(csv(tmp_path / "gap.csv", HEADER, lines))
    assert len(got) == 200 and got.duration == pytest.approx(7.0)
    assert [(g.start, g.end) for g in got.gaps] == [(pytest.approx(2.0), pytest.approx(5.0))]


def test_iso_times_give_wall_time(tmp_path: Path) -> None:
    lines = [f"2026-03-01T09:00:{i / 50:09.6f}Z,1,2,3" for i in range(100)]
    got = read(csv(tmp_path / "iso.csv", HEADER, lines))
    assert got.start == datetime(2026, 3, 1, 9, tzinfo=UTC) and got.rate == 50


def test_zoned_times_keep_the_moment(tmp_path: Path) -> None:
    lines = [f"2026-03-01T09:00:{i / 50:09.6f}+02:00,1,2,3" for i in range(100)]
    got = read(csv(tmp_path / "iso.csv", HEADER, lines))
    assert got.start == datetime(2026, 3, 1, 7, tzinfo=UTC)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather"])
def test_hours_are_those_of_the_files_own_zone(tmp_path: Path, ending: str) -> None:
    """By offset in text, by name in a table; what is stated goes before; others are told of."""
    rome = ZoneInfo("Europe/Rome")
    first = datetime(2026, 6, 1, 23, 0, tzinfo=rome)
    times = [first + timedelta(milliseconds=20 * k) for k in range(200)]
    frame = pl.DataFrame({"time": times, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    path = tmp_path / f"night{ending}"
    if ending == ".csv":
        frame.with_columns(time=pl.Series([t.isoformat() for t in times])).write_csv(path)
    else:
        frame.write_parquet(path) if ending == ".parquet" else frame.write_ipc(path)
    for got in (read(path), pieces(path).sketch):
        assert got.start == first and got.start is not None and got.start.hour == 23
        told = {f.what: f for f in findings(got)}["time"]
        assert told.sure == "stated" and told.override == "zone=Europe/Rome"
        assert ("UTC+02:00" if ending == ".csv" else "Europe/Rome") in told.decided
        if ending != ".csv":
            assert got.start.tzinfo == rome
    abroad = read(path, zone="America/New_York").start
    assert abroad == first and abroad is not None and abroad.hour == 17


def test_offsets_that_change_are_told_by_the_first(tmp_path: Path) -> None:
    first = datetime(2026, 10, 25, 0, 59, 58, tzinfo=UTC)
    rome = [
        (first + timedelta(seconds=k / 50)).astimezone(ZoneInfo("Europe/Rome")) for k in range(200)
    ]
    got = read(csv(tmp_path / "n.csv", HEADER, [f"{t.isoformat()},1,2,9" for t in rome]))
    assert got.start == first and got.start.utcoffset() == timedelta(hours=2) and not got.gaps
    told = {f.what: f for f in findings(got)}["time"]
    assert told.sure == "assumed" and "+02:00, +01:00" in told.why


@pytest.mark.parametrize(
    ("begin", "form", "decided", "sure"),
    [
        (datetime(2026, 3, 25, 9), "%d/%m/%Y", "day first", "stated"),
        (datetime(2026, 3, 12, 23, 59, 58), "%d/%m/%Y", "day first", "stated"),
        (datetime(2026, 3, 25, 9), "%m/%d/%Y", "month first", "stated"),
        (datetime(2026, 3, 5, 23, 59, 58), "%d/%m/%Y", "day first", "measured"),
        (datetime(2026, 3, 5, 23, 59, 58), "%m/%d/%Y", "month first", "measured"),
        (datetime(2026, 3, 5, 9), "%m/%d/%Y", "month first", "assumed"),
        (datetime(2026, 3, 5, 9), "%d.%m.%Y", "day first", "stated"),
    ],
)
def test_day_and_month_are_told_apart_by_the_whole_column(
    tmp_path: Path, begin: datetime, form: str, decided: str, sure: str
) -> None:
    times = [begin + timedelta(milliseconds=20 * k) for k in range(200)]
    lines = [f"{t.strftime(form + ' %H:%M:%S.%f')},1,2,9" for t in times]
    got = read(csv(tmp_path / "dates.csv", HEADER, lines))
    assert got.start == begin.replace(tzinfo=UTC) and got.duration == pytest.approx(4)
    told = {f.what: f for f in findings(got)}["dates"]
    assert (told.decided, told.sure) == (decided, sure)


@pytest.mark.parametrize(
    "form",
    [
        *("%m/%d/%Y %I:%M:%S.%f %p", "%Y-%m-%d %I:%M:%S.%f%p", "%I:%M:%S.%f %p"),
        "%Y-%m-%d %I:%M:%S.%f %p +0000",
    ],
)
def test_hours_of_a_half_day_go_on_after_noon_and_midnight(tmp_path: Path, form: str) -> None:
    for begin in (datetime(2026, 3, 25, 11, 59, 58), datetime(2026, 3, 25, 23, 59, 58)):
        times = [begin + timedelta(milliseconds=20 * k) for k in range(200)]
        lines = [f"{t.strftime(form).lower()},1,2,9" for t in times]
        got = read(csv(tmp_path / "half.csv", HEADER, lines))
        assert got.duration == pytest.approx(4) and got.rate == 50 and not got.gaps
        assert got.start == (begin.replace(tzinfo=UTC) if "%d" in form else None)


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S,%fZ", "%d.%m.%Y %H:%M:%S,%f"])
def test_fractions_of_dates_may_have_a_comma(tmp_path: Path, form: str) -> None:
    begin = datetime(2026, 3, 25, 9)
    times = [begin + timedelta(milliseconds=20 * k) for k in range(200)]
    lines = [f"{t.strftime(form)};1,5;2,5;9,5" for t in times]
    got = read(csv(tmp_path / "comma.csv", HEADER.replace(",", ";"), lines))
    assert got.start == begin.replace(tzinfo=UTC) and got.rate == 50 and got.values[0, 0] == 1.5


@pytest.mark.parametrize("before", ["2026-03-25T", "25/3/2026 ", ""])
@pytest.mark.parametrize("trimmed", [False, True])
def test_milliseconds_without_zeros_in_front_are_no_decimals(
    tmp_path: Path, before: str, trimmed: bool
) -> None:
    """`.7` is 7 ms where times would else go back, and 700 ms where zeros behind were left out."""
    lines = []
    for k in range(0, 8000, 20):
        fraction = (f"{k % 1000:03d}".rstrip("0") or "0") if trimmed else str(k % 1000)
        lines.append(f"{before}09:00:{k // 1000:02d}.{fraction},1,2,9")
    got = read(csv(tmp_path / "short.csv", HEADER, lines))
    assert got.duration == pytest.approx(8) and got.rate == 50 and not got.gaps
    told = [f for f in findings(got) if f.what == "fraction of a second"]
    assert [f.sure for f in told] == ([] if trimmed else ["measured"])


@pytest.mark.parametrize("name", ["week.csv", "week.json"])
def test_what_memory_would_not_hold_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = tmp_path / name
    path.write_text("time,acc_x,acc_y,acc_z\n0.00,0,0,9.8\n" * 100)
    monkeypatch.setitem(source.SWELLS, path.suffix[1:], 1 << 40)
    with pytest.raises(RecordingError, match=r"week\..*GB of memory.*Parquet"):
        read(path)


def test_which_of_day_and_month_comes_first_can_be_stated(tmp_path: Path) -> None:
    lines = [f"05/03/2026 09:00:{k / 50:06.3f},1,2,9" for k in range(200)]
    path = csv(tmp_path / "dates.csv", HEADER, lines)
    starts = [read(path, dates=first).start for first in ("day-first", "month-first")]
    assert starts == [datetime(2026, m, d, 9, tzinfo=UTC) for m, d in ((3, 5), (5, 3))]
    with pytest.raises(RecordingError, match="choose from day-first, month-first"):
        read(path, dates="us")


@pytest.mark.parametrize("apart", [0, 37])
def test_the_hour_that_comes_twice_is_two_hours(tmp_path: Path, apart: int) -> None:
    """Local times without a zone, from 1:30 to 3:30 of the night when clocks go back at 3."""
    first = datetime(2026, 10, 24, 23, 30, tzinfo=UTC)
    late = 20000
    moments = [first + timedelta(milliseconds=200 * k + apart * (k > late)) for k in range(36000)]
    local = [m.astimezone(ZoneInfo("Europe/Rome")).replace(tzinfo=None) for m in moments]
    lines = [f"{t.isoformat(timespec='milliseconds')},{k},2,9" for k, t in enumerate(local)]
    path = csv(tmp_path / "night.csv", HEADER, lines)
    got = read(path, zone="Europe/Rome")
    assert got.start == first and got.rate == pytest.approx(5) and not got.gaps
    assert got.duration == pytest.approx(7200, abs=1)
    assert (np.diff(got.values[:, 0]) > 0).all()


@pytest.mark.parametrize(("minutes", "hour"), [(20, 1), (8, 0)])
def test_a_recording_that_begins_in_the_second_such_hour_has_no_gap(
    tmp_path: Path, minutes: int, hour: int
) -> None:
    """It begins at 2:50; only if it goes beyond 3:00 is it known to be the second 2:50."""
    local = datetime(2026, 10, 25, 2, 50)
    times = [local + timedelta(milliseconds=200 * k) for k in range(300 * minutes)]
    lines = [f"{t.isoformat(timespec='milliseconds')},{k},2,9" for k, t in enumerate(times)]
    got = read(csv(tmp_path / "night.csv", HEADER, lines), zone="Europe/Rome")
    assert got.start is not None
    assert got.start.astimezone(UTC) == datetime(2026, 10, 25, hour, 50, tzinfo=UTC)
    assert not got.gaps and got.duration == pytest.approx(60 * minutes, abs=1)


def test_a_number_beyond_any_sensor_is_refused(tmp_path: Path) -> None:
    """As a float32 it is one; a network makes none of it, and context spreads that."""
    lines = rows()
    lines[70] = "1.4,1e20,0.5,9.8"
    with pytest.raises(RecordingError, match="beyond any sensor"):
        read(csv(tmp_path / "wild.csv", HEADER, lines))
    whole = read(csv(tmp_path / "tame.csv", HEADER, rows()))
    values = whole.values.copy()
    values[70, 2] = np.nan
    with pytest.raises(RecordingError, match="sample 70 of acc_z is nan"):
        replace(whole, values=values)


def test_samples_may_be_swapped_at_midnight(tmp_path: Path) -> None:
    lines = [f"23:59:{40 + k / 50:06.3f},{k},2,9" for k in range(1000)]
    lines += [f"00:00:{k / 50:06.3f},{1000 + k},2,9" for k in range(1000)]
    lines[999], lines[1000] = lines[1000], lines[999]
    got = read(csv(tmp_path / "midnight.csv", HEADER, lines))
    assert got.duration == pytest.approx(40) and len(got) == 2000


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather"])
def test_brackets_in_a_name_are_no_pattern(tmp_path: Path, ending: str) -> None:
    other = pl.DataFrame({"time": np.arange(200) / 50, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    mine = other.with_columns(acc_x=3.0, activity=pl.lit("walking"))
    for name, frame in (("data1", other), ("data[1]", mine)):
        path = tmp_path / f"{name}{ending}"
        {".csv": frame.write_csv, ".parquet": frame.write_parquet, ".feather": frame.write_ipc}[
            ending
        ](path)
    assert read(path).values[0, 0] == 3.0


def test_bad_rows_are_dropped_and_counted(tmp_path: Path) -> None:
    lines = rows()
    lines[10], lines[11], lines[12] = "0.200,oops,0.5,9.8", "0.220,nan,0.5,9.8", "0.240,inf,1,1"
    lines[20], lines[21] = lines[21], lines[20]
    lines.insert(30, lines[30])
    got = read(csv(tmp_path / "bad.csv", HEADER, lines))
    assert got.notes["rows_dropped"] == 3
    assert got.notes["rows_out_of_order"] == 1
    assert got.notes["rows_of_the_same_time"] == 1
    assert np.isfinite(got.values).all()


def moments(*parts: tuple[float, float]) -> list[str]:
    """Rows at 50 Hz from each start to its end, in seconds, one piece below the other."""
    times = np.concatenate([np.arange(round(50 * (b - a))) / 50 + a for a, b in parts])
    return [f"{t:.3f},{k},0.5,9.8" for k, t in enumerate(times)]


@pytest.mark.parametrize(
    "parts",
    [
        ((0, 20), (0, 20)),
        ((0, 20), (0.007, 5)),
        ((0, 20), (12, 40)),
        ((0, 20), (12.01, 40)),
        ((100, 120), (0, 20)),
    ],
)
def test_a_clock_that_restarts_is_refused_not_sorted(
    parts: tuple[tuple[float, float], ...], tmp_path: Path
) -> None:
    path = csv(tmp_path / "twice.csv", HEADER, moments(*parts))
    with pytest.raises(
        RecordingError, match=r"twice.csv: .* row 1001 .* was set .* split the file"
    ):
        read(path)


@pytest.mark.parametrize(
    "parts",
    [
        ((0, 20), (30, 40), (20, 30), (40, 50)),  # a packet from a logger's memory came late
        ((1.7e9 + 20, 1.7e9 + 40), (1.7e9, 1.7e9 + 20)),  # files joined in another order
    ],
)
def test_rows_that_came_late_are_put_in_their_place(
    parts: tuple[tuple[float, float], ...], tmp_path: Path
) -> None:
    lines = moments(*parts)
    got = read(csv(tmp_path / "late.csv", HEADER, lines))
    assert len(got) == len(lines) and not got.gaps
    newest_first = read(csv(tmp_path / "back.csv", HEADER, moments((0, 5), (60, 90))[::-1]))
    assert len(newest_first) == 1750 and len(newest_first.gaps) == 1


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize(("at", "stray"), [(0, 0.0), (499, 1.8e9), (250, 1.7e9 + 30 * 86400)])
def test_a_stamp_far_from_all_others_is_left_out_and_told(
    tmp_path: Path, ending: str, at: int, stray: float
) -> None:
    time = 1.7e9 + np.arange(500) / 50
    time[at] = stray
    frame = pl.DataFrame({"time": time, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    frame = frame.with_columns(activity=pl.lit("walking")) if ending == ".csv" else frame
    path = tmp_path / f"stray{ending}"
    frame.write_csv(path) if ending == ".csv" else frame.write_parquet(path)
    for got in (read(path), pieces(path).sketch):
        assert got.duration == pytest.approx(10, abs=0.05) and got.notes["rows_dropped"] == 1
        told = {f.what: f for f in findings(got)}["stray times"]
        assert told.decided.startswith("1 ") and f"data row {at + 1} " in told.why
        assert all(interval.end < 10.1 for interval in got.intervals)


def test_a_pause_of_days_is_kept_and_one_of_years_refused(tmp_path: Path) -> None:
    day = [(1.7e9 + 86400 * k, 1.7e9 + 86400 * k + 10) for k in (0, 3, 4)]
    got = read(csv(tmp_path / "week.csv", HEADER, moments(*day)))
    assert len(got) == 1500 and len(got.gaps) == 2
    assert got.duration == pytest.approx(4 * 86400 + 10)
    path = csv(tmp_path / "unset.csv", HEADER, moments((0, 3), day[0]))
    with pytest.raises(RecordingError, match=r"150 rows, .* data row 1, lie 53.9 years"):
        read(path)


@pytest.mark.parametrize("begin", [0.0, 1.7e9])
@pytest.mark.parametrize(("each", "unit"), [(10, "ms"), (50, "s"), (2, "ms")])
def test_samples_of_one_stamp_are_spread_up_to_the_next(
    tmp_path: Path, begin: float, each: int, unit: str
) -> None:
    """Packets by Bluetooth, or stamps of whole seconds, with an activity that changes in one."""
    stamps = [begin + k // each * each / 50 for k in range(17, 2000)]
    lines = [
        f"{t if unit == 's' else round(1000 * t):.0f},{k % 97},0.5,9.8,{'ab'[k >= 1030]}"
        for k, t in enumerate(stamps, start=17)
    ]
    got = read(csv(tmp_path / "packets.csv", HEADER + ",activity", lines), time=unit)
    assert got.rate == 50 and len(got) == 1983 and not got.gaps
    assert np.allclose(got.values[:, 0], np.arange(17, 2000) % 97, atol=0.01)
    told = {f.what: f for f in findings(got)}["stamps"]
    assert told.decided == f"{each} samples each, spread evenly" and told.sure == "measured"
    assert [i.activity for i in got.intervals] == ["a", "b"]
    assert got.intervals[1].start == pytest.approx((1030 - 17) / 50)
    assert got.notes["rows_of_the_same_time"] == 0


def test_a_packet_that_is_lost_leaves_a_gap(tmp_path: Path) -> None:
    lines = [f"{k // 50},{k % 97},0.5,9.8" for k in range(1000) if k // 50 != 7]
    got = read(csv(tmp_path / "packets.csv", HEADER, lines), time="s")
    assert got.rate == 50 and len(got.gaps) == 1 and got.duration == pytest.approx(20)
    assert (got.gaps[0].start, got.gaps[0].end) == (pytest.approx(7), pytest.approx(8))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([f"{k // 40 if k % 9 else k // 7},{k},0,9" for k in range(900)], "not evenly many"),
        ([f"{k / 50},{k % 7},{9 * d},9" for k in range(99) for d in (0, 1)], "2 devices in turn"),
    ],
)
def test_stamps_that_many_rows_share_are_refused_in_words(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    with pytest.raises(RecordingError, match=f"bear the time of the row before.* {says}"):
        read(csv(tmp_path / "shared.csv", HEADER, lines))


@pytest.mark.parametrize("cadence", [1.98, 2.0])
def test_steps_that_take_as_long_as_a_stamp_are_no_devices(tmp_path: Path, cadence: float) -> None:
    x = 3 * np.sin(2 * np.pi * cadence * np.arange(1000) / 10)
    lines = [f"{k // 5 / 2},{x[k]:.3f},0.5,9.8" for k in range(1000)]
    got = read(csv(tmp_path / "steps.csv", HEADER, lines))
    assert got.rate == 10 and np.allclose(got.values[:, 0], x, atol=0.01)
    lines = [f"{k // 5 / 2},{x[k // 5] / 9:.3f},{k**3 % 5},9.8" for k in range(1000)]
    with pytest.raises(RecordingError, match="5 devices in turn"):
        read(csv(tmp_path / "devices.csv", HEADER, lines))


def test_rows_written_twice_count_once(tmp_path: Path) -> None:
    got = read(csv(tmp_path / "doubled.csv", HEADER, [row for row in rows() for _ in "12"]))
    assert len(got) == 200 and got.notes["rows_of_the_same_time"] == 200


@pytest.mark.parametrize("begin", [0.0, 1.7e9])
@pytest.mark.parametrize("rows", [1000, 3000])
def test_buffers_that_take_turns_are_sorted_together(
    tmp_path: Path, begin: float, rows: int
) -> None:
    """Every other row of 20 s, then those in between: all of a file, or a part that is uneven."""
    jitter = np.random.default_rng(0).uniform(0, 0.004 if rows > 1000 else 0, rows)
    time = begin + np.arange(rows) / 50 + jitter
    order = np.r_[np.arange(0, 1000, 2), np.arange(1, 1000, 2), 1000:rows]
    got = read(csv(tmp_path / "two.csv", HEADER, [f"{time[k]:.4f},{k},0.5,9.8" for k in order]))
    assert len(got) == pytest.approx(rows, abs=1) and not got.gaps
    assert got.notes["rows_out_of_order"] == 1 and (np.diff(got.values[:, 0]) > 0).all()


def test_a_slower_recording_is_not_sorted_into_another(tmp_path: Path) -> None:
    lines = moments((0, 60)) + [f"{k / 5 + 0.011},{k},0.5,9.8" for k in range(100)]
    with pytest.raises(RecordingError, match="at data row 3001 "):
        read(csv(tmp_path / "two.csv", HEADER, lines))


@pytest.mark.parametrize("begin", [0.0, 1.7e9])
@pytest.mark.parametrize(("until", "again"), [(500, 300), (1000, 0)])
@pytest.mark.parametrize("each", [1, 10])
def test_rows_that_are_sent_again_count_once(
    tmp_path: Path, begin: float, until: int, again: int, each: int
) -> None:
    """Overlapping exports, a file appended to itself; one sample a stamp, or packets at rest."""
    values = [k % 300 - (k % 5 == 1) for k in range(1000)]
    lines = [f"{begin + k // each * each / 50:.3f},{v},0.5,9.8" for k, v in enumerate(values)]
    got = read(csv(tmp_path / "again.csv", HEADER, lines[:until] + lines[again:]))
    assert got.notes["rows_of_the_same_time"] == until - again
    assert got.rate == 50 and len(got) == 1000 and not got.gaps
    assert np.allclose(got.values[:, 0], values, atol=0.01)


def test_sensors_stacked_below_each_other_are_no_restart(tmp_path: Path) -> None:
    acc = [f"{k / 50},1,2,9,,," for k in range(1000)]
    gyro = [f"{k / 50},,,,1,2,3" for k in range(1000)]
    path = csv(tmp_path / "wide.csv", HEADER + ",gyro_x,gyro_y,gyro_z", acc + gyro)
    assert len(read(path)) == 1000
    long = [f"{s},{k / 50},1,2,9" for s in ("accelerometer", "gyroscope") for k in range(1000)]
    got = read(csv(tmp_path / "long.csv", "sensor,time,x,y,z", long))
    assert len(got) == 1000


def test_other_columns_are_let_be_and_subject_is_kept(tmp_path: Path) -> None:
    lines = [f"{line},42,bob" for line in rows()]
    got = read(csv(tmp_path / "more.csv", HEADER + ",heart_rate,subject", lines))
    assert len(got.channels) == 3 and got.subject == "bob"


def test_faster_samples_are_filtered_to_a_stated_rate(tmp_path: Path) -> None:
    """At 200 Hz: what turns 30 times a second would seem to turn 20 times at 50 Hz."""
    t = np.arange(4000) / 200
    lines = [f"{s:.3f},{np.sin(60 * np.pi * s):.5f},{np.sin(4 * np.pi * s):.5f},9.8" for s in t]
    path = csv(tmp_path / "fast.csv", HEADER, lines)
    got = read(path, rate=50)
    assert (got.rate, got.duration) == (50, 20)
    assert np.abs(got.values[50:-50, 0]).max() < 0.01
    assert np.allclose(got.values[50:-50, 1], np.sin(4 * np.pi * got.time[50:-50]), atol=0.01)
    (told,) = [f for f in findings(got) if f.what == "rate"]
    assert told.decided == "50 Hz" and "come at 200 Hz" in told.why
    slow = read(csv(tmp_path / "slow.csv", HEADER, lines[::10]), rate=50)
    assert any("come at 20 Hz" in f.why for f in findings(slow))


def test_without_time_a_rate_is_needed(tmp_path: Path) -> None:
    path = csv(tmp_path / "no.csv", "acc_x,acc_y,acc_z", ["1,2,3"] * 100)
    with pytest.raises(RecordingError, match="--rate"):
        read(path)
    assert read(path, rate=20).duration == 5


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"time,acc_x,acc_y,acc_z\n", "no rows"),
        (b"a,b\n1,2\n3,4\n", "no column is named like a channel"),
        (b"time,acc_x\n0,x\n1,y\n", "column 'acc_x' holds no number"),
        (b"time,acc_x\nmonday,1\ntuesday,2\n", "neither seconds nor ISO 8601"),
        (b"time,acc_x\n9:00 Z,1\n9:01 Z,2\n", "neither seconds nor ISO 8601 .row 1: '9:00 Z'"),
        (b"time,acc_x\n" + b"".join(b"%d,1\n" % (10**11 * i) for i in range(99)), "--as time=s"),
        (b"time,acc_x\n0,1\n0,2\n", "same time"),
        (b"time,acc_x,gyro_x\n0,1,\n1,1,\n2,1,1\n3,,1\n4,,1\n", "a single sample"),
        (b"time,acc_x\n" + b"0,nan\n" * 9 + b"1,1\n2,1\n", "data row 1"),
        (b"\x89PNG\r\n\x1a\n\x00\xff" * 20, "bad"),
    ],
)
def test_refusals_name_file_and_remedy(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=says) as error:
        read(path)
    assert "bad.csv" in str(error.value)


def test_absent_file_folder_and_false_parquet(tmp_path: Path) -> None:
    (tmp_path / "false.parquet").write_text("not parquet")
    for path in (tmp_path / "absent.csv", tmp_path, tmp_path / "false.parquet"):
        with pytest.raises(RecordingError, match=path.name):
            read(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_read_or_refused_in_words(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray("\n".join([HEADER, *rows(60)]).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path / "damaged.csv"
    path.write_bytes(bytes(content[:cut]))
    try:
        got = read(path)
    except AmbuloError as error:
        assert "damaged" in str(error)
    else:
        assert np.isfinite(got.values).all()


def test_writing_elsewhere_is_refused(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=".csv or .parquet"):
        write(recording, tmp_path / "x.xlsx")


@pytest.mark.parametrize("block", [1 << 18, 100], ids=["one block", "a gap between two"])
def test_clean_parquet_is_read_as_the_careful_way_reads_it(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean, "_BLOCK", block)
    rng = np.random.default_rng(0)
    time = np.r_[np.arange(300), np.arange(400, 900)] / 50
    columns = {f"acc_{a}": rng.normal(9.8 * (a == "z"), 1, 800).astype(np.float32) for a in "xyz"}
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    dates = [start + timedelta(seconds=t) for t in time]
    jitter = time + 0.008 * rng.random(800)
    for name, clock in (("seconds", time), ("dates", dates), ("jitter", jitter)):
        frame = pl.DataFrame({"time": clock, **columns})
        frame.write_parquet(tmp_path / f"{name}.parquet", row_group_size=128)
        frame.write_csv(tmp_path / f"{name}.csv")
        quick, careful = (read(tmp_path / f"{name}{e}") for e in (".parquet", ".csv"))
        assert np.allclose(quick.values, careful.values, atol=1e-5)
        assert (quick.rate, quick.start) == (careful.rate, careful.start)
        assert len(quick.gaps) == 1 and quick.duration == pytest.approx(careful.duration)
        assert quick.gaps[0].start == pytest.approx(careful.gaps[0].start)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("rate", "digits"), [(128, 3), (104, 3), (64, 3), (52, 3), (31.25, 3), (15.625, 6), (64, 2)]
)
def test_rounded_stamps_tell_the_true_rate(
    tmp_path: Path, rate: float, digits: int, ending: str
) -> None:
    time = np.delete(np.arange(4000) / rate, np.arange(250, 4000, 250))  # some are skipped
    frame = pl.DataFrame({"time": time.round(digits), "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    path = tmp_path / f"rounded.{ending}"
    frame.write_csv(path) if ending == "csv" else frame.write_parquet(path)
    assert read(path).rate == rate


def test_late_samples_change_no_rate() -> None:
    for late in (0.005, 0.010, 0.015, 0.018):
        time = np.arange(3000) / 50
        time[::20] += late
        assert rate_of(time.round(3))[0] == 50
    assert rate_of(np.array([0, 0.0005, 0.02]))[0] == 100  # no step is usual


def test_parquet_damaged_at_its_end_or_start_is_read_or_refused_in_words(tmp_path: Path) -> None:
    path, time = tmp_path / "damaged.parquet", np.arange(300) / 50
    frame = pl.DataFrame({"time": time, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    frame.write_parquet(path)
    content, said = path.read_bytes(), []
    end = len(content) - 8 - int.from_bytes(content[-8:-4], "little")  # where the footer begins
    for at in (*range(4, 12), *range(end, len(content), 8)):
        for byte in (0, 21, 255):
            path.write_bytes(content[:at] + bytes([byte]) + content[at + 1 :])
            try:
                read(path)
            except AmbuloError as error:
                said.append(str(error))
    assert len(said) > 20 and all("damaged.parquet" in text for text in said)


def test_clean_parquet_tells_its_jitter_as_the_careful_way_does(tmp_path: Path) -> None:
    late = np.random.default_rng(0).uniform(0, 0.004, 3000) * (np.arange(3000) % 4 == 3)
    time = np.arange(3000) / 50 + late
    frame = pl.DataFrame({"time": time, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    frame.write_parquet(tmp_path / "j.parquet")
    frame.write_csv(tmp_path / "j.csv")
    quick, careful = (read(tmp_path / f"j.{ending}") for ending in ("parquet", "csv"))
    assert quick.notes["jitter"] == pytest.approx(careful.notes["jitter"], abs=1e-3)
    assert quick.notes["jitter"] > 0.05
    told = [next(f.why for f in findings(r) if f.what == "rate") for r in (quick, careful)]
    assert told[0] == told[1]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_durations_are_seconds(tmp_path: Path, unit: Literal["ms", "us", "ns"]) -> None:
    time = pl.Series([timedelta(milliseconds=20 * k) for k in range(200)], dtype=pl.Duration(unit))
    frame = pl.DataFrame({"time": time, "acc_x": 1.0, "acc_y": 2.0, "acc_z": 9.0})
    frame.write_parquet(tmp_path / "d.parquet")
    got = read(tmp_path / "d.parquet")
    assert (got.rate, got.duration, got.start) == (50, 4, None)


def test_parquet_that_is_not_clean_is_read_with_care(tmp_path: Path) -> None:
    values = [9.8] * 50 + [None] + [9.8] * 49
    frame = pl.DataFrame({"time": [i / 50 for i in range(100)], "acc_z": values})
    frame.write_parquet(tmp_path / "null.parquet")
    assert read(tmp_path / "null.parquet").notes["rows_dropped"] == 1
    frame.drop_nulls().reverse().write_parquet(tmp_path / "back.parquet")
    assert read(tmp_path / "back.parquet").notes["rows_out_of_order"] == 98


def test_a_pause_longer_than_stated_is_a_gap(tmp_path: Path) -> None:
    lines = rows()[:100] + [f"{5 + i / 50:.3f},{i},0.5,9.8" for i in range(100)]
    path = csv(tmp_path / "gap.csv", HEADER, lines)
    assert read(path, max_gap=4).gaps == () and len(read(path, max_gap=2.9).gaps) == 1


def test_samples_skipped_now_and_then_do_not_quicken_the_rate(tmp_path: Path) -> None:
    lines = [f"{i / 25:.3f},{i},0.5,9.8" for i in range(500) if i % 5]
    got = read(csv(tmp_path / "skip.csv", HEADER, lines))
    assert got.rate == 20 and got.duration == pytest.approx(20, abs=0.2)


def walk(n: int = 400, rate: float = 50.0) -> dict[str, np.ndarray]:
    """Seconds and a walk that feels gravity, by channel."""
    t = np.arange(n) / rate
    swing = np.sin(2 * np.pi * 1.7 * t)
    return {"time": t, "acc_x": 2 * swing, "acc_y": np.cos(t), "acc_z": 9.81 + swing}


def sentences(recording: Recording) -> str:
    return "; ".join(map(str, findings(recording)))


def test_times_that_a_zones_clocks_skip_are_no_times_there(tmp_path: Path) -> None:
    """A clock that nobody set in spring: to leave the hour out would lose it without a word."""
    lines = [
        f"{datetime(2026, 3, 29, 1, 59) + timedelta(seconds=i / 5)},{i % 7},0.5,9.8"
        for i in range(900)
    ]
    path = csv(tmp_path / "spring.csv", HEADER, lines)
    with pytest.raises(RecordingError, match=r"spring.csv: .*no 2026-03-29 02:00 .*zone=Etc/GMT-1"):
        read(path, zone="Europe/Rome")
    got = read(path, zone="Etc/GMT-1")
    assert len(got) == 900 and got.start == datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    beyond = csv(tmp_path / "within.csv", HEADER, lines[301:700])
    with pytest.raises(RecordingError, match="skip"):
        read(beyond, zone="Europe/Rome")


def test_a_stated_column_of_time_leaves_the_others_to_be_found(tmp_path: Path) -> None:
    data = walk()
    frame = pl.DataFrame({"uhr (ms)": 1000 * data.pop("time"), **data, "timestamp (us)": 7.0})
    frame.write_csv(tmp_path / "uhr.csv")
    got = read(tmp_path / "uhr.csv", columns={"time": "uhr (ms)"})
    assert got.rate == 50 and [c.name for c in got.channels] == ["acc_x", "acc_y", "acc_z"]
    plain = frame.rename({"uhr (ms)": "uhr"}).with_columns(pl.col("uhr") / 1000)
    plain.write_csv(tmp_path / "uhr.csv")
    assert read(tmp_path / "uhr.csv", columns={"time": "uhr"}).rate == 50


GYRO = {"time": "time", "gyro_x": "Drehrate X (deg/s)", "acc_x": "A", "acc_y": "B", "acc_z": "C"}


def test_a_stated_column_has_the_unit_that_stands_in_its_name(tmp_path: Path) -> None:
    data = walk()
    turns = {"Drehrate X (deg/s)": 10 * np.sin(data["time"])}
    named = dict(zip(("time", "A", "B", "C"), data.values(), strict=True))
    pl.DataFrame(named | turns).write_csv(tmp_path / "d.csv")
    got = read(tmp_path / "d.csv", columns=GYRO)
    assert np.abs(got.values[:, 3]).max() == pytest.approx(np.deg2rad(10), rel=0.01)


@pytest.mark.parametrize(
    ("said", "factor"),
    [("mdps", 1e3), ("rpm", 1 / 6), ("deg/min", 60.0), ("°/s", 1.0)],
)
def test_turns_in_any_usual_unit_are_what_they_are(
    tmp_path: Path, said: str, factor: float
) -> None:
    data = walk()
    turns = {
        f"gyro {a} ({said})": 20 * factor * np.sin(data["time"] + k) for k, a in enumerate("xyz")
    }
    pl.DataFrame(data | turns).write_csv(tmp_path / "turns.csv")
    got = read(tmp_path / "turns.csv")
    assert np.abs(got.values[:, 3:]).max() == pytest.approx(np.deg2rad(20), rel=0.01)
    assert "unit of gyro" in sentences(got) and "stated" in sentences(got)


def test_a_unit_that_is_not_known_is_told_to_be_guessed(tmp_path: Path) -> None:
    data = walk()
    turns = {f"gyro {a} (turns/day)": 300 * np.sin(data["time"] + k) for k, a in enumerate("xyz")}
    pl.DataFrame(data | turns).write_csv(tmp_path / "turns.csv")
    told = next(f for f in findings(read(tmp_path / "turns.csv")) if f.what == "unit of gyro")
    assert told.sure == "assumed" and "turns/day" in told.why


def test_a_magnetometers_mg_are_milligauss(tmp_path: Path) -> None:
    data = walk()
    field = {f"mag {a} (mG)": 400 * np.cos(data["time"] + k) for k, a in enumerate("xyz")}
    pl.DataFrame(data | field).write_csv(tmp_path / "mag.csv")
    assert np.abs(read(tmp_path / "mag.csv").values[:, 3:]).max() == pytest.approx(40, rel=0.01)


@pytest.mark.parametrize(("name", "seconds"), [("time (min)", 60), ("elapsed_h", 3600)])
def test_time_may_count_in_minutes_or_hours(tmp_path: Path, name: str, seconds: float) -> None:
    data = walk()
    frame = pl.DataFrame({name: data.pop("time") / seconds, **data})
    frame.write_csv(tmp_path / "m.csv")
    got = read(tmp_path / "m.csv")
    assert (got.rate, len(got)) == (50, 400)


def test_what_a_spreadsheet_on_windows_saves_keeps_its_units(tmp_path: Path) -> None:
    named = [f"acc_{a} (m/s²)" for a in "xyz"] + [f"gyro_{a} (°/s)" for a in "xyz"]
    header = ",".join(["time", *named, "activity"])
    lines = [f"{line},{i % 9},2,3,müde" for i, line in enumerate(rows())]
    got = []
    for code in ("utf-8", "cp1252"):
        path = tmp_path / "sheet.csv"
        path.write_bytes("\n".join([header, *lines]).encode(code))
        got.append(read(path))
    assert np.array_equal(got[0].values, got[1].values)
    assert got[1].intervals[0].activity == "müde"
    assert np.abs(got[1].values[:, 3]).max() == pytest.approx(np.deg2rad(8))


def test_times_of_day_keep_their_fractions_in_parquet(tmp_path: Path) -> None:
    data = walk()
    day = pl.Series((36000e9 + 1e9 * data["time"]).astype(np.int64)).cast(pl.Time)
    frame = pl.DataFrame({**data, "time": day})
    frame.filter(~pl.int_range(400).is_between(120, 160)).write_parquet(tmp_path / "t.parquet")
    got = read(tmp_path / "t.parquet")
    (gap,) = got.gaps
    assert (gap.start, gap.end) == (pytest.approx(2.4), pytest.approx(3.22))


@pytest.mark.parametrize("rate", [31.25, 50.0, 100.0])
def test_no_last_sample_is_lost_to_rounding(tmp_path: Path, rate: float) -> None:
    """Seconds since 1970 are rounded to 0.2 µs, and microseconds to 1."""
    for seed in range(8):
        start = datetime.fromtimestamp(1.77e9 + 0.123457 * seed, UTC)
        channels = tuple(map(Channel, ("acc_x", "acc_y", "acc_z")))
        values = np.ones((333, 3), np.float32)
        made = Recording(values, rate, channels, start=start, name="r", subject="r")
        assert len(read(write(made, tmp_path / "r.csv"))) == 333
        seconds = 1.77e9 + 0.123457 * seed + np.arange(333) / rate
        lines = [f"{t:.6f},{i},0.5,9.8" for i, t in enumerate(seconds)]
        assert len(read(csv(tmp_path / "s.csv", HEADER, lines))) == 333


def test_decimal_commas_are_seen_among_many_whole_numbers(tmp_path: Path) -> None:
    data = walk()
    lines = [
        ";".join(f"{v:.3f}".replace(".", ",") for v in row) + ";1" * 12
        for row in zip(*data.values(), strict=True)
    ]
    extra = ";".join(f"button{k}" for k in range(12))
    got = read(csv(tmp_path / "de.csv", f"time;acc_x;acc_y;acc_z;{extra}", lines))
    assert np.allclose(got.values, np.stack(list(data.values())[1:], axis=1), atol=1e-3)


def test_an_archive_of_two_days_is_no_recording(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "days.zip", "w") as archive:
        for day in (1, 2):
            lines = [
                f"{datetime(2026, 5, day, 8) + timedelta(seconds=i / 50)},{i},0.5,9.8"
                for i in range(200)
            ]
            archive.writestr(f"{day}.csv", "\n".join([HEADER, *lines]))
    with pytest.raises(RecordingError, match=r"days.zip: holds several recordings"):
        read(tmp_path / "days.zip")


@pytest.mark.parametrize("apart", [",", " "])
def test_numbers_without_names_are_told_in_any_notation(tmp_path: Path, apart: str) -> None:
    np.savetxt(tmp_path / "n.csv", np.stack(list(walk().values()), axis=1), delimiter=apart)
    with pytest.raises(RecordingError, match="its first row holds numbers"):
        read(tmp_path / "n.csv")


def test_a_file_that_lacks_an_axis_is_said_to(tmp_path: Path) -> None:
    data = walk()
    pl.DataFrame({k: v for k, v in data.items() if k != "acc_y"}).write_csv(tmp_path / "xz.csv")
    said = sentences(read(tmp_path / "xz.csv"))
    assert "nan" not in said and "no three axes to measure" in said


def test_gravity_is_added_in_the_unit_that_it_is_told_in(tmp_path: Path) -> None:
    t = np.arange(400) / 50
    data = {"time": t}
    for k, axis in enumerate("xyz"):
        data[f"Linear Acceleration {axis} (m/s^2)"] = np.sin(t + k)
        data[f"Gravity {axis} (g)"] = np.full(400, float(axis == "z"))
    pl.DataFrame(data).write_csv(tmp_path / "g.csv")
    assert read(tmp_path / "g.csv").values[:, 2].mean() == pytest.approx(9.81, abs=0.3)


def test_two_devices_of_one_table_are_not_one(tmp_path: Path) -> None:
    rows = [
        {"time": k / 50, "sensor": f"{side}.accelerometer", "x": 0.1, "y": 0.2, "z": 9.8}
        for k in range(200)
        for side in ("left", "right")
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "both.csv")
    with pytest.raises(RecordingError, match="write a file for each device"):
        read(tmp_path / "both.csv")
