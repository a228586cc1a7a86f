"""Folders of recordings: one folder a person, or a manifest that says who, where and what."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ambulo.errors import AmbuloError, RecordingError
from ambulo.readers import read
from ambulo.readers.finding import Settings
from ambulo.readers.source import ARCHIVES, TABLES, load
from ambulo.recording import Recording

MANIFESTS = ("manifest.csv", "manifest.toml")
"""Names of the file that lists a folder's recordings."""
ENDINGS = (*TABLES, *ARCHIVES, ".cwa", ".gt3x", ".bin")
"""What a file that may be a recording ends in."""
_EXPORTS = ("metadata.csv", "totalacceleration.csv", "accelerometer.csv")


def read_folder(path: Path, **stated: Any) -> tuple[list[Recording], dict[str, Any]]:
    """The recordings of a folder, and notes on what was left out and why.

    With `manifest.csv` or `manifest.toml` (an array `recording` of tables): the files it lists, one
    a row, with columns `file`, `person` and any field of `Settings` (`placement`, `activity`,
    `intervals`, …). Else every recording in it: its wearer is the folder it lies in, if that is
    below `path`, else the file's own column or name. `stated` holds for all of them. Raises
    RecordingError where nothing can be read, or where a file of the manifest cannot.
    """
    path = Path(path)
    if not path.is_dir():
        raise RecordingError(f"{path}: is not a folder: give one with recordings in it")
    manifest = next((path / name for name in MANIFESTS if (path / name).is_file()), None)
    if manifest is not None:
        recordings = [_listed(manifest, row, stated) for row in _rows(manifest)]
        return _named(path, recordings), {"manifest": manifest.name}
    recordings, failed, others = [], {}, []
    for file in _files(path):
        name = file.relative_to(path).as_posix()
        if file.is_file() and file.suffix.lower() not in ENDINGS:
            others.append(name)
            continue
        person = file.relative_to(path).parts[0] if file.parent != path else None
        try:
            recordings.append((file, read(file, **{"subject": person, **stated})))
        except AmbuloError as error:
            failed[name] = str(error)
    if not recordings:
        reasons = "\n  ".join(list(failed.values())[:5])
        raise RecordingError(
            f"{path}: no recording in it can be read: put a folder a person with recordings into "
            f"it, or a manifest.csv (file, person)" + (f"\n  {reasons}" if reasons else "")
        )
    notes: dict[str, Any] = {"recordings_missing": failed} if failed else {}
    return _named(path, recordings), notes | ({"other_files": others} if others else {})


def _files(path: Path) -> Iterator[Path]:
    """Files, and folders that an app exported as one recording, in natural order."""
    entries = sorted(path.iterdir(), key=lambda p: (len(p.name), p.name))
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir() and not is_export(entry):
            yield from _files(entry)
        elif entry.suffix.lower() != ".toml" and not _is_intervals(entry):
            yield entry


def is_export(path: Path) -> bool:
    """Whether a folder is one recording: an app's export, with one table a sensor."""
    if not path.is_dir():
        return False
    names = {p.name.lower() for p in path.iterdir()}
    return bool(names & set(_EXPORTS)) or (path / "meta" / "device.csv").is_file()


def _is_intervals(path: Path) -> bool:
    return path.name.lower().endswith((".intervals.csv", "intervals.csv"))


def _rows(manifest: Path) -> list[dict[str, Any]]:
    if manifest.suffix == ".toml":
        try:
            rows = tomllib.loads(manifest.read_text(encoding="utf-8")).get("recording", [])
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RecordingError(f"{manifest}: is not a TOML file ({error}): repair it") from error
    else:
        frame = load(str(manifest), manifest.name, manifest)
        rows = [{k: v for k, v in row.items() if v is not None} for row in frame.to_dicts()]
    known = {"file", "person", *(item.name for item in fields(Settings))}
    if not rows or not isinstance(rows, list):
        raise RecordingError(f"{manifest}: lists no recording: write a row of file, person, … each")
    rows = [_trimmed(row) for row in rows]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or "file" not in row:
            raise RecordingError(f"{manifest}: entry {number} names no file: give file = …")
        if set(row) - known:
            raise RecordingError(
                f"{manifest}: '{min(set(row) - known)}' is not understood: choose from "
                f"{', '.join(sorted(known))}"
            )
    return rows


def _trimmed(row: Any) -> Any:
    """Without blanks around what it says: 'anna ' is no other person, and a blank says nothing."""
    if not isinstance(row, dict):
        return row
    said = {key: v.strip() if isinstance(v, str) else v for key, v in row.items()}
    return {key: v for key, v in said.items() if v != ""}


def _listed(manifest: Path, row: dict[str, Any], stated: dict[str, Any]) -> tuple[Path, Recording]:
    inside = manifest.parent.resolve()
    file = (manifest.parent / str(row["file"])).resolve()
    if not file.is_relative_to(inside):
        raise RecordingError(f"{manifest}: '{row['file']}' lies outside its folder: move it in")
    said = {key: value for key, value in row.items() if key not in ("file", "person")}
    if "rate" in said or "max_gap" in said:
        said = {k: float(v) if k in ("rate", "max_gap") else v for k, v in said.items()}
    if "intervals" in said:
        said["intervals"] = str((inside / str(said["intervals"])).resolve())
    person = row.get("person")
    subject = {"subject": str(person)} if person is not None else {}
    return file, read(file, **{**subject, **said, **stated})


def _named(path: Path, found: list[tuple[Path, Recording]]) -> list[Recording]:
    """Each recording under a name of its own: its path in the folder, without the ending."""
    root = path.resolve()
    out: list[Recording] = []
    for file, recording in found:
        inside = file.resolve().relative_to(root)
        name = inside.as_posix() if file.is_dir() else inside.with_suffix("").as_posix()
        taken = {r.name for r in out}
        out.append(replace(recording, name=name if name not in taken else inside.as_posix()))
    return out
