"""What there is to score: recordings below a folder, of a glob or of a manifest, near or far."""

from __future__ import annotations

import glob
import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from ambulo.errors import FleetError, MissingExtraError, RecordingError
from ambulo.readers.finding import bare
from ambulo.readers.folder import manifest_rows

ENDINGS = (".csv", ".tsv", ".parquet", ".feather", ".json", ".zip", ".gz", ".cwa", ".bin", ".gt3x")
"""Endings of files that are taken for recordings where a folder is given."""

ABSENT = "absent"
"""The stamp of a file that is not there, or cannot be looked at."""
_UNSTATED = ("file", "person", "subject", "activity", "intervals")
"""What a manifest's row says of no use to reading; labels have none in scoring."""
_AS = " as "
"""Between a file's own stamp and what is stated of it."""
_TICK = 0.05
"""Seconds in which a file may change twice without another time of change."""


@dataclass(frozen=True)
class Job:
    """A recording to score: where it is, whose it is, and what it is called in the lake.

    `url` is the same however the source was spelled. `stamp` changes when the file does: its size
    and time of change, or what a store says of it; with what is `stated` of it in a manifest, by
    column, as `sign` or `unit.acc`; and with the TOML file beside it.
    """

    url: str
    name: str
    person: str
    stamp: str
    stated: tuple[tuple[str, str], ...] = ()

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
            if store.exists(_beside(path)):
                store.get_file(_beside(path), _beside(str(target)))
            yield target

    def settle(self) -> None:
        """Wait until another change of the file would show: its clock ticks slower than we read."""
        if not remote(self.url) and Path(self.url).exists():
            age = time.time() - Path(self.url).stat().st_mtime
            time.sleep(_TICK - age if 0 <= age < _TICK else 0)

    def current(self) -> str:
        """The stamp of the file as it is now."""
        return _stamp(self.url, self.stated)

    def of_file(self, stamp: str | None) -> bool:
        """Whether a stamp is of the same file, whatever was stated of it."""
        return stamp is not None and stamp.partition(_AS)[0] == self.stamp.partition(_AS)[0]


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
    found.sort(key=lambda job: job.name)
    if twice := [a.name for a, b in pairwise(found) if a.name == b.name]:
        raise FleetError(
            f"{source}: names {twice[0]} twice, and there is one result a name: give a file of its "
            "own to each entry"
        )
    return found


def _near(source: str) -> list[Job]:
    path = Path(source)
    listing = path / "manifest.csv" if path.is_dir() else path
    if listing.is_file() and listing.suffix == ".csv":
        with listing.open("rb") as file:
            rows = _manifest(file, str(listing))
        if rows is not None:
            return [_listed(listing.parent, row) for row in rows]
    if path.is_file():  # whatever its name: one with a bracket is no glob
        return [_of_file(path, path.parent)]
    if path.is_dir():
        files = [p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file()]
        files = [p for p in files if not _hidden(p.relative_to(path))]
        return [_of_file(p, path) for p in files]
    files = [Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file()]
    return [_of_file(p, Path(_root_of_glob(source))) for p in files]


def _root_of_glob(glob: str) -> str:
    """The folder that a glob starts from: `study` of `study/*.csv` and of `study/p*/day?.csv`."""
    return re.split(r"[*?\[]", glob)[0].rpartition("/")[0]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _of_file(path: Path, root: Path) -> Job:
    name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return Job(_whole(path), name, _wearer(name), _stamp(_whole(path), ()))


def _whole(path: Path) -> str:
    """The path from the root; a link to a file keeps its own name, which may tell what it is."""
    return str(path.parent.resolve() / path.name)


def _local_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ABSENT
    return f"{status.st_size} {status.st_mtime_ns}"


def _wearer(name: str) -> str:
    """The first folder below a source on the way to a recording, as in a data set; else its name.

    So `anna/visit1` and `anna/visit2` are of one person, and `bob/visit1` is of another.
    """
    parts = Path(name).parts
    return parts[0] if len(parts) > 1 else bare(name)


