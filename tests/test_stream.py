"""A stream decides as the batch does, whatever comes in whichever portions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from ambulo import Recognizer, Recording, load_dataset, read, train
from ambulo.datasets.synthetic import make
from ambulo.errors import RecognizerError, RecordingError
from ambulo.recording import Gap
from ambulo.signals import Grid, Resampler, resample
from ambulo.stream import Decision, Stream
from ambulo.stream.arrival import Arrival


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """Quick to train and to ask, with context and the wearer's reference."""
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=4, minutes=2.0)))
    trained = train("features", dataset.windows(keep="all"))
    assert trained.context is not None and trained.context.reference is not None
    return trained


def portions(n: int, rng: np.random.Generator, most: int = 300) -> list[slice]:
    edges = [0]
    while edges[-1] < n:
        edges.append(min(edges[-1] + int(rng.integers(0, rng.integers(2, most))), n))
    return [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]


def follow(stream: Stream, time: np.ndarray, values: np.ndarray, seed: int) -> list[Decision]:
    rng = np.random.default_rng(seed)
    out = [d for part in portions(len(time), rng) for d in stream.push(time[part], values[part])]
    return out + stream.finish()


def same(got: list[Decision], expected: list[Decision]) -> bool:
    """The same decisions, but for the rounding of windows that went through the network alone."""
    pairs = list(zip(got, expected, strict=True))
    near = [np.allclose(a.probabilities, b.probabilities, atol=1e-4) for a, b in pairs]
    return all(near) and all((a.start, a.activity) == (b.start, b.activity) for a, b in pairs)


def batch(
    recognizer: Recognizer, recording: Recording, context: str, lag: int
) -> tuple[np.ndarray, np.ndarray]:
    windows = recognizer.windowing.cut([replace(recording, intervals=())], recognizer.activities)
    return recognizer.decide(windows, context=context, lag=lag), windows.seconds


@given(
    st.integers(0, 2**31 - 1),
    st.sampled_from([50.0, 100.0, 64.0, 52.3]),
    st.integers(0, 3),
    st.sampled_from(["causal", "none"]),
    st.lists(st.floats(0.6, 40.0), max_size=3),
    st.sampled_from([0.0, 1.7e9]),
)
@settings(max_examples=25)
def test_a_stream_decides_as_the_batch(
    recognizer: Recognizer,
    seed: int,
    rate: float,
    lag: int,
    context: str,
    pauses: list[float],
    clock: float,
) -> None:
    (recording,) = make(people=1, minutes=0.6, rate=rate, seed=seed)
    gaps, at = [], 0.0
    for pause in pauses:
        at += float(np.random.default_rng(seed).uniform(0.5, 9.0))
        gaps.append(Gap(at, at + pause))
        at += pause
    recording = replace(recording, gaps=tuple(gaps))
    expected, seconds = batch(recognizer, recording, context, lag)
    stream = Stream(recognizer, rate=rate, lag=lag, context=context)
    got = follow(stream, clock + recording.time, recording.values, seed)
    assert [d.start - clock for d in got] == pytest.approx(seconds.tolist(), abs=1e-5)
    p = np.array([d.probabilities for d in got])
    # Clocks that count from 1970 round to 0.2 µs, which moves the samples.
    assert p == pytest.approx(expected, abs=1e-3 if clock else 1e-4)
    known = [d for d in got if d.unknown <= 0.5]
    best = [recognizer.activities[int(np.argmax(d.probabilities))] for d in known]
    assert [d.activity for d in known] == best


@given(st.integers(0, 2**31 - 1), st.floats(0.0, 0.9), st.floats(0.0, 0.3))
@settings(max_examples=15)
def test_jitter_and_lost_samples_are_those_of_a_file(
    recognizer: Recognizer,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    jitter: float,
    lost: float,
) -> None:
    rng = np.random.default_rng(seed)
    (recording,) = make(people=1, minutes=0.5, rate=80.0, seed=seed)
    time = recording.time + rng.uniform(0, jitter / 80, len(recording))
    kept = rng.random(len(time)) >= lost
    kept[1000:1100] = False
    time, values = time[kept], recording.values[kept]
    file = tmp_path_factory.mktemp("stream") / "a.csv"
    names = [channel.name for channel in recording.channels]
    pl.DataFrame({"time": time} | dict(zip(names, values.T, strict=True))).write_csv(file)
    again = read(file, rate=80.0)
    assert len(again.gaps) == 1
    expected, seconds = batch(recognizer, again, "causal", 1)
    got = follow(Stream(recognizer, rate=80.0, lag=1), time, values, seed)
    assert [d.start - time[0] for d in got] == pytest.approx(seconds.tolist(), abs=1e-5)
    assert np.array([d.probabilities for d in got]) == pytest.approx(expected, abs=1e-4)


