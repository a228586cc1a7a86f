"""Connections that do not get to a request in time, or do not read the answer, are closed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 10.0
"""Seconds in which a request's head must have come."""


STUCK = 30.0
"""Seconds in which a client must take some more of its answer."""


class Impatient(H11Protocol):
    """HTTP that closes a connection on which the next request does not come in time."""

    def connection_made(self, transport: Any) -> None:
        """Give a new connection its time."""
        super().connection_made(transport)
        self.upgraded = False
        self.stuck: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().call_later(SECONDS, self._give_up, None)

    def on_response_complete(self) -> None:
        """Give the next request its time; one that does not even begin, uvicorn waits for less."""
        super().on_response_complete()
        later = self.timeout_keep_alive + SECONDS
        asyncio.get_running_loop().call_later(later, self._give_up, self.cycle)

    def pause_writing(self) -> None:
        """What was sent waits to be read: not for ever."""
        super().pause_writing()
        self.stuck = asyncio.get_running_loop().call_later(STUCK, self.transport.abort)

    def resume_writing(self) -> None:
        """It was read."""
        super().resume_writing()
        self._move()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is waited for any more."""
        super().connection_lost(exc)
        self._move()

    def _move(self) -> None:
        if self.stuck is not None:
            self.stuck.cancel()
        self.stuck = None

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over: it is a websocket's from here on."""
        self.upgraded = True
        super().handle_websocket_upgrade(event)

    def _give_up(self, before: Any) -> None:
        """Close where no request has come since the one of `before`."""
        if self.cycle is before and not self.upgraded and not self.transport.is_closing():
            self.transport.close()
