"""Windows of many sessions that are due in the same few milliseconds, through the network at once.

Sessions put samples into their inboxes; rounds take them out, each session's part being limited, so
that one that catches up does not delay the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque

import numpy as np
import numpy.typing as npt

from ambulo.errors import AmbuloError
from ambulo.recognizer import Recognizer
from ambulo.server.metrics import Metrics
from ambulo.stream import Decision, Stream

Array = npt.NDArray[np.float64]

AHEAD = 60.0
"""Seconds before a window's end in which samples only wait for the rest of it."""
SHARE = 500
"""Samples of one session that a round takes."""
UNTOLD = 100
"""Rounds whose decisions a phone may leave unread before it is not read any further."""
FAILED = "the server failed on these samples: connect again"
ROUND = 32
"""Sessions in a round, and windows that go through the network at once: of more, each would take
longer, and memory for them would be held for good."""


class Session:
    """A phone whose samples come: its stream, what it sent and what it is to be told."""

    def __init__(self, stream: Stream, waiting: int) -> None:
        self.stream, self.limit = stream, waiting
        self.inbox: deque[tuple[float, Array]] = deque()
        self.waiting = self.taken = 0
        self.out: list[tuple[float, list[Decision]]] = []
        self.error: str | None = None
        self.ended = self.over = self.queued = False
        """No more comes; all of it is decided; it is in a round or waits for one."""
        self.wanted: float | None = None
        self.newest = 0.0
        self.room, self.news = asyncio.Event(), asyncio.Event()
        self.room.set()

    def put(self, rows: Array) -> None:
        """Take rows of time and values; `room` is clear while too much waits, either way."""
        self.inbox.append((time.monotonic(), rows))
        self.waiting += len(rows)
        self.newest = float(rows[-1, 0]) if len(rows) else self.newest
        self.breathe()

    def breathe(self) -> None:
        """See whether there is room for more."""
        if self.waiting < self.limit and len(self.out) < UNTOLD:
            self.room.set()
        else:
            self.room.clear()

    @property
    def ready(self) -> bool:
        """Whether a round is worth while: a window is due, or the samples are not as expected."""
        wait = self.wanted is not None and self.wanted - AHEAD < self.newest < self.wanted
        return (self.ended and not self.over) or (
            len(self.inbox) > 0 and not (wait and 2 * self.waiting < self.limit)
        )

    def portion(self) -> tuple[float, list[Array]]:
        """What the next round takes: when the newest of it came, and its rows."""
        rows, n, came = [], 0, time.monotonic()
        while self.inbox and n < SHARE:
            came, part = self.inbox.popleft()
            rows.append(part)
            n += len(part)
        self.waiting -= n
        return came, rows


class Batcher:
    """Rounds, one after the other, for as long as anything waits."""

    def __init__(self, recognizer: Recognizer, metrics: Metrics, gather: float) -> None:
        self.recognizer, self.metrics, self.gather = recognizer, metrics, gather
        self.due: deque[Session] = deque()
        self.woken, self.idle = asyncio.Event(), asyncio.Event()
        self.idle.set()

    def add(self, session: Session) -> None:
        """Samples of this session wait, or it has ended; it gets into a round once it is ready."""
        if not session.queued and session.ready:
            session.queued = True
            self.due.append(session)
            self.idle.clear()
            self.woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.woken.wait()
            await asyncio.sleep(self.gather if len(self.due) < ROUND else 0)
            sessions = [self.due.popleft() for _ in range(min(len(self.due), ROUND))]
            jobs = [(session, *session.portion()) for session in sessions]
            if not self.due:
                self.woken.clear()
            decided = await self._in_thread([(session, rows) for session, _, rows in jobs])
            for (session, came, rows), found in zip(jobs, decided, strict=True):
                self._tell(session, came, rows, found)
            if not self.due:
                self.idle.set()

    async def _in_thread(self, jobs: list[tuple[Session, list[Array]]]) -> list[list[Decision]]:
        """A round beside the event loop; what goes wrong in it ends its sessions and no others."""
        try:
            return await asyncio.to_thread(self._round, jobs)
        except Exception:  # whatever it is, the other phones must be served
            logging.getLogger(__name__).exception("a round of decisions failed")
            for session, _ in jobs:
                session.over = session.ended
                session.error = FAILED
            return [[] for _ in jobs]

    def _round(self, jobs: list[tuple[Session, list[Array]]]) -> list[list[Decision]]:
        """Cut everybody's windows, run the network on them together, decide everybody's."""
        for session, rows in jobs:
            try:
                self._take(session, rows)
            except AmbuloError as error:
                session.error = str(error)
            except Exception:  # whatever it is, it is this phone's alone
                logging.getLogger(__name__).exception("samples could not be taken")
                session.error = FAILED
        due = [session.stream.due for session, _ in jobs]
        edges = np.cumsum([0, *map(len, due)])
        own, novelty = self._look([windows for windows in due if len(windows)])
        out = []
        for (session, _), first, last in zip(jobs, edges, edges[1:], strict=False):
            out.append(session.stream.decide(own[first:last], novelty[first:last]))
            session.wanted = session.stream.wanted
        self.metrics.count("ambulo_windows_total", int(edges[-1]))
        self.metrics.count("ambulo_rounds_total", int(edges[-1] > 0))
        return out

    def _look(self, due: list[npt.NDArray[np.float32]]) -> tuple[Array, Array]:
        """What the network says of these windows, a few at a time."""
        if not due:
            return np.zeros((0, 1)), np.zeros(0)
        windows = np.concatenate(due)
        blocks = [windows[at : at + ROUND] for at in range(0, len(windows), ROUND)]
        own, novelty = zip(*map(self.recognizer.look, blocks), strict=True)
        return np.concatenate(own), np.concatenate(novelty)

    def _take(self, session: Session, rows: list[Array]) -> None:
        if rows and session.error is None:
            all_rows = rows[0] if len(rows) == 1 else np.concatenate(rows)
            session.stream.take(all_rows[:, 0], all_rows[:, 1:])
        if session.ended and not session.inbox:
            session.stream.end()
            session.over = True

    def _tell(
        self, session: Session, came: float, rows: list[Array], decided: list[Decision]
    ) -> None:
        now = time.monotonic()
        session.taken += sum(map(len, rows))
        session.queued = False
        for _ in decided:
            self.metrics.took(now - came)
        session.out.append((now - came, decided))
        session.news.set()
        session.breathe()
        self.add(session)  # for what came meanwhile, or was more than its share
