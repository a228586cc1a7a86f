"""`ambulo export`: a recognizer for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ambulo.cli.arguments import DataPath, Json, apart, as_taken
from ambulo.cli.saying import say

if TYPE_CHECKING:
    from ambulo.exporting import Array
    from ambulo.recognizer import Recognizer


def export(
    recognizer: Path,
    out: Annotated[Path, typer.Option(help="The file to write.")],
    format: Annotated[
        str,
        typer.Option(help="onnx, float16, int8, phone (a zip for the web page), or c (a header)."),
    ] = "onnx",
    check: Annotated[
        str | None,
        typer.Option(help="Real windows to check on: a recording or a data set's name."),
    ] = None,
    data: DataPath = None,
    json_: Json = False,
) -> None:
    """Write a recognizer for another runtime, if it decides alike there.

    Example: ambulo export waist.ambulo --format phone --out waist.zip --check hapt
    """
    from ambulo.exporting import export as run
    from ambulo.pretrained import load

    loaded = load(recognizer)
    apart(out, recognizer, Path(check) if check else None)
    if check is None:
        say("note: checked on made-up windows; --check DATASET or RECORDING is better", err=True)
        found = run(loaded, out, format=format)
    else:
        windows = _windows(loaded, check, data)
        found = run(loaded, out, format=format, windows=windows, checked_on=check)
    if json_:
        say(found.to_dict())
        return
    kind = f"opset {found.opset}" if found.opset else "C99"
    say(
        f"{found.file}: {found.format}, {kind}, {found.bytes / 1e3:.0f} kB, "
        f"{found.milliseconds:.2f} ms a window; on {found.windows} windows ({found.checked_on}) "
        f"probabilities differ by at most {found.difference:.1e}, decisions in "
        f"{100 * found.changed:.2f} %"
    )


def _windows(recognizer: Recognizer, check: str, data: Path | None) -> Array:
    """Windows of a recording, or of a data set, as the recognizer cuts them."""
    from ambulo.datasets import DATASETS, load_dataset
    from ambulo.readers import read

    if check not in DATASETS:
        prepared = recognizer.prepare(read(check))
        return recognizer.windowing.cut([prepared], recognizer.activities).values
    return as_taken(recognizer, load_dataset(check, data), keep="all").values
