"""The command line: every command a thin call of a public function of the same name."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.errors import AmbuloError

if TYPE_CHECKING:
    from ambulo.datasets import Dataset
    from ambulo.scores import Evaluation
    from ambulo.windows import Windows

app = typer.Typer(
    help="Ambulo: what is the wearer doing, and when?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
datasets_app = typer.Typer(
    help="List, show and export data sets.\n\nExample: ambulo datasets show hapt",
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(datasets_app, name="datasets")

DataPath = Annotated[Path | None, typer.Option("--data", help="The data set's archive or folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Device = Annotated[str | None, typer.Option(help="Of wisdm-2019: watch or phone.")]
Activities = Annotated[str | None, typer.Option(help="A grouping of activities, as five or six.")]
Channels = Annotated[str | None, typer.Option(help="Channels or groups, as ankle+arm or acc.")]
Seconds = Annotated[float | None, typer.Option(help="Length of a window in seconds.")]
Overlap = Annotated[float | None, typer.Option(help="Overlap of windows, 0 to below 1.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A training option, as epochs=10 or rotate=15; repeatable."),
]


@app.callback(invoke_without_command=True)
def ambulo(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Ambulo: what is the wearer doing, and when?"""
    if version:
        from ambulo import __version__

        typer.echo(__version__)


def _load(
    dataset: str, data: Path | None, activities: str | None = None, device: str | None = None
) -> Dataset:
    from ambulo.datasets import load_dataset

    loaded = load_dataset(dataset, data, activities=activities, device=device)
    for name, note in loaded.notes.items():
        if "missing" in name and note:
            typer.echo(f"note: {dataset}: {name.replace('_', ' ')}: {note}", err=True)
    return loaded


def _windows(
    dataset: str,
    data: Path | None,
    activities: str | None,
    device: str | None,
    channels: str | None,
    seconds: float | None,
    overlap: float | None,
) -> Windows:
    loaded = _load(dataset, data, activities, device)
    return loaded.windows(seconds=seconds, overlap=overlap, channels=channels)