def _manifest(file: IO[bytes], where: str) -> list[dict[str, str]] | None:
    """Rows of a CSV that lists files, and closes it; None if it is no such list."""
    import csv

    try:
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
            table = csv.reader(lines)
            columns = [name.strip() for name in next(table, [])]
            if "file" not in columns:
                return None
            entries = [cells for cells in table if "".join(cells).strip()]
    except (UnicodeDecodeError, csv.Error):
        return None
    for number, cells in enumerate(entries, start=1):
        if "".join(cells[len(columns) :]).strip():
            raise FleetError(f"{where}: entry {number} has more cells than columns: repair it")
    try:
        return manifest_rows([dict(zip(columns, e, strict=False)) for e in entries], where)
    except RecordingError as error:
        raise FleetError(str(error)) from error


def _listed(root: Path | str, row: dict[str, str]) -> Job:
    """A row's recording; the root is an address where the manifest has one."""
    name = url = row["file"]
    if not remote(name):
        url = _whole(root / name) if isinstance(root, Path) else f"{root}/{name}"
    folder = Path(name).parent.name  # a list may name any place: there is no first folder
    person = row.get("person") or row.get("subject") or folder or bare(name)
    stated = tuple(sorted((key, said) for key, said in row.items() if key not in _UNSTATED))
    return Job(url, name, person, _stamp(url, stated), stated)


def _stamp(url: str, stated: tuple[tuple[str, str], ...]) -> str:
    """The stamp of a file as it is now, and of what is stated of it."""
    own, beside = (
        _far_stamp(at) if remote(at) else _local_stamp(Path(at)) for at in (url, _beside(url))
    )
    return _joined(own, beside, stated)


def _beside(url: str) -> str:
    """Where the TOML file lies that speaks of a recording: `monday.toml` of `monday.csv`."""
    return bare(url) + ".toml"


def _joined(stamp: str, beside: str, stated: tuple[tuple[str, str], ...] = ()) -> str:
    said = dict(stated) | ({"toml": beside} if beside != ABSENT else {})
    return stamp + _AS + json.dumps(said) if said else stamp


def _far_stamp(url: str) -> str:
    store, path = filesystem(url)
    store.invalidate_cache()
    try:
        return _remote_stamp(store.info(path))
    except OSError:
        return ABSENT


def _far(source: str) -> list[Job]:
    store, path = filesystem(source)
    try:
        many = any(sign in path for sign in "*?[") and not store.exists(path)
        if not many and path.endswith(".csv") and store.isfile(path):
            with store.open(path, "rb") as file:
                rows = _manifest(file, source)
            if rows is not None:
                root = store.unstrip_protocol(path).rpartition("/")[0]
                return [_listed(root, row) for row in rows]
        infos = store.glob(path, detail=True) if many else store.find(path, detail=True)
    except (OSError, ValueError) as error:
        raise FleetError(
            f"{source}: cannot be listed ({error}): check address and access"
        ) from error
    root = _root_of_glob(path) if many else path.rstrip("/")
    out = []
    for full, info in infos.items():
        if info["type"] != "file" or Path(full).suffix.lower() not in ENDINGS:
            continue
        name, url = (
            full.removeprefix(root).lstrip("/") or Path(full).name,
            store.unstrip_protocol(full),
        )
        if many:  # what lies beside need not be of the glob
            beside = _far_stamp(_beside(url))
        else:
            beside = _remote_stamp(infos[_beside(full)]) if _beside(full) in infos else ABSENT
        out.append(Job(url, name, _wearer(name), _joined(_remote_stamp(info), beside)))
    return out


_MARKS = (
    *("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "modified"),
    *("modify", "updated", "created"),
)
"""Where stores tell that a file has changed, the surest first."""


def _remote_stamp(info: dict[str, Any]) -> str:
    mark = next((info[mark] for mark in _MARKS if info.get(mark)), None)
    return f"{info.get('size')} {mark}"
