"""A Timeline: what the wearer did, and when; gaps and "unknown" are stated."""

from __future__ import annotations

import json
import os
import secrets
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import MissingExtraError, OutputError, printable

Array = npt.NDArray[Any]

UNKNOWN = "unknown"
"""The activity of signal that no window decided on."""
GAP = "gap"
"""The activity of time in which nothing was recorded."""

ENDINGS = (".csv", ".json", ".parquet", ".png")
"""What a timeline is written as."""


@dataclass(frozen=True)
class Bout:
    """One activity from `start` to `end` (exclusive), seconds after the recording began.

    `confidence` is the mean calibrated probability of the activity, or of its being unknown; 0 for
    gaps and for what lies in no window.
    """

    start: float
    end: float
    activity: str
    confidence: float


@dataclass(frozen=True)
class Timeline:
    """Bouts that follow each other without overlap and cover the whole recording, gaps included."""

    bouts: tuple[Bout, ...]
    start: datetime | None = None
    recording: str = ""

    def __iter__(self) -> Iterator[Bout]:
        return iter(self.bouts)

    def __len__(self) -> int:
        return len(self.bouts)

    def __str__(self) -> str:
        lines: list[str] = []
        day = self._day(0.0)
        for bout in self.bouts:
            sure = f" {bout.confidence:.2f}" if bout.confidence else ""
            if (of := self._day(bout.start)) != day or (not lines and of != self._day(self.end)):
                lines.append(day := of)
            lines.append(f"{self.clock(bout.start)}-{self.clock(bout.end)} {bout.activity}{sure}")
        return "\n".join(lines)

    @property
    def end(self) -> float:
        """Seconds from the start to the end of the last bout."""
        return self.bouts[-1].end if self.bouts else 0.0

    def _day(self, seconds: float) -> str:
        """The date, `Sun 2026-03-01`, where the start is known."""
        return "" if self.start is None else f"{wall(self.start, seconds):%a %Y-%m-%d}"

    def clock(self, seconds: float) -> str:
        """Wall time HH:MM:SS where the start is known, else time since the start."""
        if self.start is not None:
            return f"{wall(self.start, seconds):%H:%M:%S}"
        minutes, rest = divmod(round(seconds, 1), 60)  # or 59.96 s would read 60.0
        return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{rest:04.1f}"

    def totals(self) -> dict[str, float]:
        """Seconds of each activity, the longest first."""
        out: dict[str, float] = {}
        for bout in self.bouts:
            out[bout.activity] = out.get(bout.activity, 0.0) + bout.end - bout.start
        return dict(sorted(out.items(), key=lambda item: -item[1]))

    def rows(self) -> list[dict[str, Any]]:
        """One dict a bout: start, end, activity, confidence, and wall times where known."""
        out = []
        for bout in self.bouts:
            row: dict[str, Any] = asdict(bout)
            if self.start is not None:
                row["start_time"] = wall(self.start, bout.start).isoformat()
                row["end_time"] = wall(self.start, bout.end).isoformat()
            out.append(row)
        return out

    def save(self, path: str | Path) -> Path:
        """Write `.csv`, `.json`, `.parquet` or a `.png` picture; whole or not at all.

        Raises OutputError for another ending or a folder that cannot be written to.
        """
        path = Path(path)
        writers = {
            ".csv": lambda to: self._frame().write_csv(to, float_precision=4),
            ".json": lambda to: to.write_text(json.dumps(self.rows(), indent=1) + "\n"),
            ".parquet": lambda to: self._frame().write_parquet(to),
            ".png": self._draw,
        }
        write_whole(path, writers[ending(path)])
        return path

    def _frame(self) -> Any:
        import polars as pl

        columns = dict.fromkeys(("start", "end", "activity", "confidence"), pl.Float64())
        texts = ("activity", *(("start_time", "end_time") if self.start is not None else ()))
        return pl.DataFrame(self.rows(), schema={**columns, **dict.fromkeys(texts, pl.String())})

    def _draw(self, path: Path) -> None:
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise MissingExtraError("matplotlib", "report") from error
        names = [name for name in self.totals() if name != GAP]
        figure = Figure(figsize=(10, 0.45 * len(names) + 1.2), layout="constrained")
        axes = figure.subplots()
        colours = [f"C{i}" if name != UNKNOWN else "0.8" for i, name in enumerate(names)]
        for row, name in enumerate(names):
            bouts = [bout for bout in self.bouts if bout.activity == name]
            spans = [(bout.start / 60, (bout.end - bout.start) / 60) for bout in bouts]
            axes.broken_barh(spans, (row - 0.4, 0.8), color=colours[row])
        for bout in self.bouts:
            if bout.activity == GAP:
                axes.axvspan(bout.start / 60, bout.end / 60, color="0.92", zorder=0)
        axes.set_yticks(range(len(names)), [label(name, 40) for name in names])
        axes.invert_yaxis()
        since = f"{self.start:%Y-%m-%d %H:%M:%S}" if self.start else "the start"
        axes.set_xlabel(f"minutes since {since}")
        axes.set_title(label(self.recording, 80))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a name may be in any script
            figure.savefig(path, dpi=120, format="png")


