"""A Timeline: what the wearer did, and when; gaps and "unknown" are stated."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import MissingExtraError, OutputError

Array = npt.NDArray[Any]

UNKNOWN = "unknown"
"""The activity of signal that no window decided on."""
GAP = "gap"
"""The activity of time in which nothing was recorded."""


@dataclass(frozen=True)
class Bout:
    """One activity from `start` to `end` (exclusive), seconds after the recording began.

    `confidence` is the mean calibrated probability of the activity; 0 for unknown and gaps.
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
        lines = []
        for bout in self.bouts:
            sure = f" {bout.confidence:.2f}" if bout.confidence else ""
            lines.append(f"{self.clock(bout.start)}-{self.clock(bout.end)} {bout.activity}{sure}")
        return "\n".join(lines)

    def clock(self, seconds: float) -> str:
        """Wall time HH:MM:SS where the start is known, else time since the start."""
        if self.start is not None:
            return f"{self.start + timedelta(seconds=seconds):%H:%M:%S}"
        minutes, rest = divmod(seconds, 60)
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
                row["start_time"] = (self.start + timedelta(seconds=bout.start)).isoformat()
                row["end_time"] = (self.start + timedelta(seconds=bout.end)).isoformat()
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
        if path.suffix.lower() not in writers:
            raise OutputError(f"{path}: a timeline is written as {', '.join(writers)}")
        write_whole(path, writers[path.suffix.lower()])
        return path

    def _frame(self) -> Any:
        import polars as pl

        return pl.DataFrame(self.rows())

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
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        since = f"{self.start:%Y-%m-%d %H:%M:%S}" if self.start else "the start"
        axes.set_xlabel(f"minutes since {since}")
        axes.set_title(self.recording)
        figure.savefig(path, dpi=120, format="png")


def write_whole(path: Path, write: Any) -> None:
    """Call `write(temporary path)` and rename the result to `path`: a reader never sees a half."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}): choose another place"
        ) from error
    try:
        write(Path(name))
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


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
    bouts: list[Bout] = []
    end = 0.0
    for first, last, begin in segments:
        if begin > end + 0.5 / rate:
            bouts.append(Bout(end, begin, GAP, 0.0))
        inside = np.flatnonzero((starts >= first) & (starts + length <= last))
        for a, b, k in _cells(starts[inside], length, first, last):
            name, sure = UNKNOWN, 0.0
            odd = 0.0 if k is None or unknown is None else float(unknown[inside[k]])
            if odd > 0.5:
                sure = odd
            elif k is not None:
                p = probabilities[inside[k]]
                name, sure = activities[int(p.argmax())], float(p.max())
            bouts.append(Bout(begin + (a - first) / rate, begin + (b - first) / rate, name, sure))
        end = begin + (last - first) / rate
    return Timeline(tuple(_merged(bouts)), start, recording)


def _cells(
    starts: Array, length: int, first: int, last: int
) -> Iterator[tuple[int, int, int | None]]:
    """Spans of samples with the window that decides each, None where there is no window."""
    at = first
    for k, window in enumerate(starts):
        if window > at:
            yield at, int(window), None
            at = int(window)
        end = int(window) + length
        if k + 1 < len(starts):
            end = min(end, (int(window) + int(starts[k + 1]) + length) // 2)
        if end > at:
            yield at, end, k
            at = end
    if at < last:
        yield at, last, None


def _merged(bouts: Iterable[Bout]) -> Iterator[Bout]:
    """Neighbours of one activity as one bout, its confidence weighted by time."""
    current: Bout | None = None
    for bout in bouts:
        if current is None or bout.activity != current.activity:
            if current is not None:
                yield current
            current = bout
            continue
        a, b = current.end - current.start, bout.end - bout.start
        sure = (current.confidence * a + bout.confidence * b) / (a + b)
        current = Bout(current.start, bout.end, current.activity, sure)
    if current is not None:
        yield current
