"""Other people's arrays: read from .npy files, and refused with a reason where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import AuditError

Array = npt.NDArray[Any]


def load_array(path: Path | str) -> Array:
    """The array of a .npy file; files that hold Python objects are refused, not executed.

    Raises AuditError if the file is missing, is no .npy file or holds objects.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise AuditError(f"{path}: there is no such file: write it with np.save") from error
    except (OSError, ValueError, EOFError) as error:
        if "allow_pickle" in str(error) and _is_npy(Path(path)):
            raise AuditError(
                f"{path}: holds Python objects, which could run code when read: save numbers or "
                "text, as in np.save(path, np.asarray(x, dtype='float32'))"
            ) from error
        raise AuditError(f"{path}: is no whole .npy file: write it with np.save") from error
    if not isinstance(found, np.ndarray):
        found.close()
        raise AuditError(f"{path}: holds several arrays: save the one that is meant as .npy")
    return found


def _is_npy(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def as_windows(array: Any, name: str, channels_first: bool | None = None) -> Array:
    """The array as float32 windows `(windows, length, channels)`.

    With `channels_first` the array is `(windows, channels, length)`; with None that is refused
    where it looks so. Raises AuditError, which names the array as `name`, if it has other
    dimensions, is empty, or holds anything but finite numbers.
    """
    array = np.asarray(array)
    if array.ndim != 3:
        raise AuditError(
            f"{name}: has shape {array.shape}, not (windows, length, channels): one channel is "
            "x[:, :, None]; features without a time axis cannot be audited"
        )
    if not array.size:
        raise AuditError(f"{name}: is empty (shape {array.shape}): give at least one window")
    if array.dtype.kind not in "fiu":
        raise AuditError(f"{name}: holds {array.dtype}, not real numbers: convert it to float32")
    if channels_first is None and array.shape[2] > array.shape[1]:
        raise AuditError(
            f"{name}: shape {array.shape} looks like (windows, channels, length): say so with "
            "channels_first (--channels-first), or that it is not (--channels-last)"
        )
    array = array.astype(np.float32, copy=False)
    bad = int((~np.isfinite(array).all(axis=(1, 2))).sum())
    if bad:
        raise AuditError(
            f"{name}: {bad} of {len(array)} windows hold NaN, infinite or too large values: "
            "drop or fill them first"
        )
    return np.asarray(array.swapaxes(1, 2) if channels_first else array)


def alike(train: Array, test: Array) -> None:
    """Raise AuditError unless windows of both sides have the same length and channels."""
    if train.shape[1:] != test.shape[1:]:
        raise AuditError(
            f"training windows have {train.shape[1]} samples of {train.shape[2]} channels, test "
            f"windows {test.shape[1]} of {test.shape[2]}: give windows of the same cut"
        )


def column(values: Any, name: str, windows: int) -> Array:
    """A label or person for each window, `(windows,)`, whole numbers or text.

    Raises AuditError, which names the array as `name`, if it does not fit.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise AuditError(
            f"{name}: has shape {values.shape}, not (windows,): of one-hot labels take argmax(1)"
        )
    if len(values) != windows:
        raise AuditError(
            f"{name}: has {len(values)} entries for {windows} windows: give one for each window"
        )
    if values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all():
        values = values.astype(np.int64)
    if values.dtype.kind not in "iuUSb":
        raise AuditError(f"{name}: holds {values.dtype}: give whole numbers or text, none missing")
    return np.asarray(values.astype(str))
