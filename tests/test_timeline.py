"""A timeline covers the recording exactly once: decided, unknown, or gap."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambulo import Timeline
from ambulo.datasets.stored import save_windows
from ambulo.errors import OutputError
from ambulo.timeline import GAP, UNKNOWN, Bout, from_windows
from ambulo.windows import Windows

NAMES = ("sit", "walk", "run")


@st.composite
def decisions(draw: st.DrawFn) -> tuple[list[tuple[int, int, float]], np.ndarray, int, np.ndarray]:
    """Segments with gaps between, window starts in them, and probabilities."""
    length, step = draw(st.integers(1, 40)), draw(st.integers(1, 60))
    segments, starts, first, seconds = [], [], 0, 0.0
    for n in draw(st.lists(st.integers(1, 200), min_size=1, max_size=4)):
        segments.append((first, first + n, seconds))
        starts += list(range(first, first + n - length + 1, step))
        first += n
        seconds += n / 10 + draw(st.integers(1, 30)) / 10
    seed = draw(st.integers(0, 9))
    p = np.random.default_rng(seed).dirichlet(np.ones(3), len(starts))
    return segments, np.array(starts, int), length, p.reshape(-1, 3)


@given(decisions())
def test_bouts_cover_the_signal_and_the_gaps_exactly(
    case: tuple[list[tuple[int, int, float]], np.ndarray, int, np.ndarray],
) -> None:
    segments, starts, length, p = case
    timeline = from_windows(p, starts, length, segments, 10.0, NAMES)
    bouts = list(timeline)
    assert bouts[0].start == 0
    for a, b in zip(bouts, bouts[1:], strict=False):
        assert a.end == pytest.approx(b.start) and a.activity != b.activity
    assert all(bout.end > bout.start for bout in bouts)
    gaps = sum(b.end - b.start for b in bouts if b.activity == GAP)
    assert bouts[-1].end - gaps == pytest.approx(segments[-1][1] / 10)
    windowed = np.zeros(segments[-1][1], bool)
    for start in starts:
        windowed[start : start + length] = True
    unknown = sum(b.end - b.start for b in bouts if b.activity == UNKNOWN)
    assert unknown == pytest.approx((~windowed).sum() / 10)


def test_a_window_decides_around_its_centre() -> None:
    p = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.0]])
    timeline = from_windows(p, np.array([0, 10, 20]), 20, [(0, 45, 0.0)], 10.0, NAMES)
    found = [(b.start, b.end, b.activity) for b in timeline]
    assert found == [(0, 1.5, "sit"), (1.5, 4.0, "walk"), (4.0, 4.5, UNKNOWN)]


@pytest.fixture
def timeline() -> Timeline:
    bouts = (Bout(0, 60, "sit", 0.9), Bout(60, 90, GAP, 0), Bout(90, 150.5, "walk", 0.75))
    return Timeline(bouts, datetime(2026, 3, 1, 9, 2, 11, tzinfo=UTC), "monday")


def test_reads_like_a_diary(timeline: Timeline) -> None:
    assert str(timeline).splitlines() == [
        "09:02:11-09:03:11 sit 0.90",
        "09:03:11-09:03:41 gap",
        "09:03:41-09:04:41 walk 0.75",
    ]
    assert timeline.totals() == {"walk": 60.5, "sit": 60, GAP: 30}


def test_a_minute_has_no_second_60() -> None:
    assert Timeline((Bout(0.0, 59.96, "sitting", 1.0),)).clock(59.96) == "00:01:00.0"


def test_every_format_holds_every_bout(timeline: Timeline, tmp_path: Path) -> None:
    csv = pl.read_csv(timeline.save(tmp_path / "t.csv"))
    parquet = pl.read_parquet(timeline.save(tmp_path / "t.parquet"))
    rows = json.loads(timeline.save(tmp_path / "t.json").read_text())
    assert csv["activity"].to_list() == parquet["activity"].to_list() == ["sit", "gap", "walk"]
    assert [row["end"] for row in rows] == [60, 90, 150.5] == parquet["end"].to_list()
    assert rows[2]["start_time"] == "2026-03-01T09:03:41+00:00"
    assert timeline.save(tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")


def test_columns_are_the_same_however_few_the_bouts(tmp_path: Path) -> None:
    """An empty table has them too, and numbers that begin whole may go on in parts."""
    whole = tuple(Bout(k, k + 1, "walking", 1) for k in range(150))
    for bouts in ((), (*whole, Bout(150, 151.5, "sitting", 0.5))):
        line = Timeline(bouts)
        table = pl.read_parquet(line.save(tmp_path / "t.parquet"))
        assert table.columns == ["start", "end", "activity", "confidence"]
        assert [Bout(*row) for row in table.rows()] == list(bouts)
        assert len(pl.read_csv(line.save(tmp_path / "t.csv"))) == len(bouts)


def test_unknown_format_is_refused_and_nothing_written(timeline: Timeline, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=".csv, .json, .parquet, .png"):
        timeline.save(tmp_path / "t.docx")
    assert not list(tmp_path.iterdir())


def test_a_picture_takes_any_name(tmp_path: Path) -> None:
    names = ("$\\frac{1$", "\u8d70\u308b\x1b[2J", "a" * 500)
    bouts = tuple(Bout(k, k + 1, name, 0.9) for k, name in enumerate(names))
    Timeline(bouts, recording="$_$ \x07 " + "b" * 500).save(tmp_path / "t.png")


def test_a_failed_write_leaves_the_old_file(timeline: Timeline, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text("old")
    broken = Timeline((Bout(0, 1, {1}, 0.5),))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        broken.save(path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written(timeline: Timeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        timeline.save(tmp_path / "file" / "t.csv")


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(OutputError, match=r"out\.csv: is a folder"):
        Timeline(()).save(tmp_path / "out.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize(("mask", "file", "folder"), [(0o077, 0o600, 0o700), (0o002, 0o664, 0o775)])
def test_who_may_read_is_what_the_user_says(
    mask: int, file: int, folder: int, synthetic: Windows, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        path = Timeline(()).save(tmp_path / "new" / "out.json")
        stored = save_windows([synthetic], tmp_path / "stored")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == file
    assert {stat.S_IMODE(p.stat().st_mode) for p in stored.iterdir()} == {file}
    assert stat.S_IMODE(stored.stat().st_mode) == folder


def test_days_are_named_where_there_are_several() -> None:
    start = datetime(2026, 3, 27, 23, 59, tzinfo=UTC)
    bouts = (Bout(0.0, 50.0, "walk", 0.9), Bout(50.0, 70.0, "sit", 0.8), Bout(70.0, 90.0, "run", 1))
    assert str(Timeline(bouts, start)).splitlines() == [
        "Fri 2026-03-27",
        "23:59:00-23:59:50 walk 0.90",
        "23:59:50-00:00:10 sit 0.80",
        "Sat 2026-03-28",
        "00:00:10-00:00:30 run 1.00",
    ]
    assert str(Timeline(bouts[:1], start)) == "23:59:00-23:59:50 walk 0.90"
    assert str(Timeline((), start)) == ""
