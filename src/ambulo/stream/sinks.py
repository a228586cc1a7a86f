"""Where decisions go: `terminal`, `jsonl`, `jsonl:FILE`, `ws://…`, or `http://…` as a webhook."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ambulo.errors import MissingExtraError, OutputError, StreamError, printable

if TYPE_CHECKING:
    from ambulo.stream import Decision

WAITING = 1000
"""Decisions that may wait for a slow receiver; further ones are lost to it, and counted."""


class Sink(Protocol):
    """Takes decisions."""

    @property
    def lost(self) -> int:
        """How many could not be delivered."""
        ...

    def write(self, decision: Decision) -> None:
        """Take one decision."""

    def close(self) -> None:
        """Deliver what waits, and end."""


def sink(address: str, activities: tuple[str, ...]) -> Sink:
    """The sink at an address. Raises StreamError for one that is none or cannot be opened."""
    if address == "terminal":
        return Terminal(activities)
    if address == "jsonl":
        return Lines(sys.stdout)
    if address.startswith("jsonl:"):
        return Lines(_opened(Path(address[len("jsonl:") :])))
    if address.startswith(("ws://", "wss://")):
        return Courier(*_websocket(address))
    if address.startswith(("http://", "https://")) and _has_host(address):
        return Courier(*_webhook(address))
    raise StreamError(
        f"--to {address}: there is no such sink: choose from terminal, jsonl, jsonl:FILE, "
        "ws://HOST:PORT, http://HOST/PATH"
    )


def _has_host(address: str) -> bool:
    try:
        return bool(urlsplit(address).hostname and urlsplit(address).port != 0)
    except ValueError:
        return False


def _opened(path: Path) -> IO[str]:
    """The file to add to, on a line of its own even if its last was cut short."""
    with _writing(path):
        cut = path.is_file() and path.stat().st_size and _last_byte(path) != b"\n"
        file = path.open("a")
        file.write("\n" if cut else "")
        return file


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read()


@contextmanager
def _writing(name: object) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has gone, which is no mistake
        raise
    except OSError as error:
        raise OutputError(
            f"{name}: cannot be written ({error.strerror}): choose another place, or make room"
        ) from error


class Lines:
    """One JSON object a line, each written at once."""

    def __init__(self, file: IO[str]) -> None:
        self.file, self.lost = file, 0

    def write(self, decision: Decision) -> None:
        """Take one decision."""
        with _writing(self.file.name):
            self.file.write(json.dumps(decision.to_dict()) + "\n")
            self.file.flush()

    def close(self) -> None:
        """Close the file, if it is one of ours."""
        if self.file is not sys.stdout:
            with _writing(self.file.name):
                self.file.close()


class Courier:
    """Hands decisions to `send` in a thread, so that a slow receiver holds nobody up."""

    def __init__(self, send: Callable[[str], None], close: Callable[[], Any]) -> None:
        self.send, self.end, self.taken, self.sent = send, close, 0, 0
        self.waiting: queue.Queue[str | None] = queue.Queue(WAITING)
        self.thread = threading.Thread(target=self._deliver, daemon=True)
        self.thread.start()

    @property
    def lost(self) -> int:
        """Decisions of which the receiver has not said that it has them."""
        return self.taken - self.sent

    def write(self, decision: Decision) -> None:
        """Take one decision."""
        self.taken += 1
        with suppress(queue.Full):
            self.waiting.put_nowait(json.dumps(decision.to_dict()))

    def close(self) -> None:
        """Deliver what waits, for at most ten seconds."""
        with suppress(queue.Full):
            self.waiting.put(None, timeout=5)
        self.thread.join(timeout=10)
        self.end()

    def _deliver(self) -> None:
        while (text := self.waiting.get()) is not None:
            with suppress(Exception):  # the network's doings are no reason to stop listening
                self.send(text)
                self.sent += 1


def _websocket(address: str) -> tuple[Callable[[str], None], Callable[[], None]]:
    try:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
    except ImportError as error:
        raise MissingExtraError("websockets", "serve") from error
    try:
        opened = ExitStack()
        connection = opened.enter_context(connect(address))
    except (OSError, ValueError, WebSocketException, TimeoutError) as error:
        raise StreamError(f"{address}: no websocket answers there ({error})") from error
    return connection.send, opened.close


def _webhook(address: str) -> tuple[Callable[[str], None], Callable[[], None]]:
    import requests

    session = requests.Session()
    session.headers["Content-Type"] = "application/json"

    def post(text: str) -> None:
        session.post(address, data=text.encode(), timeout=5).raise_for_status()

    return post, session.close


class Terminal:
    """The activity in large, and how likely each is, for people who look on."""

    def __init__(self, activities: tuple[str, ...]) -> None:
        from rich.live import Live

        self.activities, self.lost = activities, 0
        self.live = Live(auto_refresh=False)
        self.live.start()

    def write(self, decision: Decision) -> None:
        """Take one decision."""
        self.live.update(view(decision, self.activities), refresh=True)

    def close(self) -> None:
        """Leave the last decision standing."""
        self.live.stop()


def view(decision: Decision, activities: tuple[str, ...]) -> Any:
    """A table of probabilities under the activity."""
    from rich.table import Table
    from rich.text import Text

    title = f"{printable(decision.activity)}  {100 * decision.probability:.0f} %"
    caption = f"{decision.start:.2f} to {decision.end:.2f} s, {1e3 * decision.latency:.1f} ms"
    table = Table(title=Text(title), caption=caption, show_header=False, box=None)
    for name, p in zip(activities, decision.probabilities, strict=True):
        style = "bold" if name == decision.activity else "dim"
        table.add_row(
            Text(printable(name)), "█" * round(30 * p) or "▏", f"{100 * p:5.1f} %", style=style
        )
    return table