def label(name: str, longest: int = 24) -> str:
    """A name as matplotlib shows it literally: no mathematics, no control characters, not long."""
    text = printable(name).replace("\n", " ")
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return text.replace("$", r"\$")


def ending(path: Path) -> str:
    """The kind of file that a timeline is to be. Raises OutputError for one that it cannot be."""
    if path.suffix.lower() not in ENDINGS:
        raise OutputError(f"{path}: a timeline is written as {', '.join(ENDINGS)}")
    return path.suffix.lower()


def wall(start: datetime, seconds: float) -> datetime:
    """Wall time `seconds` after `start`, in its zone, whose clocks may be set in between."""
    if start.tzinfo is None:
        return start + timedelta(seconds=seconds)
    return (start.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(start.tzinfo)


def write_whole(path: Path, write: Any) -> None:
    """Call `write(temporary path)` and rename the result to `path`: a reader never sees a half.

    Who may read it is what the user's umask says. Raises OutputError for a folder, or a place that
    cannot be written to.
    """
    try:
        if path.is_dir():
            raise OutputError(f"{path}: is a folder: name a file, as one in it")
        made = beside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        made.touch(exist_ok=False)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}): choose another place"
        ) from error
    try:
        write(made)
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def beside(path: Path) -> Path:
    """A name of its own for what becomes `path` when it is whole."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def from_windows(
    probabilities: Array,
    starts: Array,
    length: int,
    segments: Iterable[tuple[int, int, float]],
    rate: float,
    activities: Sequence[str],
    *,
    start: datetime | None = None,
    recording: str = "",
    unknown: Array | None = None,
) -> Timeline:
    """Merge the decisions of overlapping windows into a timeline.

    `probabilities` is `(windows, classes)`, `starts` `(windows,)` in samples, ascending; `segments`
    are `(first, last, seconds)` of the gapless stretches. A window decides the samples that are
    nearer to its centre than to its neighbours'; samples that lie in no window are unknown, and
    those of a window of which `unknown` `(windows,)` says so with a probability over one half.
    """
    best = probabilities.argmax(axis=1) if len(starts) else np.zeros(0, np.int64)
    sure = probabilities[np.arange(len(starts)), best]
    if unknown is not None and len(starts):
        odd = unknown > 0.5
        best, sure = np.where(odd, _UNKNOWN, best), np.where(odd, unknown, sure)
    parts: list[tuple[Any, Any, Any, Any]] = []
    end = 0.0
    for first, last, begin in segments:
        if begin > end + 0.5 / rate:
            parts.append(([end], [begin], [_GAP], [0.0]))
        lo, hi = np.searchsorted(starts, (first, max(last - length + 1, first)))
        edges, decided = _cells(starts[lo:hi], length, first, last)
        seconds = begin + (edges - first) / rate
        known = decided >= 0
        code, weight = np.full(len(decided), _UNKNOWN), np.zeros(len(decided))
        code[known], weight[known] = best[lo:hi][decided[known]], sure[lo:hi][decided[known]]
        parts.append((seconds[:-1], seconds[1:], code, weight))
        end = begin + (last - first) / rate
    if not parts:
        return Timeline((), start, recording)
    begins, ends, codes, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Timeline(tuple(_merged(begins, ends, codes, weights, activities)), start, recording)


_UNKNOWN, _GAP = -1, -2


def _cells(starts: Array, length: int, first: int, last: int) -> tuple[Array, Array]:
    """Edges of spans of samples `(k + 1,)`, and the window that decides each span, -1 for none."""
    ends = starts + length
    ends[:-1] = np.minimum(ends[:-1], (starts[:-1] + starts[1:] + length) // 2)
    begins = np.maximum(starts, np.r_[first, ends[:-1]])
    edges = np.c_[begins, ends].ravel()
    decided = np.c_[np.arange(len(starts)), np.full(len(starts), -1)].ravel()
    edges, decided = np.r_[first, edges, last], np.r_[-1, decided]
    some = np.diff(edges) > 0
    return np.r_[edges[:-1][some], last], decided[some]


def _merged(
    begins: Array, ends: Array, codes: Array, sure: Array, activities: Sequence[str]
) -> Iterator[Bout]:
    """Neighbours of one activity as one bout, its confidence weighted by time."""
    names = {**dict(enumerate(activities)), _UNKNOWN: UNKNOWN, _GAP: GAP}
    firsts = np.flatnonzero(np.r_[True, np.diff(codes) != 0])
    lengths = ends - begins
    mean = np.add.reduceat(sure * lengths, firsts) / np.add.reduceat(lengths, firsts)
    lasts = np.r_[firsts[1:], len(codes)] - 1
    columns = (begins[firsts], ends[lasts], codes[firsts], mean)
    for begin, end, code, weight in zip(*(column.tolist() for column in columns), strict=True):
        yield Bout(begin, end, names[int(code)], weight)
