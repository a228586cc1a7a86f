"""From a source through a stream to its sinks, until the source ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from ambulo.errors import StreamError
from ambulo.stream import Decision, Stream
from ambulo.stream.joining import Joiner
from ambulo.stream.messages import Part, parse
from ambulo.stream.sinks import Sink

Message = bytes | str | Part


def run(stream: Stream, messages: Iterable[Message], sinks: Sequence[Sink]) -> dict[str, Any]:
    """Decide on what comes until it ends, or until Ctrl-C or SIGTERM, and then on the rest.

    `stream` must take its recognizer's own channels. Gives counts: messages, malformed ones,
    decisions, decisions that a sink lost, samples left out as incomplete, and those of `Stream`;
    `channels_missing` never came.
    """
    joiner = Joiner(stream.channels, stream.arrival.patience)
    counts: dict[str, Any] = dict.fromkeys(("messages", "malformed", "decisions"), 0)

    def deliver(decisions: list[Decision]) -> None:
        counts["decisions"] += len(decisions)
        for decision in decisions:
            for sink in sinks:
                sink.write(decision)

    with ExitStack() as closing, Interruption() as interruption:
        for sink in sinks:
            closing.callback(sink.close)
        try:
            for message in interruption.until(iter(messages)):
                counts["messages"] += 1
                try:
                    parts = [message] if isinstance(message, Part) else parse(message)
                except StreamError:
                    counts["malformed"] += 1
                    continue
                for part in parts:
                    joined = joiner.push(part)
                    if joiner.joins:  # they have waited there, and are in order
                        stream.arrival.patience = 0.0
                    deliver(stream.push(*joined))
        except KeyboardInterrupt:  # the way to end what has no end
            pass
        finally:
            getattr(messages, "close", lambda: None)()
            deliver(stream.push(*joiner.finish()))
            deliver(stream.finish())
    counts |= {"lost": sum(sink.lost for sink in sinks), "incomplete": joiner.incomplete}
    return counts | {"channels_missing": joiner.missing} | stream.counts


class Interruption:
    """Ctrl-C and SIGTERM end the wait for a message, and the work on one only after it is done.

    Broken off amid its work a stream would be neither here nor there, and so would a line that is
    being written. A second one ends whatever is under way. Handlers of the program's own are left
    to it, as are other threads than the main one.
    """

    def __init__(self) -> None:
        self.waiting = self.asked = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
                    self.before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def until(self, messages: Iterator[Message]) -> Iterator[Message]:
        """The messages before it is asked for."""
        while True:
            self.waiting = True
            try:
                if self.asked:
                    return
                message = next(messages)
            except (StopIteration, KeyboardInterrupt):
                return
            finally:
                self.waiting = False
            yield message

    def _ask(self, *signal: object) -> None:
        again, self.asked = self.asked, True
        if self.waiting or again:
            raise KeyboardInterrupt
