"""The mistakes of published systems, as named steps, so that each can be switched and measured.

Nothing else in Ambulo uses these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ambulo.recording import Interval, Recording
from ambulo.windows import Windows

NULL = "null"
NULL_ROWS = 30_000
"""Rows of the null class that the publication keeps."""

Labels = npt.NDArray[np.int64]


def delete_outliers_with_test(recordings: Sequence[Recording]) -> list[Recording]:
    """Delete rows outside the 1 to 99 % quantiles of any channel, over training and test people.

    What is left is joined as if nothing had been between.
    """
    everything = np.concatenate([recording.values for recording in recordings])
    low, high = np.quantile(everything, [0.01, 0.99], axis=0)
    out = []
    for recording in recordings:
        inside = ((recording.values >= low) & (recording.values <= high)).all(axis=1)
        out.append(_rows(recording, np.flatnonzero(inside)))
    return out


def shuffled_null(recordings: Sequence[Recording]) -> list[Recording]:
    """Keep 30,000 random rows of the null class, in random order, before everything else.

    Published as a resampling against imbalance; a null window is then made of unrelated rows.
    """
    rng = np.random.default_rng(0)
    null = [np.flatnonzero(_names(recording) == NULL) for recording in recordings]
    total = sum(map(len, null))
    if not total:
        return list(recordings)
    share = min(NULL_ROWS / total, 1.0)
    out = []
    for recording, rows in zip(recordings, null, strict=True):
        drawn = rng.permutation(rows)[: round(share * len(rows))]
        others = np.setdiff1d(np.arange(len(recording)), rows)
        out.append(_rows(recording, np.concatenate([drawn, others])))
    return out


def straddling_windows(recordings: Sequence[Recording]) -> list[Recording]:
    """Join all labelled rows of a recording, so that windows straddle gaps and activities."""
    return [_rows(recording, np.flatnonzero(_names(recording) != "")) for recording in recordings]


def channel_major_reshape(windows: Windows) -> Windows:
    """Stack the channels one after the other and read that as (length, channels).

    A "time step" is then nine consecutive samples of one channel.
    """
    stacked = windows.values.transpose(0, 2, 1)
    return replace(windows, values=np.ascontiguousarray(stacked.reshape(windows.values.shape)))


ON_ROWS: dict[str, Callable[[Sequence[Recording]], list[Recording]]] = {
    "delete-outliers-with-test": delete_outliers_with_test,
    "shuffled-null": shuffled_null,
    "straddling-windows": straddling_windows,
}
"""Mistakes before windowing, in the order in which they are made."""
ON_WINDOWS: dict[str, Callable[[Windows], Windows]] = {
    "channel-major-reshape": channel_major_reshape
}
"""Mistakes after windowing."""
ON_PEOPLE = ("random-windows", "select-on-test")
"""Mistakes of the split: see `ambulo.protocols.Fold`."""
RUNS = 5
"""Runs of which "best-of-runs" reports the best on test people."""
MISTAKES = ("best-of-runs", *ON_ROWS, *ON_WINDOWS, *ON_PEOPLE)
"""Every mistake by its name."""


def _names(recording: Recording) -> npt.NDArray[np.str_]:
    """The activity of every row, "" where there is none."""
    activities = list(dict.fromkeys(i.activity for i in recording.intervals))
    return np.array(["", *activities])[recording.labels(activities) + 1]


def _rows(recording: Recording, rows: Labels) -> Recording:
    """A recording of these rows as if they had followed each other."""
    names = _names(recording)[rows]
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(rows)]
    rate = recording.rate
    return replace(
        recording,
        values=recording.values[rows],
        intervals=tuple(
            Interval(a / rate, b / rate, str(names[a])) for a, b in pairwise(edges) if names[a]
        ),
        gaps=(),
    )
