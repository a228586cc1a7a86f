"""Connections that do not get to a request in time are closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""Seconds in which a request's head must have come."""


class Impatient(H11Protocol):
    """HTTP that closes a connection on which the next request does not come in time."""

    def connection_made(self, transport: Any) -> None:
        """Give a new connection its time."""
        super().connection_made(transport)
        self.upgraded = False
        asyncio.get_running_loop().call_later(SECONDS, self._give_up, None)

    def on_response_complete(self) -> None:
        """Give the next request its time; one that does not even begin, uvicorn waits for less."""
        super().on_response_complete()
        later = self.timeout_keep_alive + SECONDS
        asyncio.get_running_loop().call_later(later, self._give_up, self.cycle)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over: it is a websocket's from here on."""
        self.upgraded = True
        super().handle_websocket_upgrade(event)

    def _give_up(self, before: Any) -> None:
        """Close where no request has come since the one of `before`."""
        if self.cycle is before and not self.upgraded and not self.transport.is_closing():
            self.transport.close()
