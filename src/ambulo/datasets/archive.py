"""Where data sets are found, fetched and cached; archives are read in place and never trusted."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ambulo.errors import DatasetError
from ambulo.recording import Gap, Interval, Recording, channels

LARGEST_MEMBER = 2 << 30
"""Bytes that one file inside an archive may unpack to."""
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError),
    *(RuntimeError, ValueError),  # a password, an odd compression; names that are no text
)


class Archive:
    """Files of a folder, a zip, a zip inside a zip, or a tar.gz, read without unpacking to disk.

    Raises DatasetError for a file that is none of these, is truncated, or holds a path that climbs
    out of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # a tar file has one position, and readers use threads
        try:
            self._open(path)
        except (*_BROKEN, OSError) as error:
            raise DatasetError(
                f"{path}: cannot be opened as an archive ({error}): fetch it again"
            ) from error
        for name in self.names:
            parts = PurePosixPath(name.replace("\\", "/"))
            if parts.is_absolute() or ".." in parts.parts or ":" in name.split("/")[0]:
                raise DatasetError(
                    f"{path}: member '{name}' climbs out of the archive: it is not the published "
                    "file; fetch it again from its publisher"
                )

    def _open(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._tar: tarfile.TarFile | None = None
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            self.names = [p.relative_to(path).as_posix() for p in files]
        elif path.name.endswith((".tar.gz", ".tgz")):
            self._tar = tarfile.open(path)
            self.names = [member.name for member in self._tar.getmembers() if member.isfile()]
        else:
            self._zip = zipfile.ZipFile(path)
            self.names = _files(self._zip)
            if len(self.names) <= 3 and any(name.endswith(".zip") for name in self.names):
                inner = next(name for name in self.names if name.endswith(".zip"))
                self._zip = zipfile.ZipFile(io.BytesIO(self.read(inner)))
                self.names = _files(self._zip)

    def find(self, ending: str) -> list[str]:
        """Names of the files whose path ends in `ending`, in natural order."""
        return sorted((n for n in self.names if n.endswith(ending)), key=lambda n: (len(n), n))

    def one(self, ending: str) -> str:
        """Name of the only file whose path ends in `ending`."""
        found = self.find(ending)
        if not found:
            raise DatasetError(
                f"{self.path}: there is no '{ending}' in it: this is another archive, or a part"
            )
        return found[0]

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        try:
            if self._zip is not None:
                if self._zip.getinfo(name).file_size > LARGEST_MEMBER:
                    raise DatasetError(f"{self.path}: '{name}' would unpack to over 2 GiB: refused")
                return self._zip.read(name)
            if self._tar is not None:
                with self._lock:
                    return self._read_tar(self._tar, name)
            return (self.path / name).read_bytes()
        except (*_BROKEN, OSError) as error:
            raise DatasetError(
                f"{self.path}: '{name}' is damaged ({error}): fetch the archive again"
            ) from error

    def _read_tar(self, tar: tarfile.TarFile, name: str) -> bytes:
        member = tar.getmember(name)
        stream = tar.extractfile(member) if member.size <= LARGEST_MEMBER else None
        if stream is None:
            raise DatasetError(f"{self.path}: '{name}' would unpack to over 2 GiB: refused")
        return stream.read()


def _files(archive: zipfile.ZipFile) -> list[str]:
    return [info.filename for info in archive.infolist() if info.filename and not info.is_dir()]


def cache_folder() -> Path:
    """Where Ambulo keeps downloads and parsed data: `AMBULO_CACHE`, or the user's cache folder."""
    import pooch

    return Path(os.environ.get("AMBULO_CACHE") or pooch.os_cache("ambulo"))


def locate(name: str, files: Sequence[str], url: str, path: str | Path | None = None) -> Path:
    """The archive or folder of a data set: `path`, `AMBULO_DATA`, the cache, else a download.

    `files` are the names it goes by. Raises DatasetError naming all four places.
    """
    if path is not None:
        return _at(Path(path), files, name)
    found = find(files)
    if found is not None:
        return found
    data = os.environ.get("AMBULO_DATA", "")
    try:
        return _download(url, files[0])
    except Exception as error:
        raise DatasetError(
            f"data set '{name}' was not found, looking for {' or '.join(map(repr, files))}:\n"
            f"  1. no path was given (--data PATH, or load_dataset('{name}', path=...))\n"
            f"  2. AMBULO_DATA is {repr(data) if data else 'not set'}: a folder to put it in\n"
            f"  3. it is not in the cache, {cache_folder() / 'downloads'}\n"
            f"  4. downloading {url} failed: {_reason(error)}\n"
            "Download it by hand and put it, unopened, in place 1, 2 or 3."
        ) from error


def find(files: Sequence[str]) -> Path | None:
    """The first of `files` in `AMBULO_DATA` or among the downloads in the cache, if any."""
    data = os.environ.get("AMBULO_DATA", "")
    places = ([Path(data)] if data else []) + [cache_folder() / "downloads"]
    candidates = (place / file for place in places for file in files)
    return next((path for path in candidates if path.exists()), None)


def _at(path: Path, files: Sequence[str], name: str) -> Path:
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder (data set '{name}')")
    if path.is_dir():
        for file in files:
            if (path / file).exists():
                return path / file
    return path


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return (text[0] if text else type(error).__name__)[:200]


def _download(url: str, file: str) -> Path:
    """Fetch `url` into the cache with a progress bar, going on where an earlier try broke off."""
    if os.environ.get("AMBULO_OFFLINE"):
        raise DatasetError("AMBULO_OFFLINE is set")
    import pooch

    pooch.get_logger().setLevel("WARNING")
    folder = cache_folder() / "downloads"
    got = pooch.retrieve(
        url, known_hash=None, fname=file, path=folder, downloader=_resume, processor=None
    )
    return Path(got)


def _resume(url: str, output_file: str, pooch: Any, check_only: bool = False) -> bool | None:
    """A pooch downloader that keeps a `.part` file in the cache and asks for the rest only."""
    import requests
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    part = cache_folder() / "downloads" / f"{name}.part"
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=20) as reply:
        if reply.status_code == 416 and have:  # there is no more than that: all of it, or another's
            part.unlink()
            return _resume(url, output_file, pooch)
        reply.raise_for_status()
        whole = reply.status_code != 206
        total = int(reply.headers.get("content-length", 0)) + (0 if whole else have)
        columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, transient=True) as bar, open(part, "wb" if whole else "ab") as out:
            task = bar.add_task(f"fetching {Path(url).name}", total=total or None)
            bar.advance(task, 0 if whole else have)
            for block in reply.iter_content(1 << 16):
                out.write(block)
                bar.advance(task, len(block))
    if total and part.stat().st_size != total:
        raise DatasetError(f"the connection broke after {part.stat().st_size} of {total} bytes")
    shutil.move(part, output_file)
    return None


