"""Who may ask, from where, how often, how much and how slowly: a layer before every route."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import math
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import ClientDisconnect

from ambulo.server.metrics import Metrics
from ambulo.server.options import Options

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

OPEN = ("/", "/health", "/certificate")
"""What needs no token, besides the page's own files."""
ADDRESSES = 10_000
"""Addresses whose requests are remembered."""
HEADERS = {
    b"content-security-policy": b"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; "
    b"style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"accelerometer=(self), gyroscope=(self), screen-wake-lock=(self)",
}


class Refused(Exception):
    """A status and what to say with it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


class Access:
    """Lets through what shows the token, comes from an allowed origin and stays within limits."""

    def __init__(self, app: Any, options: Options, metrics: Metrics, files: frozenset[str]) -> None:
        self.app, self.options, self.metrics = app, options, metrics
        self.open = files.union(OPEN)
        self.seen: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Refused as refused:
            await self._refuse(scope, receive, send, refused)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        refusals: list[Refused] = []

        async def sent(message: Message) -> None:
            nonlocal started
            if refusals:
                return  # what the application makes of that does not matter
            if message["type"] == "http.response.start":
                started = True
                self.metrics.count("ambulo_requests_total", 1, f'status="{message["status"]}"')
                message["headers"] = [*message.get("headers", []), *HEADERS.items()]
            await send(message)

        limited = self._limited(receive, self._largest(scope))

        async def received() -> Message:
            try:
                return await limited()
            except Refused as refused:
                refusals.append(refused)
                raise

        with contextlib.suppress(Refused, ClientDisconnect):  # nobody is there to be answered
            await self.app(scope, received, sent)
        if refusals and not started:
            await self._refuse(scope, receive, send, refusals[0])

    def _check(self, scope: Scope) -> None:
        headers = {k.lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if not self._allowance((scope.get("client") or ("",))[0]):
            raise Refused(429, "rate", "too many requests: wait a few seconds")
        self._check_origin(scope, headers)
        if scope["path"] not in self.open and not self._shown(scope, headers):
            raise Refused(401, "token", "no valid token: scan the QR code that the server shows")
        length = headers.get(b"content-length", "0")
        limit = self._largest(scope)
        if not length.isdigit() or int(length) > limit:
            raise Refused(413, "size", f"too large: up to {limit >> 20} MiB are taken")

    def _largest(self, scope: Scope) -> int:
        """Bytes that a body may have; JSON takes many times its size in memory."""
        recording = scope["path"] == "/predict"
        return self.options.upload if recording else min(self.options.chunk, self.options.upload)

    def _check_origin(self, scope: Scope, headers: dict[bytes, str]) -> None:
        origin = headers.get(b"origin")
        if origin is None or origin in self.options.origins:
            return
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if origin.lower() != f"{scheme}://{headers.get(b'host', '')}".lower():
            raise Refused(403, "origin", "another site's page may not ask here")

    def _shown(self, scope: Scope, headers: dict[bytes, str]) -> bool:
        """Whether the token is shown, in the header or, by browsers' websockets, as protocol."""
        kind, _, token = headers.get(b"authorization", "").partition(" ")
        shown = token if kind.lower() == "bearer" else ""
        if scope["type"] == "websocket":
            offered = (p.strip() for p in headers.get(b"sec-websocket-protocol", "").split(","))
            named = (p.removeprefix("token.") for p in offered if p.startswith("token."))
            shown = shown or next(named, "")
        return hmac.compare_digest(shown.encode(), self.options.token.encode())

    def _allowance(self, address: str) -> bool:
        """Whether an address may ask once more: a bucket that fills with `rate` a second."""
        now, most = time.monotonic(), 10 * self.options.rate
        left, before = self.seen.pop(address, (most, now))
        left = min(left + (now - before) * self.options.rate, most)
        if len(self.seen) >= ADDRESSES:
            self.seen.pop(next(iter(self.seen)))
        self.seen[address] = (left - 1 if left >= 1 else left, now)  # what is refused is free
        return left >= 1

    def _limited(self, receive: Receive, limit: int) -> Receive:
        """A body that may neither be too large, whatever it said, nor come too slowly."""
        taken, until, whole = 0, math.inf, False

        async def limited() -> Message:
            nonlocal taken, until, whole
            if whole:
                return await receive()
            until = min(until, time.monotonic() + self.options.slowest)  # from the first look on
            try:
                message = await asyncio.wait_for(receive(), max(until - time.monotonic(), 0.01))
            except TimeoutError as error:
                raise Refused(408, "slow", "the request came too slowly") from error
            taken += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken > limit:
                raise Refused(413, "size", "too large")
            return message

        return limited

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, refused: Refused) -> None:
        self.metrics.count("ambulo_refused_total", 1, f'reason="{refused.reason}"')
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accept: status 403
            return
        from starlette.responses import JSONResponse

        headers = {"connection": "close"}
        answer = JSONResponse({"detail": str(refused)}, refused.status, headers)
        await answer(scope, receive, send)
