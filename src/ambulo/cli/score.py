"""`ambulo evaluate`: scores on people never seen."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambulo.cli.arguments import (
    INFLATED,
    Activities,
    Channels,
    Context,
    DataPath,
    Device,
    Json,
    Lag,
    Overlap,
    Seconds,
    Seeds,
    Set,
    Workers,
    as_taken,
    cut,
    heeded,
    options,
)
from ambulo.cli.arguments import load as load_data
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.scores import Evaluation


def evaluate(
    dataset: str,
    model: Annotated[
        str,
        typer.Option(
            help="Its name, or a recognizer (a file; waist) to test on people it never saw."
        ),
    ] = "best",
    protocol: Annotated[
        str | None,
        typer.Option(
            help="official (the default), loso, groups:K, people:1,2; random is inflated."
        ),
    ] = None,
    seeds: Seeds = 1,
    workers: Workers = 0,
    context: Context = "none",
    lag: Lag = 0,
    shuffled: Annotated[
        bool, typer.Option("--shuffled", help="With context: test bouts in random order.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for a page, pictures and JSON.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for each fold's recognizer.")
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
    """Score a model on people it has not seen.

    Example: ambulo evaluate uci-har --model lstm --protocol official --seeds 3 --json
    """
    import ambulo
    from ambulo import Recognizer
    from ambulo.pretrained import PRETRAINED, load

    heeded(lag, context)
    which = "all" if keep or context != "none" else "labelled"
    ready = model.endswith(".ambulo") or model in PRETRAINED
    tested = load(model) if ready else model
    if isinstance(tested, Recognizer):
        loaded = load_data(dataset, data, activities, device)
        own = {"channels": channels, "seconds": seconds, "overlap": overlap}
        windows = as_taken(tested, loaded, keep=which, **own)
    else:
        windows = cut(dataset, data, activities, device, channels, seconds, overlap, which)
    result = ambulo.evaluate(
        tested,
        windows,
        protocol=protocol,
        seeds=seeds,
        workers=workers or os.cpu_count() or 1,
        explain=report is not None,
        context=context,
        lag=lag,
        shuffled=shuffled,
        keep=keep,
        **options(set_),
    )
    if isinstance(tested, Recognizer):
        learnt = [person for person in windows.people if person in result.folds[0].train]
        if learnt:
            say(f"note: left out, as learnt from: {', '.join(learnt)}", err=True)
    if json_:
        say(result.to_dict())
    else:
        _say(result)
    if report is not None:  # last, so that what took long is not lost where it cannot be written
        from ambulo.report import write_evaluation

        command = shlex.join(["ambulo", *sys.argv[1:]])
        page = write_evaluation(result, report, windows=windows, command=command)[0]
        say(f"report: {page}", err=json_)


def _say(result: Evaluation) -> None:
    """The scores in words and a table."""
    accuracy, f1, worst = result.accuracy(), result.macro_f1(), result.worst_person()
    if result.inflated:
        say(INFLATED)
    say(
        f"{result.model} on {result.dataset}, protocol {result.protocol}, "
        f"{len(result.seeds)} seed(s), {result.windows['train']} training and "
        f"{result.windows['test']} test windows, {len(result.people)} test people"
        + ("" if result.context == "none" else f", context {result.context}")
    )
    for name, score in (("accuracy", accuracy), ("macro F1", f1)):
        say(
            f"{name:<10} {100 * score['mean']:5.1f} %   95 % interval over people "
            f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
        )
    if result.caution:
        say(f"           {result.caution}")
    say(f"worst      {100 * worst['accuracy']:5.1f} %   person {worst['id']}")
    calibration, proper = result.calibration(), result.proper()
    if calibration is not None and proper is not None:
        say(
            f"confidence is off by {100 * calibration['ece']:.1f} % (ECE), Brier "
            f"{proper['brier']:.3f}, log-loss {proper['log_loss']:.3f}"
        )
    if result.audit is not None:
        say(f"audit      {result.audit['verdict']}")
        for finding in result.audit["findings"][:10]:
            say(f"  {finding['severity']:<6} {finding['text']}")
    for name, row in result.per_class().items():
        say(
            f"  {name:<20} precision {row['precision']:.3f}  recall {row['recall']:.3f}  "
            f"F1 {row['f1']:.3f}  {row['windows']} windows"
        )