def fingerprint(path: Path) -> str:
    """A key that changes when the file, or any file of the folder, is replaced."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    state = [(str(f), s.st_size, s.st_mtime_ns) for f in files for s in [f.stat()]]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:24]


def load_cached(name: str, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Arrays and notes that were kept under this key, or None."""
    folder = cache_folder() / "parsed" / name
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if meta["key"] != key:
            return None
        arrays = {n: np.load(folder / f"{n}.npy", allow_pickle=False) for n in meta["arrays"]}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    return arrays, meta["notes"]


def keep(name: str, key: str, arrays: dict[str, Any], notes: dict[str, Any]) -> None:
    """Keep arrays and notes in the cache, whole or not at all; a full disk is no error."""
    parent = cache_folder() / "parsed"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=parent))
        for n, array in arrays.items():
            np.save(fresh / f"{n}.npy", array, allow_pickle=False)
        meta = {"key": key, "arrays": list(arrays), "notes": notes}
        (fresh / "meta.json").write_text(json.dumps(meta))
        shutil.rmtree(parent / name, ignore_errors=True)
        fresh.rename(parent / name)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True) if "fresh" in locals() else None


def pack(recordings: Sequence[Recording]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Recordings that share their channels as one array and a list that JSON can hold."""
    rows = [
        {
            "n": len(r),
            "rate": r.rate,
            "subject": r.subject,
            "name": r.name,
            "start": r.start.isoformat() if r.start else None,
            "channels": [c.name for c in r.channels],
            "intervals": [(i.start, i.end, i.activity) for i in r.intervals],
            "gaps": [(g.start, g.end) for g in r.gaps],
        }
        for r in recordings
    ]
    return {"values": np.concatenate([r.values for r in recordings])}, rows


def unpack(arrays: dict[str, Any], rows: Sequence[dict[str, Any]]) -> list[Recording]:
    """What `pack` took apart."""
    ends = np.cumsum([row["n"] for row in rows])
    return [
        Recording(
            values=arrays["values"][end - row["n"] : end],
            rate=row["rate"],
            channels=channels(row["channels"]),
            subject=row["subject"],
            name=row["name"],
            intervals=tuple(Interval(*i) for i in row["intervals"]),
            gaps=tuple(Gap(*g) for g in row["gaps"]),
            start=datetime.fromisoformat(row["start"]) if row["start"] else None,
        )
        for row, end in zip(rows, ends, strict=True)
    ]
