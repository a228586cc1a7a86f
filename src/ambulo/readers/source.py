"""The file as it lies: tables out of CSV, Parquet, Feather, JSON, gzip, zip or an export's folder.

Archives are read in place and never trusted: climbing paths, archives in archives and anything
that would unpack to more than `LARGEST` is refused.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ambulo.errors import RecordingError
from ambulo.readers.names import activity_column, parse, subject_column, time_column
from ambulo.readers.preamble import Preamble, preamble, separator_of

if TYPE_CHECKING:
    import polars as pl

LARGEST = 4 << 30
"""Bytes that the tables of one archive may unpack to."""
SWELLS = {"csv": 6, "json": 15}
"""Bytes of memory that a byte of text takes at most while it is read (measured)."""
HEAD = 1 << 16
"""Bytes of a text that tell how all of it is written."""
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow", ".ipc", ".json", ".jsonl")
ARCHIVES = (".zip", ".gz")
_COLUMNAR = (".parquet", ".feather", ".arrow", ".ipc")
_FOREIGN = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite": "a database",
    b"\x7fELF": "a program",
    b"RIFF": "sound or video",
    b"ID3": "sound",
}


class NoRowsError(RecordingError):
    """A table has names and no rows."""


@dataclass(frozen=True)
class Source:
    """A file, or the folder of an app's export, and the tables in it."""

    path: Path

    @cached_property
    def head(self) -> bytes:
        """The first bytes, by which device files are known; empty for a folder."""
        if self.path.is_dir():
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(4096)
        except OSError as error:
            raise RecordingError(
                f"{self.path}: cannot be opened ({error.strerror}): look at its permissions"
            ) from error

    @cached_property
    def members(self) -> dict[str, Path | bytes]:
        """The tables' files by name: the file itself, or those of the archive or folder."""
        self.check()
        suffix = self.path.suffix.lower()
        if self.path.is_dir():
            files = [p for p in sorted(self.path.rglob("*")) if p.suffix.lower() in TABLES]
            return {p.relative_to(self.path).as_posix(): p for p in files if p.is_file()}
        if suffix == ".zip" or self.head[:4] == b"PK\x03\x04":
            return self._unzip()
        if suffix == ".gz" or self.head[:2] == b"\x1f\x8b":
            return {self.path.with_suffix("").name: self._gunzip()}
        return {self.path.name: self.path}

    @cached_property
    def preamble(self) -> Preamble | None:
        """What a device's software wrote above the numbers of the file's only table."""
        if len(self.members) != 1:
            return None
        ((name, file),) = self.members.items()
        if name.lower().endswith((*_COLUMNAR, ".json", ".jsonl")):
            return None
        return preamble(f"{self.path}", _lines(_head(file)))

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """The tables by file name; those that are empty or hold no table are left out.

        Raises RecordingError where there is none, or, for a single file, says what is wrong.
        """
        if len(self.members) == 1:
            ((name, file),) = self.members.items()
            return by_sensor(name, load(f"{self.path}", name, file))
        out = {}
        for name, file in self.members.items():
            try:
                out[name] = load(f"{self.path}: '{name}'", name, file)
            except RecordingError:
                continue
        if not out:
            raise RecordingError(
                f"{self.path}: there is no table in it (CSV, Parquet, Feather or JSON): export "
                "the recording again, as CSV"
            )
        return out

    @property
    def unread(self) -> list[str]:
        """Names of the tables' files that hold no table."""
        return [name for name in self.members if name not in self.tables]

    def check(self) -> None:
        """Raise RecordingError for what cannot hold a recording: absent, empty, a picture, …"""
        if not self.path.exists():
            raise RecordingError(f"{self.path}: there is no such file")
        if self.path.is_dir():
            return
        if not self.path.is_file():
            raise RecordingError(f"{self.path}: is not a file: give a recording")
        if self.path.stat().st_size == 0:
            raise RecordingError(f"{self.path}: is empty: record again or copy it again")
        for magic, what in _FOREIGN.items():
            if self.head.startswith(magic):
                raise RecordingError(
                    f"{self.path}: is {what}, bad for reading: give a table or a device file"
                )

    def _unzip(self) -> dict[str, Path | bytes]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = [i for i in archive.infolist() if _wanted(i.filename) and not i.is_dir()]
                self._check_archive(archive, infos)
                return {i.filename: archive.read(i) for i in infos}
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError) as error:
            raise RecordingError(f"{self.path}: is damaged ({error}): export it again") from error
        except (NotImplementedError, RuntimeError) as error:  # encrypted, or an odd compression
            raise RecordingError(
                f"{self.path}: cannot be unpacked ({error}): export it without a password"
            ) from error

    def _check_archive(self, archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
        for name in archive.namelist():
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0]:
                raise RecordingError(f"{self.path}: '{name}' climbs out of the archive: refused")
        if sum(info.file_size for info in infos) > LARGEST:
            raise RecordingError(f"{self.path}: would unpack to over 4 GiB: refused")
        if not infos:
            inner = any(n.lower().endswith(ARCHIVES) for n in archive.namelist())
            raise RecordingError(
                f"{self.path}: there is no table in it"
                + (", only another archive: unpack it first" if inner else ": export it as CSV")
            )

    def _gunzip(self) -> bytes:
        unpacked = io.BytesIO()
        try:
            with gzip.open(self.path) as file:
                while part := file.read(1 << 20):  # all at once would reserve what it may be
                    unpacked.write(part)
                    if unpacked.tell() > LARGEST:
                        raise RecordingError(f"{self.path}: would unpack to over 4 GiB: refused")
        except (OSError, EOFError, zlib.error) as error:
            raise RecordingError(f"{self.path}: is damaged ({error}): copy it again") from error
        out = unpacked.getvalue()
        if out[:4] == b"PK\x03\x04" or out[:2] == b"\x1f\x8b":
            raise RecordingError(f"{self.path}: holds another archive: unpack it first")
        return out


