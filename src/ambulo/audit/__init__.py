"""The leakage audit: what a test set and its training set should not have in common.

`audit` looks at Ambulo's Windows, which know their people and sample spans; `audit_arrays` at
anybody's arrays, by content alone; `inflation` and `inflation_arrays` estimate what it is worth.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from ambulo.audit import split
from ambulo.audit.arrays import alike, as_windows
from ambulo.audit.arrays import column as column
from ambulo.audit.arrays import load_array as load_array
from ambulo.audit.content import Shared, shared
from ambulo.audit.findings import Audit as Audit
from ambulo.audit.findings import Finding as Finding
from ambulo.audit.fitted import given_scaling, scaled_together
from ambulo.audit.inflation import Inflation as Inflation
from ambulo.audit.inflation import inflation as inflation
from ambulo.audit.inflation import inflation_arrays as inflation_arrays
from ambulo.errors import AuditError
from ambulo.progress import bar
from ambulo.windows import Windows

Array = npt.NDArray[Any]
Scaling = tuple[Any, Any]
"""Shift and scale `(channels,)` of a fitted `(x - shift) · scale`, in the units of the windows."""


def audit(
    train: Windows,
    test: Windows,
    *,
    scaling: Scaling | None = None,
    chosen_on: Iterable[Any] | None = None,
    content: bool = True,
    progress: bool | None = None,
) -> Audit:
    """Audit a split of Windows.

    Looks for sample spans that overlap, people on both sides, copies and near copies, signal shared
    under other names (unless `content` is False), and scalers fitted on both sides; also at
    `scaling`, the shift and scale `(channels,)` of `(x - shift) · scale`, and at the people that
    models or options were `chosen_on`, where they are given. Raises AuditError for an empty side or
    values that are not finite.
    """
    x, y = as_windows(train.values, "train", False), as_windows(test.values, "test", False)
    same = train.source == test.source
    findings = [split.people(train.subjects, test.subjects, same_source=same)]
    checked = ["people on both sides"]
    if same:
        findings.append(split.spans(train, test))
        checked.append("overlapping spans")
    skipped = [] if chosen_on is not None else ["whom models were chosen on: not given"]
    if chosen_on is not None:
        findings.append(split.chosen(chosen_on, test.subjects))
        checked.append("whom models were chosen on")
    if (train.channels, train.rate, train.length) != (test.channels, test.rate, test.length):
        skipped.append("contents: the sides differ in channels, rate or length of windows")
        return _audit(findings, (x, y), checked, skipped)
    return _with_values(findings, (x, y), checked, skipped, scaling, content, progress)


def audit_arrays(
    train: Any,
    test: Any,
    subjects_train: Any = None,
    subjects_test: Any = None,
    *,
    scaling: Scaling | None = None,
    chosen_on: Iterable[Any] | None = None,
    channels_first: bool | None = None,
    progress: bool | None = None,
    names: tuple[str, str] = ("train", "test"),
) -> Audit:
    """Audit a split of plain arrays `(windows, length, channels)`, by content alone.

    Arrays `(windows, channels, length)` need `channels_first`. Looks for copies, near copies and
    stretches of signal that windows of both sides share, shifted or not, in the same axes but
    whatever their scales; for scalers fitted on both sides; and, where `(windows,)` people are
    given, for people on both sides. `scaling` and `chosen_on` are those of `audit`. Raises
    AuditError, with the array's name out of `names`, for what cannot be audited.
    """
    x = as_windows(train, names[0], channels_first)
    y = as_windows(test, names[1], channels_first)
    alike(x, y)
    findings: list[Finding | None] = []
    checked: list[str] = []
    skipped: list[str] = []
    if (subjects_train is None) != (subjects_test is None):
        raise AuditError("people are given for one side only: give those of both, or of neither")
    if subjects_train is None:
        skipped.append("people on both sides: who wore what was not given")
        if chosen_on is not None:
            raise AuditError("chosen_on names people: give subjects_train and subjects_test too")
    else:
        tested = column(subjects_test, f"people of {names[1]}", len(y))
        trained = column(subjects_train, f"people of {names[0]}", len(x))
        findings += [split.people(trained, tested), split.chosen(chosen_on or (), tested)]
        checked.append("people on both sides")
    return _with_values(findings, (x, y), checked, skipped, scaling, True, progress)


def _with_values(
    findings: list[Finding | None],
    sides: tuple[Array, Array],
    checked: list[str],
    skipped: list[str],
    scaling: Scaling | None,
    content: bool,
    progress: bool | None,
) -> Audit:
    """The audit with what the values themselves say."""
    findings = [*findings, scaled_together(*sides)]
    checked = [*checked, "copies", "scalers fitted on both sides"]
    if scaling is not None:
        findings.append(given_scaling(*sides, *scaling))
        checked.append("the given scaling")
    found = None
    if content:
        with bar("audit", show=progress) as advance:
            found = shared(*sides, advance)
        if found is None:
            skipped = [*skipped, "shared segments: windows of under 10 samples say too little"]
        else:
            checked.append("shared segments")
    findings += split.contents(found, split.copies(*sides), len(sides[1]))
    return _audit(findings, sides, checked, skipped, found)


def _audit(
    findings: list[Finding | None],
    sides: tuple[Array, Array],
    checked: list[str],
    skipped: list[str],
    found: Shared | None = None,
) -> Audit:
    kept = tuple(finding for finding in findings if finding is not None)
    return Audit(kept, (len(sides[0]), len(sides[1])), tuple(checked), tuple(skipped), found)
