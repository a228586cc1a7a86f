"""`ambulo stream`: what the wearer does now."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ambulo.cli.arguments import Lag, Often, as_often, heeded
from ambulo.cli.saying import say


def stream(
    recognizer: Path,
    from_: Annotated[
        str,
        typer.Option(
            "--from",
            help="stdin, udp://:5555, http://:8000, ws://:8765 (listen there), ws://HOST:PORT, "
            "phyphox://PHONE:8080, replay:FILE?speed=10 (inf: at once).",
        ),
    ] = "stdin",
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="terminal, jsonl, jsonl:FILE (added to), ws://…, http://… (webhook); repeatable."
        ),
    ] = None,
    lag: Lag = 0,
    overlap: Often = None,
    context: Annotated[
        str, typer.Option(help="causal, or none: each window for itself.")
    ] = "causal",
    rate: Annotated[
        float | None, typer.Option(help="Hz of the samples; default: that of the first 50.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for samples out of order.")
    ] = 0.0,
    json_: Annotated[bool, typer.Option("--json", help="The same as --to jsonl.")] = False,
) -> None:
    """Say what the wearer does while the samples come; Ctrl-C ends it.

    A message is one JSON object, {"time": 12.5, "acc_x": 0.1, "acc_y": …} in seconds, m/s² and
    rad/s, or with a list each; or what the app Sensor Logger pushes over HTTP.

    Example: ambulo stream waist.ambulo --from replay:monday.csv?speed=10

    Example: ambulo stream waist.ambulo --from http://:8000 --to terminal --to jsonl:today.jsonl
    """
    from ambulo.pretrained import load
    from ambulo.stream import Stream
    from ambulo.stream.running import run
    from ambulo.stream.sinks import sink
    from ambulo.stream.sources import source

    heeded(lag, context)
    model = as_often(load(recognizer), overlap)
    following = Stream(model, rate=rate, lag=lag, context=context, patience=patience)
    messages = source(from_)
    default = "jsonl" if json_ or not sys.stdout.isatty() else "terminal"
    names = [*(to or []), *(["jsonl"] if json_ and to else [])] or [default]
    counts = run(following, messages, [sink(name, model.activities) for name in names])
    if missing := counts.pop("channels_missing"):
        say(f"note: these channels never came: {', '.join(missing)}", err=True)
    said = ", ".join(f"{value} {key.replace('_', ' ')}" for key, value in counts.items() if value)
    say(f"note: {said or 'nothing came'}", err=True)
