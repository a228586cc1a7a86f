"""What there is to score: recordings below a folder, of a glob or of a manifest, near or far."""

from __future__ import annotations

import glob
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ambulo.errors import FleetError, MissingExtraError

ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".json", ".zip", ".gz", ".cwa", ".bin", ".gt3x")
"""Endings of files that are taken for recordings where a folder is given."""

ABSENT = "absent"
"""The stamp of a file that is not there, or cannot be looked at."""
_TICK = 0.05
"""Seconds in which a file may change twice without another time of change."""


@dataclass(frozen=True)
class Job:
    """A recording to score: where it is, whose it is, and what it is called in the lake.

    `url` is the same however the source was spelled. `stamp` changes when the file does: its size
    and time of change, or what a store says of it.
    """

    url: str
    name: str
    person: str
    stamp: str

    @property
    def key(self) -> str:
        """A file name that no other recording has."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(self.name).stem)[:60].strip("-")
        return f"{plain}-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}"

    @contextmanager
    def local(self) -> Iterator[Path]:
        """The recording as a file of this machine; fetched for as long as it is needed."""
        if not remote(self.url):
            yield Path(self.url)
            return
        store, path = filesystem(self.url)
        with TemporaryDirectory() as folder:
            target = Path(folder) / Path(path).name
            store.get_file(path, str(target))
            yield target

    def settle(self) -> None:
        """Wait until another change of the file would show: its clock ticks slower than we read."""
        if not remote(self.url) and Path(self.url).exists():
            age = time.time() - Path(self.url).stat().st_mtime
            time.sleep(_TICK - age if 0 <= age < _TICK else 0)

    def current(self) -> str:
        """The stamp of the file as it is now."""
        if remote(self.url):
            store, path = filesystem(self.url)
            store.invalidate_cache()
            try:
                return _remote_stamp(store.info(path))
            except OSError:
                return ABSENT
        return _local_stamp(Path(self.url))


def remote(url: str) -> bool:
    """Whether this is an address for fsspec, as s3://bucket/folder."""
    return "://" in url


def filesystem(url: str) -> tuple[Any, str]:
    """The store of an address, and the path in it."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("fsspec", "fleet") from error
    try:
        store, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtraError(error.name or "a store's package", "fleet") from error
    except ValueError as error:
        raise FleetError(f"{url}: {error}: give a folder, or an address as s3://…") from error
    return store, str(path)


def jobs(source: str, but: Callable[[Job], bool] = lambda job: False) -> list[Job]:
    """All recordings of a source, in the order of their names, `but` some.

    Raises FleetError for none.
    """
    found = _far(source) if remote(source) else _near(source)
    found = [job for job in found if not but(job)]
    if not found:
        raise FleetError(
            f"{source}: holds no recording: give a folder with files such as {', '.join(ENDINGS)}"
        )
    return sorted(found, key=lambda job: job.name)


def _near(source: str) -> list[Job]:
    path = Path(source)
    if path.is_file() and path.suffix == ".csv" and (rows := _manifest(path)) is not None:
        return [_listed(path.parent, row) for row in rows]
    if path.is_file():  # whatever its name: one with a bracket is no glob
        return [_of_file(path, path.parent)]
    if path.is_dir():
        files = [p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()]
        files = [p for p in files if not _hidden(p.relative_to(path))]
        return [_of_file(p, path) for p in files]
    files = [Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file()]
    root = Path(re.split(r"[*?\[]", source)[0]).parent
    return [_of_file(p, root) for p in files]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _of_file(path: Path, root: Path) -> Job:
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return Job(_whole(path), name, _person(name), _local_stamp(path))


def _whole(path: Path) -> str:
    """The path from the root; a link to a file keeps its own name, which may tell what it is."""
    return str(path.parent.resolve() / path.name)


def _local_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ABSENT
    return f"{status.st_size} {status.st_mtime_ns}"


def _person(name: str) -> str:
    """The folder in which a recording lies, or its own name without an ending."""
    parts = Path(name).parts
    return parts[-2] if len(parts) > 1 else Path(name).stem


def _manifest(path: Path) -> list[dict[str, str]] | None:
    """Rows of a CSV that lists files; None if it is no such list."""
    import csv

    try:
        with path.open(newline="", encoding="utf-8") as lines:
            table = csv.DictReader(lines)
            if "file" not in (table.fieldnames or []):
                return None
            return [row for row in table if row.get("file")]
    except (UnicodeDecodeError, csv.Error):
        return None


def _listed(root: Path, row: dict[str, str]) -> Job:
    name, person = row["file"], row.get("person") or _person(row["file"])
    if remote(name):
        store, path = filesystem(name)
        stamp = _remote_stamp(store.info(path)) if store.exists(path) else ABSENT
        return Job(name, name, person, stamp)
    return Job(_whole(root / name), name, person, _local_stamp(root / name))


def _far(source: str) -> list[Job]:
    store, path = filesystem(source)
    try:
        many = any(sign in path for sign in "*?[") and not store.exists(path)
        infos = store.glob(path, detail=True) if many else store.find(path, detail=True)
    except (OSError, ValueError) as error:
        raise FleetError(
            f"{source}: cannot be listed ({error}): check address and access"
        ) from error
    root = path.split("*")[0].rpartition("/")[0] if many else path.rstrip("/")
    out = []
    for full, info in infos.items():
        if info["type"] != "file" or Path(full).suffix.lower() not in ENDINGS:
            continue
        name = full.removeprefix(root).lstrip("/") or Path(full).name
        out.append(Job(store.unstrip_protocol(full), name, _person(name), _remote_stamp(info)))
    return out


def _remote_stamp(info: dict[str, Any]) -> str:
    mark = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified")
    return f"{info.get('size')} {mark}"
