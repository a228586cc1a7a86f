"""A gapless stretch of signal becomes windows as it comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.signals import Resampler
from ambulo.windows import Windowing

Array = npt.NDArray[Any]


class Cutter:
    """Resamples a stretch from `rate` Hz and cuts it, as `Windowing.cut` does with a segment.

    `begin` is the second at which the stretch begins, and `at` where its first window lies, which
    is later only if resampling made the stretch before it end later.
    """

    STATE = ("begin", "at", "count", "next", "values")

    def __init__(self, windowing: Windowing, rate: float, begin: float, at: float) -> None:
        assert windowing.channels is not None and windowing.rate is not None
        self.windowing, self.names, self.rate = windowing, windowing.channels, windowing.rate
        self.length, self.step = windowing.samples(self.rate)
        self.resampler = Resampler(rate, self.rate)
        self.begin, self.at = begin, at
        self.count, self.next = 0, 0
        self.values = np.zeros((0, len(self.names)), np.float32)

    @property
    def end(self) -> float:
        """The second at which the stretch ends so far."""
        return self.at + self.count / self.rate

    def push(self, values: Array) -> tuple[Array, Array]:
        """Take samples `(n, channels)`; give when windows start, `(k,)` s, and their values."""
        return self._cut(self.resampler.push(values))

    def finish(self) -> tuple[Array, Array]:
        """The windows that the end of the stretch makes complete."""
        return self._cut(self.resampler.finish())

    def _cut(self, values: Array) -> tuple[Array, Array]:
        if len(values):
            self.values = np.concatenate([self.values, values])
            self.count += len(values)
        first = self.count - len(self.values)
        starts = np.arange(self.next, self.count - self.length + 1, self.step)
        windows = self.windowing.gather(self.values, starts - first, self.length, self.names)
        self.next += len(starts) * self.step
        self.values = self.values[max(self.next - first, 0) :]
        return self.at + starts / self.rate, windows
