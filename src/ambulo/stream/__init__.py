"""A recognizer that follows a signal while it is being recorded.

    samples ─Arrival─► in order ─Grid─► regular ─Cutter─► windows ─network─► Causal ─► Decision

Every step carries its state, so that the decisions are those of `Recognizer.decide` with causal
context on the whole recording, however the signal is divided among pushes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context.causal import Causal
from ambulo.context.windows import gravity_axes
from ambulo.errors import RecognizerError, RecordingError
from ambulo.recognizer import Recognizer
from ambulo.signals import MAX_GAP, Grid, Resampler, named_rate, usual_step
from ambulo.stream import snapshots
from ambulo.stream.arrival import Arrival
from ambulo.stream.cutting import Cutter
from ambulo.timeline import UNKNOWN

Array = npt.NDArray[Any]

ENOUGH = 50
"""Samples from which the sampling rate is taken where it is not given."""
FASTEST = 2000.0
"""Hz that no sensor which is worn goes beyond: to fill its pauses would take a machine's memory."""
NEAR = 0.05
"""A rate as near to the recognizer's as this needs no filter before it is put on its grid."""


@dataclass(frozen=True)
class Decision:
    """What the wearer did from `start` to `end`, in seconds of the clock that stamped the samples.

    `probability` is the calibrated one of `activity`, `probabilities` those of all activities in
    the recognizer's order, and `unknown` that of none of them. `latency` is how many seconds `push`
    took to get here.
    """

    start: float
    end: float
    activity: str
    probability: float
    probabilities: tuple[float, ...] = field(repr=False)
    unknown: float = 0.0
    latency: float = field(default=0.0, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return asdict(self)


class Stream:
    """Decides on windows while their samples come.

    `rate` is that of the samples in Hz; without it, it is the usual rate of the first 50, and
    nothing is decided before them. `channels` names the columns of what is pushed (default: the
    recognizer's own). `lag` is how many later windows each decision waits for, `patience` how many
    seconds for samples that come out of order; a pause over `max_gap` seconds is a gap (default:
    0.5, as where files are read). `context` is "causal" or "none". Raises RecognizerError for a
    signal that lacks channels or is too slow.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        rate: float | None = None,
        channels: tuple[str, ...] | list[str] | None = None,
        lag: int = 0,
        context: str = "causal",
        patience: float = 0.0,
        max_gap: float | None = None,
    ) -> None:
        wanted = recognizer.windowing.channels
        if wanted is None or recognizer.windowing.rate is None:
            raise RecognizerError("this recognizer does not say its rate and channels: train again")
        if context not in ("causal", "none"):
            raise RecognizerError(f"a stream's context is causal or none, got {context!r}")
        for name, number, most in (("rate", rate, 1e5), ("max_gap", max_gap, 1e9)):
            if number is not None and not 0 < number < most:
                raise RecognizerError(
                    f"a stream's {name} must be above 0 and below {most:g}, got {number}"
                )
        if lag < 0 or patience < 0:
            raise RecognizerError("lag and patience of a stream must not be negative")
        self.recognizer, self.channels = recognizer, tuple(channels or wanted)
        self.options: dict[str, Any] = {"channels": self.channels, "lag": lag, "context": context}
        self.options |= {"patience": patience, "max_gap": max_gap}
        recognizer.check(self.channels, recognizer.windowing.rate, "the stream")
        self._columns = [self.channels.index(name) for name in wanted]
        self._gravity = gravity_axes(wanted) if recognizer.windowing.gravity == "keep" else None
        known = recognizer.context if context == "causal" else None
        self.causal = Causal(known, lag) if known else None
        self.strange = self._strangeness()
        self.arrival = Arrival(len(wanted), patience)
        self.rate: float | None = None
        self.grid: Grid | None = None
        self.cutter: Cutter | None = None
        self._origin: float | None = None
        self._time, self._values = np.zeros(0), np.zeros((0, len(wanted)))
        self._starts: list[float] = []
        self._due: list[tuple[Array, Array] | None] = []
        """Windows that the network has not seen, and None where the signal broke."""
        self._called = 0.0
        if rate is not None:
            self._set_rate(rate)

    STATE = ("_origin", "_time", "_values", "_starts")

    def _strangeness(self) -> Causal | None:
        """What follows whether the wearer does something unknown, in step with `causal`."""
        odd, w = self.recognizer.unknown, self.recognizer.windowing
        if odd is None or self.causal is None:
            return None
        rate = w.rate or 1.0
        return Causal(odd.context(w.spacing(rate)), self.causal.lag)

    @property
    def counts(self) -> dict[str, int]:
        """How many samples came; of these not finite, late or duplicate; jumps of the clock."""
        return dict(self.arrival.counts)

    @property
    def delay(self) -> float:
        """Seconds of signal after a window's end that its decision waits for."""
        wait = self.arrival.patience
        if self.causal is not None:
            wait += self.causal.lag * self.causal.context.step
        if self.rate is not None:
            wait += Resampler(self.rate, self.recognizer.windowing.rate or self.rate).delay
        return wait

    def push(self, time: Any, values: Any) -> list[Decision]:
        """Take samples at `time` `(n,)` s with `values` `(n, channels)`; give what is decided.

        One sample may be given as a number and `(channels,)`. Samples that are damaged, late or
        there already are counted and left out. Raises RecordingError for shapes that do not fit,
        RecognizerError where the samples turn out to come too slowly.
        """
        self.take(time, values)
        return self.decide(*self.recognizer.look(self.due))

    def finish(self) -> list[Decision]:
        """Decide on all that has come; what is pushed afterwards begins behind a gap."""
        self.end()
        return self.decide(*self.recognizer.look(self.due))

    def take(self, time: Any, values: Any) -> None:
        """The first half of `push`: cut what is `due`, for `decide` to decide on.

        Between the two, the windows of many streams can go through the network together.
        """
        self._called = perf_counter()
        time = np.atleast_1d(np.asarray(time, np.float64))
        values = np.atleast_2d(np.asarray(values, np.float64))
        if time.ndim != 1 or values.shape != (len(time), len(self.channels)):
            raise RecordingError(
                f"samples of shape {values.shape} at {time.shape} times: push times (n,) with "
                f"values (n, {len(self.channels)}), a column each for {', '.join(self.channels)}"
            )
        for k, run in enumerate(self.arrival.push(time, values[:, self._columns])):
            if k:
                self._break()
            self._take(*run)

    def end(self) -> None:
        """The first half of `finish`."""
        self._called = perf_counter()
        self._take(*self.arrival.finish())
        self._break()

    @property
    def due(self) -> Array:
        """Windows `(n, length, channels)` that wait for the network."""
        values = [part[1] for part in self._due if part is not None]
        length, _ = self.recognizer.windowing.samples(self.recognizer.windowing.rate or 0.0)
        return np.concatenate(values or [np.zeros((0, length, len(self._columns)), np.float32)])

    @property
    def wanted(self) -> float | None:
        """The time before which no sample makes a window due; None where that is not known."""
        if self.cutter is None or self._origin is None:
            return None
        samples = self.cutter.next + self.cutter.length - 1.5
        end = self.cutter.at + samples / self.cutter.rate + self.cutter.resampler.delay
        return self._origin + end + self.arrival.patience

    def decide(self, own: Array, novelty: Array) -> list[Decision]:
        """The second half of `push` and `finish`: what `Recognizer.look` says of `due`.

        Raises RecordingError where their number is another.
        """
        cuts, self._due = self._due, []
        n = sum(len(cut[0]) for cut in cuts if cut is not None)
        if len(own) != n or len(novelty) != n:
            raise RecordingError(f"{len(own)} probabilities: give one row for each window in due")
        out, at = [], 0
        for cut in cuts:
            if cut is None:
                out += self._rest()
                continue
            mine = slice(at, at + len(cut[0]))
            out += self._weigh(*cut, own[mine], novelty[mine])
            at += len(cut[0])
        return out

    def _rest(self) -> list[Decision]:
        """What waited for windows that do not come."""
        if self.causal is None:
            return []
        odd = self.strange.finish() if self.strange is not None else None
        return self._decided(self.causal.finish(), odd)

    def snapshot(self) -> dict[str, Any]:
        """All that the stream carries, as one object that JSON can hold."""
        state = {name: snapshots.freeze(part) for name, part in self._parts().items()}
        recognizer = snapshots.fingerprint(self.recognizer)
        return {"recognizer": recognizer, "rate": self.rate, **self.options, "state": state}

    @classmethod
    def restore(cls, recognizer: Recognizer, snapshot: dict[str, Any]) -> Stream:
        """The stream that goes on from a snapshot.

        Raises RecognizerError if the snapshot is damaged or another recognizer's.
        """
        if snapshot.get("recognizer") != snapshots.fingerprint(recognizer):
            raise RecognizerError(
                "the snapshot is another recognizer's, or is none: start a new stream"
            )
        try:
            names = ("rate", "channels", "lag", "context", "patience", "max_gap")
            stream = cls(recognizer, **{name: snapshot[name] for name in names})
            if "cutter" in snapshot["state"]:
                stream.cutter = stream._new_cutter(0.0)
            for name, part in stream._parts().items():
                snapshots.thaw(part, snapshot["state"][name])
        except (KeyError, TypeError, ValueError) as error:
            raise RecognizerError(
                f"the snapshot is damaged ({error!r}): start a new stream"
            ) from error
        return stream

    def _parts(self) -> dict[str, Any]:
        """What carries state, by name."""
        parts: dict[str, Any] = {"stream": self, "arrival": self.arrival, "grid": self.grid}
        parts |= {"cutter": self.cutter, "causal": self.causal, "strange": self.strange}
        parts["resampler"] = self.cutter and self.cutter.resampler
        parts["upright"] = self.causal and self.causal.upright
        parts["stance"] = self.causal and self.causal.stance
        return {name: part for name, part in parts.items() if part is not None}

    def _take(self, time: Array, values: Array) -> None:
        """Samples in order and without a jump."""
        if self._origin is None and len(time):
            self._origin = float(time[0])
        time = time - (self._origin or 0.0)
        if self.grid is not None:
            self._follow(self.grid.push(time, values))
            return
        self._time = np.concatenate([self._time, time])
        self._values = np.concatenate([self._values, values])
        if len(self._time) >= ENOUGH:
            self._settle()

    def _settle(self) -> None:
        """Find the rate of the samples that were held for this, and take them."""
        time, values = self._time, self._values
        self._time, self._values = time[:0], values[:0]
        if len(time) < 2:
            return
        trained = self.recognizer.windowing.rate
        assert trained is not None
        steps = np.diff(time[:ENOUGH])
        step = float(np.median(steps))
        if step < 1 / FASTEST:
            raise RecognizerError(
                f"samples come {step:g} s apart: no wearable sensor is so fast, so see to it that "
                "time counts in seconds, or state the rate"
            )
        rate = named_rate(usual_step(steps, step))
        self._set_rate(trained if abs(rate / trained - 1) <= NEAR else rate)
        assert self.grid is not None
        self._follow(self.grid.push(time, values))

    def _set_rate(self, rate: float) -> None:
        self.recognizer.check(self.channels, rate, "the stream (time counts in seconds)")
        gap = self.options["max_gap"]
        self.rate = rate
        self.grid = Grid(rate, max(MAX_GAP, 2 / rate) if gap is None else gap)

    def _break(self) -> None:
        """The signal ends here, or its clock was set: cut what there is."""
        if self.grid is None:
            self._settle()
        if self.grid is None:
            return
        self._follow(self.grid.finish())
        if self.cutter is not None:
            self._cut(self.cutter.finish())
            self.cutter = None
        self._due.append(None)

    def _follow(self, pieces: list[tuple[float, Array]]) -> None:
        """Pieces of the regular signal."""
        for begin, values in pieces:
            if self.cutter is None or begin != self.cutter.begin:
                if self.cutter is not None:
                    self._cut(self.cutter.finish())
                self.cutter = self._new_cutter(begin)
            self._cut(self.cutter.push(values))

    def _cut(self, cut: tuple[Array, Array]) -> None:
        if len(cut[0]):
            self._due.append(cut)

    def _new_cutter(self, begin: float) -> Cutter:
        assert self.rate is not None
        at = begin if self.cutter is None else max(begin, self.cutter.end)
        return Cutter(self.recognizer.windowing, self.rate, begin, at)

    def _weigh(self, starts: Array, values: Array, own: Array, novelty: Array) -> list[Decision]:
        """Decide on windows that follow each other, given what came before them."""
        self._starts += starts.tolist()
        unknown = self.recognizer.unknown
        odd = unknown.own(novelty) if unknown is not None else None
        if self.causal is None:
            return self._decided(list(own), None if odd is None else list(odd))
        decided: list[Array] = []
        strange: list[Array] = []
        axes = self._gravity
        for k, start in enumerate(starts.tolist()):
            gravity = None if axes is None else values[k : k + 1, :, axes].mean(axis=1)[0]
            decided += self.causal.push(own[k], start, gravity)
            if self.strange is not None and odd is not None:
                strange += self.strange.push(odd[k], start)
        return self._decided(decided, strange or None)

    def _decided(self, probabilities: list[Array], odd: list[Array] | None) -> list[Decision]:
        """Decisions on the windows that have waited longest; `odd` is known and unknown of each."""
        starts, self._starts = (
            self._starts[: len(probabilities)],
            self._starts[len(probabilities) :],
        )
        length, _ = self.recognizer.windowing.samples(self.recognizer.windowing.rate or 0.0)
        seconds = length / (self.recognizer.windowing.rate or 1.0)
        took, out = perf_counter() - self._called, []
        strange = [float(row[1]) for row in odd] if odd else [0.0] * len(starts)
        for start, row, doubt in zip(starts, probabilities, strange, strict=True):
            best, at, p = int(row.argmax()), start + (self._origin or 0.0), tuple(row.tolist())
            name, sure = self.recognizer.activities[best], p[best]
            if doubt > 0.5:
                name, sure = UNKNOWN, doubt
            out.append(Decision(at, at + seconds, name, sure, p, doubt, took))
        return out
