"""Days by the wearer's clock: hours, bouts, steps, what was not worn; nothing lost on the way."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambulo import Timeline
from ambulo.day import NOT_WORN, days, joined, overlaid, save, steps_in
from ambulo.errors import OutputError
from ambulo.gait import Gait
from ambulo.timeline import GAP, Bout
from ambulo.wearing import Envelope, Stillness

ROME = ZoneInfo("Europe/Rome")


def line(*parts: tuple[str, float], start: datetime | None = None) -> Timeline:
    bouts, at = [], 0.0
    for activity, seconds in parts:
        bouts.append(Bout(at, at + seconds, activity, 0.9))
        at += seconds
    return Timeline(tuple(bouts), start)


@pytest.mark.parametrize(
    ("day", "hours", "twice"),
    [(date(2024, 3, 31), 23, 0), (date(2024, 10, 27), 25, 2), (date(2024, 6, 1), 24, 1)],
)
def test_a_day_has_as_many_hours_as_the_clock_gave_it(day: date, hours: int, twice: int) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=ROME)
    found = days(line(("sitting", 26 * 3600.0), start=start))
    assert found[0].date == day and found[0].length == hours == len(found[0].hours)
    assert found[0].minutes == {"sitting": pytest.approx(60 * hours)}
    assert all(hour.minutes["sitting"] == pytest.approx(60) for hour in found[0].hours)
    clocks = [hour.clock for hour in found[0].hours if hour.clock]
    assert sum(clock.hour == 2 for clock in clocks) == twice
    assert len(found) == 2 and found[1].end - found[1].start == pytest.approx(3600 * (26 - hours))


def test_a_zone_may_be_given_where_the_file_knows_only_utc() -> None:
    timeline = line(("walking", 7200.0), start=datetime(2024, 5, 1, 21, 30, tzinfo=UTC))
    assert len(days(timeline)) == 1
    (found,) = days(timeline, zone="Europe/Rome")[:1]
    assert found.date == date(2024, 5, 1) and found.minutes["walking"] == pytest.approx(30)
    with pytest.raises(OutputError, match="Europe/Rome"):
        days(timeline, zone="Mars/Olympus")


def test_without_wall_time_days_count_from_the_start() -> None:
    found = days(line(("sitting", 90000.0), ("walking", 600.0)))
    assert [day.date for day in found] == [None, None]
    assert [len(day.hours) for day in found] == [24, 2]
    assert found[1].minutes == {"sitting": pytest.approx(60), "walking": pytest.approx(10)}


@given(
    st.lists(
        st.tuples(st.sampled_from(["sitting", "walking", GAP]), st.floats(0.5, 40000)),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 2 * 10**9),
    st.lists(st.tuples(st.floats(0, 2e5), st.floats(1, 1e4)), max_size=3),
)
def test_every_second_is_in_one_hour(
    parts: list[tuple[str, float]], epoch: int, spans: list[tuple[float, float]]
) -> None:
    timeline = line(*parts, start=datetime.fromtimestamp(epoch, ROME))
    ends, nonwear = 0.0, []
    for a, n in sorted(spans):
        nonwear.append((max(a, ends), max(a, ends) + n))
        ends = nonwear[-1][1]
    found = days(timeline, nonwear=nonwear)
    total = sum(sum(day.minutes.values()) for day in found)
    assert total * 60 == pytest.approx(timeline.bouts[-1].end, abs=1e-3)
    edges = [edge for day in found for hour in day.hours for edge in (hour.start, hour.end)]
    assert edges == sorted(edges) and edges[0] == 0


def test_longest_sitting_outlasts_a_stumble_of_the_recognizer_but_no_gap() -> None:
    timeline = line(
        ("sitting", 600.0), ("walking", 8.0), ("sitting", 300.0), ("walking", 60.0),
        ("sitting", 700.0), (GAP, 5.0), ("sitting", 100.0),
    )  # fmt: skip
    (found,) = days(timeline)
    assert found.longest_sitting == pytest.approx(908) and found.bouts["sitting"] == 3
    assert joined(timeline, "walking") == [(600.0, 608.0), (908.0, 968.0)]


def test_time_not_worn_is_no_activity_and_a_gap_stays_one() -> None:
    timeline = line(("sitting", 100.0), (GAP, 50.0), ("walking", 100.0))
    out = overlaid(timeline.bouts, [(80.0, 170.0)])
    assert [(b.start, b.end, b.activity) for b in out] == [
        (0, 80, "sitting"), (80, 100, NOT_WORN), (100, 150, GAP),
        (150, 170, NOT_WORN), (170, 250, "walking"),
    ]  # fmt: skip


def test_spans_not_worn_may_lie_within_each_other() -> None:
    out = overlaid(line(("sitting", 100.0), ("lying", 50.0)).bouts, [(0.0, 120.0), (20.0, 50.0)])
    assert [(b.start, b.end, b.activity) for b in out] == [(0, 120, NOT_WORN), (120, 150, "lying")]


def gait(cadence: float, rate: float, seconds: float = 40.0, strength: float = 1.0) -> np.ndarray:
    """A pocket: hip swing of the stride, impacts of the step."""
    t = np.arange(0, seconds, 1 / rate)
    phase = 2 * np.pi * cadence * t
    up = 9.81 + strength * (2.2 * np.sin(phase) + np.sin(2 * phase + 0.5) + np.sin(phase / 2))
    out = np.stack([up, 1.2 * np.sin(phase / 2 + 1), 0.3 * np.sin(phase + 2)], axis=1)
    return out + np.random.default_rng(0).normal(0, 0.2, out.shape)


@pytest.mark.parametrize("rate", [20.0, 50.0, 64.0, 100.0])
@pytest.mark.parametrize(("cadence", "strength"), [(1.4, 1.0), (1.8, 1.0), (2.2, 1.0), (2.8, 3.5)])
def test_cadence_of_a_known_gait_is_found(rate: float, cadence: float, strength: float) -> None:
    follower = Gait(rate, [0, 1, 2])
    values = gait(cadence, rate, strength=strength)
    for at in range(0, len(values), 333):
        follower.push(0.0, values[at : at + 333])
    assert len(follower.cadence) == pytest.approx(36, abs=2)
    np.testing.assert_allclose(np.median(follower.cadence), cadence, rtol=0.02)
    whole = Gait(rate, [0, 1, 2])
    whole.push(0.0, values)
    np.testing.assert_allclose(whole.cadence, follower.cadence)


def test_a_runner_s_stride_felt_at_one_leg_is_two_steps() -> None:
    t = np.arange(0, 30, 1 / 50)
    swing = 8 * np.abs(np.sin(np.pi * 1.4 * t)) ** 6  # a foot lands 1.4 times a second
    for strength, cadence in ((3.0, 2.8), (1.0, 1.4)):  # hard, a run; gently, a stroll
        values = np.stack([0 * t, 0 * t, 9.81 + strength * swing], axis=1)
        follower = Gait(50.0, [0, 1, 2])
        follower.push(0.0, values)
        np.testing.assert_allclose(np.median(follower.cadence), cadence, rtol=0.02)


def test_steps_are_counted_on_foot_only_and_not_at_rest() -> None:
    still = np.random.default_rng(1).normal(0, 0.05, (1000, 3)) + [0, 0, 9.81]
    values = np.concatenate([gait(1.8, 50.0, 60.0), still, gait(1.8, 50.0, 60.0)])
    follower = Gait(50.0, [0, 1, 2])
    follower.push(0.0, values)
    timeline = line(("walking", 60.0), ("sitting", 20.0), ("cycling", 60.0))
    (found,) = days(timeline, rhythm=(follower.seconds, follower.cadence))
    assert found.steps == pytest.approx(60 * 1.8, rel=0.06)
    assert found.cadence == pytest.approx(108, rel=0.02) and found.silent is not None
    assert steps_in("walking-upstairs") and not steps_in("sitting")


def test_time_on_foot_without_steps_is_stated_at_gaps_too() -> None:
    walk, follower = gait(1.8, 50.0, 5.0), Gait(50.0, [0, 1, 2])
    for k in range(12):
        follower.push(6.0 * k, walk)
    timeline = line(*(("walking", 5.0), (GAP, 1.0)) * 12)
    (found,) = days(timeline, rhythm=(follower.seconds, follower.cadence))
    assert found.steps is not None and found.silent is not None
    assert found.steps / 1.8 + 60 * found.silent == pytest.approx(60, abs=2)


@pytest.mark.parametrize("size", [999, 10**6])
def test_an_hour_on_the_table_is_not_worn(size: int) -> None:
    rng = np.random.default_rng(0)
    worn = rng.normal(0, 0.5, (10 * 3600, 3)) + [0, 0, 9.81]
    table = rng.normal(0, 0.02, (10 * 2 * 3600, 3)) + [0, 0, 9.81]
    values = np.concatenate([worn, table, worn])
    watcher = Stillness(10.0, [0, 1, 2])
    for at in range(0, len(values), size):
        watcher.push(0.0, values[at : at + size])
    assert watcher.nonwear() == [(3600.0, 10800.0)]


@pytest.mark.parametrize("size", [17, 1000])
def test_an_envelope_holds_every_extreme(size: int) -> None:
    values = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
    envelope = Envelope(50.0, [1], most=64)
    for at in range(0, 600, size):
        envelope.push(0.0, values[at : min(at + size, 600)])
    envelope.push(20.0, values[600:])
    assert envelope.samples == 32 and envelope.count == -(-1400 // 32)
    low = [values[k : k + 32, 1].min() for k in range(0, 576, 32)]
    np.testing.assert_array_equal(envelope.low[:18, 0], low)
    assert np.isinf(envelope.low[20:30]).all() and envelope.high.max() == values[:, 1].max()


def test_days_are_written_whole_in_three_forms(tmp_path: Path) -> None:
    start = datetime(2024, 3, 30, 22, 15, tzinfo=ROME)
    found = days(line(("sitting", 7200.0), ("walking", 1800.0), start=start))
    for ending in ("csv", "parquet", "json"):
        save(found, tmp_path / f"days.{ending}")
    frame = pl.read_parquet(tmp_path / "days.parquet")
    assert frame["sitting"].sum() == pytest.approx(120)
    assert frame["clock"][0] == "2024-03-30T22:15:00+01:00"
    assert pl.read_csv(tmp_path / "days.csv")["walking"].sum() == pytest.approx(30, abs=0.01)
    content = json.loads((tmp_path / "days.json").read_text())
    assert [day["date"] for day in content] == ["2024-03-30", "2024-03-31"]
    assert content[1]["length"] == 23
    with pytest.raises(OutputError, match=r"\.csv"):
        save(found, tmp_path / "days.xls")
    assert {p.name for p in tmp_path.iterdir()} == {"days.csv", "days.parquet", "days.json"}
