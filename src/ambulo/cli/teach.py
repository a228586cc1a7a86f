"""`ambulo adapt`: teach a recognizer a person or an activity."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambulo.cli.arguments import Json, as_taken, placeable
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.recognizer import Recognizer
    from ambulo.windows import Windows

ENOUGH = 60
"""Seconds of an activity from which on what was measured of added ones says anything."""


def adapt(
    recognizer: Path,
    with_: Annotated[str, typer.Option("--with", help="A folder of labelled recordings.")],
    old: Annotated[
        str | None, typer.Option(help="The data set it was trained on: needed to add activities.")
    ] = None,
    new_activity: Annotated[
        str | None, typer.Option(help="Take this activity of the folder, and no other.")
    ] = None,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The recognizer file to write.")] = Path(
        "mine.ambulo"
    ),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json_: Json = False,
) -> None:
    """Teach a recognizer a new person or activity; refuse where that would not help.

    Example: ambulo adapt waist.ambulo --with mine --out mine.ambulo

    Example: ambulo adapt waist.ambulo --with mine --new-activity rowing --old hapt
    """
    from ambulo.adaptation import adapt as teach
    from ambulo.pretrained import load

    placeable(out)
    parent = load(recognizer)
    windows = _cut(parent, with_, new_activity)
    child = teach(parent, windows, old=_cut(parent, old, None) if old else None, seed=seed)
    child.save(out)
    if json_:
        say({"file": str(out), **child.card})
        return
    say(f"{out}: {child.card['adapted']}")
    for told in child.card.get("added", ()):
        if len(told["people"]) < 2 or told["seconds"] < ENOUGH:
            say(
                f"note: {told['activity']} was shown for {told['seconds']} s by "
                f"{', '.join(told['people'])}: others may do it otherwise; let two people or more "
                "show it for two minutes, and look at windows of others before you trust it",
                err=True,
            )


def _cut(parent: Recognizer, name: str, only: str | None) -> Windows:
    """A data set's windows as the recognizer takes them."""
    from ambulo.datasets import load_dataset
    from ambulo.errors import AdaptError

    windows = as_taken(parent, load_dataset(name))
    if only is None:
        return windows
    if only not in windows.activities:
        raise AdaptError(
            f"--new-activity: '{only}' is not in {name}, which has {', '.join(windows.activities)}"
        )
    return windows[windows.labels == windows.activities.index(only)]
