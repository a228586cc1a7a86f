"""What windows tell about each other: durations, changes, and the wearer's own upright."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambulo import Recognizer, evaluate, load_dataset, train
from ambulo.context import Context
from ambulo.context.learning import learn, still
from ambulo.context.reference import Reference, Upright, elsewhere, follow
from ambulo.context.windows import decide, in_other_order, positions
from ambulo.errors import EvaluationError, RecognizerError
from ambulo.windows import Windows

ABC = ("sitting", "standing", "walking")


def context(**changes: object) -> Context:
    even = ((0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
    start = Context(ABC, 1.0, (20.0, 20.0, 20.0), even, (1 / 3, 1 / 3, 1 / 3), weight=1.0)
    return replace(start, **changes)  # type: ignore[arg-type]


def by_hand(c: Context, likelihood: np.ndarray) -> np.ndarray:
    """Posteriors by going through every possible sequence."""
    n, states, change = len(likelihood), c.states, c.transitions
    k, out = len(change), np.zeros(likelihood.shape)
    for code in range(k**n):
        path = [(code // k**t) % k for t in range(n)]
        p = states.start[path[0]] * likelihood[0, states.looks[path[0]]]
        for t in range(1, n):
            p *= change[path[t - 1], path[t]] * likelihood[t, states.looks[path[t]]]
        for t in range(n):
            out[t, states.does[path[t]]] += p
    return out / out.sum(axis=1, keepdims=True)


def taken_for_each_other(share: float) -> Context:
    """Who sits may look like standing through a whole bout, and the other way round."""
    flat = ((0.0,) * 13,) * 3
    return context(reference=Reference((), ABC[:2], flat), taken=share)


@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.sampled_from([0.0, 0.2]))
@settings(deadline=None, max_examples=30)
def test_smoothing_is_what_all_sequences_together_say(seed: int, n: int, share: float) -> None:
    rng, c = np.random.default_rng(seed), taken_for_each_other(share) if share else context()
    for total in (*c.transitions.sum(axis=1), c.states.start.sum()):
        assert total == pytest.approx(1)
    p = rng.dirichlet(np.ones(3), n).astype(np.float32)
    likelihood = c.likelihood(p)
    offline = c.decide(p, np.arange(n))
    assert offline == pytest.approx(by_hand(c, likelihood), abs=1e-5)
    causal = c.decide(p, np.arange(n), "causal")
    for t in range(n):  # what comes later is not heard
        assert causal[t] == pytest.approx(by_hand(c, likelihood[: t + 1])[t], abs=1e-5)
    later = c.decide(p, np.arange(n), "causal", lag=n)
    assert later == pytest.approx(offline, abs=1e-5)


@given(st.integers(0, 2**31 - 1), st.sampled_from([0.0, 0.3]))
@settings(deadline=None, max_examples=10)
def test_viterbi_finds_the_likeliest_sequence(seed: int, share: float) -> None:
    c = replace(taken_for_each_other(share), seconds=(3.0, 5.0, 8.0))
    likelihood = c.likelihood(np.random.default_rng(seed).dirichlet(np.ones(3) / 2, 4))
    states, n = c.states, len(c.transitions)
    change = np.log(np.maximum(c.transitions, 1e-24))

    def logs(path: list[int]) -> float:
        first = np.log(states.start[path[0]])
        steps = sum(change[a, b] for a, b in zip(path, path[1:], strict=False))
        return float(first + np.log(likelihood[range(4), states.looks[path]]).sum() + steps)

    best = max(([(code // n**t) % n for t in range(4)] for code in range(n**4)), key=logs)
    assert list(c.viterbi(likelihood)) == list(states.does[best])


def test_one_odd_window_is_outvoted_but_not_across_a_gap() -> None:
    p = np.full((9, 3), 0.1, np.float32)
    p[:, 0] = 0.8
    p[4] = 0.3, 0.6, 0.1
    c, seconds = context(), np.arange(9.0)
    assert list(c.decide(p, seconds).argmax(1)) == [0] * 9
    alone = np.where(np.arange(9) >= 4, seconds + 100, seconds)
    alone[5:] += 100
    assert c.decide(p, alone).argmax(1)[4] == 1


def test_nothing_is_impossible_and_unknown_modes_are_named() -> None:
    p = np.zeros((5, 3), np.float32)
    p[:, 2] = 1
    assert (context().decide(p, np.arange(5)) > 0).all()
    with pytest.raises(RecognizerError, match="none, causal, offline"):
        context().decide(p, np.arange(5), "later")


def turned(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return 9.8 * np.array([np.cos(a), np.sin(a), 0.0])


def test_the_reference_is_learnt_from_walks_and_anew_when_the_sensor_slips() -> None:
    upright = Upright(Reference(("walking",), (), ()), step=1.0)
    assert np.isnan(upright.push(turned(90), False)).all()
    assert np.isnan(upright.push(turned(90), True)).all()  # one window is no walk
    upright.push(turned(90), False)
    for _ in range(10):
        up = upright.push(turned(5), True)
    assert up == pytest.approx(turned(5) / 9.8)
    assert upright.push(turned(90), False) == pytest.approx(up)
    for _ in range(4):
        up = upright.push(turned(60), True)
    assert up == pytest.approx(turned(60) / 9.8, abs=0.02)


def test_the_angle_tells_sitting_from_standing_however_the_phone_hangs() -> None:
    """A wearer whose phone hangs by 30 degrees looks as if sitting while standing."""
    table = np.full((3, 13), -4.0)
    table[0, 5:9], table[1, :3], table[2, :3] = -0.7, -0.7, -0.7
    reference = Reference(("walking",), ("sitting", "standing"), tuple(map(tuple, table.tolist())))
    p = np.array([[0.6, 0.4, 0.0]] * 6 + [[0.0, 0.0, 1.0]] * 6 + [[0.6, 0.4, 0.0]] * 6, np.float32)
    gravity = np.stack([turned(30)] * 12 + [turned(75)] * 6)
    c = context(reference=replace(reference, weight=1.0))
    offline = c.decide(p, np.arange(18), gravity=gravity).argmax(1)
    assert list(offline) == [1] * 6 + [2] * 6 + [0] * 6
    causal = c.decide(p, np.arange(18), "causal", gravity=gravity).argmax(1)
    assert list(causal[:6]) == [0] * 6  # no walk was seen yet: the window's own decision stands
    assert list(causal[6:]) == [2] * 6 + [0] * 6


def test_how_the_wearer_stands_speaks_for_other_bouts_only() -> None:
    """A wearer who walks bent by 20 degrees sits as far from that as they stand."""
    walk, stand = np.log([[0.4], [0.4], [0.2]]), np.full((3, 13), -6.0)
    stand[0, 3:8], stand[1, :2] = -1.6, -0.7
    reference = Reference(
        ("walking",),
        ("sitting", "standing"),
        tuple(map(tuple, np.tile(walk, 13).tolist())),
        stance=("standing",),
        stood=tuple(map(tuple, stand.tolist())),
    )
    walked, sat, stood = [0.0, 0.01, 0.99], [0.55, 0.45, 0.0], [0.05, 0.95, 0.0]
    unsure = [0.6, 0.4, 0.0]
    p = np.repeat([walked, stood, walked, unsure, walked, sat], 8, axis=0)
    gravity = np.stack([turned(d) for d in np.repeat([20, 0, 20, 0, 20, 40], 8)])
    c, every = context(reference=reference), np.arange(48)
    for mode in ("offline", "causal"):
        decided = c.decide(p, every, mode, gravity=gravity).argmax(1).reshape(6, 8)
        assert (decided[:, 2:] == np.array([[2], [1], [2], [1], [2], [0]])).all(), mode
    alone = p[:8], p[24:32]  # this bout looks like sitting, and nobody stands at another time
    found = c.decide(np.concatenate(alone), every[:16], gravity=gravity[16:32])
    assert (found.argmax(1)[8:] == 0).all()


def test_a_stance_from_before_the_sensor_slipped_says_nothing() -> None:
    reference = Reference(("walking",), (), ())
    stood, bouts = np.repeat([True, False], [4, 8]), np.repeat([0, 1], [4, 8])
    for degrees, holds in ((10, True), (80, False)):
        gravity = np.stack([turned(0)] * 4 + [turned(degrees)] * 8)
        own = elsewhere(gravity, stood, bouts, gravity, reference, 1.0)
        assert np.isnan(own[:4]).all()  # there is no other bout
        here = turned(0) / 9.8 if holds else np.full(3, np.nan)
        assert own[4:] == pytest.approx(np.tile(here, (8, 1)), nan_ok=True)


def test_people_must_have_stood_twice_for_it_to_be_learnt(recorded: Windows) -> None:
    learnt = learn(recorded).reference
    assert learnt is not None and learnt.stance == ("standing",)
    standing = recorded.activities.index("standing")
    once = []
    for index in positions(recorded):
        stands = recorded.labels[index] == standing
        bout = np.cumsum(np.diff(stands.astype(int), prepend=0) == 1)
        once.append(index[~stands | (bout == 1)])
    learnt = learn(recorded[np.concatenate(once)]).reference
    assert learnt is not None and not learnt.stance and np.any(learnt.angles)


def test_following_in_one_go_or_window_by_window() -> None:
    rng = np.random.default_rng(0)
    gravity, walking = rng.normal(size=(40, 3)), rng.random(40) > 0.3
    reference = Reference(("walking",), (), ())
    upright = Upright(reference, 1.0)
    one_by_one = [upright.push(g, bool(w)) for g, w in zip(gravity, walking, strict=True)]
    np.testing.assert_array_equal(follow(gravity, walking, reference, 1.0), one_by_one)


@pytest.fixture(scope="module")
def recorded() -> Windows:
    return load_dataset("synthetic").windows(keep="all")


def test_durations_and_still_activities_come_from_training_people(recorded: Windows) -> None:
    c = learn(recorded)
    assert Context.from_dict(json.loads(json.dumps(c.to_dict()))) == c
    assert np.asarray(c.follows).sum(axis=1) == pytest.approx(1)
    assert c.reference is not None
    assert set(c.reference.still) == {"sitting", "standing", "laying"}
    bouts = [np.flatnonzero(np.diff(recorded.labels[i])).size for i in positions(recorded)]
    assert sum(bouts) > 0 and min(c.seconds) > c.step


POSTURES = ("sitting", "standing", "laying", "walking", "stand-to-sit", "sit-to-stand")


@pytest.fixture(scope="module")
def sat_down(recorded: Windows) -> Windows:
    """Somebody who walks, stands, sits down, sits, gets up, stands, walks, and then lies."""
    script = np.repeat([3, 1, 4, 0, 5, 1, 3, 2], [10, 12, 2, 12, 2, 12, 10, 6])
    one = recorded[positions(recorded)[0][: len(script)]]
    rng, moves = np.random.default_rng(0), np.where(script < 3, 0.1, 3.0)[:, None, None]
    values = rng.normal(0, 1, one.values.shape) * moves
    values[:, :, one.channels.index("acc_x")] += 9.8
    return replace(
        one,
        values=values.astype(np.float32),
        activities=POSTURES,
        labels=script.astype(np.int16),
    )


def test_a_passage_between_postures_tells_both_whatever_followed_it_in_training(
    sat_down: Windows,
) -> None:
    c, script = learn(sat_down), sat_down.labels
    follows = np.asarray(c.follows)
    assert follows.sum(axis=1) == pytest.approx(1) and (follows + np.eye(6) > 0).all()
    assert follows[4, 0] > 10 * follows[4, 2] and follows[1, 4] > 10 * follows[0, 4]
    assert follows[5, 1] == follows[5, 3]  # who got up is upright, and may as well walk
    assert follows[0, 2] > 10 * follows[0, 1] and follows[1, 3] > 10 * follows[1, 0]
    own = np.full((len(script), 6), 0.01)
    own[np.arange(len(script)), script] = 0.95
    doubted = slice(24, 36)  # sits as if lying
    own[doubted] = [0.3, 0.01, 0.66, 0.01, 0.01, 0.01]
    found = c.decide(own, sat_down.seconds).argmax(axis=1)
    assert (found == script).mean() > 0.9 and (found[doubted] == 0).all()
    told = in_other_order(sat_down, 1)
    order = script[np.argsort(told.seconds)]
    assert not np.array_equal(order, script)
    assert (
        order[np.flatnonzero(np.diff((order == 4).astype(int)) > 0)] == 1
    ).all()  # it still ends standing
    lone = own[doubted]
    assert (c.decide(lone, sat_down.seconds[doubted]).argmax(axis=1) == 2).all()


def test_sitting_down_is_no_rest_however_slow_it_is(sat_down: Windows) -> None:
    slow = replace(sat_down, values=sat_down.values * 0 + 5)
    assert still(slow) == POSTURES[:4] and still(sat_down) == POSTURES[:3]


def test_a_bout_that_looks_like_another_throughout_is_known_by_what_led_there(
    sat_down: Windows,
) -> None:
    c, script, bout = learn(sat_down), sat_down.labels, slice(24, 36)
    own = np.full((len(script), 6), 0.002)
    own[np.arange(len(script)), script] = 0.99
    own[bout] = [0.002, 0.002, 0.99, 0.002, 0.002, 0.002]  # a dozen windows are sure of lying
    for mode, lag in (("offline", 0), ("causal", 20)):
        found = c.decide(own, sat_down.seconds, mode, lag=lag).argmax(axis=1)
        assert (found[bout] == 0).all() and (found == script).mean() > 0.9
        naive = replace(c, taken=0.0).decide(own, sat_down.seconds, mode, lag=lag)
        assert (naive.argmax(axis=1)[bout] == 2).all()
    unseen = own.copy()
    unseen[[22, 23, 36, 37]] = 1 / 6  # nothing tells how the wearer got there
    assert (c.decide(unseen, sat_down.seconds).argmax(axis=1)[bout] == 2).all()


def test_context_sets_most_single_mistakes_right(recorded: Windows) -> None:
    rng, n = np.random.default_rng(0), len(recorded.activities)
    truth = np.eye(n)[np.maximum(recorded.labels, 0)]
    own = 0.3 * truth + 0.7 * rng.dirichlet(np.ones(n), len(truth))
    c = learn(recorded)
    rows = recorded.labels >= 0

    def right(p: np.ndarray) -> float:
        return float((p.argmax(1) == recorded.labels)[rows].mean())

    assert right(decide(c, recorded, own)) > right(own)
    assert right(decide(c, recorded, own, "causal")) > right(own)


def test_another_order_moves_bouts_and_nothing_else(recorded: Windows) -> None:
    other = in_other_order(recorded, seed=1)
    assert (other.values is recorded.values) and not (other.seconds == recorded.seconds).all()
    for index in positions(recorded):
        labels = recorded.labels[index]
        again = other.labels[index[np.argsort(other.seconds[index])]]
        assert sorted(labels) == sorted(again)
        assert abs(np.diff(labels).astype(bool).sum() - np.diff(again).astype(bool).sum()) < 30


def test_context_changes_decisions_and_is_named_in_an_evaluation(recorded: Windows) -> None:
    people = recorded.people
    windows = recorded.of(people[:4])
    scores = {
        mode: evaluate("features", windows, protocol=f"people:{people[0]}", context=mode)
        for mode in ("none", "causal", "offline")
    }
    assert [s.to_dict()["context"] for s in scores.values()] == ["none", "causal", "offline"]
    heard = [s.probabilities for s in scores.values()]
    assert all(p is not None and not np.array_equal(p, heard[0]) for p in heard[1:])
    assert len({s.windows["test"] for s in scores.values()}) == 1  # the same windows are scored
    assert scores["none"].events is None and scores["offline"].events is not None
    assert scores["offline"].events["walking"].true > 0
    labelled, at = windows.labelled(), scores["offline"].positions
    assert at is not None and (labelled.labels[at] == scores["offline"].truth).all()
    with pytest.raises(EvaluationError, match="context must be"):
        evaluate("features", windows, context="all")


def test_a_recognizer_carries_its_context(recorded: Windows, tmp_path: object) -> None:
    trained = train("features", recorded.of(recorded.people[:3]), frame="both", around=20)
    assert trained.network["frame"] == "both"
    again = Recognizer.load(trained.save(f"{tmp_path}/r.ambulo"))
    assert again.context == trained.context is not None
    unseen = load_dataset("synthetic").recordings[-1]
    assert again.predict(unseen) == trained.predict(unseen)
    assert len(again.predict(unseen)) <= len(again.predict(unseen, context="none"))