def _wanted(name: str) -> bool:
    hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
    return not hidden and name.lower().endswith(TABLES)


def load(where: str, name: str, file: Path | bytes) -> pl.DataFrame:
    """The table in a file, or in its bytes. Raises RecordingError naming it and the remedy."""
    import polars as pl

    suffix = PurePosixPath(name).suffix.lower()
    try:
        if suffix == ".parquet":
            frame = pl.read_parquet(file, glob=False)
        elif suffix in _COLUMNAR:
            frame = pl.read_ipc(file.read_bytes() if isinstance(file, Path) else file)
        else:
            kind = "json" if suffix in (".json", ".jsonl") else "csv"
            _check_room(where, file, SWELLS[kind])
            frame = _json(file) if kind == "json" else _csv(where, file)
    except unreadable() as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise RecordingError(
            f"{where}: is not a table that can be read ({reason}): give a CSV file with a header "
            "row and commas, or Parquet"
        ) from error
    if not len(frame):
        raise NoRowsError(f"{where}: has a header but no rows: record again or copy it again")
    return frame.rename(_clean(frame.columns))


def _check_room(where: str, file: Path | bytes, swells: int) -> None:
    """Raise RecordingError for text that this machine's memory would not hold once it is read."""
    size = file.stat().st_size if isinstance(file, Path) else len(file)
    try:
        room = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # a system that does not say
        return
    if size * swells > room:
        raise RecordingError(
            f"{where}: has {size / 1e9:.1f} GB, which take up to {size * swells / 1e9:.0f} GB of "
            f"memory, and this machine has {room / 1e9:.0f}: as Parquet with the columns time, "
            "acc_x, … it is read block by block: polars.scan_csv(…, try_parse_dates=True)"
            ".rename(…).sink_parquet(…)"
        )


