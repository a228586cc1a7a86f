"""`ambulo reproduce`: published systems beside their honest numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambulo.cli.arguments import DataPath, Json, Seeds, Workers
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.reproduction import Reproduction


def reproduce(
    name: Annotated[str, typer.Argument(help="A recipe, or all.")] = "all",
    quick: Annotated[
        bool, typer.Option("--quick", help="Train briefly, to see that it works; not for numbers.")
    ] = False,
    steps: Annotated[
        str | None, typer.Option(help="Exactly these mistakes, with commas; none: no mistake.")
    ] = None,
    seeds: Seeds = 1,
    workers: Workers = 0,
    report: Annotated[
        Path | None, typer.Option(help="Folder for a page, pictures and JSON.")
    ] = None,
    data: DataPath = None,
    json_: Json = False,
) -> None:
    """Run published systems under their own protocol and under an honest one.

    Example: ambulo reproduce uci-cnn-lstm
    """
    from ambulo.recipes import RECIPES
    from ambulo.reproduction import reproduce as run

    chosen = None if steps is None else [s for s in steps.split(",") if s not in ("", "none")]
    found: list[Reproduction] = []
    for recipe in RECIPES if name == "all" else [name]:
        done = run(
            recipe,
            steps=chosen,
            quick=quick,
            seeds=seeds,
            workers=workers or os.cpu_count() or 1,
            data=data,
            tell=lambda line: say(line, err=True),
        )
        found += done
        if not json_:
            for reproduction in done:
                _say(reproduction, quick)
    everything = [reproduction.to_dict() for reproduction in found]
    if report is not None:
        from ambulo.report import write_reproductions

        lead = "Trained briefly: these numbers mean nothing." if quick else ""
        say(f"report: {write_reproductions(found, report, lead=lead)[0]}", err=json_)
    if json_:
        say(everything)
        return
    _summary(found)


def _say(done: Reproduction, quick: bool) -> None:
    """The way from the published number to the honest one, a line a stage."""
    say(f"\n{done.recipe.name}: {done.recipe.title}\n  on {done.data}")
    if quick:
        say("  quick: trained briefly; these numbers mean nothing")
    for label, accuracy, points in done.rows():
        number = "  –  " if accuracy is None else f"{100 * accuracy:5.1f}"
        change = "" if points is None else f"{points:+6.1f}"
        say(f"  {number} % {change:>7}  {label}")
    honest = done.honest.evaluation
    assert honest is not None
    score = honest.accuracy()
    say(
        f"  honest interval over people {100 * score['low']:.1f} to {100 * score['high']:.1f}; "
        "each: "
        + ", ".join(f"{p} {100 * r['accuracy']:.1f}" for p, r in honest.per_person().items())
    )
    if done.recipe.silent:
        say(f"  where the publication is silent: {done.recipe.silent}")


def _summary(found: list[Reproduction]) -> None:
    say(f"\n{'recipe':<20}{'model':<20}{'published':>10}{'reproduced':>12}{'honest':>8}")
    for done in found:
        published = "–" if done.published is None else f"{100 * done.published:.1f}"
        say(
            f"{done.recipe.name:<20}{done.model:<20}{published:>10}"
            f"{100 * done.reproduced.accuracy:>12.1f}{100 * done.honest.accuracy:>8.1f}"
        )
