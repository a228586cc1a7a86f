"""Prediction on recordings of any length in bounded memory: the answer of the whole, in pieces.

    pieces ─► resample ─► cut ─► network ─► (all windows) context ─► Timeline

Only a window's probabilities and its mean acceleration stay: a week leaves some 20 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ambulo.context.windows import gravity_axes
from ambulo.errors import WindowingError
from ambulo.processes import mapped
from ambulo.readers import Pieces, pieces
from ambulo.recognizer import Recognizer
from ambulo.stream.cutting import Cutter
from ambulo.timeline import Timeline, from_windows

Array = npt.NDArray[Any]


class Watcher(Protocol):
    """Takes the signal on its way past: `(n, channels)` of the stretch that began at `begin` s."""

    def push(self, begin: float, values: Array) -> None:
        """Take the next samples."""


def predict_file(
    recognizer: Recognizer,
    path: str | Path,
    *,
    context: str = "offline",
    lag: int = 0,
    watchers: Sequence[Watcher] = (),
    **stated: Any,
) -> Timeline:
    """What the wearer did, and when: `recognizer.predict(read(path))` in little memory.

    `stated` is as for `read`, `context` and `lag` as for `Recognizer.predict`; see
    `predict_pieces` for `watchers`. Raises what those do.
    """
    whole = pieces(path, **stated)
    return predict_pieces(recognizer, whole, context=context, lag=lag, watchers=watchers)


def predict_pieces(
    recognizer: Recognizer,
    whole: Pieces,
    *,
    context: str = "offline",
    lag: int = 0,
    watchers: Sequence[Watcher] = (),
) -> Timeline:
    """The timeline of a recording in pieces: that of `decide_pieces`."""
    return decide_pieces(recognizer, whole, context=context, lag=lag, watchers=watchers).timeline


@dataclass(frozen=True)
class Decisions:
    """What was decided on each window of a recording, and the timeline that it makes.

    `seconds` `(n,)` says when windows of `length` s start, `probabilities` `(n, activities)` are
    calibrated, and `unknown` `(n,)` is the probability of none of them; None: it is not known.
    """

    seconds: Array
    length: float
    probabilities: Array
    unknown: Array | None
    timeline: Timeline


def decide_pieces(
    recognizer: Recognizer,
    whole: Pieces,
    *,
    context: str = "offline",
    lag: int = 0,
    watchers: Sequence[Watcher] = (),
) -> Decisions:
    """The decisions on a recording in pieces, which are gone through once.

    The labels are those of `Recognizer.predict` on the whole recording, the probabilities within
    rounding. Each watcher is shown every piece, in order. Raises RecognizerError for a recording
    that lacks channels or was recorded too slowly, WindowingError for less than one window.
    """
    signal = whole.sketch
    names = [channel.name for channel in signal.channels]
    recognizer.check(names, signal.rate, f"recording '{signal.name}'")
    windowing = replace(
        recognizer.windowing,
        rate=recognizer.windowing.rate or signal.rate,
        channels=recognizer.windowing.channels or tuple(names),
    )
    cutting = _Cutting(replace(recognizer, windowing=windowing), names, signal.rate)
    axes = cutting.axes if recognizer.context is not None else None
    network = recognizer.on_one_thread()

    def look(cut: tuple[Array, Array]) -> tuple[Array, ...]:
        starts, values = cut
        up = np.zeros((0, 3)) if axes is None else values[:, :, axes].mean(axis=1)
        return starts, *network.look(values), up

    looks = list(mapped(look, cutting.run(whole, watchers)))
    if not looks:
        raise WindowingError(
            f"recording '{signal.name}' has no {windowing.seconds:g} s in one piece (it lasts "
            f"{whole.duration:.2f} s, gaps included): give a longer recording"
        )
    seconds, own, novelty, up = map(np.concatenate, zip(*looks, strict=True))
    gravity = None if axes is None else up
    decided, odd = recognizer.judge(own, novelty, seconds, gravity, context, lag)
    starts = np.concatenate(cutting.starts)
    timeline = from_windows(
        decided,
        starts,
        cutting.length,
        cutting.segments,
        cutting.rate,
        recognizer.activities,
        start=signal.start,
        recording=signal.name,
        unknown=odd,
    )
    return Decisions(seconds, cutting.length / cutting.rate, decided, odd, timeline)


class _Cutting:
    """Cuts stretch after stretch, and keeps where windows and stretches lie in the whole."""

    def __init__(self, recognizer: Recognizer, names: list[str], rate: float) -> None:
        self.windowing, self.source_rate = recognizer.windowing, rate
        wanted = self.windowing.channels or ()
        self.columns = [names.index(name) for name in wanted]
        self.as_it_is = self.columns == list(range(len(names)))
        self.rate = float(self.windowing.rate or rate)
        self.length, self.step = self.windowing.samples(self.rate)
        self.axes = gravity_axes(wanted) if self.windowing.gravity == "keep" else None
        self.starts: list[Array] = []
        self.segments: list[tuple[int, int, float]] = []
        self._cutter: Cutter | None = None
        self._windows = 0

    def run(self, whole: Pieces, watchers: Sequence[Watcher]) -> Iterator[tuple[Array, Array]]:
        """When windows start, `(k,)` s, and their values `(k, length, channels)`."""
        for begin, values in whole:
            for watcher in watchers:
                watcher.push(begin, values)
            if self._cutter is None or begin != self._cutter.begin:
                yield from self._finish()
                at = begin if not self.segments else max(begin, self._end)
                self._cutter = Cutter(self.windowing, self.source_rate, begin, at)
                self._windows = 0
            chosen = values if self.as_it_is else values[:, self.columns]
            yield from self._placed(*self._cutter.push(chosen))
        yield from self._finish()

    @property
    def _first(self) -> int:
        return self.segments[-1][1] if self.segments else 0

    @property
    def _end(self) -> float:
        first, last, start = self.segments[-1]
        return start + (last - first) / self.rate

    def _placed(self, seconds: Array, values: Array) -> Iterator[tuple[Array, Array]]:
        if not len(seconds):
            return
        own = np.arange(self._windows, self._windows + len(seconds)) * self.step
        self._windows += len(seconds)
        self.starts.append(self._first + own)
        yield seconds, values

    def _finish(self) -> Iterator[tuple[Array, Array]]:
        if self._cutter is None:
            return
        yield from self._placed(*self._cutter.finish())
        cutter, first = self._cutter, self._first
        if cutter.count:
            self.segments.append((first, first + cutter.count, cutter.at))
