"""`ambulo train`, `predict`, `describe`: make a recognizer, and use it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ambulo.cli.arguments import (
    Activities,
    As,
    Channels,
    Context,
    DataPath,
    Device,
    Json,
    Lag,
    Often,
    Overlap,
    Rate,
    Seconds,
    Set,
    apart,
    as_often,
    cut,
    heeded,
    load,
    options,
    placeable,
    stated,
)
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.recognizer import Recognizer
    from ambulo.recording import Recording
    from ambulo.suitability import Suitability
    from ambulo.windows import Windows


def train(
    dataset: str,
    model: Annotated[str, typer.Option(help="Its name; see the README.")] = "best",
    out: Annotated[Path, typer.Option(dir_okay=False, help="The recognizer file to write.")] = Path(
        "my.ambulo"
    ),
    people: Annotated[
        str | None, typer.Option(help="Train on these only: 1,2,… or official.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    checkpoint: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Keep every epoch here, and go on from it.")
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

    Example: ambulo train hapt --model best --out waist.ambulo
    """
    import ambulo
    from ambulo.parallel import first

    placeable(out)
    windows = cut(dataset, data, activities, device, channels, seconds, overlap, keep="all")
    if people is not None:
        windows = windows.of(_training_people(windows, people))
    recognizer = ambulo.train(model, windows, seed=seed, checkpoint=checkpoint, **options(set_))
    if not first():  # of the processes that torchrun started one writes
        return
    recognizer.save(out)
    if recognizer.card["interrupted"]:
        say(f"interrupted: {out} holds the best epoch so far", err=True)
    if json_:
        say({"file": str(out), **recognizer.card})
        return
    say(f"{out}\n{recognizer.describe()}")


def _training_people(windows: Windows, people: str) -> list[str]:
    from ambulo.errors import TrainingError

    if people == "official":
        if not windows.official_test:
            raise TrainingError(
                f"--people official: '{windows.source}' has no official split: name the people"
            )
        return [person for person in windows.people if person not in windows.official_test]
    chosen = [person.strip() for person in people.split(",")]
    unknown = [person for person in chosen if person not in windows.people]
    if unknown:
        raise TrainingError(
            f"--people: {', '.join(unknown)} not found: choose from {', '.join(windows.people)}"
        )
    return chosen


def windows(
    dataset: str,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    data: DataPath = None,
    activities: Activities = None,
    device: Device = None,
    channels: Channels = None,
    seconds: Seconds = None,
    overlap: Overlap = None,
    json_: Json = False,
) -> None:
    """Cut a data set into a folder of windows, to train on without holding them in memory.

    Example: ambulo windows study --out study-windows

    Example: ambulo train study-windows --model cnn-lstm
    """
    from ambulo.datasets.stored import load_windows, parts_of, save_windows

    loaded = load(dataset, data, activities, device)
    chosen = {"seconds": seconds, "overlap": overlap, "channels": channels, "keep": "all"}
    found = load_windows(save_windows(parts_of(loaded, **chosen), out))
    about = found.describe() | {"folder": str(out)}
    say(about if json_ else f"{out}: {found!r}")


def predict(
    recognizer: Annotated[
        Path, typer.Argument(help="A recognizer's file, or waist, pocket or wrist.")
    ],
    recording: Annotated[
        Path | None, typer.Argument(help="The recording; alone, a recognizer is chosen for it.")
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(help="Write .csv, .json, .parquet or .png; repeatable."),
    ] = None,
    context: Context = "offline",
    lag: Lag = 0,
    overlap: Often = None,
    rate: Rate = None,
    as_: As = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Predict even what does not suit the recognizer.")
    ] = False,
    json_: Json = False,
) -> None:
    """Turn a recording into a timeline.

    What was assumed about the file, and what does not suit the recognizer, is told on stderr;
    what would be nonsense is refused.

    Example: ambulo predict monday.csv

    Example: ambulo predict waist.ambulo monday.csv --out monday.png --out timeline.csv
    """
    from ambulo.errors import RecordingError
    from ambulo.piecewise import predict_pieces
    from ambulo.pretrained import PRETRAINED, load, suiting
    from ambulo.readers import pieces
    from ambulo.timeline import ending

    heeded(lag, context)
    named = str(recognizer) in PRETRAINED and not recognizer.exists()
    if recording is None and (named or recognizer.suffix == ".ambulo"):
        raise RecordingError(
            f"{recognizer}: is a recognizer, and the recording is missing: "
            f"write for example: ambulo predict {recognizer} monday.csv"
        )
    path = recording or recognizer
    for file in out or []:
        ending(file)
        apart(file, recognizer, recording)
    model = load(recognizer) if recording else None
    whole = pieces(path, **stated(as_, rate))
    _tell(path, whole.sketch)
    if model is None:
        name, model, why = suiting(whole.sketch)
        say(f"note: {path}: recognizer '{name}': {why}", err=True)
    model = as_often(model, overlap)
    _suit(path, whole.sketch, model, anyway)
    timeline = predict_pieces(model, whole, context=context, lag=lag)
    for file in out or []:
        timeline.save(file)
    say(timeline.rows() if json_ else str(timeline))


