"""`ambulo datasets`: what there is, what it looks like, and a recording of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.arguments import Activities, DataPath, Device, Json, load
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.windows import Windows

datasets_app = typer.Typer(
    help="List, show and export data sets.\n\nExample: ambulo datasets show hapt",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@datasets_app.callback()
def datasets(context: typer.Context, json_: Json = False) -> None:
    """List the data sets, with size, people, terms and whether each is at hand.

    Example: ambulo datasets
    """
    if context.invoked_subcommand:
        return
    from ambulo.datasets import DATASETS, describe

    rows = [describe(name) for name in DATASETS]
    if json_:
        say(rows)
        return
    for row in rows:
        say(f"{row['name']:<12} {row['title']}")
        say(
            f"{'':<12} {row['people']} people, {row['rate']:g} Hz, {', '.join(row['placements'])}; "
            f"{row['size']}"
        )
        say(f"{'':<12} terms: {row['terms']}; {row['place']}")


@datasets_app.command("show")
def datasets_show(
    name: str,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    out: Annotated[Path | None, typer.Option(help="Picture to write; default NAME.png.")] = None,
    json_: Json = False,
) -> None:
    """Show a data set: facts, windows per person and activity, and a picture of its signals.

    NAME is a data set, or a folder of recordings: one folder a person, or a manifest.csv.

    Example: ambulo datasets show hapt --out hapt.png
    """
    from ambulo import report
    from ambulo.datasets import describe

    loaded = load(name, data, activities, device)
    windows = loaded.windows()
    facts = describe(loaded.info) | {"notes": loaded.notes, "counts": windows.counts()}
    facts["picture"] = None
    if windows.activities:
        out = out or Path(f"{Path(name).resolve().name}.png")
        facts["picture"] = str(report.save(report.signals(loaded), out))
    if json_:
        say(facts)
        return
    facts["activities"] = "; ".join(f"{k}: {_plain(v)}" for k, v in facts["activities"].items())
    facts["groups"] = "; ".join(f"{k}: {_plain(v)}" for k, v in facts["groups"].items())
    for key in (
        *("title", "size", "rate", "placements", "devices", "channels", "groups", "activities"),
        *("terms", "citation", "remarks"),
    ):
        if facts[key]:
            say(f"{key:<11} {_plain(facts[key])}")
    for key, note in loaded.notes.items():
        if isinstance(note, dict) and "missing" in key:
            note = f"{len(note)}, told above"
        say(f"{'note':<11} {key.replace('_', ' ')}: {_plain(note)}")
    _table(windows)
    say(f"picture     {facts['picture'] or 'none: nothing in it is labelled'}")


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _table(windows: Windows) -> None:
    """Windows of each activity, a row a person."""
    width = max(map(len, windows.activities), default=0) + 1
    say(
        f"\nwindows of {windows.windowing.seconds:g} s by person\n{'':<8}"
        + "".join(f"{name:>{width}}" for name in windows.activities)
    )
    for person, counts in windows.counts().items():
        say(f"{person:<8}" + "".join(f"{n:>{width}}" for n in counts.values()))


@datasets_app.command("export")
def datasets_export(
    name: str,
    recording: Annotated[str | None, typer.Option(help="Its name; default: the first.")] = None,
    out: Annotated[Path, typer.Option(help="A .csv or .parquet file.")] = Path("recording.csv"),
    labels: Annotated[bool, typer.Option(help="Write the column activity too.")] = True,
    data: DataPath = None,
    device: Device = None,
    json_: Json = False,
) -> None:
    """Write one recording of a data set as a table, for trying.

    Example: ambulo datasets export hapt --recording exp03_user02 --out sample.csv
    """
    from ambulo.errors import DatasetError
    from ambulo.readers.table import write

    loaded = load(name, data, device=device)
    found = {r.name: r for r in loaded.recordings}
    if not found:
        raise DatasetError(f"data set '{name}' is windows, not recordings: {loaded.info.uncut}")
    if recording is not None and recording not in found:
        raise DatasetError(
            f"data set '{name}' has no recording '{recording}': choose from {', '.join(found)}"
        )
    chosen = found[recording] if recording else loaded.recordings[0]
    file = write(chosen, out, labels=labels)
    facts = {"file": str(file), "recording": chosen.name, "samples": len(chosen)}
    say(facts if json_ else f"{file}: {chosen!r}")
