"""Steps from acceleration: how many a second, wherever on the body the sensor sits.

The unbiased autocorrelation of the acceleration's length over a few seconds is high at the time of
one step and at that of two, a stride (Moe-Nilssen and Helbostad, Estimation of gait cycle
characteristics by trunk accelerometry, J Biomech 37, 2004): at the waist both, in a pocket mostly
the stride. A step is the lag at which the mean of both is highest, weighed by how usual such a
cadence is, which settles doubt between one and two of a kind (as Ellis, Beat tracking by dynamic
programming, J New Music Res 36, 2007, does for tempo). Who moves as hard as a runner takes no step
as seldom as a runner takes two: there, at an ankle or in a pocket, one leg is felt, and a stride is
two steps. The length needs no axis to point anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SPAN = 4.0
"""Seconds that are looked at for each second: some seven steps."""
SLOWEST, FASTEST = 1.1, 3.3
"""Steps a second: from a stroll to a sprint."""
REGULAR = 0.1
"""Mean autocorrelation at one and two steps from which steps are counted."""
USUAL, RUN = 1.9, 2.7
"""Steps a second that are most usual in walking, and in running."""
WIDE = 0.5
"""Octaves by which cadences differ from the usual one."""
HARD = 4.7
"""Deviation of the acceleration's length in m/s² from which it is running."""
STRIDES = 1.55
"""What recurs this often a second or less is, in running, a stride of two steps."""
QUIET = 0.4
"""Deviation of the acceleration's length in m/s² below which nobody walks."""
_RATE = 25.0
_BLOCK = 4096


class Gait:
    """Follows acceleration, `(n, 3)` in m/s² at `rate` Hz, and keeps the steps of each second.

    `columns` are the positions of the three axes in what is pushed. It is a watcher of
    `ambulo.piecewise.predict_pieces`; however the signal is divided, the steps are the same.
    """

    def __init__(self, rate: float, columns: list[int]) -> None:
        self.columns = columns
        self.every = max(round(rate / _RATE), 1)
        self.rate = rate / self.every
        self._begin: float | None = None
        self._raw = self._held = np.zeros(0, np.float32)
        self._at = self._first = 0
        self._seconds: list[Array] = []
        self._cadences: list[Array] = []

    def push(self, begin: float, values: Array) -> None:
        """Take the next samples of the stretch that began at `begin` seconds."""
        if begin != self._begin:
            self._begin, self._at, self._first = begin, 0, 0
            self._raw = self._held = np.zeros(0, np.float32)
        x, y, z = (np.float32(values[:, column]) for column in self.columns)
        raw = np.concatenate([self._raw, np.sqrt(x * x + y * y + z * z)])
        whole = len(raw) // self.every * self.every
        self._raw = raw[whole:]
        means = sum(raw[k : whole : self.every] for k in range(self.every)) / self.every
        self._held = np.concatenate([self._held, means])
        self._follow()

    def _follow(self) -> None:
        """The seconds whose surroundings are there."""
        length = round(SPAN * self.rate)
        there = self._first + len(self._held) - length
        count = max(int(there / self.rate) + 2 - self._at, 1)
        starts = np.round((self._at + np.arange(count + 1)) * self.rate).astype(int)
        count = int((starts[:-1] <= there).sum())
        if not count:
            return
        view = np.lib.stride_tricks.sliding_window_view(self._held, length)
        own = starts[:count] - self._first
        rows = [cadences(view[own[k : k + _BLOCK]], self.rate) for k in range(0, count, _BLOCK)]
        assert self._begin is not None
        self._seconds.append(self._begin + starts[:count] / self.rate + SPAN / 2 - 0.5)
        self._cadences.append(np.concatenate(rows))
        self._held = self._held[starts[count] - self._first :]
        self._first, self._at = int(starts[count]), self._at + count

    @property
    def seconds(self) -> Array:
        """When each second that was looked at begins `(k,)`, in seconds of the recording."""
        return np.concatenate([np.zeros(0), *self._seconds])

    @property
    def cadence(self) -> Array:
        """Steps a second `(k,)`; NaN where there is no rhythm."""
        return np.concatenate([np.zeros(0), *self._cadences])


def cadences(windows: Array, rate: float) -> Array:
    """Steps a second `(n,)` in stretches `(n, length)` of acceleration's length; NaN for none."""
    out = np.full(len(windows), np.nan)
    strength = windows.std(axis=1)
    moving = np.flatnonzero(strength >= QUIET)
    if not len(moving) or rate < 2 * FASTEST:  # too slow to see steps
        return out
    lags = np.arange(int(rate / FASTEST) - 1, int(np.ceil(rate / SLOWEST)) + 2)
    r = _autocorrelation(windows[moving], 2 * int(lags[-1]) + 1)
    both = (r[:, lags] + r[:, 2 * lags]) / 2
    inner = both[:, 1:-1]
    peak = (inner >= both[:, :-2]) & (inner > both[:, 2:]) & (inner >= REGULAR)
    hard = strength[moving] >= HARD
    strides = hard[:, None] & (rate / lags[1:-1] <= STRIDES)
    steps = np.where(strides, 2, 1)
    expected = np.where(hard, RUN, USUAL)
    octaves = np.log2(steps * rate / lags[1:-1] / expected[:, None])
    chosen = np.where(peak, inner * np.exp(-0.5 * (octaves / WIDE) ** 2), 0.0).argmax(axis=1)
    rows = np.arange(len(moving))
    before, at, after = (both[rows, chosen + k] for k in range(3))
    curve = np.minimum(before - 2 * at + after, -1e-9)  # a parabola through the peak
    step = steps[rows, chosen] * rate / (lags[chosen + 1] + 0.5 * (before - after) / curve)
    found = peak[rows, chosen] & (step >= SLOWEST) & (step <= FASTEST)
    out[moving[found]] = step[found]
    return out


def _autocorrelation(windows: Array, lags: int) -> Array:
    """Unbiased autocorrelation `(n, lags)` of the rows `(n, length)`, 1 at lag 0."""
    n = windows.shape[1]
    x = windows - windows.mean(axis=1, keepdims=True)
    size = -(-(n + lags - 1) // 32) * 32  # room for all lags, in small factors
    power = np.abs(np.fft.rfft(x, size, axis=1)) ** 2
    r = np.fft.irfft(power, size, axis=1)[:, :lags] / (n - np.arange(lags))
    return np.asarray(r / np.maximum(r[:, :1], 1e-12))
