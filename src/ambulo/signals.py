"""Arrays in, arrays out: units, regular time, resampling, gravity. Knows nothing of recordings.

Every step here is local or per window, so that a stream can do the same as a batch.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError

Array = npt.NDArray[Any]

STANDARD_GRAVITY = 9.80665
"""Acceleration of standard gravity in m/s² (ISO 80000-3)."""
MAX_GAP = 0.5
"""Seconds between two samples above which nothing is interpolated: a gap is stated."""
ALMOST = 1e-3
"""Samples that may lack to a grid's next one: clocks that count from 1970 round to 0.2 µs."""
BLOCK = 1 << 18
"""Samples that are resampled together: long recordings need no more memory than that."""


def usual_step(steps: Array, about: float) -> float:
    """The mean of those of `steps` `(n,)`, in seconds, that are near `about`; itself without any.

    Stamps may be rounded. Steps over skipped samples do not count, nor those as much too short.
    """
    counted = np.clip((0.9 - np.abs(steps / about - 1)) / 0.4, 0, 1)
    return float(counted @ steps / counted.sum()) if counted.any() else about


def named_rate(step: float) -> float:
    """The rate in Hz of samples `step` seconds apart, as people write it.

    That is to the nearest 0.1, or the eighth, as 31.25, that it equals within 0.01 %.
    """
    tenth, eighth = round(1 / step, 1), round(8 / step) / 8
    nearer = abs(eighth * step - 1) < min(abs(tenth * step - 1), 1e-4)
    return eighth if nearer else tenth


class Grid:
    """Samples at irregular times, interpolated linearly at `rate` Hz, as they come.

    A pause of more than `max_gap` seconds is a gap, behind which the grid starts anew. However the
    samples are divided among pushes, the values are the same to the last bit.
    """

    STATE = ("begin", "made", "time", "values")

    def __init__(self, rate: float, max_gap: float = MAX_GAP) -> None:
        self.rate, self.max_gap = rate, max_gap
        self.begin, self.made = 0.0, 0
        self.time, self.values = np.zeros(0), np.zeros((0, 0))

    def push(self, time: Array, values: Array) -> list[tuple[float, Array]]:
        """Take samples at strictly increasing times `(n,)`; give what lies on the grid until now.

        Pieces are `(begin, values)` with the second at which their gapless stretch begins; pieces
        of one stretch follow each other.
        """
        if len(self.time):
            time = np.concatenate([self.time, time])
            values = np.concatenate([self.values, values])
        out, first = [], 0
        for last in [*(np.flatnonzero(np.diff(time) > self.max_gap) + 1), len(time)]:
            if last == first:
                continue
            if first or not len(self.time):
                self.begin, self.made = float(time[first]), 0
            out.append(self._until(time[first:last], values[first:last], last < len(time)))
            first = last
        self.time, self.values = time[-1:], values[-1:]
        return [piece for piece in out if len(piece[1])]

    def finish(self) -> list[tuple[float, Array]]:
        """What is left where the signal ends; the next sample starts a new stretch."""
        out = [self._until(self.time, self.values, True)] if len(self.time) else []
        self.time, self.values = self.time[:0], self.values[:0]
        return [piece for piece in out if len(piece[1])]

    def _until(self, time: Array, values: Array, ends: bool) -> tuple[float, Array]:
        """The grid from where it got to; at the end, what rounding puts just behind it too."""
        n = int(np.floor((time[-1] - self.begin) * self.rate + ALMOST)) + 1
        grid = self.begin + np.arange(self.made, n) / self.rate
        if not ends:
            grid = grid[grid <= time[-1]]
        self.made += len(grid)
        columns = [np.interp(grid, time, column) for column in values.T]
        return self.begin, np.stack(columns, axis=1).astype(np.float32)


def resample(values: Array, rate: float, target: float) -> Array:
    """Change the sampling rate of `(n, channels)` from `rate` to `target` Hz, anti-aliased.

    The filter of `Resampler`, which looks at a bounded neighbourhood of each sample only. Returns
    float32 `(round(n · target / rate), channels)`, give or take one sample.
    """
    resampler = Resampler(rate, target)
    blocks = [values[at : at + BLOCK] for at in range(0, len(values), BLOCK)]
    pieces = [*(resampler.push(block) for block in blocks), resampler.finish()]
    return np.concatenate([values[:0].astype(np.float32), *filter(len, pieces)])


