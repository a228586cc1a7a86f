"""`ambulo tune`: search options among training people, score them on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.arguments import Activities, DataPath, Device, Json, Set, load, options, placeable
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.tuning import Tuning


def tune(
    dataset: str,
    model: Annotated[str, typer.Option(help="Its name; see the README.")] = "best",
    search: Annotated[
        list[str] | None,
        typer.Option(help="NAME=V1,V2,…: an option, sizes.NAME, seconds, overlap; repeatable."),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Options to try, for each outer fold.")] = 20,
    protocol: Annotated[str, typer.Option(help="Outer: official, loso, groups:K.")] = "official",
    inner: Annotated[str, typer.Option(help="How training people are split to search.")] = (
        "groups:3"
    ),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    study: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File that keeps trials; a search goes on from it."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Picture to write, a .png.")
    ] = None,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Search training options among training people, and score the choice on others, once.

    Example: ambulo tune hapt --model best --search rotate=0,10,15,20 --search seconds=2.56,3
    """
    from ambulo.tuning import tune as run

    placeable(out, picture=True)
    done = run(
        model,
        load(dataset, data, activities, device),
        protocol=protocol,
        inner=inner,
        trials=trials,
        space=_space(search),
        seed=seed,
        study=study,
        **options(set_),
    )
    say(done.to_dict()) if json_ else _say(done)
    if out is not None:  # last, so that what took long is not lost where it cannot be written
        from ambulo.report import save, trials_of

        save(trials_of(done), out)


def _space(search: list[str] | None) -> dict[str, list[Any]] | None:
    from ambulo.errors import TrainingError

    out: dict[str, list[Any]] = {}
    for item in search or []:
        name, equals, text = item.partition("=")
        if not equals:
            raise TrainingError(f"--search {item}: write NAME=V1,V2, as in rotate=0,10,15")
        out.setdefault(name, []).extend(_value(part) for part in text.split(","))
    return out or None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _say(done: Tuning) -> None:
    for search in done.searches:
        say(
            f"{done.model} on {done.dataset}, {search.fold}: {len(search.trials)} trials, "
            f"scored by macro-F1 in {done.inner} of its training people"
        )
        ranked = sorted(search.trials, key=lambda t: (t.pruned, -t.mean))
        for trial in ranked[:10]:
            given = "  ".join(f"{key}={value}" for key, value in trial.options.items())
            say(f"  {trial.mean:.4f}{' given up' if trial.pruned else ''}  {given}")
        score = search.evaluation
        given = ", ".join(f"{key}={value}" for key, value in search.chosen.items())
        say(
            f"chosen {given}; on its test people, once: accuracy "
            f"{100 * score.accuracy()['mean']:.1f} %, macro-F1 {score.macro_f1()['mean']:.3f}, "
            f"worst person {100 * score.worst_person()['accuracy']:.1f} %"
        )
