"""OpenMovement's CWA, as Axivity devices write it: a header, then blocks of 512 bytes.

Read here for files whose blocks are alike, many at once; actfast reads any.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

HEADER, SIZE = 1024, 512
"""Bytes of the file's header, and of a block."""
_SAMPLES, _AT = 480, 30
"""Bytes of the samples in a block, and where they begin."""
_BYTES = {0x30: 4, 0x32: 6, 0x62: 12}
"""Bytes of a sample by layout: three axes of 10 bits in one word, or three or six of 16."""
_AT_ONCE = 4096
_FIELDS = {
    "magic": ("<u2", 0),
    "fraction": ("<u2", 4),
    "time": ("<u4", 14),
    "scales": ("<u2", 18),
    "temperature": ("<u2", 20),
    "rate": ("u1", 24),
    "layout": ("u1", 25),
    "shift": ("<i2", 26),
    "count": ("<u2", 28),
}
_KINDS, _PLACES = zip(*_FIELDS.values(), strict=True)
_HEAD = np.dtype(list(zip(_FIELDS, _KINDS, strict=True)))
_BLOCK = np.dtype({"names": list(_FIELDS), "formats": _KINDS, "offsets": _PLACES, "itemsize": SIZE})


def heads(path: Path) -> Array:
    """What stands before the samples of every block `(blocks,)`.

    Raises ValueError where a block is damaged, unlike the others, or of an uncommon kind.
    """
    count = max((path.stat().st_size - HEADER) // SIZE, 0)
    every = np.empty(count, _HEAD)
    for first in range(0, count, _AT_ONCE):
        blocks = raw(path, first, min(first + _AT_ONCE, count))
        if blocks.view("<u2").sum(axis=1, dtype=np.uint16).any():
            raise ValueError("a check sum is wrong")
        every[first : first + len(blocks)] = blocks.view(_BLOCK)[:, 0]
    alike = [every[name] for name in ("magic", "rate", "layout", "count")]
    alike += [every["scales"] >> 10, every["fraction"] >> 15]
    if count < 3 or any((field != field[0]).any() for field in alike) or not _known(every[0]):
        raise ValueError("its blocks are unlike each other, or of another kind")
    return every


def raw(path: Path, first: int, last: int) -> Array:
    """The bytes of blocks `first` to before `last`: `(blocks, 512)`."""
    at, count = HEADER + first * SIZE, (last - first) * SIZE
    return np.fromfile(path, np.uint8, count, offset=at).reshape(-1, SIZE)


def _known(head: Any) -> bool:
    if head["magic"] != 0x5841 or not head["rate"] or not head["fraction"] >> 15:
        return False
    each = _BYTES.get(int(head["layout"]))
    return each is not None and 2 <= head["count"] <= _SAMPLES // each


def axes(head: Any) -> int:
    """3, or 6 with a gyroscope."""
    return 6 if head["layout"] == 0x62 else 3


def nanoseconds(every: Array) -> Array:
    """When each block begins on the device's clock `(blocks,)`, since 1970 as if it were UTC.

    The time is that of sample number `shift` at its whole second; the fraction came later, and
    firmware takes it off `shift` for readers that do not know it. Raises ValueError for no date.
    """
    time = every["time"].astype(np.int64)
    days, at = np.unique(time >> 17, return_inverse=True)
    dates = [datetime(2000 + (d >> 9), d >> 5 & 15, d & 31, tzinfo=UTC) for d in days.tolist()]
    hour, minute, second = time >> 12 & 31, time >> 6 & 63, time & 63
    if (hour > 23).any() or (minute > 59).any() or (second > 59).any():
        raise ValueError("there is no such time of day")
    whole = np.array([int(date.timestamp()) for date in dates])[at]
    whole += hour * 3600 + minute * 60 + second
    step = 312_500 << 15 - int(every["rate"][0] & 15)
    fraction = (every["fraction"] & 0x7FFF).astype(np.int64) << 1
    shift = every["shift"] + (fraction * (10**9 // step) >> 16)
    return np.asarray(whole * 10**9 + (fraction * 10**9 >> 16) - shift * step)


def celsius(every: Array) -> Array:
    """Temperature in each block `(blocks,)`, float32."""
    return np.asarray((every["temperature"] & 0x3FF).astype(np.float32) * 75 / 256 - 50)


def samples(blocks: Array, head: Any) -> Array:
    """Samples `(n, axes)` float32 of `raw` blocks: in g, and in deg/s the last three of six."""
    each = _BYTES[int(head["layout"])]
    packed = blocks[:, _AT : _AT + int(head["count"]) * each]
    if head["layout"] == 0x30:
        words = packed.view(np.uint32).reshape(-1, 1)
        left = np.array([22, 12, 2], np.uint32)  # brings an axis to the top, with its sign
        counts = (words << left).view(np.int32) >> 22 << (words >> 30).view(np.int32)
    else:
        counts = packed.view("<i2").reshape(-1, each // 2)
    scales = int(head["scales"])
    g, turn = 2.0 ** -(8 + (scales >> 13)), 8000 / 2 ** (scales >> 10 & 7) / 32768
    if axes(head) == 3:
        return np.asarray(counts.astype(np.float32) * np.float32(g))
    both = np.array([g] * 3 + [turn] * 3, np.float32)
    return np.asarray(counts[:, [3, 4, 5, 0, 1, 2]] * both)
