"""Timelines compared as events: what was missed, invented, cut up, run together, or off in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

OVERLAPS = (0.3, 0.5, 0.7)
"""Shares of intersection in union at which a found event counts as right in `precision`."""
TOUCHING = 1e-6
"""Seconds between events of one activity that are one event: rounding, and no more."""


class Event(NamedTuple):
    """An activity from `start` to `end` in seconds, found with this confidence."""

    start: float
    end: float
    activity: str
    confidence: float = 1.0


@dataclass(frozen=True)
class EventScores:
    """Counts of one activity's events, after Ward, Lukowicz and Gellersen (2011).

    Of the `true` events, `correct` ones meet one found event that meets no other, `deleted` ones
    meet none, `fragmented` ones meet several, `merged` ones share theirs with others, and
    `fragmented_and_merged` ones both. Of the `found` events, `inserted` ones meet no true event.
    `overfill` and `underfill` are seconds: found beyond the true events that a found event meets,
    and true but not found in true events that were met. `latency` is the mean of seconds from a
    true event's start to the first found time in it, `missed` events left out. `precision` holds
    the average precision at each share of overlap.
    """

    true: int
    found: int
    correct: int
    deleted: int
    fragmented: int
    merged: int
    fragmented_and_merged: int
    inserted: int
    overfill: float
    underfill: float
    latency: float | None
    precision: dict[float, float | None]

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return asdict(self) | {"precision": {str(k): v for k, v in self.precision.items()}}


def compare_events(
    recordings: Iterable[tuple[Sequence[Any], Sequence[Any]]],
    activities: Sequence[str],
    overlaps: Sequence[float] = OVERLAPS,
) -> dict[str, EventScores]:
    """Score each activity's events over recordings, each a pair of true and found ones.

    Both are intervals with `start`, `end` and `activity`; the found ones, as a Timeline's bouts,
    may have a `confidence`, which ranks them for the average precision. Touching events of one
    activity are one event.
    """
    pairs = [(list(true), list(found)) for true, found in recordings]
    return {
        name: _one([(_events(t, name), _events(f, name)) for t, f in pairs], overlaps)
        for name in activities
    }


def windows_as_events(
    recordings: Any,
    seconds: Any,
    labels: Any,
    probabilities: Any,
    activities: Sequence[str],
    step: float,
) -> dict[str, EventScores]:
    """Score decisions on windows that start `step` seconds apart as events.

    `recordings`, `seconds` and `labels` `(n,)` say where each labelled window lies and what it
    shows, `probabilities` `(n, activities)` what was decided. A window stands for its first `step`
    seconds; where nobody labelled anything there are no events, true or found.
    """
    decided, pairs = probabilities.argmax(axis=1), []
    for name in dict.fromkeys(recordings.tolist()):
        rows = np.flatnonzero(recordings == name)
        true, found = (
            [
                Event(seconds[i], seconds[i] + step, activities[code[i]], sure[i])
                for i in rows[np.argsort(seconds[rows], kind="stable")]
            ]
            for code, sure in ((labels, np.ones(len(labels))), (decided, probabilities.max(axis=1)))
        )
        pairs.append((true, found))
    return compare_events(pairs, activities)


def mean_precision(scores: dict[str, EventScores], overlap: float) -> float | None:
    """Mean average precision over the activities that occur, at a share of overlap."""
    there = [p for s in scores.values() if (p := s.precision[overlap]) is not None]
    return float(np.mean(there)) if there else None


def _events(intervals: Iterable[Any], activity: str) -> list[Event]:
    """An activity's events in order of time, touching ones joined, as sure as on average."""
    out: list[Event] = []
    mine = [i for i in intervals if i.activity == activity]
    for i in sorted(mine, key=lambda i: (i.start, i.end)):
        sure = float(getattr(i, "confidence", 1.0))
        if out and i.start <= out[-1].end + TOUCHING:
            last = out[-1]
            here, there = last.end - last.start, i.end - i.start
            mean = (last.confidence * here + sure * there) / max(here + there, 1e-9)
            out[-1] = Event(last.start, max(last.end, i.end), last.activity, mean)
        elif i.end > i.start:
            out.append(Event(i.start, i.end, i.activity, sure))
    return out


def _one(
    pairs: Sequence[tuple[list[Event], list[Event]]], overlaps: Sequence[float]
) -> EventScores:
    counts = dict.fromkeys(
        ("correct", "deleted", "fragmented", "merged", "fragmented_and_merged", "inserted"), 0
    )
    overfill = underfill = 0.0
    true_events = found_events = 0
    waits: list[float] = []
    for true, found in pairs:
        meets = np.array([[shared(t, f) for f in found] for t in true]).reshape(
            len(true), len(found)
        )
        touches = meets > TOUCHING  # less is rounding
        for row, event in zip(range(len(true)), true, strict=True):
            partners = np.flatnonzero(touches[row])
            counts[_kind(touches, partners)] += 1
            if len(partners):
                underfill += event.end - event.start - meets[row].sum()
                waits.append(max(min(found[k].start for k in partners) - event.start, 0.0))
        for column, event in zip(range(len(found)), found, strict=True):
            if touches[:, column].any():
                overfill += event.end - event.start - meets[:, column].sum()
            else:
                counts["inserted"] += 1
        true_events, found_events = true_events + len(true), found_events + len(found)
    return EventScores(
        true=true_events,
        found=found_events,
        overfill=float(overfill),
        underfill=float(underfill),
        latency=float(np.mean(waits)) if waits else None,
        precision={share: average_precision(pairs, share) for share in overlaps},
        **counts,
    )


def _kind(touches: Any, partners: Any) -> str:
    """What became of a true event with these partners among the found ones."""
    if not len(partners):
        return "deleted"
    cut, run_together = len(partners) > 1, bool((touches[:, partners].sum(axis=0) > 1).any())
    if cut and run_together:
        return "fragmented_and_merged"
    return "fragmented" if cut else "merged" if run_together else "correct"


def shared(a: Event, b: Event) -> float:
    """Seconds that two events have in common."""
    return max(min(a.end, b.end) - max(a.start, b.start), 0.0)


def average_precision(
    pairs: Sequence[tuple[list[Event], list[Event]]], overlap: float
) -> float | None:
    """Area under precision over recall of the found events, the surest first.

    A found event is right if it covers a true event, which no surer one took, by `overlap` of their
    union; precision is made to fall with recall (Everingham et al. 2010, as in ActivityNet). None
    where there is no true event.
    """
    total = sum(len(true) for true, _ in pairs)
    if not total:
        return None
    ranked = sorted(
        ((f, k) for k, (_, found) in enumerate(pairs) for f in found),
        key=lambda item: -item[0].confidence,
    )
    taken: set[tuple[int, int]] = set()
    right = np.zeros(len(ranked))
    for place, (event, k) in enumerate(ranked):
        free = [(i, t) for i, t in enumerate(pairs[k][0]) if (k, i) not in taken]
        best = max(free, key=lambda item: _union_share(item[1], event), default=None)
        if best is not None and _union_share(best[1], event) >= overlap:
            taken.add((k, best[0]))
            right[place] = 1
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float((falling * right).sum() / total)


def _union_share(a: Event, b: Event) -> float:
    both = shared(a, b)
    return both / ((a.end - a.start) + (b.end - b.start) - both)
