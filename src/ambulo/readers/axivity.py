"""The quick way for a sound Axivity file: twice through its blocks, in little memory.

A week at 100 Hz is 60 million samples in 756 000 blocks. The first time, the blocks' times make
the grid, and statistics of its samples calibration and non-wear; each later time the samples come
anew, calibrated: those of `read_device`. Blocks are decoded by `cwa`, and the first of them by
actfast too, for comparison. Anything out of the ordinary is left to the careful way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.processes import threads
from ambulo.readers import cwa, device
from ambulo.readers.clean import Spread
from ambulo.readers.finding import Settings
from ambulo.readers.grid import Stream, fill, lay_out
from ambulo.readers.pieces import BLOCK, Pieces
from ambulo.readers.source import Source
from ambulo.readers.wear import Calibration, Statistics, fit, lengths, statistics, unworn
from ambulo.recording import Gap

Array = npt.NDArray[Any]

_COMPARED = 64
"""Blocks that actfast decodes too."""


def look_through(source: Source, settings: Settings) -> Pieces | None:
    """The recording in pieces, None where the file is no sound Axivity file.

    Raises MissingExtraError without actfast.
    """
    if not device.axivity(source):
        return None
    try:
        return _pieces(source, settings)
    except (RecordingError, ValueError, OSError):  # the careful way tells what is wrong
        return None


def _pieces(source: Source, settings: Settings) -> Pieces:
    blocks = cwa.heads(source.path)
    begins = cwa.nanoseconds(blocks)
    data = _compared(source.path, blocks, begins)
    data["timeseries"] = {"slow": {"temperature": cwa.celsius(blocks)}}
    told = device.tell(source, data, settings, begins, int(blocks[0]["count"]))
    if settings.rate not in (None, told.rate):
        raise ValueError("it is to be filtered to another rate")
    track = _Track.of(source.path, blocks[0], begins, told)
    fitted, quarters, sketch = _judged(track)
    worn = device.found(fitted, unworn(quarters, told.rate), track.gaps)
    none = ("rows_dropped", "rows_out_of_order", "rows_of_the_same_time")
    counts = {"rows": len(blocks) * track.each, **dict.fromkeys(none, 0)}
    start = track.stretches[0].start
    placed = device.placed_of(data, told, sketch, (), start, worn, counts)
    missing = sum(gap.end - gap.start for gap in track.gaps)
    placed = replace(placed, seconds=track.samples / told.rate + missing)
    recording = device.finished(source, placed, told, settings)
    factors = np.array(list(recording.notes["scaled_by"].values()), np.float32)
    return Pieces(recording, track.samples, track.gaps, partial(track.blocks, fitted, factors))


def _compared(path: Path, blocks: Array, begins: Array) -> Any:
    """What actfast finds in the first blocks; ValueError where it differs from what is found here.

    Raises RecordingError and MissingExtraError as `device.decode` does.
    """
    count = min(len(blocks), _COMPARED)
    with TemporaryDirectory() as folder:
        part = Path(folder) / path.name
        with path.open("rb") as file:
            part.write_bytes(file.read(cwa.HEADER + count * cwa.SIZE))
        data = device.decode(Source(part))
    slow, fast = (data["timeseries"][f"{name}_frequency"] for name in ("low", "high"))
    names = [name for name in ("acceleration", "gyroscope") if name in fast]
    values = np.hstack([fast[name] for name in names])
    each = int(blocks["count"][0])
    same = np.array_equal(values, cwa.samples(cwa.raw(path, 0, count), blocks[0]))
    same &= np.array_equal(fast["datetime"][::each], begins[:count])
    same &= np.array_equal(slow["temperature"], cwa.celsius(blocks[:count]))
    if not same:
        raise ValueError("actfast decodes it otherwise")
    return data


@dataclass(frozen=True)
class _Stretch:
    """Blocks without a gap from `first` to before `last`; they begin at `start` s.

    They make `count` samples from `at` on.
    """

    first: int
    last: int
    start: float
    at: int
    count: int


@dataclass(frozen=True)
class _Track:
    """Where and when the samples of a file are, and where those of the grid come from."""

    path: Path
    head: Any
    begins: Array
    steps: Array
    rate: float
    stretches: tuple[_Stretch, ...]
    gaps: tuple[Gap, ...]

    @classmethod
    def of(cls, path: Path, head: Any, nanoseconds: Array, told: device.Told) -> _Track:
        """Lay out the grid as `grid.place`; ValueError where samples are out of order."""
        each = int(head["count"])
        begins = (nanoseconds - int(told.epoch) * 1_000_000_000) / 1e9
        steps = device.steps(begins, each, told.own)
        ends = begins + (each - 1) * steps
        if (begins[1:] <= ends[:-1]).any() or 1.2 / told.rate > told.max_gap:
            raise ValueError("its blocks are out of order")
        if lengths(told.rate)[1] % lengths(told.rate)[0]:
            raise ValueError("15 minutes are no multiple of 10 s")
        edges = np.flatnonzero(begins[1:] - ends[:-1] > told.max_gap) + 1
        firsts, lasts = [0, *edges.tolist()], [*edges.tolist(), len(begins)]
        spans = [(float(begins[a]), float(ends[b - 1])) for a, b in zip(firsts, lasts, strict=True)]
        counts, gaps = lay_out(spans, told.rate, len(begins) * each)
        starts, ats = [start for start, _ in spans], np.cumsum([0, *counts[:-1]]).tolist()
        stretches = map(_Stretch, firsts, lasts, starts, ats, counts)
        return cls(path, head, begins, steps, told.rate, tuple(stretches), tuple(gaps))

    @property
    def each(self) -> int:
        return int(self.head["count"])

    @property
    def samples(self) -> int:
        return self.stretches[-1].at + self.stretches[-1].count

    def cut(self, first: int, last: int) -> Array:
        """The samples of the grid from `first` to before `last`, as the device gave them."""
        names = tuple(column.name for column in device.columns(cwa.axes(self.head)))
        out = np.empty((last - first, len(names)), np.float32)
        for part in self.stretches:
            a, b = max(first, part.at), min(last, part.at + part.count)
            if a < b:
                grid = part.start + np.array([a - part.at, b - 1 - part.at]) / self.rate
                begins = self.begins[part.first : part.last]
                lo = part.first + max(int(np.searchsorted(begins, grid[0], "right")) - 1, 0)
                hi = part.first + int(np.searchsorted(begins, grid[1], "left")) + 1
                stream = self._stream(names, lo, min(hi, part.last))
                fill(out[a - first : b - first], [stream], part.start, self.rate, a - part.at)
        return out

    def _stream(self, names: tuple[str, ...], lo: int, hi: int) -> Stream:
        time = device.spread(self.begins[lo:hi], self.steps[lo:hi], self.each)
        return Stream(names, time, cwa.samples(cwa.raw(self.path, lo, hi), self.head))

    def jobs(self) -> list[tuple[int, int]]:
        """Runs of the grid's samples that together are all, and begin at whole 10 s of samples."""
        ten = lengths(self.rate)[0]
        size = ten * max(BLOCK // ten, 1)
        return [(at, min(at + size, self.samples)) for at in range(0, self.samples, size)]

    def blocks(self, fitted: Calibration, factors: Array) -> Iterator[Array]:
        """All samples `(n, channels)` float32, calibrated and in Ambulo's units."""

        def work(job: tuple[int, int]) -> Array:
            values = self.cut(*job)
            fitted.apply(values[:, :3])
            values *= factors
            return values

        return _in_order(work, self.jobs())


def _judged(track: _Track) -> tuple[Calibration, Statistics, Array]:
    """The calibration, statistics of quarters of an hour after it, and stretches to look at."""
    ten, quarter = lengths(track.rate)

    def work(job: tuple[int, int]) -> tuple[int, Array, Statistics]:
        values = track.cut(*job)
        return job[0], values, statistics(values[:, :3], ten)

    kept, parts = Spread(track.samples, cwa.axes(track.head)), []
    for at, values, part in _in_order(work, track.jobs()):
        kept.put(at, values, track.rate)
        parts.append(part)
    tens = Statistics(*(np.concatenate(some) for some in zip(*parts, strict=True)))
    fitted, sketch = fit(tens), kept.values
    fitted.apply(sketch[:, :3])
    many = quarter // ten
    return fitted, tens.joined(many, many).calibrated(fitted), sketch


def _in_order(work: Callable[..., Any], jobs: Iterable[Any]) -> Iterator[Any]:
    """What `work` makes of each job, in their order, a few of them at a time in threads."""
    if threads() == 1:
        yield from map(work, jobs)
        return
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads()) as pool:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > threads():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
