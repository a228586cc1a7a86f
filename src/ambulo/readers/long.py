"""The quick way for a long CSV that is clean: block by block, in little memory.

What is parsed is kept as float32 in a file without a name, a quarter of the text. Anything out of
the ordinary is left to the careful way, which has all of it in memory.
"""

from __future__ import annotations

import gzip
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.processes import mapped
from ambulo.readers.assemble import Part, part_of
from ambulo.readers.clean import Spread, Track
from ambulo.readers.clock import ends_twice
from ambulo.readers.device_csv import SOFTWARE
from ambulo.readers.finding import Settings, told_rate
from ambulo.readers.meaning import Layout, Placed, finish
from ambulo.readers.names import ACC, GYRO, MAG, time_column
from ambulo.readers.order import FEW
from ambulo.readers.phone import LAYOUTS
from ambulo.readers.pieces import BLOCK, Pieces
from ambulo.readers.source import LARGEST, NoRowsError, Source, above_rows
from ambulo.recording import Recording

Array = npt.NDArray[Any]

LONG = 64 << 20
"""Bytes of text from which on a table is long; packed they are a quarter."""
_TEXT = 16 << 20


@dataclass(frozen=True)
class Excerpt(Source):
    """Some rows of a table, below the lines that stand above all of them."""

    name: str
    text: bytes

    @cached_property
    def members(self) -> dict[str, Path | bytes]:
        """The rows, as a file of their own."""
        return {self.name: self.text}


@dataclass(frozen=True)
class _Gathered:
    """The samples of a file, `(rows, channels)` float32 in its units, and all else about them."""

    placed: Placed
    layout: Layout
    rows: int
    file: IO[bytes]

    def blocks(self, factors: Array | None = None) -> Iterator[Array]:
        """The samples, block by block, times `factors` `(channels,)`."""
        channels = len(self.placed.columns)
        for at in range(0, self.rows, BLOCK):
            count = min(BLOCK, self.rows - at)
            self.file.seek(4 * at * channels)
            values = np.frombuffer(self.file.read(4 * count * channels), np.float32)
            values = values.reshape(-1, channels)
            yield values.copy() if factors is None else values * factors


def read_long(source: Source, settings: Settings) -> Recording | None:
    """The recording, or None where the file is no long clean CSV and needs the careful way."""
    found = _gathered(source, settings)
    if found is None:
        return None
    values = np.empty((found.rows, len(found.placed.columns)), np.float32)
    for at, block in zip(range(0, found.rows, BLOCK), found.blocks(), strict=True):
        values[at : at + len(block)] = block
    return _finished(source, replace(found.placed, values=values), found.layout, settings)


def long_pieces(source: Source, settings: Settings) -> Pieces | None:
    """The same in pieces; its units are judged by stretches, as those of a clean Parquet file."""
    found = _gathered(source, settings)
    if found is None:
        return None
    placed = found.placed
    spread = Spread(found.rows, len(placed.columns))
    for at, block in zip(range(0, found.rows, BLOCK), found.blocks(), strict=True):
        spread.put(at, block, placed.rate)
    seconds = found.rows / placed.rate + sum(gap.end - gap.start for gap in placed.gaps)
    stretches = replace(placed, values=spread.values, gaps=(), seconds=seconds)
    sketch = _finished(source, stretches, found.layout, settings)
    factors = np.array(list(sketch.notes["scaled_by"].values()), np.float32)
    return Pieces(sketch, found.rows, placed.gaps, partial(found.blocks, factors))


def _finished(source: Source, placed: Placed, layout: Layout, settings: Settings) -> Recording:
    try:
        return finish(source, placed, layout, settings)
    except RecordingError as error:
        if str(source.path) in str(error):
            raise
        raise RecordingError(f"{source.path}: {error}") from error


