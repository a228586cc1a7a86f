"""Learning context from the labelled windows of training people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context import TINY, Context
from ambulo.context.reference import EDGES, Reference, backwards, counted, elsewhere, follow
from ambulo.context.windows import gravity_axes, mean_acceleration, positions
from ambulo.windows import Windows, passages

Array = npt.NDArray[Any]

GAITS = ("walking", "walking-upstairs", "walking-downstairs", "upstairs", "downstairs", "stairs")
"""Activities in which people are upright and move on; the first one that a data set has shows the
wearer's reference."""
STANCE = "standing"
"""The posture that people take up much alike each time: a second reference."""
ENOUGH = 3
"""Recordings in which somebody takes it up twice: with fewer, walking is the only reference."""
STRAY = 0.03
"""What comes before or after a passage that does not lead there, against what does; and a change of
posture without the passage that leads from one to the other, against one where there is none."""
TAKEN = 0.01
"""The share of a posture's bouts that look like another from end to end, where passages tell."""
ANGLE = 0.3
"""How much a window's angle counts there: it is much the same in all of a bout."""
QUIET = 1.0
"""Below this deviation of the acceleration in m/s², the median of windows, an activity is still."""


def learn(windows: Windows, *, order: float = 0.0) -> Context:
    """Durations, changes and reference angles from labelled windows in their recordings.

    `order` is the share of the counted changes in what follows what; the rest is even, for the
    order of activities is often the script of a study. But a postural transition leads from one
    posture to another, whatever the script, so that it tells both. Nothing is impossible.
    """
    n, step = len(windows.activities), windows.windowing.spacing(windows.rate)
    held, bouts, changes = np.zeros(n), np.zeros(n), np.zeros((n, n))
    angles, stood = np.zeros((2, n, len(EDGES)))
    gait = next((name for name in GAITS if name in windows.activities), None)
    quiet, empty = still(windows), Reference((), (), ())
    for recording in (windows[index] for index in positions(windows)):
        labels = recording.labels
        known = labels[labels >= 0].astype(int)
        apart = np.diff(recording.seconds, prepend=-1e9) > 1.5 * step
        first = (np.diff(labels, prepend=-9) != 0) | apart
        np.add.at(held, known, 1)
        np.add.at(bouts, labels[first & (labels >= 0)].astype(int), 1)
        np.add.at(changes, (known[:-1], known[1:]), 1)
        gravity = mean_acceleration(recording)
        if gait is not None and gravity is not None:
            walking = labels == windows.activities.index(gait)
            up = follow(gravity, walking, empty, step)
            up = backwards(up, gravity, walking, empty, step)
            angles += counted(labels, gravity, up, n)
            if STANCE in quiet:
                shown = labels == windows.activities.index(STANCE)
                own = elsewhere(gravity, shown, labels, up, empty, step)
                stood += counted(labels, gravity, own, n)
    even = (1 - np.eye(n)) / max(n - 1, 1)
    np.fill_diagonal(changes, 0)
    even = _shares(even * _passable(changes, windows.activities, quiet))
    follows = order * _shares(changes + even) + (1 - order) * even
    reference = None
    if angles.any() and gait is not None:
        reference = Reference((gait,), quiet, _logs(angles))
        if STANCE in quiet and stood[windows.activities.index(STANCE)].sum() >= ENOUGH:
            reference = replace(reference, stance=(STANCE,), stood=_logs(stood))
    told = bool(passages(windows.activities).any())
    if reference is not None and told:
        reference = replace(reference, weight=ANGLE)
    return Context(
        activities=windows.activities,
        step=step,
        seconds=tuple(((held + 1) * step / np.maximum(bouts, 1)).tolist()),
        follows=tuple(tuple(row) for row in follows.tolist()),
        prior=tuple(_shares(held[None] + 1)[0].tolist()),
        reference=reference,
        taken=TAKEN if told else 0.0,
    )


def _passable(changes: Array, activities: tuple[str, ...], quiet: tuple[str, ...]) -> Array:
    """How readily one activity follows another `(from, to)`, by the passages among them alone.

    Whence and whither a passage leads is what came before and after it most often; if that is
    upright, standing or moving, all that is upright will do. And whoever gets there otherwise than
    by the passage strays: nobody sits after lying without having sat up.
    """
    out, through, every = np.ones(changes.shape), passages(activities), np.arange(len(activities))
    upright = ~through & np.array([name == STANCE or name not in quiet for name in activities])
    short = np.zeros(changes.shape, bool)
    for k in np.flatnonzero(through):
        if changes[:, k].any() and changes[k].any():
            ends = changes[:, k].argmax(), changes[k].argmax()
            before, after = (upright if upright[end] else every == end for end in ends)
            out[~before, k] *= STRAY
            out[k, ~after] *= STRAY
            short |= np.outer(before, after)
    return np.where(short, STRAY, out)


def still(windows: Windows) -> tuple[str, ...]:
    """The activities in which the accelerometer hardly moves; none if there is no such sensor.

    However slowly somebody sits down, that is not rest.
    """
    axes = gravity_axes(windows.channels)
    if axes is None:
        return ()
    moves = windows.each(lambda values: values[:, :, axes].std(axis=1).max(axis=1))
    return tuple(
        windows.activities[code]
        for code in np.flatnonzero(~passages(windows.activities))
        if (mine := moves[windows.labels == code]).size and np.median(mine) < QUIET
    )


def _logs(counts: Array) -> tuple[tuple[float, ...], ...]:
    logs = np.log(_shares(counts + 1 / len(EDGES)))
    return tuple(tuple(row) for row in logs.tolist())


def _shares(counts: Array) -> Array:
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), TINY))
