"""What phones recorded, in a file a session that only grows: acknowledged means on the disk.

Each line is a checksum and one chunk as JSON. A line that a kill cut short was never acknowledged;
it is cut off when the file is opened again. Where a disk damaged a line before the last, a copy of
all is kept.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """The chunks of one recording session, by number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers: dict[int, int] = {}
        """Checksums of the chunks by number."""
        self.person: str | None = None
        self.last = False
        end = 0
        for position, chunk in _lines(path):
            self._know(chunk)
            end = position
        if path.exists() and path.stat().st_size > end:
            if _more_than_a_cut(path, end):
                shutil.copy2(path, path.with_suffix(".damaged"))
                logging.getLogger(__name__).error(
                    "%s is damaged; what follows the damage is kept in %s.damaged, and the phone "
                    "is not asked for it again",
                    path,
                    path.stem,
                )
            os.truncate(path, end)

    def append(self, chunk: dict[str, Any]) -> bool:
        """Keep a chunk; False if it is there already. It is on the disk when this returns.

        Raises ValueError if another one has its number.
        """
        text = _text(chunk)
        known = self.numbers.get(chunk["number"])
        if known is not None:
            if known != zlib.crc32(text):
                raise ValueError(
                    f"this session has another part {chunk['number']}: count on from "
                    f"{max(self.numbers) + 1}, or begin a new session"
                )
            return False
        new = not self.path.exists()
        before = 0 if new else self.path.stat().st_size
        try:
            with self.path.open("ab") as file:
                file.write(b"%08x %s\n" % (zlib.crc32(text), text))
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # a full disk: leave no half line before the next
            if self.path.exists():
                os.truncate(self.path, before)
            raise
        if new:
            _sync_folder(self.path.parent)
        self._know(chunk)
        return True

    @property
    def complete(self) -> bool:
        """Whether the chunk marked `last` is there and none before it is missing."""
        return self.last and len(self.numbers) == max(self.numbers) + 1

    def _know(self, chunk: dict[str, Any]) -> None:
        self.numbers[chunk["number"]] = zlib.crc32(_text(chunk))
        self.person = chunk["person"]
        self.last |= bool(chunk["last"])

    def chunks(self) -> list[dict[str, Any]]:
        """All chunks in the order of their numbers."""
        return sorted((chunk for _, chunk in _lines(self.path)), key=lambda c: c["number"])


def _text(chunk: dict[str, Any]) -> bytes:
    return json.dumps(chunk, separators=(",", ":")).encode()


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Chunks, each with the position of its end, up to the first that is not whole."""
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            checksum, _, text = line.rstrip(b"\n").partition(b" ")
            if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
                return
            yield end, json.loads(text)


def _more_than_a_cut(path: Path, end: int) -> bool:
    """Whether a whole line stands behind `end`: what a kill cuts short is the last one."""
    with path.open("rb") as file:
        file.seek(end)
        return file.readline().endswith(b"\n")


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
