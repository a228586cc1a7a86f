"""From a source through a stream to its sinks, until the source ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ambulo.errors import StreamError
from ambulo.stream import Decision, Stream
from ambulo.stream.joining import Joiner
from ambulo.stream.messages import Part, parse
from ambulo.stream.sinks import Sink


def run(
    stream: Stream, messages: Iterable[bytes | str | Part], sinks: Sequence[Sink]
) -> dict[str, Any]:
    """Decide on what comes until it ends, or until Ctrl-C, and then on the rest.

    `stream` must take its recognizer's own channels. Gives counts: messages, malformed ones,
    decisions, decisions that a sink lost, samples left out as incomplete, and those of `Stream`;
    `channels_missing` never came.
    """
    joiner = Joiner(stream.channels)
    counts: dict[str, Any] = dict.fromkeys(("messages", "malformed", "decisions"), 0)

    def deliver(decisions: list[Decision]) -> None:
        counts["decisions"] += len(decisions)
        for decision in decisions:
            for sink in sinks:
                sink.write(decision)

    try:
        for message in messages:
            counts["messages"] += 1
            try:
                parts = [message] if isinstance(message, Part) else parse(message)
            except StreamError:
                counts["malformed"] += 1
                continue
            for part in parts:
                deliver(stream.push(*joiner.push(part)))
    except KeyboardInterrupt:  # the way to end what has no end
        pass
    finally:
        getattr(messages, "close", lambda: None)()
        deliver(stream.finish())
        for sink in sinks:
            sink.close()
    counts |= {"lost": sum(sink.lost for sink in sinks), "incomplete": joiner.incomplete}
    return counts | {"channels_missing": joiner.missing} | stream.counts
