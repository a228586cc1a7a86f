"""`ambulo score`, `summarize`: many recordings, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ambulo.cli.arguments import Context, Json, Often
from ambulo.cli.saying import say


def score(
    source: Annotated[str, typer.Argument(help="A folder, glob, manifest, or URL as s3://….")],
    out: Annotated[str, typer.Argument(help="The folder or URL to write to.")],
    recognizer: Annotated[str, typer.Option(help="Its file, or waist, pocket, wrist.")],
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[int, typer.Option(min=0, help="Cores to use; 0: all.")] = 0,
    context: Context = "offline",
    overlap: Often = None,
    zone: Annotated[str | None, typer.Option(help="The wearers' time zone.")] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Score even what does not suit the recognizer.")
    ] = False,
    json_: Json = False,
) -> None:
    """Score many recordings; run again, it does what is new, changed or failed.

    Example: ambulo score study/ lake/ --recognizer waist.ambulo --workers 2
    """
    from ambulo import fleet
    from ambulo.progress import bar

    with bar("scoring") as advance:
        found = fleet.score(
            source,
            out,
            recognizer,
            engine=engine,
            workers=workers,
            context=context,
            overlap=overlap,
            zone=zone,
            anyway=anyway,
            tell=advance,
        )
    say(found.to_dict() if json_ else str(found))


def summarize(
    lake: Path,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write a page, .html, or the people's table, .csv or .parquet."),
    ] = None,
    least: Annotated[
        float, typer.Option("--least-hours", min=0, help="Leave out days with less signal.")
    ] = 0.0,
    json_: Json = False,
) -> None:
    """Sum up a folder that `score` wrote: minutes a day of each activity, over people.

    Example: ambulo summarize lake --out group.html --out people.csv --least-hours 10
    """
    from ambulo.errors import OutputError
    from ambulo.fleet.summary import summarize as sum_up
    from ambulo.timeline import write_whole

    found = sum_up(lake, least=least)
    writers = {".csv": found.people.write_csv, ".parquet": found.people.write_parquet}
    for file in out or []:
        if file.suffix == ".html":
            from ambulo.report.group import write_group

            write_group(found, file)
        elif file.suffix in writers:
            write_whole(file, writers[file.suffix])
        else:
            raise OutputError(f"{file}: what is written is .html, {', '.join(writers)}")
    say(found.to_dict() if json_ else str(found))
