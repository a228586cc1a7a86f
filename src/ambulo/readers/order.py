"""The order of a sensor's rows: late samples are put in their place, a clock that restarts is not.

Sorting by time is right for rows that come late. It would mix two recordings that stand one below
the other, each with a clock of its own, so that is refused. Rows that are sent again are no other
recording: they count once. A few stamps that are far from all others, as those of a clock before it
was set, are left out. Samples that came in packets under one stamp are spread up to the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.finding import Finding
from ambulo.readers.grid import Stream

Array = npt.NDArray[Any]

LATE = 2.0
"""Seconds that rows may go back in time over others without being another recording."""
FEW = 10
"""Rows that may stand anywhere: a packet sent again, a stamp or two gone wrong."""
_MOST = 0.05
"""Share of rows above which stamps far from the others are not taken for wrong."""
APART = 3600.0
"""Seconds between a few rows and all the others from which on their stamps are taken for wrong."""
YEAR = 365.25 * 86400
"""Seconds without a row that no recording has: in between a clock was set."""

_EVEN = 0.8
"""Share of stamps that have about as many rows as usual, from which on these are spread."""
_LAG = 50
"""Rows over which density is measured, so that jitter and bursts do not count."""
_DENSER = 1.03
"""Times as dense as elsewhere, from which on rows of two runs are those of two clocks."""
_ALIKE = 0.05
"""Share of the usual step by which steps differ where samples of two buffers alternate."""
_SMOOTH = 0.75
"""Share of the change in two rows that one row's has where a stamp takes as long as a step."""
_DEVICES = 5
"""Rows a stamp up to which they may be several devices' in turn."""


def tidy(stream: Stream, dated: bool, counted: dict[str, int]) -> tuple[Stream, list[Finding]]:
    """The rows in the order of time, one a moment; what was left out is counted, and told.

    `dated` tells that time does not count from a start. Raises RecordingError naming the row.
    """
    once, again = _once(stream)
    sound, found = _without_strays(once)
    counted["rows_dropped"] += len(once.time) - len(sound.time)
    _check_order(sound, dated)
    backwards = int((np.diff(sound.time) < 0).sum())
    if backwards:
        sound = sound.take(np.argsort(sound.time, kind="stable"))
    even, more = _spread(sound)
    ordered, _, doubled = even.in_order()
    counted["rows_out_of_order"] += backwards
    counted["rows_of_the_same_time"] += again + doubled
    return ordered, found + more


def _once(stream: Stream) -> tuple[Stream, int]:
    """Without the rows that came before, and how many: a packet sent again, exports that overlap.

    They are equal to rows before in time and all values, and time went back in between: rows of one
    packet may be equal at rest.
    """
    time = stream.time
    runs = np.cumsum(np.diff(time, prepend=time[:1]) < 0)
    if not len(runs) or not runs[-1]:
        return stream, 0
    order = np.argsort(time, kind="stable")
    same = np.diff(time[order]) == 0
    order = order[np.r_[same, False] | np.r_[False, same]]
    if not len(order):
        return stream, 0
    order = order[np.lexsort((*stream.values[order].T, time[order]))]
    equal = (np.diff(time[order]) == 0) & (np.diff(stream.values[order], axis=0) == 0).all(axis=1)
    firsts = np.flatnonzero(np.r_[True, ~equal])
    first = np.repeat(order[firsts], np.diff(np.r_[firsts, len(order)]))
    kept = np.ones(len(time), bool)
    kept[order[runs[order] > runs[first]]] = False
    if kept.all():
        return stream, 0
    return stream.take(np.flatnonzero(kept)), int((~kept).sum())


