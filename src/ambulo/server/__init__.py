"""`ambulo serve`: the page for phones, decisions over a websocket, predictions, collection.

phone ─TLS─► Access (token, origin, limits) ─► app ─┬─ page, recognizer ─► decides by itself
                                                    ├─ live ─► Batcher ─► Stream a session
                                                    ├─ predict ─► a process of its own
                                                    └─ collect ─► Journal ─► person/session.csv
"""

from __future__ import annotations

import io
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambulo.errors import MissingExtraError, StreamError
from ambulo.server.options import Options

if TYPE_CHECKING:
    import uvicorn

KEPT = 15
"""Seconds for which a connection without a request is kept."""

__all__ = ["Options", "listen", "new_token", "qr_code", "server"]


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(16)


def server(
    options: Options,
    *,
    host: str = "0.0.0.0",
    port: int = 8443,
    certificate: Path | None = None,
    key: Path | None = None,
) -> uvicorn.Server:
    """A server to `run()`; without a certificate it speaks http, which phones give no motion to.

    Raises MissingExtraError without the extra `serve`, RecognizerError for a recognizer that cannot
    be served, StreamError for a certificate that cannot be read.
    """
    try:
        import uvicorn

        from ambulo.server.app import create_app
        from ambulo.server.patience import Impatient
    except ImportError as error:
        raise MissingExtraError(error.name or "fastapi", "serve") from error
    config = uvicorn.Config(
        create_app(options),
        host=host,
        port=port,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        http=Impatient,
        log_level="warning",
        access_log=False,
        ws="websockets-sansio",
        ws_max_size=options.message,
        ws_max_queue=4,
        ws_per_message_deflate=False,
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=10,
        limit_concurrency=2 * options.sessions + 100,
        server_header=False,
    )
    try:
        config.load()
    except (OSError, ValueError) as error:
        raise StreamError(f"{certificate}: cannot serve with it ({error})") from error
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes one that is free, and `::` is IPv4's too.

    Raises StreamError where that cannot be.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, dualstack_ipv6=both, backlog=2048)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StreamError(
            f"{host}:{port}: cannot listen there ({reason}): choose another --port or --host"
        ) from error


def qr_code(text: str) -> str:
    """A QR code of a text, to print in a terminal."""
    try:
        import segno
    except ImportError as error:
        raise MissingExtraError("segno", "serve") from error
    out = io.StringIO()
    made: Any = segno.make(text, micro=False)
    made.terminal(out, compact=True)
    return out.getvalue()