def by_sensor(name: str, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A table whose rows name their sensor and hold its x, y and z, as one table a sensor."""
    import polars as pl

    column = next((n for n in ("sensor", "sensorName", "type") if n in frame.columns), None)
    if column is None or not {"x", "y", "z"} <= set(frame.columns):
        return {name: frame}
    out = {}
    frame = frame.with_columns(pl.col(column).cast(pl.String).fill_null("none"))
    for (sensor,), rows in frame.group_by(column, maintain_order=True):
        kept = [c for c in rows.columns if c != column and rows[c].null_count() < len(rows)]
        table = f"{str(sensor).rpartition('.')[2]}.json"
        if table in out:
            raise RecordingError(
                f"{name}: its column '{column}' names several sensors of one kind, as "
                f"'{sensor}': write a file for each device"
            )
        out[table] = rows.select(kept)
    return out


def unreadable() -> tuple[type[BaseException], ...]:
    """What libraries raise at a damaged table."""
    import polars as pl

    kinds = (
        OSError,
        UnicodeError,
        ValueError,
        TypeError,
        RecursionError,
        pl.exceptions.PolarsError,
    )
    return (*kinds, pl.exceptions.PanicException)


def _clean(names: list[str]) -> dict[str, str]:
    clean = [name.strip().strip("\ufeff\"'") for name in names]
    unique = len(set(clean)) == len(clean)
    return dict(zip(names, clean, strict=True)) if unique else {}


def _csv(where: str, file: Path | bytes) -> pl.DataFrame:
    import polars as pl

    head = _head(file)
    if not _is_utf8(head):  # as spreadsheets on Windows save it
        content = file.read_bytes() if isinstance(file, Path) else file
        file = content.decode("cp1252", "replace").encode()
        head = _head(file)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head:
        raise ValueError("bad text: it is binary, or UTF-16")
    lines = _lines(head)
    above, skip = _above(where, lines)
    separator = separator_of("".join(lines[skip : skip + 1]))
    options: dict[str, Any] = {
        "skip_lines": skip,
        "separator": separator,
        "null_values": [""],
        "encoding": "utf8-lossy",
        "decimal_comma": separator in ";\t" and _comma(lines[skip + 1 :], separator),
    }
    if above and above.columns:
        options |= {"has_header": False, "new_columns": list(above.columns)}
    first = pl.read_csv(head[: head.rfind(b"\n") + 1] or head, infer_schema_length=None, **options)
    words = {activity_column(first.columns), subject_column(first.columns)}
    numeric = {
        name: pl.Float64() if kind.is_numeric() and name not in words else pl.String()
        for name, kind in first.schema.items()
    }
    frame = pl.read_csv(file, schema_overrides=numeric, ignore_errors=True, glob=False, **options)
    nameless = [n for n in frame.columns if not n.strip() and frame[n].null_count() == len(frame)]
    frame = frame.drop(nameless)
    return above.completed(frame) if above else frame


def _head(file: Path | bytes) -> bytes:
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file) as stream:
        return stream.read(HEAD)


def _is_utf8(head: bytes) -> bool:
    """Whether the begin of a text is UTF-8; its last character may be cut off."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in head
    return True


def _lines(head: bytes) -> list[str]:
    code = "utf-8" if _is_utf8(head) else "cp1252"
    return head.decode(code, "replace").lstrip("\ufeff").splitlines()


def _above(where: str, lines: list[str]) -> tuple[Preamble | None, int]:
    """What a device's software wrote above the numbers, and how many lines are no table."""
    above = preamble(where, lines)
    return above, above.lines if above else _header(lines)


def above_rows(where: str, text: bytes) -> int:
    """How many bytes stand above the first row of a CSV that begins so."""
    above, skip = _above(where, _lines(text[:HEAD]))
    at = 0
    for _ in range(skip if above and above.columns else skip + 1):
        at = text.find(b"\n", at, HEAD) + 1
        if not at:
            raise ValueError("bad table: it has no rows")
    return at


def _header(lines: list[str]) -> int:
    """The line that names the columns: the first one that names time or a channel, else the first.

    Before it may stand comments, `sep=;`, or a few lines about the device.
    """
    start = 0
    for number, line in enumerate(lines[:60]):
        cells = [cell.strip().strip("\"'") for cell in line.split(separator_of(line))]
        named = sum(parse(cell) is not None for cell in cells) + bool(time_column(cells)[0])
        if named >= 2 or (named and len(cells) > 1 and not number):
            return number
        if line.startswith("#") or line.lower().startswith("sep=") or not line.strip():
            start = number + 1 if start == number else start
    return start if start < len(lines) else 0


def _comma(lines: list[str], separator: str) -> bool:
    """Whether numbers have a decimal comma, as in `0,02;9,81`."""
    cells = [cell.strip(" \"'") for line in lines[:20] for cell in line.split(separator)]
    forms = (rf"[+-]?\d*{mark}\d+([eE][+-]?\d+)?" for mark in (",", r"\."))
    comma, point = (sum(bool(re.fullmatch(form, cell)) for cell in cells) for form in forms)
    return comma > point


def _json(file: Path | bytes) -> pl.DataFrame:
    """Records of a JSON array, of an object that holds one, or one a line; nested names joined."""
    import polars as pl

    text = (file.read_bytes() if isinstance(file, Path) else file).decode("utf-8-sig")
    try:
        data = json.loads(text)
    except ValueError:
        data = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(data, dict):
        data = next((v for v in data.values() if isinstance(v, list) and v), None) or data
    if isinstance(data, dict):
        data = [data]
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise ValueError("bad JSON for a recording: it must hold a list of records")
    rows = [_flat(row) for row in data]
    return pl.DataFrame(rows, infer_schema_length=None, strict=False)


def _flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    """`{"acc": {"x": 1}}` as `{"acc.x": 1}`, and `{"values": [1, 2, 3]}` as x, y and z."""
    out: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, dict):
            out |= _flat(value, f"{name}.")
        elif isinstance(value, list):
            inner = "" if key in ("values", "data") else f"{name}."
            out |= {f"{inner}{axis}": v for axis, v in zip("xyz", value, strict=False)}
        else:
            out[name] = value if isinstance(value, (int, float, str, type(None))) else str(value)
    return out
