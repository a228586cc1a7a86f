"""Timelines compared as events, against a second implementation that looks at moments."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from ambulo.events import Event, compare_events, mean_precision, windows_as_events


def line(text: str) -> list[Event]:
    """Events of a line of letters, one a second; '.' is nothing."""
    return [Event(t, t + 1, letter) for t, letter in enumerate(text) if letter != "."]


def runs(text: str, letter: str) -> list[set[int]]:
    out: list[set[int]] = []
    for t, found in enumerate(text):
        if found == letter:
            if t and text[t - 1] == letter:
                out[-1].add(t)
            else:
                out.append({t})
    return out


def by_moments(true: str, found: str) -> dict[str, float]:
    """The same counts, from sets of seconds."""
    a, b = runs(true, "w"), runs(found, "w")
    out = dict.fromkeys(
        "correct deleted fragmented merged fragmented_and_merged inserted".split(), 0.0
    )
    for event in a:
        met = [other for other in b if event & other]
        several = any(sum(1 for e in a if e & other) > 1 for other in met)
        kind = {
            (False, False): "correct",
            (True, False): "fragmented",
            (False, True): "merged",
            (True, True): "fragmented_and_merged",
        }[len(met) > 1, several]
        out["deleted" if not met else kind] += 1
    every = set().union(*a) if a else set()
    seen = set().union(*b) if b else set()
    out["inserted"] = sum(1 for other in b if not other & every)
    out["overfill"] = sum(len(other - every) for other in b if other & every)
    out["underfill"] = sum(len(event - seen) for event in a if event & seen)
    return out


@given(st.text("w.r", min_size=1, max_size=25), st.text("w.r", min_size=1, max_size=25))
@settings(max_examples=300)
def test_counts_agree_with_a_second_implementation(true: str, found: str) -> None:
    scores = compare_events([(line(true), line(found))], ["w"])["w"]
    expected = by_moments(true, found)
    assert {name: getattr(scores, name) for name in expected} == approx(expected)
    kinds = ("correct", "deleted", "fragmented", "merged", "fragmented_and_merged")
    assert sum(getattr(scores, name) for name in kinds) == scores.true


def test_latency_is_the_wait_for_the_first_right_decision() -> None:
    scores = compare_events([(line("..wwwwww..ww"), line("....wwww...."))], ["w"])["w"]
    assert (scores.latency, scores.deleted) == (2.0, 1)


def test_average_precision_rewards_the_sure_and_right() -> None:
    true = [Event(0, 10, "w"), Event(20, 30, "w")]
    right = [Event(0, 10, "w", 0.9), Event(21, 30, "w", 0.8)]
    extra = Event(40, 50, "w", 0.7)
    for found, expected in (
        (right, 1.0),
        ([*right, extra], 1.0),  # a doubtful invention comes last
        ([*right, extra._replace(confidence=0.99)], 2 / 3),
        (right[:1], 0.5),
        ([], 0.0),
    ):
        scores = compare_events([(true, found)], ["w"], (0.5,))
        assert mean_precision(scores, 0.5) == approx(expected)
    assert mean_precision(compare_events([(true, right)], ["w"], (0.95,)), 0.95) == approx(0.5)
    assert mean_precision(compare_events([([], right)], ["w"]), 0.5) is None


def test_an_event_of_windows_is_as_sure_as_they_are_on_average() -> None:
    """The first of them lies on a border: it alone would put this event behind the wrong one."""
    right = [Event(0, 1, "w", 0.55), *(Event(k, k + 1, "w", 0.99) for k in range(1, 10))]
    wrong = [Event(20 + k, 21 + k, "w", 0.6) for k in range(10)]
    scores = compare_events([([Event(0, 10, "w")], right + wrong)], ["w"], (0.5,))
    assert mean_precision(scores, 0.5) == approx(1.0)


def test_an_event_counts_once_however_often_it_is_found() -> None:
    true = [Event(0, 10, "w")]
    found = [Event(0, 6, "w", 0.9), Event(6.5, 10, "w", 0.8)]
    scores = compare_events([(true, found)], ["w"], (0.3,))["w"]
    assert (scores.fragmented, scores.precision[0.3], scores.underfill) == (1, 1.0, approx(0.5))


def test_what_else_goes_on_does_not_part_an_event() -> None:
    """Marked twice over while another activity was marked too, it was two events that overlap."""
    true = [Event(0, 10, "w"), Event(2, 3, "s"), Event(8, 12, "w")]
    scores = compare_events([(true, [Event(0, 12, "w")])], ["w"])["w"]
    assert (scores.true, scores.correct, scores.overfill) == (1, 1, 0.0)


def test_windows_become_events_of_their_recording() -> None:
    truth = np.array([0, 0, 1, 1, 0, 0])
    decided = np.array([0, 1, 1, 1, 1, 0])
    scores = windows_as_events(
        np.array(["a", "a", "a", "a", "b", "b"]),
        np.array([0.0, 1.5, 3.0, 4.5, 0.0, 1.5]),
        truth,
        0.1 + 0.8 * np.eye(2)[decided],
        ("sit", "walk"),
        1.5,
    )
    assert scores["sit"].true == 2 and scores["sit"].correct == 2
    assert scores["sit"].underfill == approx(3.0) and scores["sit"].latency == approx(0.75)
    assert scores["walk"].true == 1 and scores["walk"].correct == 1
    assert scores["walk"].inserted == 1 and scores["walk"].overfill == approx(1.5)


def test_neighbours_that_overlap_by_rounding_do_not_meet() -> None:
    """Windows 1.28 s apart end, in floating point, a hair behind where the next one begins."""
    seconds, names = np.arange(400) * 1.28, ["w", "."]
    recordings = np.array(["a"] * 400)
    late = np.flatnonzero(seconds[:-1] + 1.28 > seconds[1:])
    assert len(late) > 10
    for k in (late[0], late[-1], 2):
        labels, decided = np.ones((2, 400), int)
        labels[k], decided[k + 1] = 0, 0
        scores = windows_as_events(recordings, seconds, labels, np.eye(2)[decided], names, 1.28)[
            "w"
        ]
        assert (scores.deleted, scores.inserted, scores.correct) == (1, 1, 0)
