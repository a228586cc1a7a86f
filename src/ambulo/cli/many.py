"""`ambulo score`, `summarize`: many recordings, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ambulo.cli.arguments import Context, Json


def score(
    source: Annotated[str, typer.Argument(help="A folder, glob, manifest, or URL as s3://….")],
    out: Annotated[str, typer.Argument(help="The folder or URL to write to.")],
    recognizer: Annotated[str, typer.Option(help="Its file.")],
    engine: Annotated[str, typer.Option(help="local or ray.")] = "local",
    workers: Annotated[int, typer.Option(min=0, help="Tasks at a time; 0: one a core.")] = 0,
    context: Context = "offline",
    zone: Annotated[str | None, typer.Option(help="The wearers' time zone.")] = None,
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
            zone=zone,
            tell=advance,
        )
    typer.echo(json.dumps(found.to_dict()) if json_ else str(found))


def summarize(
    lake: Path,
    out: Annotated[
        Path | None, typer.Option(help="Write the people's table, a .csv or .parquet.")
    ] = None,
    json_: Json = False,
) -> None:
    """Sum up a folder that `score` wrote: minutes a day of each activity, over people.

    Example: ambulo summarize lake --out people.csv
    """
    from ambulo.errors import OutputError
    from ambulo.fleet.summary import summarize as sum_up
    from ambulo.timeline import write_whole

    found = sum_up(lake)
    if out is not None:
        writers = {".csv": found.people.write_csv, ".parquet": found.people.write_parquet}
        if out.suffix not in writers:
            raise OutputError(f"{out}: the table is written as {', '.join(writers)}")
        write_whole(out, writers[out.suffix])
    typer.echo(json.dumps(found.to_dict(), default=str) if json_ else str(found))
