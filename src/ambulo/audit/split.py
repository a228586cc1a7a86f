"""What the provenance and the contents of windows say about a split: one check a function."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.audit.content import SPREAD, Shared, differences, spread
from ambulo.audit.findings import Finding, some
from ambulo.windows import Windows, natural

Array = npt.NDArray[Any]

_UNEXPLAINED = 10.0  # times the matches of backward signals that forward ones must have


def spans(train: Windows, test: Windows) -> Finding | None:
    """Test windows that overlap in time with a training window of the same recording."""
    share = np.zeros(len(test))
    trained, tested = _by_recording(train), _by_recording(test)
    both = [key for key in tested if key in trained]
    for key in both:
        share[tested[key]] = _overlap(train, trained[key], test, tested[key])
    count = int((share > 0).sum())
    if not count:
        return None
    typical = float(np.median(share[share > 0]))
    return Finding(
        "overlapping-spans",
        "leak",
        count,
        len(test),
        f"{some(count, len(test))} overlap in time with a training window of the same recording, "
        f"typically by {100 * typical:.0f} % of the window: split by people, not by windows",
        {"typical_overlap": typical, "recordings": len(both)},
    )


def _by_recording(windows: Windows) -> dict[tuple[str, str], Array]:
    """Positions of the windows of each recording of each person."""
    names = np.char.add(np.char.add(windows.subjects.astype(str), "\n"), windows.recordings)
    order = np.argsort(names, kind="stable")
    firsts = np.flatnonzero(np.r_[True, names[order][1:] != names[order][:-1]])
    return {
        (str(windows.subjects[rows[0]]), str(windows.recordings[rows[0]])): rows
        for rows in np.split(order, firsts[1:])
        if len(rows)
    }


def _overlap(train: Windows, rows: Array, test: Windows, mine: Array) -> Array:
    """The largest share of each test window that lies in one training window, `(len(mine),)`.

    Spans are compared in samples of the test windows, so that rates may differ.
    """
    per = test.rate / train.rate
    length = train.length * per
    starts = np.sort(train.starts[rows] * per)
    at = np.searchsorted(starts, test.starts[mine])
    best = np.zeros(len(mine))
    for neighbour in (at - 1, at):
        first = starts[np.clip(neighbour, 0, len(starts) - 1)]
        end = np.minimum(first + length, test.starts[mine] + test.length)
        best = np.maximum(best, end - np.maximum(first, test.starts[mine]))
    return np.asarray(np.clip(best / test.length, 0, 1))


def people(train: Array, test: Array, *, same_source: bool = True) -> Finding | None:
    """People `(windows,)` who are on both sides; a doubt if the data sets differ."""
    both = natural(set(train.tolist()) & set(test.tolist()))
    if not both:
        return None
    count = int(np.isin(test.astype(str), both).sum())
    told = ", ".join(both[:8]) + (", …" if len(both) > 8 else "")
    of = len(set(test.tolist()))
    sentence = (
        f"{some(len(both), of, 'test people')} are also in training ({told}): the score says "
        "nothing about people never seen; split by people"
        if same_source
        else f"{some(len(both), of, 'test people')} have a name that is also in training, in "
        f"another data set ({told}): make sure that they are others"
    )
    severity: Any = "leak" if same_source else "doubt"
    return Finding(
        "same-people", severity, len(both), of, sentence, {"people": both, "windows": count}
    )


def chosen(chosen_on: Iterable[Any], test: Array) -> Finding | None:
    """People whose scores chose a model, an epoch or an option, and who are tested too."""
    picked = {str(person) for person in chosen_on}
    tested = natural(test.tolist())
    both = [person for person in tested if person in picked]
    if not both:
        return None
    return Finding(
        "chosen-on-test",
        "leak",
        len(both),
        len(tested),
        f"{some(len(both), len(tested), 'test people')} were used to choose the model, its epoch "
        f"or its options ({', '.join(both[:8])}): choose on training people only",
        {"people": both},
    )


def copies(train: Array, test: Array) -> Array:
    """Positions of the test windows that are in training to the last bit.

    Windows without movement do not count: all constants are alike.
    """
    seen = {_digest(window) for window in train}
    same = np.array([i for i, window in enumerate(test) if _digest(window) in seen], np.int64)
    return same[spread(differences(test)[same]) >= SPREAD] if len(same) else same


def _digest(window: Array) -> bytes:
    return blake2b(np.ascontiguousarray(window + np.float32(0)).data, digest_size=16).digest()


def contents(found: Shared | None, exact: Array, n: int) -> list[Finding]:
    """Exact copies, and the near copies and shifted segments among the pairs found; of `n`."""
    out = []
    if len(exact):
        text = f"{some(len(exact), n)} are exact copies of a training window: remove them"
        out.append(Finding("duplicates", _sure(found, len(exact) / n), len(exact), n, text))
    if found is None:
        return out
    near = np.setdiff1d(found.windows(shifted=False), exact)
    if len(near):
        text = (
            f"{some(len(near), n)} are near copies of a training window (rescaled, or with a "
            "little noise): remove them"
        )
        out.append(Finding("near-duplicates", _sure(found, len(near) / n), len(near), n, text))
    return out + _segments(found, n)


def _segments(found: Shared, n: int) -> list[Finding]:
    moved = found.windows(shifted=True)
    if not len(moved):
        return []
    nearest = np.full(n, np.iinfo(np.int64).max)
    rows = found.shift != 0
    np.minimum.at(nearest, found.test[rows], np.abs(found.shift[rows]))
    sizes, times = np.unique(nearest[moved], return_counts=True)
    typical = int(sizes[times.argmax()])
    samples = int((found.samples + np.abs(found.shift))[0]) - typical
    text = (
        f"{some(len(moved), n)} share a stretch of signal with a training window, typically "
        f"{samples} samples long and shifted by {typical}: the windows overlapped before they were "
        "split at random; split by people or by recording first"
    )
    details = {"typical_shift": typical, "typical_samples": samples, "chance": found.chance}
    severity = _sure(found, len(moved) / n)
    return [Finding("shared-segments", severity, len(moved), n, text, details)]


def _sure(found: Shared | None, share: float) -> Any:
    """A doubt where signals played backwards match too: then they repeat by nature."""
    return "leak" if found is None or share > _UNEXPLAINED * found.chance else "doubt"
