"""Windows keep inside the signal, never mix recordings, and know what they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambulo import Gap, Interval, Recording, Windowing
from ambulo.errors import RecordingError, WindowingError
from ambulo.recording import channels
from ambulo.windows import TRANSITION, UNLABELLED


@st.composite
def recordings(draw: st.DrawFn, name: str = "r") -> Recording:
    """A recording with gaps and labels, whose samples are their own numbers."""
    rate = draw(st.sampled_from([10.0, 20.0, 50.0]))
    lengths = draw(st.lists(st.integers(1, 200), min_size=1, max_size=4))
    gaps, at = [], 0.0
    for n in lengths[:-1]:
        at += n / rate
        gaps.append(Gap(at, at + draw(st.integers(1, 50)) / rate))
        at = gaps[-1].end
    edges = sorted(draw(st.lists(st.integers(0, 400), min_size=2, max_size=6, unique=True)))
    intervals = [
        Interval(a / rate, b / rate, "walk" if i % 2 else "sit")
        for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False))
    ]
    values = np.arange(sum(lengths), dtype=np.float32)[:, None]
    return Recording(values, rate, channels(["acc_x"]), name, name, tuple(intervals), tuple(gaps))


windowings = st.builds(
    Windowing,
    seconds=st.floats(0.2, 3),
    overlap=st.floats(0, 0.9),
    coverage=st.floats(0.1, 1),
    align=st.sampled_from(["recording", "labels"]),
)


@given(recordings(), windowings)
def test_segments_cover_every_sample_once(recording: Recording, windowing: Windowing) -> None:
    spans = [(s.first, s.last) for s in recording.segments]
    assert spans[0][0] == 0 and spans[-1][1] == len(recording)
    assert all(a[1] == b[0] for a, b in zip(spans, spans[1:], strict=False))
    assert len(spans) == len(recording.gaps) + 1


@given(recordings(), windowings)
def test_spans_never_leave_a_segment(recording: Recording, windowing: Windowing) -> None:
    try:
        windows = windowing.cut([recording])
    except WindowingError:
        return
    length, step = windowing.samples(recording.rate)
    for start, values, seconds in zip(windows.starts, windows.values, windows.seconds, strict=True):
        assert np.array_equal(values[:, 0], np.arange(start, start + length))
        (home,) = [s for s in recording.segments if s.first <= start and start + length <= s.last]
        assert seconds == pytest.approx(home.start + (start - home.first) / recording.rate)
        assert windowing.align == "labels" or (start - home.first) % step == 0


@given(recordings("a"), recordings("b"), windowings)
def test_labels_never_leak_across_recordings(
    a: Recording, b: Recording, windowing: Windowing
) -> None:
    b = replace(b, rate=a.rate, gaps=(), intervals=())
    try:
        windows = windowing.cut([a, b], ["sit", "walk"])
    except WindowingError:
        return
    assert set(windows.labels[windows.subjects == "b"]) <= {UNLABELLED}
    assert (windows.subjects == windows.recordings).all()


@given(recordings(), windowings)
def test_label_covers_its_share(recording: Recording, windowing: Windowing) -> None:
    try:
        windows = windowing.cut([recording], ["sit", "walk"])
    except WindowingError:
        return
    samples = recording.labels(["sit", "walk"])
    for start, label in zip(windows.starts, windows.labels, strict=True):
        inside = samples[start : start + windows.length]
        shares = {code: float((inside == code).mean()) for code in (-1, 0, 1)}
        if label == TRANSITION:
            assert max(shares.values()) < windowing.coverage
        else:
            assert shares[label] == max(shares.values())
            assert shares[label] >= windowing.coverage - 1e-9
        assert windowing.align == "recording" or (inside == label).all()


def test_transition_is_marked_and_dropped_by_choice(recording: Recording) -> None:
    windows = Windowing(seconds=4.0, overlap=0.5).cut([recording])
    assert (windows.labels == TRANSITION).sum() == 1  # the one that straddles the change at 30 s
    assert len(windows.labelled()) == len(windows) - 1


def test_half_a_window_shows_a_passage_between_postures_which_are_short(
    recording: Recording,
) -> None:
    short = (Interval(10.0, 12.2, "sit-to-stand"), Interval(20.0, 22.2, "standing"))
    both = replace(recording, intervals=short)
    windows = Windowing(seconds=4.0, overlap=0.5).cut([both])
    seen = {float(s): int(c) for s, c in zip(windows.seconds, windows.labels, strict=True)}
    passage = windows.activities.index("sit-to-stand")
    assert {s for s, code in seen.items() if code == passage} == {10.0}
    assert seen[20.0] == TRANSITION  # of a posture, more is asked
    long = Windowing(seconds=4.0, overlap=0.5, passage=0.8).cut([both])
    assert not (long.labels >= 0).any()


def test_labels_in_seconds_survive_resampling(recording: Recording) -> None:
    slow = recording.resampled(20.0)
    assert slow.rate == 20.0 and len(slow) == 1200
    assert (slow.labels(["sitting"])[:600] == 0).all() and (
        slow.labels(["sitting"])[600:] < 0
    ).all()


def test_remove_gravity_takes_acceleration_only() -> None:
    values = np.full((100, 2), 9.8, np.float32)
    recording = Recording(values, 50.0, channels(["acc_x", "gyro_x"]), "a", "a")
    windows = Windowing(seconds=1.0, gravity="remove").cut([recording], ["x"])
    assert np.allclose(windows.values[:, :, 0], 0, atol=1e-5)
    assert np.allclose(windows.values[:, :, 1], 9.8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seconds": 0},
        {"overlap": 1.0},
        {"coverage": 0},
        {"passage": 2},
        {"gravity": "x"},
        {"align": "x"},
    ],
)
def test_impossible_windowing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(WindowingError, match=next(iter(wrong))):
        Windowing(**wrong)  # type: ignore[arg-type]


def test_too_short_says_how_long(recording: Recording) -> None:
    with pytest.raises(WindowingError, match="longest lasts 60.00 s"):
        Windowing(seconds=100).cut([recording])


def test_unknown_activities_are_counted_and_refused_if_all_are(recording: Recording) -> None:
    windows = Windowing().cut([recording], ["walking", "running"])
    assert windows.notes["activities_left_out"] == {"sitting": 1}
    with pytest.raises(WindowingError, match="labelled sitting, walking, and none of these"):
        Windowing().cut([recording], ["Walk", "Sit"])


def test_unlike_recordings_are_refused(recording: Recording) -> None:
    with pytest.raises(WindowingError, match="differ in rate"):
        Windowing().cut([recording, replace(recording, rate=25.0)])


def test_channel_names_and_units() -> None:
    a, b = channels(["left_ankle.gyro_z", "body_acc_x"])
    assert (a.placement, a.sensor, a.unit) == ("left_ankle", "gyro", "rad/s")
    assert (b.placement, b.sensor, b.unit) == ("", "body_acc", "m/s²")
    with pytest.raises(RecordingError, match="SENSOR_AXIS"):
        channels(["speed"])


def test_selecting_a_missing_channel_names_those_there_are(recording: Recording) -> None:
    with pytest.raises(RecordingError, match="lacks gyro_x; it has acc_x, acc_y, acc_z"):
        recording.select(["gyro_x"])
