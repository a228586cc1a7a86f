"""What a server allows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""What a person's code, a placement and the name of a recording consist of."""


@dataclass(frozen=True)
class Options:
    """What a server serves, and its limits.

    `recognizer` is the file it decides with (None: it only collects), `collect` the folder for what
    phones record (None: they may not). `token` is what a client must show; `origins` are those of
    other pages that may ask, as "https://example.org". `upload`, `chunk` and `message` are the
    largest recording, part of a collected one and websocket message in bytes, `slowest` the seconds
    in which a body must have come, `rate` the requests a second of one address (ten seconds' worth
    at once), `sessions` how many phones may be connected, `waiting` how many of a session's samples
    may wait before it is not read any further, `gather` for how many seconds windows are gathered
    that go through the network together.
    """

    token: str
    recognizer: Path | None = None
    collect: Path | None = None
    certificate: Path | None = None
    origins: tuple[str, ...] = ()
    upload: int = 64 << 20
    chunk: int = 2 << 20
    message: int = 1 << 18
    slowest: float = 30.0
    rate: float = 50.0
    sessions: int = 1000
    waiting: int = 3000
    gather: float = 0.005
    memory: int = 4 << 30
    """Bytes that reading one uploaded recording may take, in a process of its own."""
