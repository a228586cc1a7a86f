"""A long CSV is read block by block, and is what it is when read whole."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import logger_files as files
import numpy as np
import pytest

from ambulo import read
from ambulo.errors import RecordingError
from ambulo.readers import findings, long, pieces
from ambulo.recording import Recording


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Recording]:
    """Reads a file whole; without it, in this module, anything is long, and a block 20 kB."""
    monkeypatch.setattr(long, "LONG", 0)
    monkeypatch.setattr(long, "_TEXT", 20_000)

    def read_whole(path: Path, **stated: Any) -> Recording:
        with monkeypatch.context() as patch:
            patch.setattr(long, "LONG", 1 << 60)
            return read(path, **stated)

    return read_whole


def same(got: Recording, expected: Recording) -> None:
    assert got.channels == expected.channels and got.gaps == expected.gaps
    assert (got.rate, got.start, got.subject) == (expected.rate, expected.start, expected.subject)
    assert np.array_equal(got.values, expected.values)
    assert [str(f) for f in findings(got)] == [str(f) for f in findings(expected)]
    assert got.notes == expected.notes


def in_blocks(path: Path, **stated: Any) -> Recording:
    found = long.read_long(long.Source(path), long.Settings(**stated))
    assert found is not None
    return found


WRITERS = [files.plain_g_and_degrees, files.plain_unsaid, files.omgui, files.genea]
WRITERS += [files.actilife, files.actilife_imu]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__)
def test_in_blocks_it_is_the_same(
    write: Callable[[Path], Path], packed: bool, whole: Any, tmp_path: Path
) -> None:
    path = write(tmp_path)
    if packed and path.suffix != ".gz":
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_name(path.name + ".gz")
    expected = whole(path)
    same(in_blocks(path), expected)
    same(read(path), expected)
    going = pieces(path)
    values = [values for _, values in going]
    assert np.array_equal(np.concatenate(values), expected.values)
    assert (going.samples, going.gaps) == (len(expected), expected.gaps)
    assert np.array_equal(np.concatenate([v for _, v in going]), expected.values)  # once more


def test_gaps_and_rows_that_were_cut_off_are_told(whole: Any, tmp_path: Path) -> None:
    path = tmp_path / "cut.csv"
    time = np.concatenate([np.arange(3000) / 50, 90 + np.arange(3000) / 50])
    rows = [f"{t:.2f},{np.sin(t):.5f},0.1,9.8" for t in time]
    path.write_text("\n".join(["time,acc_x,acc_y,acc_z", *rows, "150.0,0."]))
    got = in_blocks(path)
    same(got, whole(path))
    assert got.notes["rows_dropped"] == 1 and [(g.start, g.end) for g in got.gaps] == [(60, 90)]


def test_rows_without_time_come_at_the_stated_rate(whole: Any, tmp_path: Path) -> None:
    path = tmp_path / "untimed.csv"
    path.write_text("x,y,z\n" + "".join(f"{np.sin(t):.5f},0.1,9.8\n" for t in range(5000)))
    same(in_blocks(path, rate=30.0), whole(path, rate=30.0))


def test_a_device_that_sleeps_for_many_blocks_leaves_one_gap(whole: Any, tmp_path: Path) -> None:
    awake = "".join(f"{np.sin(t / 9):.3f},-1.000,0.012\n" for t in range(3000))
    path = tmp_path / "slept.csv"
    lines = files.actilife_lines("M/d/yyyy", "3/1/2026")
    path.write_text(lines + awake + "0.000,0.000,0.000\n" * 9000 + awake)
    got = in_blocks(path)
    (gap,), expected = got.gaps, whole(path)
    assert (gap.start, gap.end) == pytest.approx((60, 240))
    assert [(g.start, g.end) for g in expected.gaps] == [pytest.approx((60, 240))]
    assert np.array_equal(got.values, expected.values)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: [*rows[:2000], "never,1,2,3", *rows[2000:]],
        lambda rows: [*rows[:2000], "40.0,,,", *rows[2000:]],
        lambda rows: rows[:2000] + rows[1900:],
        lambda rows: rows[:2000] + rows[2003:],
        lambda rows: [rows[0], "", *rows[2:2000], "\x00" * 40_000],
    ],
    ids=["a word", "an empty row", "goes back", "three are missing", "binary"],
)
def test_what_is_not_clean_is_left_to_the_careful_way(
    spoil: Any, whole: Any, tmp_path: Path
) -> None:
    path = tmp_path / "spoilt.csv"
    rows = [f"{t:.2f},{np.sin(t):.5f},0.1,9.8" for t in np.arange(3000) / 50]
    path.write_text("\n".join(["time,acc_x,acc_y,acc_z", *spoil(rows)]))
    assert long.read_long(long.Source(path), long.Settings()) is None
    try:
        expected = whole(path)
    except RecordingError as error:
        with pytest.raises(RecordingError, match="spoilt.csv") as told:
            read(path)
        assert str(told.value) == str(error)
    else:
        same(read(path), expected)


def test_labels_and_gravity_apart_are_left_to_the_careful_way(whole: Any, tmp_path: Path) -> None:
    rows = [f"{t:.2f},0.1,0.2,9.8,walking" for t in np.arange(3000) / 50]
    path = tmp_path / "labelled.csv"
    path.write_text("\n".join(["time,acc_x,acc_y,acc_z,activity", *rows]))
    assert long.read_long(long.Source(path), long.Settings()) is None
    assert read(path).intervals == whole(path).intervals != ()


def test_a_damaged_packed_file_is_named(whole: Any, tmp_path: Path) -> None:
    path = tmp_path / "half.csv.gz"
    path.write_bytes(gzip.compress(files.omgui(tmp_path).read_bytes())[:20_000])
    with pytest.raises(RecordingError, match="half.csv.gz: is damaged"):
        read(path)


def test_no_room_for_the_samples_is_told_with_a_remedy(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def write(self, _: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            pass

    monkeypatch.setattr(long.tempfile, "TemporaryFile", Full)
    with pytest.raises(RecordingError, match=r"omgui.csv: there is no room .*TMPDIR"):
        read(files.omgui(tmp_path))


def test_blocks_that_begin_in_an_hour_that_comes_twice_are_read_whole(
    tmp_path: Path, whole: Callable[[Path], Recording]
) -> None:
    """Which of the two it is, at 2:30 of the night when clocks go back, only what follows tells."""
    local = datetime(2026, 10, 25, 2, 30)
    lines = [f"{local + timedelta(seconds=k / 8)},{k % 7},0.5,9.8" for k in range(24000)]
    path = tmp_path / "night.csv"
    path.write_text("\n".join(["time,acc_x,acc_y,acc_z", *lines]) + "\n")
    got = read(path, zone="Europe/Rome")
    assert got.start is not None and not got.gaps
    assert got.start.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    same(got, whole(path, zone="Europe/Rome"))  # type: ignore[call-arg]
