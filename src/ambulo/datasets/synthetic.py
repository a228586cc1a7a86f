"""Synthetic people: made by a function from a seed, with known truth. For tests and for trying."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ambulo.datasets.dataset import DatasetInfo
from ambulo.datasets.uci_har import ACTIVITIES
from ambulo.recording import Interval, Recording, channels
from ambulo.signals import STANDARD_GRAVITY, rotation_matrices
from ambulo.windows import Windowing

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
PEOPLE = 8

INFO = DatasetInfo(
    name="synthetic",
    title="Made-up people with a phone at the waist: posture by gravity, gait by harmonics",
    people=PEOPLE,
    rate=50.0,
    channels=CHANNELS,
    placements=("waist",),
    groupings={"six": {name: name for name in ACTIVITIES}},
    windowing=Windowing(seconds=2.56, overlap=0.5),
    size="8 recordings of 6 minutes, made in a second",
    terms="made by Ambulo from a seed; no terms",
    citation="none needed",
    files=(),
    url="",
    groups={"acc": CHANNELS[:3], "gyro": CHANNELS[3:]},
    official_test=("7", "8"),
    remarks="For tests and demonstrations: a score on it says nothing about real people.",
)

_TILT = {"sitting": 25.0, "laying": 85.0}
"""Degrees by which a posture tips the trunk; the others are upright."""
_GAIT = {
    "walking": (1.0, (2.2, 1.1, 0.4), 1.0),
    "walking-upstairs": (0.78, (1.3, 0.4, 0.2), 1.9),
    "walking-downstairs": (1.14, (3.2, 2.6, 1.8), 0.8),
}
"""Cadence relative to walking, vertical amplitude of three harmonics in m/s², and sway."""


def make(
    *, people: int = PEOPLE, minutes: float = 6.0, rate: float = 50.0, seed: int = 0
) -> list[Recording]:
    """One recording of `minutes` for each of `people`, the same for the same seed.

    Every person has a cadence, a vigour and a mounting angle of their own; bouts of 10 to 25 s of
    the six activities follow each other in random order with short unlabelled changes between.
    """
    return [
        _person(str(i + 1), minutes, rate, np.random.default_rng([seed, i])) for i in range(people)
    ]


def _person(subject: str, minutes: float, rate: float, rng: np.random.Generator) -> Recording:
    mounting = rotation_matrices(rng.normal(0, np.deg2rad(8), (1, 3)))[0]
    cadence, vigour = rng.uniform(1.7, 1.95), rng.uniform(0.85, 1.15)
    pieces, intervals, at = [], [], 0.0
    order: Sequence[str] = ()
    while at < 60 * minutes:
        order = order or list(rng.permutation(ACTIVITIES))
        activity, order = str(order[0]), order[1:]
        n = int(rng.uniform(10, 25) * rate)
        pieces += [_bout(activity, n, rate, cadence, vigour, rng)]
        intervals.append(Interval(at, at + n / rate, activity))
        change = _change(pieces[-1], int(rng.uniform(1, 2) * rate), rng)
        pieces.append(change)
        at += (n + len(change)) / rate
    signal = np.concatenate(pieces)
    signal = np.hstack([signal[:, :3] @ mounting, signal[:, 3:] @ mounting])
    noise = rng.normal(0, 1, signal.shape) * ([0.12] * 3 + [0.03] * 3)
    n = int(60 * minutes * rate)
    kept = [
        Interval(i.start, min(i.end, n / rate), i.activity) for i in intervals if i.start < n / rate
    ]
    return Recording(
        values=(signal + noise)[:n].astype(np.float32),
        rate=rate,
        channels=channels(CHANNELS),
        subject=subject,
        name=f"person{subject}",
        intervals=tuple(kept),
    )


def _bout(
    activity: str, n: int, rate: float, cadence: float, vigour: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Acceleration with gravity and turn rate `(n, 6)` of one activity, x pointing up."""
    tilt = np.deg2rad(_TILT.get(activity, 0.0) + rng.normal(0, 7))
    roll = np.deg2rad(rng.normal(0, 5))
    up = np.array([np.cos(tilt), np.sin(tilt) * np.sin(roll), np.sin(tilt) * np.cos(roll)])
    out = np.zeros((n, 6))
    out[:, :3] = STANDARD_GRAVITY * up
    out += np.cumsum(rng.normal(0, 1, (n, 6)), axis=0) * 0.004
    if activity in _GAIT:
        relative, harmonics, sway = _GAIT[activity]
        speed = relative * cadence * rng.normal(1, 0.04) * (1 + rng.normal(0, 0.05, n))
        phase = 2 * np.pi * np.cumsum(speed) / rate
        strength = vigour * rng.normal(1, 0.1)
        for k, amplitude in enumerate(harmonics, start=1):
            offset = rng.uniform(0, 2 * np.pi, 6)
            wave = np.sin(k * phase[:, None] + offset)
            out += strength * amplitude * wave * [1.0, 0.35, 0.5, 0.12, 0.25, 0.15]
        step = np.sin(phase[:, None] / 2 + rng.uniform(0, 2 * np.pi, 6))
        out += strength * sway * step * [0.2, 1.0, 0.3, 0.6, 0.3, 0.5]
    return out


def _change(
    before: npt.NDArray[np.float64], n: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """A short movement between bouts, `(n, 6)`, starting from where the last one ended."""
    bump = np.sin(np.linspace(0, np.pi, n))[:, None]
    out: npt.NDArray[np.float64] = before[-1] + bump * rng.normal(0, 1, 6) * [
        2.0,
        2.0,
        2.0,
        0.8,
        0.8,
        0.8,
    ]
    return out
