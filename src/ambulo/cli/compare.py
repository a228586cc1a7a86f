"""`ambulo ablate` and `ambulo compare`: evaluations side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.arguments import (
    INFLATED,
    Activities,
    Channels,
    DataPath,
    Device,
    Json,
    Overlap,
    Seconds,
    Seeds,
    Set,
    Workers,
    cut,
    load,
    options,
    placeable,
)
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.comparison import Comparison

Model = Annotated[str, typer.Option(help="Its name; see the README.")]
Protocol = Annotated[str, typer.Option(help="official, loso, groups:K or people:1,2.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="Picture to write, a .png.")]


def ablate(
    dataset: str,
    groups: Annotated[str, typer.Option(help="Groups of channels: ankle,arm,ankle+arm.")],
    model: Model = "cnn-lstm",
    protocol: Protocol = "loso",
    seeds: Seeds = 1,
    workers: Workers = 0,
    out: Out = None,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Show what each group of sensors is worth: fresh networks, the same people.

    Example: ambulo ablate mhealth --groups ankle,arm,ankle+arm --out sensors.png
    """
    from ambulo.comparison import ablate as run

    placeable(out, picture=True)
    done = run(
        model,
        load(dataset, data, activities, device),
        [group for group in groups.split(",") if group],
        seconds=seconds,
        overlap=overlap,
        protocol=protocol,
        seeds=seeds,
        workers=workers or os.cpu_count() or 1,
        **options(set_),
    )
    _show(done, out, json_)


def compare(
    dataset: str,
    over: Annotated[str, typer.Option(help="A training option, or model.")] = "imbalance",
    values: Annotated[
        str, typer.Option(help="Its values, with commas.")
    ] = "none,weights,sampling,focal,logits",
    model: Model = "cnn-lstm",
    protocol: Annotated[
        str,
        typer.Option(
            help="official, loso, groups:K or people:1,2.",
            show_default="groups:10, or loso where there are fewer people",
        ),
    ] = "",
    seeds: Seeds = 1,
    workers: Workers = 0,
    out: Out = None,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    channels: Channels = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Compare values of a training option, as what is done about rare activities, or models.

    Example: ambulo compare wisdm --over imbalance --values none,weights,logits
    """
    from ambulo.comparison import compare as run

    placeable(out, picture=True)
    windows = cut(dataset, data, activities, device, channels, seconds, overlap)
    done = run(
        model,
        windows,
        over,
        [_value(over, value) for value in values.split(",")] if values else [],
        protocol=protocol or ("groups:10" if len(windows.people) > 10 else "loso"),
        seeds=seeds,
        workers=workers or os.cpu_count() or 1,
        **options(set_),
    )
    _show(done, out, json_)


def _value(over: str, text: str) -> Any:
    """A value of an option, as `--set` takes it."""
    found = options([f"{over}={text}"])
    return found["sizes"][over.removeprefix("sizes.")] if over.startswith("sizes.") else found[over]


def _show(done: Comparison, out: Path | None, json_: bool) -> None:
    if json_:
        say(done.to_dict())
    else:
        _say(done)
    if out is not None:  # last, so that what took long is not lost where it cannot be written
        from ambulo import report

        report.save(report.comparison(done), out)


def _say(done: Comparison) -> None:
    first = next(iter(done.evaluations.values()))
    if first.inflated:
        say(INFLATED)
    say(
        f"{first.dataset}, protocol {first.protocol}, {len(first.people)} test people, "
        f"{len(first.seeds)} seed(s)\n"
        f"{done.over:<16}{'accuracy %':>20}{'difference':>24}{'macro F1':>10}{'worst':>8}{'s':>7}"
    )
    for name, found in done.evaluations.items():
        score, gap = found.accuracy(), done.difference(name)
        say(
            f"{name:<16}{_interval(score):>20}{_interval(gap, '+'):>24}"
            f"{found.macro_f1()['mean']:>10.3f}{100 * found.worst_person()['accuracy']:>8.1f}"
            f"{done.seconds[name]:>7.0f}"
        )
    if first.caution:
        say(first.caution)
    _by_class(done)


def _interval(score: dict[str, float], sign: str = "") -> str:
    low, mean, high = (format(100 * score[key], f"{sign}.1f") for key in ("low", "mean", "high"))
    return f"{mean} [{low}, {high}]"


def _by_class(done: Comparison) -> None:
    """Recall and precision of each activity, a row an activity."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for found in done.evaluations.values():
        for activity, row in found.per_class().items():
            rows.setdefault(activity, []).append(row)
    width = max(14, *(len(name) + 2 for name in done.evaluations))
    say("\nrecall / precision %  " + "".join(f"{name:>{width}}" for name in done.evaluations))
    for activity, cells in rows.items():
        shown = [f"{100 * c['recall']:.1f} / {100 * c['precision']:.1f}" for c in cells]
        say(f"{activity:<22}" + "".join(f"{cell:>{width}}" for cell in shown))
