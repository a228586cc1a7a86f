"""The quick way for a clean Parquet file in Ambulo's columns: block by block, little memory.

A week at 100 Hz is 60 million samples; as float32 they are all the memory that this takes, beside
one block. Anything out of the ordinary is left to the careful way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.processes import ahead
from ambulo.readers.clock import told_zone, zone_of
from ambulo.readers.finding import Finding, Settings, told_rate
from ambulo.readers.grid import MAX_GAP, rate_of
from ambulo.readers.meaning import Layout, Placed, finish
from ambulo.readers.names import parse
from ambulo.readers.order import APART, FEW, YEAR
from ambulo.readers.source import Source, unreadable
from ambulo.recording import Gap, Recording

if TYPE_CHECKING:
    import polars as pl

Array = npt.NDArray[Any]

_BLOCK = 1 << 18
_STRETCH, _STRETCHES = 10.0, 2000
"""Seconds, and how many at least of them are looked at where there are more."""
_STRAY = 0.2
"""Steps by which a sample's time may stray from its place on the grid."""


def read_clean(source: Source, settings: Settings) -> Recording | None:
    """The recording, or None where the file is not clean Parquet and needs the careful way."""
    placed = _read(source, settings, Whole)
    return None if placed is None else finish(source, placed, Layout(), settings)


def _read(source: Source, settings: Settings, keep: type[Whole] | type[Spread]) -> Placed | None:
    if source.head[:4] != b"PAR1" or settings.columns or settings.time or not source.path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source.path, memory_map=False, pre_buffer=False) as file:
            return _place(file, settings, keep)
    except (pa.ArrowException, *unreadable()):
        return None


class Whole:
    """Keeps every sample."""

    def __init__(self, samples: int, channels: int) -> None:
        self.values = np.empty((samples, channels), np.float32)

    def put(self, at: int, values: Array, rate: float) -> None:
        """Take the samples from position `at` on."""
        self.values[at : at + len(values)] = values


