"""How commands print: names of people, activities and files are anybody's."""

from __future__ import annotations

import json

import typer

from ambulo.errors import printable


def say(what: object, *, err: bool = False) -> None:
    """Print text for people without what would steer a terminal, and all else as JSON, exactly."""
    text = printable(what) if isinstance(what, str) else json.dumps(what, default=str)
    typer.echo(text, err=err)
