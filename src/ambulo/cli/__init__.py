"""The command line: every command a thin call of a public function of the same name."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from ambulo.cli import (
    audit,
    compare,
    data,
    export,
    live,
    many,
    recognize,
    reproduce,
    score,
    serve,
    teach,
    tune,
)
from ambulo.cli.saying import say
from ambulo.errors import EXTRAS, AmbuloError, MissingExtraError
from ambulo.processes import wait_little

app = typer.Typer(
    help="Ambulo: what is the wearer doing, and when?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(data.datasets_app, name="datasets")
for command in (
    recognize.windows,
    recognize.train,
    score.evaluate,
    audit.audit,
    reproduce.reproduce,
    compare.ablate,
    compare.compare,
    tune.tune,
    teach.adapt,
    recognize.inspect,
    recognize.predict,
    recognize.report,
    live.stream,
    many.score,
    many.summarize,
    serve.serve,
    export.export,
    recognize.describe,
):
    app.command()(command)


@app.callback(invoke_without_command=True)
def ambulo(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Ambulo: what is the wearer doing, and when?"""
    if version:
        from ambulo import __version__

        say(__version__)


def main() -> None:
    """Run the command line: 0 done, 2 a mistake that the message explains, 130 interrupted."""
    wait_little()
    try:
        app()
    except AmbuloError as error:
        say(f"error: {error}", err=True)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        say(f"error: {MissingExtraError(error.name, EXTRAS[error.name])}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
