"""Connections that do not get to a request in time are closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""Seconds in which a new connection must have sent its first request's head."""


class Impatient(H11Protocol):
    """HTTP that closes a connection whose first request does not come."""

    def connection_made(self, transport: Any) -> None:
        """Give a new connection its time."""
        super().connection_made(transport)
        self.upgraded = False
        asyncio.get_running_loop().call_later(SECONDS, self._give_up)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over: it is a websocket's from here on."""
        self.upgraded = True
        super().handle_websocket_upgrade(event)

    def _give_up(self) -> None:
        if self.cycle is None and not self.upgraded and not self.transport.is_closing():
            self.transport.close()
