"""What a minute of labels is worth to a person never seen, and how an activity is added.

    ambulo evaluate hapt --model best --protocol loso --keep parents
    python -m benchmarks.adapting hapt --what personal --parents parents
    python -m benchmarks.adapting hapt --what added

Personal: each person is left out, gives the first minute of every activity, and is tested on the
windows that share no sample with it, one at a time. Added: an activity is left out in turn and
taught from two minutes of two training people, each pair in turn (`--pairs 1`: the first only);
recall of it, and what becomes of accuracy on the others, on people never seen (`--protocol`),
window by window and, with context, as whole recordings are predicted. Where a pair is refused the
parent stays, and recall is 0.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from ambulo import Recognizer, load_dataset, train
from ambulo.adaptation import adapt
from ambulo.context.windows import decide
from ambulo.errors import AdaptError
from ambulo.protocols import folds
from ambulo.windows import Windows
from benchmarks.accuracy.unknown import without

WAYS = ("none", "causal", "offline")


def first_seconds(windows: Windows, seconds: float) -> Any:
    """Which windows are among each person's first of each activity, so many seconds in all."""
    step = windows.windowing.samples(windows.rate)[1] / windows.rate
    chosen = np.zeros(len(windows), bool)
    for person in windows.people:
        for label in range(len(windows.activities)):
            index = np.flatnonzero((windows.subjects == person) & (windows.labels == label))
            index = index[np.lexsort((windows.seconds[index], windows.recordings[index]))]
            chosen[index[: int(seconds / step)]] = True
    return chosen


def touched(windows: Windows, chosen: Any) -> Any:
    """Which windows share samples with chosen ones."""
    out = chosen.copy()
    for k in np.flatnonzero(chosen):
        near = np.abs(windows.starts - windows.starts[k]) < windows.length
        out |= near & (windows.recordings == windows.recordings[k])
    return out


def right(recognizer: Recognizer, windows: Windows, ways: tuple[str, ...] = WAYS) -> dict[str, Any]:
    """Whether each window is decided as labelled; with context, `windows` are whole recordings."""
    own, context = recognizer.decide(windows, context="none"), recognizer.context
    names, asked = np.array(recognizer.activities), np.array(windows.activities)[windows.labels]
    out = {}
    for way in ways:
        said = own if way == "none" or context is None else decide(context, windows, own, way)
        out[way] = names[said.argmax(1)] == asked
    return out


def personal(windows: Windows, parents: Path, minutes: float) -> None:
    rows, refused = [], 0
    for path in sorted(parents.glob("*.ambulo")):
        parent = Recognizer.load(path)
        tested = windows.of(set(windows.people) - set(parent.card["people"]))
        for person in tested.people:
            mine = tested.of([person]).labelled()
            first = first_seconds(mine, 60 * minutes)
            rest = mine[~touched(mine, first)]
            if not len(rest):
                continue
            try:
                child = adapt(parent, mine[first])
            except AdaptError:
                child, refused = parent, refused + 1
            rows.append(
                tuple(right(each, rest, ("none",))["none"].mean() for each in (parent, child))
            )
            before, after = 100 * rows[-1][0], 100 * rows[-1][1]
            print(f"  person {person:<6}{before:>7.1f} %{after:>7.1f} % of {len(rest)}", flush=True)
    before, after = np.array(rows).T
    less, wrong = 1 - (1 - after).mean() / max((1 - before).mean(), 1e-9), before < 1
    each = 1 - (1 - after[wrong]) / (1 - before[wrong])
    print(
        f"{len(rows)} people, {minutes:g} min an activity: {100 * before.mean():.2f} % to "
        f"{100 * after.mean():.2f} %, errors {100 * less:.0f} % fewer; mean of the {wrong.sum()} "
        f"people with errors {100 * each.mean():.0f} % fewer; refused {refused}; the largest loss "
        f"of a person {100 * (before - after).max():.1f} points"
    )


def added(
    windows: Windows, model: str, minutes: float, protocol: str, pairs: int, only: list[str]
) -> None:
    shares: dict[tuple[str, str], list[Any]] = {}
    print(f"{'':<20}{'shown by':<12}{'':<9}{'recall':>8}   the others")
    jobs = itertools.product(only or windows.activities, folds(windows, protocol))
    for activity, fold in jobs:
        training, strangers = fold.train, windows.of(fold.test)
        code = windows.activities.index(activity)
        old = without(windows.of(training), code)
        parent = train(model, old, progress=False)
        asked = strangers.labels == code
        known = (strangers.labels >= 0) & ~asked
        before = right(parent, strangers)
        for two in list(zip(training[::2], training[1::2], strict=False))[:pairs]:
            shown = windows.of(two)
            shown = shown[shown.labels == code]
            shown = shown[first_seconds(shown, 60 * minutes)]
            if not len(shown):  # neither of them did it
                continue
            try:
                child = adapt(parent, shown, old=old)
            except AdaptError as error:
                print(f"{activity:<20}{', '.join(two):<12}refused: {error}", flush=True)
                child = None
            after = right(child, strangers) if child else before
            for way in WAYS:
                gain = after[way][known].mean() - before[way][known].mean()
                found = (after[way][asked].mean(), gain)
                shares.setdefault((activity, way), []).append(found)
                _say(activity, ", ".join(two), way, *found)
    print("means over pairs")
    for (activity, way), found in shares.items():
        _say(activity, f"{len(found)} pairs", way, *np.mean(found, axis=0))
    for way in WAYS:
        means = [np.mean(found, axis=0) for (_, used), found in shares.items() if used == way]
        _say("mean", "", way, *np.mean(means, axis=0))


def _say(activity: str, who: str, way: str, recall: float, gain: float) -> None:
    print(f"{activity:<20}{who:<12}{way:<9}{100 * recall:6.1f} %{100 * gain:+8.1f}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("data")
    asked.add_argument("--model", default="best")
    asked.add_argument("--choice", nargs="*", default=[], help="as in device=watch")
    asked.add_argument("--parents", type=Path, help="Recognizers, each without somebody.")
    asked.add_argument("--what", choices=("personal", "added"), required=True)
    asked.add_argument("--protocol", default="official", help="Who is never seen, as in evaluate.")
    asked.add_argument("--pairs", type=int, default=99, help="At most so many show an activity.")
    asked.add_argument("--only", nargs="*", default=[], help="Activities to add.")
    given = asked.parse_args()
    choice = dict(text.split("=", 1) for text in given.choice)
    windows = load_dataset(given.data, **choice).windows(keep="all")
    if given.what == "personal":
        personal(windows, given.parents, 1.0)
    else:
        print(f"{given.data}, {given.model}, {given.protocol}, seed 0")
        added(windows, given.model, 2.0, given.protocol, given.pairs, given.only)


if __name__ == "__main__":
    main()