class Spread:
    """Keeps stretches of 10 s that are spread evenly: all of them if there are not many."""

    def __init__(self, samples: int, channels: int) -> None:
        self.samples, self._kept = samples, [np.zeros((0, channels), np.float32)]

    def put(self, at: int, values: Array, rate: float) -> None:
        """Take the samples from position `at` on."""
        length = max(round(_STRETCH * rate), 2)
        step = max(self.samples // length // _STRETCHES, 1) * length
        firsts = range(at - at % step, at + len(values), step)
        kept = [values[max(first - at, 0) : max(first + length - at, 0)] for first in firsts]
        self._kept += [part.copy() for part in kept if len(part)]

    @property
    def values(self) -> Array:
        """What was kept, `(samples, channels)` float32."""
        self._kept = [np.concatenate(self._kept)]
        return self._kept[0]


def survey(source: Source, settings: Settings) -> tuple[Recording, int, tuple[Gap, ...]] | None:
    """Stretches of a clean file as a Recording, the number of all its samples, and its gaps.

    None where the file is not clean Parquet and needs the careful way.
    """
    placed = _read(source, settings, Spread)
    if placed is None:
        return None
    rows = int(placed.notes["rows"])
    seconds = rows / placed.rate + sum(gap.end - gap.start for gap in placed.gaps)
    stretches = replace(placed, gaps=(), seconds=seconds)
    return finish(source, stretches, Layout(), settings), rows, placed.gaps


def blocks(source: Source, sketch: Recording) -> Iterator[Array]:
    """All samples `(n, channels)` float32 of a file that `survey` found clean, block by block.

    Raises RecordingError if it no longer is what it was then.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    factors = np.array(list(sketch.notes["scaled_by"].values()), np.float32)
    try:
        with pq.ParquetFile(source.path, memory_map=False, pre_buffer=False) as file:
            names = [name for name in file.schema_arrow.names if name != "time"]
            for batch in ahead(file.iter_batches(_BLOCK, columns=names, use_threads=True)):
                values = _values(_block(batch), names)
                yield values if (factors == 1).all() else values * factors
    except pa.ArrowException as error:
        raise RecordingError(
            f"{source.path}: changed while it was read ({error}): read it again"
        ) from error


def _values(block: pl.DataFrame, names: Sequence[str]) -> Array:
    import polars as pl

    out = np.empty((len(block), len(names)), np.float32)
    for i, name in enumerate(names):
        out[:, i] = block[name].cast(pl.Float32).to_numpy()
    return out


def _place(file: Any, settings: Settings, keep: type[Whole] | type[Spread]) -> Placed | None:
    import polars as pl

    names = file.schema_arrow.names
    columns = [c for name in names if (c := parse(name))]
    channels = [c.name for c in columns]
    if set(names) - set(channels) != {"time"} or not all(c.named for c in columns):
        return None
    if len(set(channels)) != len(channels) or file.metadata.num_rows < 3:
        return None
    scale, epoch = _time_unit(file)
    if scale is None:
        return None
    zone = getattr(file.schema_arrow.field("time").type, "tz", None)
    own = zone_of(zone) if zone else None
    kept = keep(file.metadata.num_rows, len(channels))
    track = Track(settings.rate, settings.max_gap, scale)
    at = 0
    wanted = ["time", *channels]
    for batch in ahead(file.iter_batches(_BLOCK, columns=wanted, use_threads=True)):
        block = _block(batch)
        counts = block["time"].to_physical()
        if not track.goes_on(counts):
            time = counts.cast(pl.Float64).fill_null(float("nan")).to_numpy() * scale - epoch
            if not track.follows(time):
                return None
            track.remember(counts)
        values = _values(block, channels)
        if not np.isfinite(values).all():
            return None
        kept.put(at, values, track.rate)
        at += len(block)
    if at != file.metadata.num_rows or (track.apart and track.count <= FEW):
        return None
    why = f"samples are {1 / track.rate:.6g} s apart"
    since = told_zone(own, settings) if own else Finding("time", "s since a start", "stated", why)
    even = told_rate(track.rate, track.jitter, settings)
    return Placed(
        columns=tuple(columns),
        values=kept.values,
        rate=track.rate,
        gaps=tuple(track.gaps),
        epoch=epoch + track.zero if own else None,
        zone=own,
        findings=(since, even),
        notes={
            "rows": at,
            **dict.fromkeys(("rows_dropped", "rows_out_of_order", "rows_of_the_same_time"), 0),
            "jitter": round(track.jitter, 4),
        },
    )


def _block(batch: Any) -> pl.DataFrame:
    """A block of the file; by way of polars, for pyarrow's own way to numpy imports pandas."""
    import polars as pl

    frame = pl.from_arrow(batch)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("a block of a table is a table")
    return frame


def _time_unit(file: Any) -> tuple[float | None, float]:
    """Seconds a count of the time column, and the seconds since 1970 that are taken off.

    They come from the first time itself: to ask the file's own statistics ends the process where
    the file is damaged.
    """
    import pyarrow as pa

    kind = file.schema_arrow.field("time").type
    start = next(file.iter_batches(1, columns=["time"]), None)
    first = _block(start)["time"].to_physical()[0] if start else None
    if pa.types.is_floating(kind):
        return (1.0, 0.0) if first is None or abs(first) < 9e8 else (None, 0.0)
    if not pa.types.is_timestamp(kind) or kind.tz is None or first is None:
        return None, 0.0
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[kind.unit]
    return scale, float(np.floor(first * scale))


class Track:
    """Follows the times of a file and tells whether they lie on a grid with gaps."""

    def __init__(self, rate: float | None, max_gap: float | None, scale: float) -> None:
        self.rate, self.max_gap, self.scale = rate or 0.0, max_gap, scale
        self.gaps: list[Gap] = []
        self.zero = self.begin = 0.0
        self.expected = 0.0
        self.count = 0
        self.apart = False
        self._last, self._step = 0, 0
        self._steps, self._squares = 0, 0.0

    @property
    def jitter(self) -> float:
        """The relative deviation of the steps, as `ambulo.readers.grid.rate_of` has it."""
        return float(np.sqrt(self._squares / max(self._steps, 1)))

    def remember(self, counts: pl.Series) -> None:
        """Note where whole-numbered times of one even step got to; 0 where they are not so."""
        self._step = 0
        if counts.dtype.is_integer() and len(counts) > 1:
            self._last, step = counts[-1], counts[-1] - counts[-2]
            self._step = step if abs(step * self.scale * self.rate - 1) < 1e-9 else 0

    def goes_on(self, counts: pl.Series) -> bool:
        """Whether the next times, as the file has them, go on by the very step of those before."""
        if not self._step or counts.null_count():
            return False
        whole = counts.to_numpy()
        if whole[0] - self._last != self._step or (np.diff(whole) != self._step).any():
            return False
        self._last = int(whole[-1])
        self.count += len(whole)
        self._steps += len(whole)
        self.expected = self.begin - self.zero + self.count / self.rate
        return True

    def follows(self, time: Array) -> bool:
        """Whether the next times go on as the grid does."""
        if not len(time):
            return True
        if not np.isfinite(time).all():
            return False
        if not self.count:
            self.zero = self.begin = float(time[0])
            if not self.rate:
                onward = len(time) > 1 and bool((np.diff(time) > 0).all())
                self.rate = rate_of(time)[0] if onward else 0.0
            if not 1 < self.rate <= 10_000:
                return False
        max_gap = self.max_gap or max(MAX_GAP, 2 / self.rate)
        before = time[0] if not self.count else self.begin + (self.count - 1) / self.rate
        edges = np.flatnonzero(np.diff(time, prepend=before) > max_gap)
        firsts = sorted({0, *edges})  # a pause may lie right between two blocks
        for first, last in zip(firsts, [*firsts[1:], len(time)], strict=True):
            if first in edges:
                end = self.expected
                pause = float(time[first]) - self.zero - end
                strays = self.count <= FEW and (self.apart or pause > APART)
                if strays or pause > YEAR:
                    return False
                self.apart = pause > APART
                self.begin, self.count = float(time[first]), 0
                if self.begin - self.zero < end:
                    return False
                self.gaps.append(Gap(end, self.begin - self.zero))
            piece = time[first:last]
            grid = self.begin + (self.count + np.arange(len(piece))) / self.rate
            if len(piece) and np.abs(piece - grid).max() * self.rate > _STRAY:
                return False
            away = np.diff(piece) * self.rate - 1
            self._steps, self._squares = self._steps + len(away), self._squares + float(away @ away)
            self.count += len(piece)
            self.expected = self.begin - self.zero + self.count / self.rate
        return True