def _gathered(source: Source, settings: Settings) -> _Gathered | None:
    packed = source.head[:2] == b"\x1f\x8b"
    suffixes = [suffix.lower() for suffix in source.path.suffixes[-2 if packed else -1 :]]
    if not suffixes or suffixes[0] not in (".csv", ".tsv", ".txt") or not source.path.is_file():
        return None
    if source.path.stat().st_size < (LONG // 4 if packed else LONG):
        return None
    found, file = None, tempfile.TemporaryFile()
    try:
        found = _gather(source, settings, packed, file)
    except (EOFError, zlib.error, gzip.BadGzipFile, ValueError):
        return None
    finally:
        if found is None:
            file.close()
        else:
            weakref.finalize(found, file.close)
    return found


def _gather(source: Source, settings: Settings, packed: bool, file: IO[bytes]) -> _Gathered | None:
    excerpts = _excerpts(source, packed)
    top = next(excerpts, None)
    layout = _layout(top[0]) if top else None
    if top is None or layout is None:
        return None
    track = Track(settings.rate, settings.max_gap, 1.0)
    first: Part | None = None
    samples = rows = dropped = 0
    subjects: dict[str, None] = {}

    def look(some: tuple[Excerpt, int]) -> tuple[Part | None, float, bool]:
        part = _part(some[0], layout, settings)
        return part, _passed(*some, settings) if part else 0.0, part is None and _asleep(some[0])

    for part, later, asleep in mapped(look, chain([top], excerpts)):
        if part is None and asleep:
            continue
        if part is None or dropped or not _alike(part, first or part):
            return None
        first = first or part
        time, values = part.stream.time, part.stream.values
        good = np.isfinite(time) & np.isfinite(values).all(axis=1)
        whole = int(good.cumprod().sum())
        if good[whole:].any() or not whole:
            return None
        rows, dropped = rows + len(time), len(time) - whole  # a last row that was cut off
        if part.clock.epoch is not None and first.clock.epoch is not None:
            later += part.clock.epoch - first.clock.epoch
        if not track.follows(time[:whole] + later):
            return None
        subjects |= dict.fromkeys(part.subjects)
        _keep(source, file, values[:whole])
        samples += whole
    if first is None or len(subjects) > 1 or (track.apart and track.count <= FEW):
        return None
    clock = first.clock
    placed = Placed(
        columns=first.columns,
        values=np.zeros((0, len(first.columns)), np.float32),
        rate=track.rate,
        gaps=tuple(track.gaps),
        epoch=None if clock.epoch is None else clock.epoch + track.zero,
        zone=clock.zone,
        subject=next(iter(subjects), None),
        findings=(*clock.findings, told_rate(track.rate, track.jitter, settings)),
        notes={
            "rows": rows,
            "rows_dropped": dropped,
            **dict.fromkeys(("rows_out_of_order", "rows_of_the_same_time"), 0),
            "jitter": round(track.jitter, 4),
            "tables_left_out": [],
        },
    )
    return _Gathered(placed, layout, samples, file)


def _keep(source: Source, file: IO[bytes], values: Array) -> None:
    try:
        file.write(np.ascontiguousarray(values, np.float32).data)
    except OSError as error:
        raise RecordingError(
            f"{source.path}: there is no room for its samples in {tempfile.gettempdir()} "
            f"({error.strerror}): make some, or set TMPDIR to another folder"
        ) from error


def _excerpts(source: Source, packed: bool) -> Iterator[tuple[Excerpt, int]]:
    """The rows, some at a time, and how many there are before them."""
    name = source.path.with_suffix("").name if packed else source.path.name
    with gzip.open(source.path) if packed else source.path.open("rb") as file:
        text = file.read(_TEXT)
        begin = above_rows(f"{source.path}", text)
        above, text = text[:begin], text[begin:]
        rows = read = 0
        while True:
            more = file.read(_TEXT)
            end = text.rfind(b"\n") + 1 if more else len(text)
            if packed and (read := read + len(more)) > LARGEST:
                raise RecordingError(f"{source.path}: would unpack to over 4 GiB: refused")
            if not end and len(text) > _TEXT:
                raise ValueError("there are no lines in it")
            if text[:end].strip():
                yield Excerpt(source.path, name, above + text[:end]), rows
                rows += text.count(b"\n", 0, end)
            if not more:
                return
            text = text[end:] + more


def _layout(excerpt: Excerpt) -> Layout | None:
    """What the first rows tell of the whole; None where they hold no table."""
    found = (find(excerpt) for find in (SOFTWARE | LAYOUTS).values())
    try:
        return next(layout for layout in found if layout is not None)
    except RecordingError:
        return None


def _part(excerpt: Excerpt, layout: Layout, settings: Settings) -> Part | None:
    """The channels of some rows, where nothing but their units is to be found out."""
    try:
        if len(excerpt.tables) > 1 or layout.pauses or layout.epoch is not None:
            return None
        ((name, frame),) = excerpt.tables.items()
        part = part_of(f"{excerpt.path}", name, frame, layout, settings)
    except RecordingError:  # the careful way tells what is wrong
        return None
    if part is None or part.activity is not None:
        return None
    if (zone := settings.zone or layout.zone) and ends_twice(part.clock, zone):
        return None
    return part if all(c.sensor in (ACC, GYRO, MAG) for c in part.columns) else None


def _asleep(excerpt: Excerpt) -> bool:
    """Whether these are rows of zeros of a device that slept."""
    above = excerpt.preamble
    if above is None or not above.sleeps:
        return False
    try:
        return not excerpt.tables
    except NoRowsError:
        return True
    except RecordingError:
        return False


def _passed(excerpt: Excerpt, before: int, settings: Settings) -> float:
    """Seconds that passed before these rows where no column tells the time, else 0."""
    above, rate = excerpt.preamble, settings.rate
    if above is not None and above.start is not None:
        rate = above.rate
    elif "time" in settings.columns or any(
        time_column(frame.columns)[0] for frame in excerpt.tables.values()
    ):
        rate = None
    return before / rate if rate else 0.0


def _alike(part: Part, first: Part) -> bool:
    said = [[(f.what, f.decided) for f in p.clock.findings] for p in (part, first)]
    dated = [(p.clock.epoch is None, p.clock.zone) for p in (part, first)]
    return part.columns == first.columns and said[0] == said[1] and dated[0] == dated[1]