def report(
    recording: Path,
    recognizer: Annotated[Path, typer.Option(help="The recognizer file.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("report"),
    zone: Annotated[
        str | None, typer.Option(help="Whose clock: as Europe/Rome; default that of the file.")
    ] = None,
    context: Context = "offline",
    overlap: Often = None,
    rate: Rate = None,
    as_: As = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Report even what does not suit the recognizer.")
    ] = False,
    json_: Json = False,
) -> None:
    """Turn a recording into days: minutes by hour, bouts, steps, time not worn, on one page.

    Writes report.html, days.csv, days.parquet, days.json and timeline.csv.

    Example: ambulo report monday.csv --recognizer waist.ambulo --zone Europe/Rome --out monday
    """
    from ambulo.pretrained import load
    from ambulo.readers import pieces_by
    from ambulo.report.daily import daily, write_daily

    model = as_often(load(recognizer), overlap)
    whole = pieces_by(zone, recording, **stated(as_, rate))
    _tell(recording, whole.sketch)
    _suit(recording, whole.sketch, model, anyway)
    found = daily(model, whole, zone=zone, context=context)
    files = write_daily(found, out)
    if json_:
        days = [day.to_dict() for day in found.days]
        say({"files": [str(file) for file in files], "days": days})
        return
    for day in found.days:
        say(str(day))
    say(str(files[0]))


def _tell(path: Path, signal: Recording) -> None:
    """Say on stderr what was dropped, and what nobody stated."""
    from ambulo.readers import findings

    for note in ("rows_dropped", "rows_out_of_order", "rows_of_the_same_time"):
        if signal.notes.get(note):
            say(f"note: {path}: {signal.notes[note]} {note.replace('_', ' ')}", err=True)
    for finding in findings(signal):
        if finding.sure != "stated" and finding.what not in ("calibration", "not worn"):
            say(f"note: {path}: {finding}", err=True)


def _suit(path: Path, signal: Recording, model: Recognizer, anyway: bool) -> None:
    """Warn where the recording may not suit the recognizer; refuse where it cannot."""
    from ambulo.errors import RecognizerError
    from ambulo.suitability import fit

    found = fit(signal, model)
    for check in found.of("doubt"):
        say(f"doubt: {path}: {check.what}: {check.found}: {check.remedy}", err=True)
    if (reasons := found.reasons("refuse")) and not anyway:
        raise RecognizerError(f"{path} does not suit this recognizer: {reasons} (or --anyway)")


def inspect(
    file: Path,
    recognizer: Annotated[
        Path | None, typer.Option(help="Say too whether the file suits this recognizer.")
    ] = None,
    rate: Rate = None,
    as_: As = None,
    json_: Json = False,
) -> None:
    """Say what is in a recording file, and what reading it decided, how surely, and why.

    Each decision can be stated otherwise by --as, or by a TOML file of the same name beside the
    file (monday.toml for monday.csv) with the same keys: sign = "ios", or [unit] acc = "g".

    Example: ambulo inspect monday.csv --as unit.acc=g
    """
    from ambulo.pretrained import load
    from ambulo.readers import read
    from ambulo.suitability import fit

    model = load(recognizer) if recognizer else None
    signal = read(file, **stated(as_, rate))
    suits = fit(signal, model) if model else None
    if json_:
        say(_facts(signal, suits))
        return
    for key, value in _facts(signal, None).items():
        if key not in ("findings", "gaps"):
            say(f"{key:<12} {_plain(value)}")
    for finding in signal.notes["findings"]:
        say(f"{finding.sure:<12} {finding.what}: {finding.decided}: {finding.why}")
        if finding.override and finding.sure != "stated":
            say(f"{'':<12} otherwise: --as {finding.override}")
    for check in suits.checks if suits else ():
        say(f"{check.verdict:<12} {check.what}: {check.found}" + _do(check.remedy))


def _do(remedy: str) -> str:
    return f": {remedy}" if remedy else ""


def _facts(signal: Recording, suits: Suitability | None) -> dict[str, Any]:
    """What `inspect` tells, as JSON can hold it."""
    facts: dict[str, Any] = {
        "recording": signal.name,
        "subject": signal.subject,
        "channels": [channel.name for channel in signal.channels],
        "units": list(dict.fromkeys(f"{c.sensor}: {c.unit}" for c in signal.channels)),
        "rate": signal.rate,
        "seconds": round(signal.duration, 3),
        "samples": len(signal),
        "start": signal.start.isoformat() if signal.start else None,
        "gaps": [(gap.start, gap.end) for gap in signal.gaps],
        "missing": f"{len(signal.gaps)} gaps, "
        f"{sum(gap.end - gap.start for gap in signal.gaps):.1f} s",
        "activities": sorted({interval.activity for interval in signal.intervals}),
    }
    facts |= {key: value for key, value in signal.notes.items() if key != "findings"}
    facts["findings"] = [asdict(finding) for finding in signal.notes["findings"]]
    if suits is not None:
        facts["verdict"] = suits.verdict
        facts["checks"] = [asdict(check) for check in suits.checks]
    return facts


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return "not stated" if value is None else str(value)


def describe(recognizer: Path, json_: Json = False) -> None:
    """Show what a recognizer recognises, from which channels, and its card.

    Example: ambulo describe waist.ambulo
    """
    from ambulo.pretrained import load

    loaded = load(recognizer)
    say(loaded.card if json_ else loaded.describe())
