"""A recording that is gone through piece by piece, so that its length costs no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.recording import Gap, Recording, Segment, segments

Array = npt.NDArray[Any]

BLOCK = 1 << 18
"""Samples in a piece, at most."""


@dataclass(frozen=True)
class Pieces:
    """A recording of `samples` samples with these `gaps`, whose values come block by block.

    `sketch` is a Recording of stretches of it, and tells what is true of the whole: channels, rate,
    subject, name, start and notes. `blocks` starts anew whenever the pieces are gone through.
    """

    sketch: Recording
    samples: int
    gaps: tuple[Gap, ...]
    blocks: Callable[[], Iterator[Array]]

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The stretches without a gap, in order."""
        return segments(self.samples, self.sketch.rate, self.gaps)

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the end of the last one, gaps included."""
        return self.samples / self.sketch.rate + sum(gap.end - gap.start for gap in self.gaps)

    def __iter__(self) -> Iterator[tuple[float, Array]]:
        """Pairs of the second at which a gapless stretch begins and samples `(n, channels)` of it.

        Pieces of one stretch follow each other.
        """
        at, current = 0, 0
        for block in self.blocks():
            first = 0
            while first < len(block) and current < len(self.segments):
                segment = self.segments[current]
                last = min(segment.last - at, len(block))
                if last > first:
                    yield segment.start, block[first:last]
                first = last
                current += segment.last - at <= len(block)
            at += len(block)


def in_pieces(recording: Recording, size: int = BLOCK) -> Pieces:
    """A recording that is in memory, in pieces of at most `size` samples."""

    def blocks() -> Iterator[Array]:
        for at in range(0, len(recording), size):
            yield np.asarray(recording.values[at : at + size])

    return Pieces(recording, len(recording), recording.gaps, blocks)
