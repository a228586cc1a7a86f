"""A server in a thread, for tests that need a real one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ambulo.server import Options, server

TOKEN = "a-token-for-tests"


@contextmanager
def served(**options: Any) -> Iterator[str]:
    """The address of a server with these options."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = server(Options(**{"token": TOKEN, **options}), host="127.0.0.1", port=port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(20)
