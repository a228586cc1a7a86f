"""A phone that lets the server decide: samples in over a websocket, decisions out.

The phone sends rows of time and the recognizer's channels as little-endian float64, or messages
as `ambulo stream` takes them; `{"end": true}` is its last. The server tells its `channels` first,
then `{"taken": rows, "decisions": [...]}`; what was not taken when the connection broke is for the
phone to send again, in a new session.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.websockets import WebSocket, WebSocketDisconnect

from ambulo.errors import AmbuloError
from ambulo.server.batching import Batcher, Session
from ambulo.server.metrics import Metrics
from ambulo.server.options import Options
from ambulo.stream import Decision, Stream
from ambulo.stream.joining import Joiner
from ambulo.stream.messages import parse

MALFORMED = 50
"""Messages that may not be understood before the connection is closed."""
LAST = 60.0
"""Seconds in which a phone that has said it ends must have been told everything."""


async def follow(
    websocket: WebSocket, batcher: Batcher, metrics: Metrics, options: Options
) -> None:
    """Serve one phone until it leaves, says {"end": true}, or misbehaves."""
    stream = Stream(batcher.recognizer)
    session = Session(stream, options.waiting)
    protocols = websocket.headers.get("sec-websocket-protocol", "")
    offered = [name.strip() for name in protocols.split(",")]
    await websocket.accept("ambulo" if "ambulo" in offered else None)
    channels = list(stream.channels)
    await websocket.send_text(json.dumps({"channels": channels}))
    telling = asyncio.create_task(_tell(websocket, session))
    hearing = asyncio.create_task(_hear(websocket, session, batcher, metrics))
    await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
    session.ended = True
    batcher.add(session)
    if hearing.done() and not hearing.cancelled() and hearing.exception() is None:
        with contextlib.suppress(TimeoutError, WebSocketDisconnect):  # it may not wait for the rest
            await asyncio.wait_for(asyncio.shield(telling), LAST)
    for task in (telling, hearing):
        task.cancel()
    await asyncio.gather(telling, hearing, return_exceptions=True)
    for kind, n in stream.counts.items():
        if n and kind != "samples":
            metrics.count("ambulo_faults_total", n, f'kind="{kind}"')
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(_code(hearing))


def _code(hearing: asyncio.Task[int]) -> int:
    """The code to close with: that of what was heard last, or 'try again later'."""
    if hearing.cancelled() or hearing.exception() is not None:
        return 1011
    return hearing.result()


async def _hear(websocket: WebSocket, session: Session, batcher: Batcher, metrics: Metrics) -> int:
    """Put what the phone sends into the session's inbox; give the code to close with."""
    joiner, malformed = Joiner(session.stream.channels), 0
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return 1000
        ends = _ends(message.get("text"))
        if joiner.seen and joiner.missing and (ends or joiner.incomplete):  # nothing can come of it
            missing = ", ".join(joiner.missing)
            session.error = f"the channels {missing} do not come, which this recognizer needs"
            session.news.set()
        if ends:
            return 1000
        rows = _rows(message, joiner)
        if rows is None:
            malformed += 1
            metrics.count("ambulo_malformed_total")
            if malformed > MALFORMED:
                return 1007
            continue
        metrics.count("ambulo_samples_total", len(rows))
        if len(rows):
            session.put(rows)
            batcher.add(session)
        await session.room.wait()


def _ends(text: str | None) -> bool:
    """Whether a message says {"end": true}, blanks or none."""
    return "".join((text or "")[:99].split()) == '{"end":true}'


def _rows(message: Any, joiner: Joiner) -> npt.NDArray[np.float64] | None:
    """The rows of time and channels in a message; None if it is not understood."""
    content, width = message.get("bytes"), len(joiner.channels) + 1
    if content is not None:
        if len(content) % (8 * width):
            return None
        return np.frombuffer(content, "<f8").reshape(-1, width)
    try:
        pairs = [joiner.push(part) for part in parse(message.get("text") or "")]
    except AmbuloError:
        return None
    rows = [np.column_stack(pair) for pair in pairs]
    return np.concatenate([np.zeros((0, width)), *rows])


async def _tell(websocket: WebSocket, session: Session) -> None:
    """Tell the phone what was taken and decided, until its session is over."""
    while True:
        await session.news.wait()
        session.news.clear()
        out, session.out = session.out, []
        session.breathe()
        decisions = [_plain(decision, took) for took, part in out for decision in part]
        over = session.over
        if session.error is not None:
            await websocket.send_text(json.dumps({"error": session.error}))
            return
        await websocket.send_text(json.dumps({"taken": session.taken, "decisions": decisions}))
        if over:
            return


def _plain(decision: Decision, took: float) -> dict[str, Any]:
    rounded = [round(p, 5) for p in decision.probabilities]
    return decision.to_dict() | {"latency": round(took, 6), "probabilities": rounded}