def _without_strays(stream: Stream) -> tuple[Stream, list[Finding]]:
    """Without the few rows whose stamps are far from all others, as before a clock is set."""
    if not (np.abs(np.diff(stream.time)) > APART).any():
        return stream, []
    order = np.argsort(stream.time, kind="stable")
    steps = np.diff(stream.time[order])
    sizes = np.diff(np.r_[0, np.flatnonzero(steps > APART) + 1, len(order)])
    lone = np.repeat(sizes <= FEW, sizes)
    if lone.sum() > _MOST * len(order):
        return stream, []
    kept = order[~lone]
    _check_years(stream, kept)
    if not lone.any():
        return stream, []
    stray = int(order[lone].min())
    away = float(np.abs(stream.time[kept] - stream.time[stray]).min()) / 86400
    why = f"data row {stream.places[stray] + 1} lies {away:.4g} days from where the others are"
    told = Finding("stray times", f"{lone.sum()} left out", "measured", why)
    return stream.take(np.sort(kept)), [told]


def _check_years(stream: Stream, order: Array) -> None:
    """Raise RecordingError where the rows, sorted by `order`, lie years apart."""
    time = stream.time[order]
    edges = np.flatnonzero(np.diff(time) > YEAR) + 1
    if len(edges):
        fewest = min(np.split(order, edges), key=len)
        raise RecordingError(
            f"{len(fewest)} rows, the first of them data row {stream.places[fewest.min()] + 1}, "
            f"lie {np.diff(time).max() / YEAR:.1f} years from the others, as when a clock was set "
            "in between: cut them out, or make a file of their own of them"
        )


def _check_order(stream: Stream, dated: bool) -> None:
    """Raise RecordingError naming the row where the clock of a sensor starts anew.

    There time goes back, and many rows follow among the times of those before. Rows that fill a
    pause came late, as do those that stand between others, as of two buffers, where both together
    are no denser than rows are elsewhere, or regular. If the clock is `dated` so are those from
    before the first row; by a clock that counts from a start, these are another recording.
    """
    time = stream.time
    backs = np.flatnonzero(np.diff(time) < -LATE) + 1
    if not len(backs):
        return
    newest = np.maximum.accumulate(time)
    forward = float(np.median(np.diff(time))) >= 0
    lag = max(_LAG, round(5 * len(time) / (1 + np.count_nonzero(np.diff(time)))))
    usual = _pace(time, lag)
    for begin, at, end in zip([0, *backs], backs, [*backs[1:], len(time)], strict=False):
        beyond = np.flatnonzero(time[at:end] > newest[at - 1])
        run, before = time[at : at + beyond[0] if len(beyond) else end], time[begin:at]
        low, high = float(run.min()), float(run.max())
        if len(run) <= FEW or high - low <= LATE:
            continue
        among = before[(before >= low) & (before <= high)]
        whole = len(among) > (1 - _MOST) * len(before)
        mixed = len(among) > FEW and not _one_clock(among, run, lag, usual, whole)
        if mixed or (forward and not dated and high < time[:at].min()):
            back = time[at - 1] - time[at]
            raise RecordingError(
                f"the clock of {', '.join(stream.names[:3])} goes back by {back:.6g} s at data row "
                f"{stream.places[at] + 1} and goes on from there, as when two recordings, or two "
                "devices, stand one below the other, or a phone's clock was set by the network: "
                "split the file at that row (if clocks were set back there in autumn, state the "
                "zone: --as zone=Europe/Rome)"
            )


def _one_clock(one: Array, other: Array, lag: int, usual: float, whole: bool) -> bool:
    """Whether two runs of times, sorted together, are as those of one clock.

    Few are in both, and rows come no faster than the `usual` seconds each, or all steps are alike
    where the `whole` of one lies among the other: there is nothing else to tell what is usual.
    """
    both = np.sort(np.r_[one, other])
    if len(np.intersect1d(one, other)) > _MOST * len(np.unique(other)):
        return False
    if 0 < usual <= _DENSER * _pace(both, lag):
        return True
    steps = np.diff(both)
    alike = np.abs(steps - np.median(steps)) <= _ALIKE * np.median(steps)
    return bool(whole and alike.mean() > 1 - _MOST)