class Resampler:
    """Changes the sampling rate of a signal as it comes.

    The polyphase FIR filter of `scipy.signal.resample_poly`: a Kaiser window over ten periods of
    the lower rate on either side, beyond the ends of the signal its first and last value. Hence
    each sample comes `delay` seconds late. However the signal is divided among pushes, the values
    are the same to the last bit. Samples are made by `_ROW` at once, as products with a banded
    matrix, several times as quick as one by one. Raises RecordingError for rates ten thousandfold
    apart.
    """

    STATE = ("taken", "made", "first", "held")

    def __init__(self, rate: float, target: float) -> None:
        ratio = Fraction(target / rate).limit_denominator(_FINEST)
        if not ratio:
            raise RecordingError(
                f"{rate:g} Hz is no rate to make {target:g} Hz of: look at the time"
            )
        self.up, self.down = ratio.numerator, ratio.denominator
        self.half = 10 * max(self.up, self.down) if ratio != 1 else 0
        self.delay = self.half / (self.up * rate)
        self.taken = self.made = self.first = 0
        self.held = np.zeros((0, 0))

    def push(self, values: Array) -> Array:
        """Take samples `(n, channels)`; give float32 samples that need no later one."""
        if not self.half or not len(values):
            return np.asarray(values, np.float32)
        if not self.taken:  # before the signal began it was what it is at first
            self.first = -self.down * -(-self.half // (self.up * self.down))
            values = np.r_[np.repeat(values[:1], -self.first, axis=0), values]
            self.held = np.zeros((0, values.shape[1]), values.dtype)
            self.taken = self.first
        self.taken += len(values)
        self.held = np.concatenate([self.held, values])
        return self._filter(-((self.half - self.taken * self.up) // self.down))

    def finish(self) -> Array:
        """The rest, at the end of the signal."""
        n = -(-self.taken * self.up // self.down)
        if not self.half or not self.taken:
            return np.zeros((0, self.held.shape[1]), np.float32)
        rest = np.repeat(self.held[-1:], -(-self.half // self.up) + 1, axis=0)
        self.held = np.concatenate([self.held, rest])
        return self._filter(n)

    def _filter(self, until: int) -> Array:
        """Samples from `made` to `until`; forget what no later one needs."""
        if until <= self.made:
            return np.zeros((0, self.held.shape[1]), np.float32)
        rows = np.arange(self.made // _ROW, -(-until // _ROW))
        begins = -((self.half - rows * _ROW * self.down) // self.up)
        span = ((_ROW - 1) * self.down + 2 * self.half) // self.up + 2
        signal = self._between(begins[0], begins[-1] + span)
        out = np.empty((len(signal), len(rows), _ROW))
        alike = self.up // gcd(self.up, _ROW)  # so many rows on, samples lie as they do here
        for k in range(min(alike, len(rows))):
            every = begins[k::alike] - begins[0]
            step = every[1] - every[0] if len(every) > 1 else 1
            frames = np.lib.stride_tricks.sliding_window_view(signal, span, axis=1)
            frames = frames[:, every[0] : every[-1] + 1 : step]
            band = _band(self.up, self.down, self.half, int(rows[k]) % alike)
            out[:, k::alike] = _product(frames, band)
        made = out.reshape(len(signal), -1)[:, self.made - rows[0] * _ROW :]
        made = made[:, : until - self.made].T.astype(np.float32, order="C")
        self.made = until
        needed = -((self.half - until * self.down) // self.up)
        self.held, self.first = self.held[max(needed - self.first, 0) :], max(needed, self.first)
        return np.asarray(made)

    def _between(self, begin: int, end: int) -> Array:
        """What is held, channel by channel, and zeros where nothing is, or not any longer."""
        out = np.zeros((self.held.shape[1], end - begin))
        low = max(begin, self.first)
        part = self.held[low - self.first : end - self.first]
        out[:, low - begin : low - begin + len(part)] = part.T
        return out


_FINEST = 10_000
"""The longest period that a ratio of rates has: 199.9 Hz would lose 1.8 s an hour as 200."""
_ROW, _TILE = 32, 16
"""Samples that resampling makes at once, and how often: products of one shape round alike."""


def _product(frames: Array, band: Array) -> Array:
    """`frames @ band` in products of one shape, in which each row's last bit is its own affair."""
    channels, rows, span = frames.shape
    many = channels * rows
    whole = np.zeros((-(-many // _TILE), _TILE, span))
    whole.reshape(-1, span)[:many].reshape(frames.shape)[:] = frames
    return np.asarray((whole @ band).reshape(-1, _ROW)[:many].reshape(channels, rows, _ROW))


@lru_cache(maxsize=1024)
def _band(up: int, down: int, half: int, row: int) -> Array:
    """The filter for each of `_ROW` samples in a column of its own, from the row's first one on."""
    begin = -((half - row * _ROW * down) // up)
    span = ((_ROW - 1) * down + 2 * half) // up + 2
    to = (row * _ROW + np.arange(_ROW)) * down
    at = half + to - (begin + np.arange(span))[:, None] * up
    taps = _low_pass(up, down, half)
    return np.where((at >= 0) & (at <= 2 * half), taps[np.clip(at, 0, 2 * half)], 0.0)


@lru_cache(maxsize=8)
def _low_pass(up: int, down: int, half: int) -> Array:
    """A windowed sinc that passes what the lower rate can hold, as `scipy.signal.firwin` makes."""
    widest = max(up, down)
    taps = np.sinc(np.arange(-half, half + 1) / widest) * np.kaiser(2 * half + 1, 5.0)
    return np.asarray(up * taps / taps.sum())


def remove_gravity(windows: Array) -> Array:
    """Subtract each window's own mean from every axis: `(n, length, axes)` in and out.

    The mean over a window of a few seconds is the usual estimate of gravity (Mizell 2003); being a
    step inside one window, it is the same in a stream.
    """
    return np.asarray(windows - windows.mean(axis=1, keepdims=True), windows.dtype)


def rotation_matrices(vectors: Array) -> Array:
    """Rotation matrices `(n, 3, 3)` of rotation vectors `(n, 3)` in radians (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    out = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(out)
