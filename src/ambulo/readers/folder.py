"""Folders of recordings: one folder a person, or a manifest that says who, where and what."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from ambulo.errors import AmbuloError, RecordingError
from ambulo.readers import read
from ambulo.readers.finding import Settings, bare
from ambulo.readers.source import ARCHIVES, TABLES, load
from ambulo.recording import Recording

MANIFESTS = ("manifest.csv", "manifest.toml")
"""Names of the file that lists a folder's recordings."""
ENDINGS = (*TABLES, *ARCHIVES, ".cwa", ".gt3x", ".bin")
"""What a file that may be a recording ends in."""
_DOTTED = ("unit.", "scale.", "columns.")
_EXPORTS = ("metadata.csv", "totalacceleration.csv", "accelerometer.csv")


def read_folder(path: Path, **stated: Any) -> tuple[list[Recording], dict[str, Any]]:
    """The recordings of a folder, and notes on what was left out and why.

    With `manifest.csv` or `manifest.toml` (an array `recording` of tables): the files it lists, one
    a row, with columns `file`, `person` and any field of `Settings` (`placement`, `activity`,
    `intervals`, `unit.acc`, …). Else every recording in it: its wearer is the folder it lies in, if
    that is below `path`, else the file's own column or name. `stated` holds for all of them. Raises
    RecordingError where nothing can be read, or where a file of the manifest cannot.
    """
    path = Path(path)
    if not path.is_dir():
        raise RecordingError(f"{path}: is not a folder: give one with recordings in it")
    manifest = next((path / name for name in MANIFESTS if (path / name).is_file()), None)
    if manifest is not None:
        rows = _rows(manifest)
        recordings = [_listed(manifest, row, stated) for row in rows]
        _one_wearer(manifest, rows, recordings)
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
    return manifest_rows(rows, manifest)


def manifest_rows(rows: Any, manifest: str | Path) -> list[dict[str, Any]]:
    """The rows of a manifest, without blanks around what they say.

    Raises RecordingError where there is none, or one names no file or says what is not understood.
    """
    known = {"file", "person", *(item.name for item in fields(Settings))}
    if not rows or not isinstance(rows, list):
        raise RecordingError(f"{manifest}: lists no recording: write a row of file, person, … each")
    trimmed: list[dict[str, Any]] = [_trimmed(row) for row in rows]
    for number, row in enumerate(trimmed, start=1):
        if not isinstance(row, dict) or "file" not in row:
            raise RecordingError(f"{manifest}: entry {number} names no file: give file = …")
        others = [key for key in row if key not in known and not key.startswith(_DOTTED)]
        if others:
            raise RecordingError(
                f"{manifest}: '{min(others)}' is not understood: choose from "
                f"{', '.join(sorted(known))}"
            )
    return trimmed


def stated_in(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest's row states for `read`; a dotted column, `unit.acc`, fills a table."""
    said: dict[str, Any] = {}
    for key, value in row.items():
        table, dot, name = key.partition(".")
        if table in ("rate", "max_gap", "scale"):
            value = _number(value)
        if not dot:
            said[key] = value
        elif isinstance(filled := said.setdefault(table, {}), dict):
            filled[name] = value
    return {key: value for key, value in said.items() if key not in ("file", "person")}


def _number(value: Any) -> Any:
    """A number where it is one; what is none is refused, in words, by `Settings`."""
    try:
        return value if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return value


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
    said = stated_in(row)
    if "intervals" in said:
        said["intervals"] = str((inside / str(said["intervals"])).resolve())
    person = row.get("person")
    subject = {"subject": str(person)} if person is not None else {}
    return file, read(file, **{**subject, **said, **stated})


def _one_wearer(
    manifest: Path, rows: list[dict[str, Any]], found: list[tuple[Path, Recording]]
) -> None:
    """Raise RecordingError where the same columns of a file are given to two people."""
    worn: dict[tuple[Path, tuple[Any, ...]], str] = {}
    for row, (file, recording) in zip(rows, found, strict=True):
        columns = sorted((k, str(v)) for k, v in row.items() if k.startswith("columns"))
        other = worn.setdefault((file, tuple(columns)), recording.subject)
        if other != recording.subject:
            raise RecordingError(
                f"{manifest}: '{row['file']}' is given to {other} and to {recording.subject}: one "
                "person would be tested on windows that another was learnt from"
            )


def _named(path: Path, found: list[tuple[Path, Recording]]) -> list[Recording]:
    """Each recording under a name of its own: its path in the folder, without the ending."""
    root = path.resolve()
    out: list[Recording] = []
    for file, recording in found:
        inside = file.resolve().relative_to(root)
        name = inside.as_posix() if file.is_dir() else bare(inside.as_posix())
        taken = {r.name for r in out}
        names = chain((name, inside.as_posix()), (f"{name} {k}" for k in count(2)))
        out.append(replace(recording, name=next(n for n in names if n not in taken)))
    return out