def _pace(time: Array, lag: int) -> float:
    """Seconds a row usually takes, over `lag` rows, so that bursts do not count as density."""
    lag = min(lag, len(time) // 2)
    return float(np.median(np.abs(time[lag:] - time[:-lag]))) / lag


def _spread(stream: Stream) -> tuple[Stream, list[Finding]]:
    """Samples that share their stamps, as those of one packet or one second, spread evenly.

    `stream` is sorted. Raises RecordingError where most rows share a stamp but not so evenly, or
    where those of one stamp look like several devices'. Rows that say the same twice are let be.
    """
    time, values = stream.time, stream.values
    firsts = np.flatnonzero(np.diff(time, prepend=-np.inf) > 0)
    shared = len(time) - len(firsts)
    if not shared or len(firsts) < 3:
        return stream, []
    again = np.diff(time) == 0
    other = again & (values[1:] != values[:-1]).any(axis=1)
    counts = np.diff(np.r_[firsts, len(time)])
    usual = float(np.median(counts))
    if other.sum() <= 0.5 * shared or (usual < 2 and shared <= 0.5 * len(time)):
        return stream, []
    about = np.abs(counts - usual) <= max(1.0, 0.2 * usual)
    share = float(about[1:-1].mean())
    what = f"{shared} of {len(time)} rows bear the time of the row before, from data row "
    what += f"{stream.places[int(np.flatnonzero(again)[0]) + 1] + 1} on"
    if usual < 2 or share < _EVEN:
        raise RecordingError(
            f"{what}, and not evenly many a stamp: write a time for each sample, or leave the "
            "column of time out and give the rate (--rate HZ)"
        )
    if usual <= _DEVICES and _alternating(values, firsts[counts == round(usual)], round(usual)):
        raise RecordingError(
            f"{what}, and they look like {usual:g} devices in turn: write one file a device"
        )
    why = f"{100 * share:.0f} % of stamps have about so many rows of different values"
    told = Finding("stamps", f"{usual:g} samples each, spread evenly", "measured", why)
    return replace(stream, time=_between(time[firsts], counts, usual, about)), [told]


def _between(stamps: Array, counts: Array, usual: float, about: Array) -> Array:
    """Times of `counts` `(n,)` samples a stamp, from each of `stamps` `(n,)` to the next.

    Where there are fewer than `usual` (`about` is false), or a pause follows, they keep their usual
    distance; those of the first stamp, which may be the rest of more, end where the next begin.
    """
    steps = np.diff(stamps)
    step = float(np.median(steps))
    steps = np.r_[steps, step]
    whole = about & (steps <= 1.5 * step)
    apart = np.where(whole, steps / counts, np.minimum(step / usual, steps / counts))
    begins = stamps.astype(np.float64)
    if counts[0] < usual and steps[0] <= 1.5 * step:
        apart[0] = min(step / usual, steps[0] / counts[0])
        begins[0] = stamps[1] - counts[0] * apart[0]
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(np.repeat(begins, counts) + place * np.repeat(apart, counts))


def _alternating(values: Array, firsts: Array, count: int) -> bool:
    """Whether the `count` rows of a stamp, from each of `firsts` on, are like several devices'.

    A row is less like the one before than like the one `count` rows before, as also where a stamp
    takes as long as a step. But devices keep their offsets, and these differ in any order; those of
    steps average out, or follow each other smoothly.
    """
    near, far = (np.abs(values[k:] - values[:-k]).mean(axis=0) for k in (1, count))
    if near.sum() <= 1.5 * far.sum() or not len(firsts):
        return False
    places = values[firsts[:, None] + np.arange(count)]
    means, spread = places.mean(axis=0), places.std(axis=0).mean(axis=0)
    if not (np.ptp(means, axis=0) > spread).any():
        return False
    one, two = (np.abs(means - np.roll(means, k, axis=0)).sum() for k in (1, 2))
    return bool(count < 4 or one > _SMOOTH * two)