def _options(pairs: list[str] | None) -> dict[str, Any]:
    """Training options of `name=value` pairs; a dotted name, `sizes.hidden=32`, sets a size."""
    from ambulo.errors import TrainingError

    out: dict[str, Any] = {}
    for pair in pairs or []:
        name, equals, text = pair.partition("=")
        if not equals:
            raise TrainingError(f"--set {pair}: write NAME=VALUE, as in --set epochs=10")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if name.startswith("sizes."):
            out.setdefault("sizes", {})[name[len("sizes.") :]] = value
        else:
            out[name] = value
    return out


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
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']:<12} {row['title']}")
        typer.echo(
            f"{'':<12} {row['people']} people, {row['rate']:g} Hz, {', '.join(row['placements'])}; "
            f"{row['size']}"
        )
        typer.echo(f"{'':<12} terms: {row['terms']}; {row['place']}")


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

    Example: ambulo datasets show hapt --out hapt.png
    """
    from ambulo import report
    from ambulo.datasets import describe

    loaded = _load(name, data, activities, device)
    windows = loaded.windows()
    facts = describe(name) | {"notes": loaded.notes, "counts": windows.counts()}
    picture = report.save(report.signals(loaded), out or Path(f"{name}.png"))
    facts["picture"] = str(picture)
    if json_:
        typer.echo(json.dumps(facts))
        return
    facts["activities"] = "; ".join(f"{k}: {_plain(v)}" for k, v in facts["activities"].items())
    facts["groups"] = "; ".join(f"{k}: {_plain(v)}" for k, v in facts["groups"].items())
    for key in (
        *("title", "size", "rate", "placements", "devices", "channels", "groups", "activities"),
        *("terms", "citation", "remarks"),
    ):
        if facts[key]:
            typer.echo(f"{key:<11} {_plain(facts[key])}")
    for key, note in loaded.notes.items():
        typer.echo(f"{'note':<11} {key.replace('_', ' ')}: {_plain(note)}")
    _table(windows)
    typer.echo(f"picture     {picture}")


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _table(windows: Windows) -> None:
    """Windows of each activity, a row a person."""
    width = max(map(len, windows.activities)) + 1
    typer.echo(
        f"\nwindows of {windows.windowing.seconds:g} s by person\n{'':<8}"
        + "".join(f"{name:>{width}}" for name in windows.activities)
    )
    for person, counts in windows.counts().items():
        typer.echo(f"{person:<8}" + "".join(f"{n:>{width}}" for n in counts.values()))


@datasets_app.command("export")
def datasets_export(
    name: str,
    recording: Annotated[str | None, typer.Option(help="Its name; default: the first.")] = None,
    out: Annotated[Path, typer.Option(help="A .csv or .parquet file.")] = Path("recording.csv"),
    labels: Annotated[bool, typer.Option(help="Write the column activity too.")] = True,
    data: DataPath = None,
    device: Device = None,
) -> None:
    """Write one recording of a data set as a table, for trying.

    Example: ambulo datasets export hapt --recording exp03_user02 --out sample.csv
    """
    from ambulo.errors import DatasetError
    from ambulo.readers.table import write

    loaded = _load(name, data, device=device)
    found = {r.name: r for r in loaded.recordings}
    if not found:
        raise DatasetError(f"data set '{name}' was published as windows, not recordings: use hapt")
    if recording is not None and recording not in found:
        raise DatasetError(
            f"data set '{name}' has no recording '{recording}': choose from {', '.join(found)}"
        )
    chosen = found[recording] if recording else loaded.recordings[0]
    typer.echo(f"{write(chosen, out, labels=labels)}: {chosen!r}")


@app.command()
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

    windows = _windows(dataset, data, activities, device, channels, seconds, overlap)
    if people is not None:
        windows = windows.of(_training_people(windows, people))
    recognizer = ambulo.train(model, windows, seed=seed, checkpoint=checkpoint, **_options(set_))
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


@app.command()
def evaluate(
    dataset: str,
    model: Annotated[
        str, typer.Option(help="Its name, or a recognizer file to test on people it never saw.")
    ] = "cnn-lstm",
    protocol: Annotated[
        str, typer.Option(help="official, loso, groups:K or people:1,2.")
    ] = "official",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds: 0, 1, …")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Folder for JSON and pictures.")] = None,
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    channels: Channels = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """Score a model on people it has not seen.

    Example: ambulo evaluate uci-har --model lstm --protocol official --seeds 3 --json
    """
    import ambulo

    windows = _windows(dataset, data, activities, device, channels, seconds, overlap)
    tested = ambulo.Recognizer.load(model) if model.endswith(".ambulo") else model
    result = ambulo.evaluate(
        tested,
        windows,
        protocol=protocol,
        seeds=seeds,
        workers=workers or os.cpu_count() or 1,
        **_options(set_),
    )
    if report is not None:
        from ambulo.report import write_evaluation

        write_evaluation(result, report)
    if json_:
        typer.echo(json.dumps(result.to_dict()))
    else:
        _say(result)


def _say(result: Evaluation) -> None:
    """The scores in words and a table."""
    accuracy, f1, worst = result.accuracy(), result.macro_f1(), result.worst_person()
    typer.echo(
        f"{result.model} on {result.dataset}, protocol {result.protocol}, "
        f"{len(result.seeds)} seed(s), {result.windows['train']} training and "
        f"{result.windows['test']} test windows, {len(result.people)} test people"
    )
    for name, score in (("accuracy", accuracy), ("macro F1", f1)):
        typer.echo(
            f"{name:<10} {100 * score['mean']:5.1f} %   95 % interval over people "
            f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
        )
    typer.echo(f"worst      {100 * worst['accuracy']:5.1f} %   person {worst['id']}")
    for name, row in result.per_class().items():
        typer.echo(
            f"  {name:<20} precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
            f"F1 {row['f1']:.3f}  {row['windows']} windows"
        )


@app.command()
def predict(
    recognizer: Path,
    recording: Path,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write .csv, .json, .parquet or .png; repeatable."),
    ] = None,
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
    timeline = model.predict(signal)
    for path in out or []:
        timeline.save(path)
    typer.echo(json.dumps(timeline.rows()) if json_ else str(timeline))


@app.command()
def describe(recognizer: Path, json_: Json = False) -> None:
    """Show what a recognizer recognises, from which channels, and its card.

    Example: ambulo describe waist.ambulo
    """
    from ambulo.recognizer import Recognizer

    loaded = Recognizer.load(recognizer)
    typer.echo(json.dumps(loaded.card) if json_ else loaded.describe())


def main() -> None:
    """Run the command line: 0 done, 2 a mistake that the message explains, 130 interrupted."""
    try:
        app()
    except AmbuloError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
