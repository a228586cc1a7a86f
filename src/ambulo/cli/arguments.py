"""What several commands take: options, and the windows and training options they stand for."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.datasets import Dataset
    from ambulo.recognizer import Recognizer
    from ambulo.windows import Windows

DataPath = Annotated[Path | None, typer.Option("--data", help="The data set's archive or folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, to stdout.")]
Device = Annotated[str | None, typer.Option(help="Of wisdm-2019: watch or phone.")]
Activities = Annotated[str | None, typer.Option(help="A grouping of activities, as five or six.")]
Channels = Annotated[str | None, typer.Option(help="Channels or groups, as ankle+arm or acc.")]
Seconds = Annotated[float | None, typer.Option(help="Length of a window in seconds.")]
Overlap = Annotated[float | None, typer.Option(help="Overlap of windows, 0 to below 1.")]
Often = Annotated[
    float | None,
    typer.Option(
        "--overlap",
        help="Overlap of windows, 0 to below 1: with 0 it decides half as often as with 0.5 and is "
        "done sooner, with 0.9 it tells changes sooner. Default: as it was trained.",
    ),
]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds: 0, 1, …")]
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one a core.")]
Context = Annotated[
    str, typer.Option(help="Which windows speak for one: none (itself), causal, offline.")
]
Lag = Annotated[int, typer.Option(min=0, help="Windows that causal context may wait for.")]
As = Annotated[
    list[str] | None,
    typer.Option(
        "--as",
        help="State something about the file, as unit.acc=g, sign=ios, time=ms, columns.acc_x=A1, "
        "placement=wrist, zone=Europe/Rome; repeatable. See 'ambulo inspect'.",
    ),
]
Rate = Annotated[float | None, typer.Option(help="Hz, for a file without time.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A training option, as epochs=10 or rotate=15; repeatable."),
]

INFLATED = "INFLATED: the same people are in training and in test; no score for new people"
"""What stands above scores of people who were seen."""


def heeded(lag: int, context: str) -> None:
    """Raise RecognizerError where a lag is given to what does not wait."""
    from ambulo.errors import RecognizerError

    if lag and context != "causal":
        raise RecognizerError(
            f"--lag {lag} does nothing with context {context}: add --context causal"
        )


def apart(out: Path, *inputs: Path | None) -> None:
    """Raise OutputError where what is to be written is what was read."""
    from ambulo.errors import OutputError

    for path in inputs:
        if path is not None and path.exists() and out.exists() and path.samefile(out):
            raise OutputError(f"--out {out}: is what is read: write to another file")


def placeable(out: Path | None, picture: bool = False) -> None:
    """Raise OutputError where `out` cannot become a file, or a picture: before work is done."""
    from ambulo.errors import OutputError

    if out is None:
        return
    if picture and out.suffix.lower() != ".png":
        raise OutputError(f"{out}: a picture is written as .png")
    above = next(path for path in out.absolute().parents if path.exists())
    if not above.is_dir():
        raise OutputError(f"{out}: cannot be written: {above} is no folder")


def load(
    dataset: str, data: Path | None, activities: str | None = None, device: str | None = None
) -> Dataset:
    """The data set; what is missing from it is said."""
    from ambulo.datasets import load_dataset

    loaded = load_dataset(dataset, data, activities=activities, device=device)
    for name, note in loaded.notes.items():
        if "missing" in name and isinstance(note, dict):
            for reason in note.values():
                say(f"note: {dataset}: not read: {reason}", err=True)
        elif "missing" in name and note:
            say(f"note: {dataset}: {name.replace('_', ' ')}: {note}", err=True)
    return loaded


def cut(
    dataset: str,
    data: Path | None,
    activities: str | None,
    device: str | None,
    channels: str | None,
    seconds: float | None,
    overlap: float | None,
    keep: str = "labelled",
) -> Windows:
    """Windows of a data set."""
    loaded = load(dataset, data, activities, device)
    return loaded.windows(seconds=seconds, overlap=overlap, channels=channels, keep=keep)


def as_taken(
    recognizer: Recognizer, loaded: Dataset, *, keep: str = "labelled", **own: Any
) -> Windows:
    """Windows of a data set as a recognizer takes them, but for what is stated and not None.

    Where no grouping of activities is asked for, it is the first with all that the recognizer
    knows.
    """
    if loaded.grouping is None:
        for grouping in loaded.info.groupings:
            if {*recognizer.activities} <= {*loaded.info.activities(grouping)}:
                loaded = replace(loaded, grouping=grouping)
                break
    for one in loaded.recordings:
        recognizer.check([c.name for c in one.channels], one.rate, f"recording '{one.name}'")
    taken = asdict(recognizer.windowing)
    if loaded.fixed is not None:  # cut already, for good
        taken = {"channels": taken["channels"]}
    stated = {name: value for name, value in own.items() if value is not None}
    return loaded.windows(keep=keep, **{**taken, **stated})


def as_often(recognizer: Recognizer, overlap: float | None) -> Recognizer:
    """The recognizer, whose windows overlap as was asked for, if it was."""
    return recognizer if overlap is None else recognizer.with_overlap(overlap)


def stated(pairs: list[str] | None, rate: float | None = None) -> dict[str, Any]:
    """What `--as KEY=VALUE` says about a file; a dotted key, `unit.acc=g`, fills a table."""
    from ambulo.errors import RecordingError

    out: dict[str, Any] = {} if rate is None else {"rate": rate}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals:
            raise RecordingError(f"--as {pair}: write KEY=VALUE, as in --as unit.acc=g")
        table, dot, name = key.partition(".")
        value: Any = text
        if table in ("rate", "max_gap", "scale"):
            try:
                value = float(text)
            except ValueError as error:
                raise RecordingError(f"--as {pair}: {text!r} is no number") from error
        if dot and isinstance(out.setdefault(table, {}), dict):
            out[table][name] = value
        elif dot or isinstance(out.get(table), dict):
            raise RecordingError(f"--as {pair}: {table} is stated as a whole and in part: choose")
        else:
            out[table] = value
    return out


_FLAGS = ("seed", "seeds", "protocol", "workers", "model", "checkpoint", "keep", "context", "lag")
"""What commands have options of their own for."""


def options(pairs: list[str] | None) -> dict[str, Any]:
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
        if name in _FLAGS:
            raise TrainingError(f"--set {pair}: is no option of training: write --{name}")
        if name.startswith("sizes.") and isinstance(out.setdefault("sizes", {}), dict):
            out["sizes"][name[len("sizes.") :]] = value
        elif name.startswith("sizes"):
            raise TrainingError(f"--set {pair}: sizes are set one by one, as in sizes.hidden=32")
        else:
            out[name] = value
    return out
