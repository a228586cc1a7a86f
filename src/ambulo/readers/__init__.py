"""Files in, Recordings out: `read("monday.csv")`.

A file goes through the same steps whatever wrote it: `source` finds the tables in it, a layout
(`phone.LAYOUTS`) says what its writer writes, and `assemble` puts the sensors on one grid, in
Ambulo's units and signs. Device files have decoders of their own (`device.DEVICES`). What was
decided on the way is told as a `Finding` each in the recording's notes, and can be stated
otherwise (`Settings`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ambulo.errors import RecordingError
from ambulo.readers.assemble import assemble
from ambulo.readers.axivity import look_through
from ambulo.readers.clean import blocks, read_clean, survey
from ambulo.readers.device import DEVICES, read_device
from ambulo.readers.device_csv import SOFTWARE
from ambulo.readers.finding import Finding, Settings, settings
from ambulo.readers.long import long_pieces, read_long
from ambulo.readers.phone import LAYOUTS, Find
from ambulo.readers.pieces import Pieces, in_pieces
from ambulo.readers.source import Source
from ambulo.recording import Recording

__all__ = ["READERS", "Finding", "Pieces", "Settings", "findings", "pieces", "pieces_by", "read"]

Reader = Callable[[Source, Settings], Recording | None]


def _of_tables(find: Find, source: Source, stated: Settings) -> Recording | None:
    layout = find(source)
    return None if layout is None else assemble(source, layout, stated)


READERS: dict[str, Reader] = {
    **{name: partial(read_device, name) for name in DEVICES},
    "parquet": read_clean,
    **{name: partial(_of_tables, find) for name, find in (SOFTWARE | LAYOUTS).items()},
}
"""Every reader by name, in the order in which they are tried; each gives None for others' files."""


def read(path: str | Path, **stated: Any) -> Recording:
    """Read one recording from a file, or from the folder that an app exported.

    Takes tables with named columns (CSV, Parquet, Feather, JSON; gzip and zip), the exports of
    phone apps, and device files (.cwa, .gt3x, .bin). Units, gravity, sign and time are found and
    told in `notes["findings"]`; `stated` overrides them, see `Settings`, as does a TOML file of
    the same name beside the file. Samples are placed on a regular grid; pauses over 0.5 s are
    gaps; rows that are not numbers are dropped and counted in the notes. Raises RecordingError
    naming the file, and the row or column, and the remedy.
    """
    source = Source(Path(path))
    source.check()
    _one(source.path)
    chosen = settings(source.path, stated)
    recording = read_long(source, chosen)
    if recording is not None:
        return recording
    for reader in READERS.values():
        recording = reader(source, chosen)
        if recording is not None:
            return recording
    raise RecordingError(f"{path}: no reader takes it: give a table or a device file")


def pieces(path: str | Path, **stated: Any) -> Pieces:
    """A recording in pieces, for files that are larger than memory should be.

    A clean Parquet file in Ambulo's columns, a long clean CSV, or a sound Axivity file, is looked
    through once, and then read block by block whenever the pieces are gone through; units are
    judged by 2000 stretches of 10 s, or all of it where it is shorter. Any other file is read
    whole. Takes and raises what `read` does.
    """
    source = Source(Path(path))
    source.check()
    _one(source.path)
    chosen = settings(source.path, stated)
    for way in (look_through, long_pieces):
        found = way(source, chosen)
        if found is not None:
            return found
    clean = survey(source, chosen)
    if clean is None:
        return in_pieces(read(path, **stated))
    sketch, samples, gaps = clean
    return Pieces(sketch, samples, gaps, partial(blocks, source, sketch))


def pieces_by(zone: str | None, path: str | Path, /, **stated: Any) -> Pieces:
    """`pieces`, by the clock of a zone wherever a file's times name none and nothing states one."""
    found = pieces(path, **stated)
    if zone is not None and any(
        told.what == "time" and told.sure == "assumed" and told.override.startswith("zone=")
        for told in findings(found.sketch)
    ):
        return pieces(path, **{**stated, "zone": zone})
    return found


def _one(path: Path) -> None:
    from ambulo.readers.folder import is_export

    if path.is_dir() and not is_export(path):
        raise RecordingError(
            f"{path}: is a folder: name a file in it, or take it as a data set of several "
            "recordings (load_dataset, ambulo datasets show)"
        )


def findings(recording: Recording) -> tuple[Finding, ...]:
    """What was decided when the recording was read."""
    return tuple(recording.notes.get("findings", ()))
