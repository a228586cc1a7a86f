"""`ambulo audit`: does the test set leak into the training set?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.arguments import (
    Activities,
    Channels,
    DataPath,
    Device,
    Json,
    Overlap,
    Seconds,
    cut,
)
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.audit import Audit, Inflation
    from ambulo.windows import Windows

_PAIRS = (
    ("train", "test"),
    ("subjects_train", "subjects_test"),
    ("train_labels", "test_labels"),
)
File = Annotated[Path | None, typer.Option(help="A .npy file.")]
Report = dict[str, Any]
Estimate = Callable[[], Any] | None


def audit(
    dataset: Annotated[
        str | None, typer.Argument(help="A data set, to audit Ambulo's own split of it.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="official, loso, groups:K, people:1,2 or random.")
    ] = "official",
    train: Annotated[
        Path | None, typer.Option(help="A .npy file of windows (windows, length, channels).")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="The same of test windows.")] = None,
    train_labels: File = None,
    test_labels: File = None,
    subjects_train: File = None,
    subjects_test: File = None,
    chosen_on: Annotated[
        str | None, typer.Option(help="People whose scores chose the model or its epoch: 1,2,…")
    ] = None,
    channels_first: Annotated[
        bool | None,
        typer.Option(
            "--channels-first/--channels-last", help="Arrays are (windows, channels, length)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of chance in the estimates.")] = 0,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    channels: Channels = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    json_: Json = False,
) -> None:
    """Find leaks from training to test windows; exit code 1 if there are any.

    Example: ambulo audit --train X_train.npy --test X_test.npy

    Example: ambulo audit uci-har --protocol random
    """
    from ambulo.errors import AuditError

    arrays = {"train": train, "test": test, "train_labels": train_labels}
    arrays |= {"test_labels": test_labels, "subjects_train": subjects_train}
    arrays |= {"subjects_test": subjects_test}
    given = {name: path for name, path in arrays.items() if path is not None}
    if (dataset is None) == (not given):
        raise AuditError("name a data set, or give arrays with --train and --test, not both")
    picked = None if chosen_on is None else [name.strip() for name in chosen_on.split(",")]
    if dataset is None:
        reports = [_of_arrays(given, picked, channels_first, seed)]
    else:
        windows = cut(dataset, data, activities, device, channels, seconds, overlap)
        if unknown := sorted({*(picked or ())} - {*windows.people}):
            raise AuditError(
                f"--chosen-on names {', '.join(unknown)}, of whom {dataset} has no windows: choose "
                f"from {', '.join(windows.people)}"
            )
        reports = _of_protocol(windows, protocol, picked, seed)
    say(_plain(reports) if json_ else "\n".join(r["said"] for r in reports))
    if not all(report["clean"] for report in reports):
        raise typer.Exit(1)


def _plain(reports: list[Report]) -> Report:
    rows = [{k: v for k, v in report.items() if k != "said"} for report in reports]
    return {"clean": all(row["clean"] for row in rows), "splits": rows}


def _of_protocol(
    windows: Windows, protocol: str, chosen_on: list[str] | None, seed: int
) -> list[Report]:
    """One report for each fold of a protocol, or for a random split."""
    from ambulo.audit import audit, inflation
    from ambulo.progress import bar
    from ambulo.protocols import folds

    plan = folds(windows, protocol)
    several = len(plan) > 1
    out = []
    with bar(f"audit of {windows.source}", show=None if several else False) as advance:
        for fold in plan:
            train, test = (windows[positions] for positions in fold.split(windows))
            found = audit(train, test, chosen_on=chosen_on, progress=False if several else None)
            estimate = partial(inflation, train, test, seed=seed)
            out.append(_report(fold.name, found, estimate))
            advance(1 / len(plan), fold.name)
    return out


def _of_arrays(
    given: dict[str, Path], chosen_on: list[str] | None, channels_first: bool | None, seed: int
) -> Report:
    from ambulo.audit import audit_arrays, inflation_arrays

    x, y, *columns = _loaded(given)
    people, labels = columns[:2], columns[2:]
    names = str(given["train"]), str(given["test"])
    found = audit_arrays(
        x, y, *people, chosen_on=chosen_on, channels_first=channels_first, names=names
    )

    def estimate() -> Inflation:
        return inflation_arrays(
            x, y, *labels, *people, channels_first=channels_first, seed=seed, names=names
        )

    return _report("arrays", found, None if labels[0] is None else estimate)


def _loaded(given: dict[str, Path]) -> list[Any]:
    """Windows, people and labels of both sides, in this order; None for what is not given."""
    from ambulo.audit import column, load_array
    from ambulo.errors import AuditError

    out: list[Any] = []
    for pair in _PAIRS:
        if (pair[0] in given) != (pair[1] in given) or "train" not in given:
            needed = _PAIRS[0] if "train" not in given else pair
            raise AuditError(f"give both {_flags(*needed)}: an audit compares two sides")
        for name, side in zip(pair, (0, 1), strict=True):
            value = load_array(given[name]) if name in given else None
            if value is not None and pair is not _PAIRS[0]:
                value = column(value, str(given[name]), out[side].shape[0] if out[side].ndim else 0)
            out.append(value)
    return out


def _flags(one: str, other: str) -> str:
    return " and ".join("--" + name.replace("_", "-") for name in (one, other))


def _report(name: str, found: Audit, estimate: Estimate) -> Report:
    """The audit and, where it found a leak, the inflation: as values and in words."""
    worth, why = _worth(found, estimate)
    said = f"{name}: {found}" + (f"\n{worth or why}" if worth or why else "")
    inflated = {"inflation": worth.to_dict() if worth else None, "no_inflation": why}
    return {"name": name, **found.to_dict(), **inflated, "said": said}


def _worth(found: Audit, estimate: Estimate) -> tuple[Inflation | None, str]:
    """The inflation, or why there is no estimate of it."""
    from ambulo.errors import AuditError

    if estimate is None:
        return None, "no estimate of the inflation: give --train-labels and --test-labels for one"
    if found.clean:
        return None, ""
    try:
        return estimate(), ""
    except AuditError as error:
        return None, str(error)