@given(st.integers(0, 2**31 - 1), st.integers(1, 900), st.booleans())
@settings(max_examples=15)
def test_a_snapshot_goes_on_where_the_stream_was(
    recognizer: Recognizer, seed: int, at: int, known: bool
) -> None:
    (recording,) = make(people=1, minutes=0.4, rate=100.0, seed=seed)
    time, values = recording.time, recording.values
    options = {"rate": 100.0 if known else None, "lag": 2, "patience": 0.1}
    whole, broken = Stream(recognizer, **options), Stream(recognizer, **options)
    first = broken.push(time[:at], values[:at])
    text = json.dumps(broken.snapshot(), allow_nan=False)
    again = Stream.restore(recognizer, json.loads(text))
    expected = follow(whole, time, values, seed)
    assert same(first + follow(again, time[at:], values[at:], seed), expected)
    assert again.counts == whole.counts and len(expected) > 5


def test_damaged_and_foreign_snapshots_are_refused(recognizer: Recognizer) -> None:
    stream = Stream(recognizer, rate=50.0)
    stream.push(np.arange(200) / 50, np.ones((200, 6)))
    whole = stream.snapshot()
    state = {**whole["state"], "cutter": {"begin": 0.0}}
    for damaged in (
        {},
        {**whole, "recognizer": "x"},
        {**whole, "state": state},
        {**whole, "lag": "x"},
    ):
        with pytest.raises(RecognizerError, match="snapshot"):
            Stream.restore(recognizer, damaged)


def test_the_rate_is_found_and_one_near_the_recognizers_taken_for_it(
    recognizer: Recognizer,
) -> None:
    (recording,) = make(people=1, minutes=0.3, rate=100.0)
    stream = Stream(recognizer)
    follow(stream, recording.time, recording.values, 0)
    assert stream.rate == 100.0 and stream.delay == pytest.approx(0.2)
    near = Stream(recognizer, lag=2)
    near.push(np.arange(60) / 49.3, np.zeros((60, 6)))
    assert near.rate == 50.0 and near.delay == pytest.approx(2 * 1.28)
    with pytest.raises(RecognizerError, match="20 Hz.*50 Hz"):
        Stream(recognizer).push(np.arange(60) / 20, np.zeros((60, 6)))


def test_channels_are_picked_by_name(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=0.3)
    names = [channel.name for channel in recording.channels]
    plain = follow(Stream(recognizer, rate=50.0), recording.time, recording.values, 0)
    other = Stream(recognizer, rate=50.0, channels=["mag_x", *names[::-1]])
    turned = np.c_[np.zeros(len(recording)), recording.values[:, ::-1]]
    assert same(follow(other, recording.time, turned, 1), plain)
    with pytest.raises(RecognizerError, match="lacks the channels gyro_x"):
        Stream(recognizer, channels=["acc_x", "acc_y", "acc_z"])
    with pytest.raises(RecordingError, match=r"values \(n, 6\)"):
        Stream(recognizer, rate=50.0).push([0.0, 0.02], np.zeros((2, 5)))


@given(st.integers(0, 2**31 - 1), st.floats(0, 0.2))
def test_what_comes_late_or_twice_is_put_right_or_counted(seed: int, patience: float) -> None:
    """Delays below the patience change nothing; portions never do."""
    rng = np.random.default_rng(seed)
    time = np.sort(rng.choice(np.arange(400), 200, replace=False)) / 100
    order = np.argsort(time + rng.uniform(0, patience * 0.99, 200))
    order = np.repeat(order, rng.integers(1, 3, 200))
    runs = []
    for parts in ([slice(None)], portions(len(order), rng, 40)):
        arrival = Arrival(1, patience)
        came = [run for p in parts for run in arrival.push(time[order[p]], time[order[p]][:, None])]
        came.append(arrival.finish())
        runs.append(np.concatenate([t for t, _ in came]))
        assert (np.concatenate([v[:, 0] for _, v in came]) == runs[-1]).all()
        dropped = sum(arrival.counts[key] for key in ("late", "duplicate", "not_finite"))
        assert arrival.counts["samples"] == len(runs[-1]) + dropped
    assert (runs[0] == runs[1]).all() and (np.diff(runs[0]) > 0).all()
    assert set(runs[0]) == set(time)


