"""A server in a thread, for tests that need a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ambulo.server import Options, server

TOKEN = "a-token-for-tests"


@contextmanager
def served(tls: tuple[Path, Path] | None = None, port: int = 0, **options: Any) -> Iterator[str]:
    """The address of a server with these options; `tls` is a certificate and its key."""
    made, key = tls or (None, None)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    given = Options(**{"token": TOKEN, **options})
    running = server(given, host="127.0.0.1", port=port, certificate=made, key=key)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(20)
