"""`ambulo train`, `predict`, `describe`: make a recognizer, and use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambulo.cli.arguments import (
    Activities,
    Channels,
    Context,
    DataPath,
    Device,
    Json,
    Lag,
    Overlap,
    Seconds,
    Set,
    cut,
    options,
)

if TYPE_CHECKING:
    from ambulo.windows import Windows


def train(
    dataset: str,
    model: Annotated[str, typer.Option(help="Its name; see the README.")] = "cnn-lstm",
    out: Annotated[Path, typer.Option(help="The recognizer file to write.")] = Path("my.ambulo"),
    people: Annotated[
        str | None, typer.Option(help="Train on these only: 1,2,… or official.")
    ] = None,
    seed: int = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep every epoch here, and go on from it.")
    ] = None,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    channels: Channels = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Train a recognizer and write it as one file.

    Example: ambulo train hapt --model cnn-lstm --out waist.ambulo
    """
    import ambulo

    windows = cut(dataset, data, activities, device, channels, seconds, overlap, keep="all")
    if people is not None:
        windows = windows.of(_training_people(windows, people))
    recognizer = ambulo.train(model, windows, seed=seed, checkpoint=checkpoint, **options(set_))
    recognizer.save(out)
    if recognizer.card["interrupted"]:
        typer.echo(f"interrupted: {out} holds the best epoch so far", err=True)
    if json_:
        typer.echo(json.dumps({"file": str(out), **recognizer.card}))
        return
    typer.echo(f"{out}\n{recognizer.describe()}")


def _training_people(windows: Windows, people: str) -> list[str]:
    from ambulo.errors import TrainingError

    if people == "official":
        return [person for person in windows.people if person not in windows.official_test]
    chosen = [person.strip() for person in people.split(",")]
    unknown = [person for person in chosen if person not in windows.people]
    if unknown:
        raise TrainingError(
            f"--people: {', '.join(unknown)} not found: choose from {', '.join(windows.people)}"
        )
    return chosen


def predict(
    recognizer: Path,
    recording: Path,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write .csv, .json, .parquet or .png; repeatable."),
    ] = None,
    context: Context = "offline",
    lag: Lag = 0,
    rate: Annotated[float | None, typer.Option(help="Hz, for a file without time.")] = None,
    json_: Json = False,
) -> None:
    """Turn a recording into a timeline.

    Example: ambulo predict waist.ambulo monday.csv --out monday.png --out timeline.csv
    """
    from ambulo.readers import read
    from ambulo.recognizer import Recognizer

    model = Recognizer.load(recognizer)
    signal = read(recording, rate=rate)
    for note in ("rows_dropped", "rows_out_of_order", "rows_of_the_same_time"):
        if signal.notes[note]:
            typer.echo(
                f"note: {recording}: {signal.notes[note]} {note.replace('_', ' ')}", err=True
            )
    timeline = model.predict(signal, context=context, lag=lag)
    for path in out or []:
        timeline.save(path)
    typer.echo(json.dumps(timeline.rows()) if json_ else str(timeline))


def describe(recognizer: Path, json_: Json = False) -> None:
    """Show what a recognizer recognises, from which channels, and its card.

    Example: ambulo describe waist.ambulo
    """
    from ambulo.recognizer import Recognizer

    loaded = Recognizer.load(recognizer)
    typer.echo(json.dumps(loaded.card) if json_ else loaded.describe())