def test_a_clock_that_is_set_loses_a_moment_and_not_the_session(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=1.0)
    time, values = recording.time, recording.values.astype(float)
    time = np.where(time < 30, time, time - 3600)  # set back by an hour
    time[500] = 1e10  # one nonsense
    values[700, 2] = np.nan
    whole = follow(Stream(recognizer, rate=50.0), time, values, 0)
    stream = Stream(recognizer, rate=50.0)
    assert same(follow(stream, time, values, 1), whole)
    assert stream.counts["jumps"] == 2 and stream.counts["not_finite"] == 1
    assert stream.counts["late"] == 2 * 7
    assert len([d for d in whole if d.start > 0]) > 18
    after = [d for d in whole if d.start < 0]
    assert len(after) > 20 and after[0].start == pytest.approx(-3570, abs=0.5)


@pytest.mark.parametrize("wild", [np.nan, -np.inf, 1e20, 1e300])
def test_a_sample_beyond_any_sensor_is_left_out(recognizer: Recognizer, wild: float) -> None:
    (recording,) = make(people=1, minutes=0.5, seed=5)
    time, values = np.arange(len(recording)) / 50, recording.values.astype(float)
    values[700, 0] = wild
    stream = Stream(recognizer)
    decisions = [*stream.push(time, values), *stream.finish()]
    assert stream.counts["not_finite"] == 1 and len(decisions) > 15
    assert np.isfinite([decision.probability for decision in decisions]).all()


def test_a_clock_that_runs_wild_is_refused(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=0.2, seed=5)
    stream = Stream(recognizer)
    with pytest.raises(RecognizerError, match="no wearable sensor is so fast"):
        stream.push(np.arange(len(recording)) * 1e-7, recording.values)
        stream.finish()


def test_memory_is_bounded(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=6.0, rate=100.0)
    sizes = []
    for n in (6000, 36000):
        stream = Stream(recognizer, rate=100.0, lag=3, patience=0.2)
        stream.push(recording.time[:n], recording.values[:n])
        sizes.append(len(json.dumps(stream.snapshot())))
    assert sizes[1] < 1.5 * sizes[0]


@given(
    st.sampled_from([(100, 50), (50, 20), (20, 25), (33.3, 50), (128, 50), (49.8, 50)]),
    st.integers(1, 700),
    st.integers(0, 2**31 - 1),
)
def test_resampling_in_portions_is_that_of_the_whole(
    rates: tuple[float, float], n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 10, (n, 2)).astype(np.float32)
    resampler, grid = Resampler(*rates), Grid(50.0)
    pieces = [resampler.push(values[part]) for part in portions(n, rng, 60)]
    out = np.concatenate([*(p for p in pieces if len(p)), resampler.finish()])
    np.testing.assert_array_equal(out, resample(values, *rates))
    up, down = resampler.up, resampler.down
    poly = resample_poly(values.astype(float), up, down, axis=0, padtype="edge")
    assert out == pytest.approx(poly, abs=1e-5)
    time = np.cumsum(rng.uniform(0.001, 0.2, n))
    whole = Grid(50.0)
    pieces = [p for s in portions(n, rng, 60) for _, p in grid.push(time[s], values[s])]
    pieces += [p for _, p in grid.finish()]
    at_once = [p for _, p in [*whole.push(time, values), *whole.finish()]]
    np.testing.assert_array_equal(np.concatenate(pieces), np.concatenate(at_once))


@pytest.mark.parametrize(
    "asked", [{"rate": np.nan}, {"rate": np.inf}, {"rate": 0.0}, {"max_gap": 0.0}]
)
def test_a_stream_refuses_numbers_that_cannot_be(recognizer: Recognizer, asked: Any) -> None:
    with pytest.raises(RecognizerError, match=f"{next(iter(asked))} must be above 0"):
        Stream(recognizer, **asked)


@pytest.mark.parametrize("step", [2e-6, 1e-320])
def test_a_stream_that_is_too_fast_for_any_sensor_is_refused(
    recognizer: Recognizer, step: float
) -> None:
    """Its pauses would be filled at that rate: a small message would take all memory."""
    time = np.r_[step * np.arange(60), 0.4 * np.arange(1, 500)]
    with pytest.raises(RecognizerError, match="no wearable sensor is so fast"):
        Stream(recognizer).push(time, np.zeros((len(time), 6)))


def test_moments_that_no_clock_shows_are_no_samples(recognizer: Recognizer) -> None:
    stream = Stream(recognizer)
    stream.push([-1.7e308, 1.7e308, 1e300], np.zeros((3, 6)))
    time = np.arange(500) / 50
    found = stream.push(time, np.full((500, 6), 9.8)) + stream.finish()
    assert stream.counts["not_finite"] == 3
    assert len(found) > 4 and found[0].start == 0
