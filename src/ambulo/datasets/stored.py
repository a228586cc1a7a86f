"""Windows in a folder, larger than memory: written part by part, read row by row.

folder/values.npy     (windows, length, channels) float32
folder/rows.parquet   label, subject, recording, start and seconds of each window
folder/windows.json   activities, windowing, source, terms …
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ambulo.datasets.dataset import Dataset, DatasetInfo
from ambulo.errors import DatasetError, OutputError
from ambulo.timeline import beside
from ambulo.windows import TooShortError, Windowing, Windows

Array = npt.NDArray[Any]

ABOUT = "windows.json"
_ROWS = ("labels", "subjects", "recordings", "starts", "seconds")
_FACTS = (
    *("activities", "rate", "channels", "source", "official_test", "placements"),
    *("terms", "citation", "training"),
)
_FORMAT = 1


class Rows:
    """Rows of an array in a file, which are read when they are asked for.

    `rows[…]` with a slice, positions or a mask is fewer Rows, `np.asarray(rows)` their values, and
    `rows[…, :, columns]` the values of these columns.
    """

    def __init__(self, path: Path, index: Array | None = None, file: Any = None) -> None:
        self.path = path
        self._file = np.load(path, "r", allow_pickle=False) if file is None else file
        self.index = np.arange(len(self._file)) if index is None else index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return (len(self.index), *self._file.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """As of an array."""
        return cast("np.dtype[Any]", self._file.dtype)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            return np.asarray(self[key[0]])[(slice(None), *key[1:])]
        if isinstance(key, (int, np.integer)):
            return np.array(self._file[self.index[key]])
        return Rows(self.path, self.index[key], self._file)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._file[self.index], dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes the file's name, not what is in it."""
        return Rows, (self.path, self.index)


def save_windows(parts: Iterable[Windows], folder: str | Path) -> Path:
    """Write Windows of one windowing part by part, as of one recording each, to a new folder.

    Only a part is in memory at a time. The folder is there whole or not at all. Raises OutputError
    for one that exists or cannot be written, DatasetError for parts that differ or none at all.
    """
    folder = Path(folder)
    if folder.exists():
        raise OutputError(f"{folder}: exists: remove it, or name another folder")
    made = beside(folder)
    try:
        made.mkdir(parents=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
    try:
        _write(parts, made)
        os.replace(made, folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}): make room") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _write(parts: Iterable[Windows], folder: Path) -> None:
    import polars as pl

    rows, about, shape = [], None, (0, 0, 0)
    with (folder / "values.npy").open("wb") as file:
        for part in parts:
            facts = _about(part)
            if about is None:
                about, shape = facts, (0, *part.values.shape[1:])
                _header(file, shape)
            if facts != about:
                raise DatasetError(f"{folder.name}: the parts differ in windowing or activities")
            np.ascontiguousarray(part.values, np.float32).tofile(file)
            shape = (shape[0] + len(part), *shape[1:])
            rows.append(pl.DataFrame({name: getattr(part, name) for name in _ROWS}))
        if about is None:
            raise DatasetError(f"{folder.name}: there are no windows to write")
        file.seek(0)
        _header(file, shape)
    pl.concat(rows).write_parquet(folder / "rows.parquet")
    (folder / ABOUT).write_text(json.dumps(about, indent=1))


def _header(file: Any, shape: tuple[int, ...]) -> None:
    """That of a .npy file; numpy leaves room in it for a first axis that grows."""
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, about)


def _about(windows: Windows) -> dict[str, Any]:
    facts = {name: getattr(windows, name) for name in _FACTS}
    facts |= {"format": _FORMAT, "windowing": asdict(windows.windowing)}
    return cast(dict[str, Any], json.loads(json.dumps(facts)))


def load_windows(folder: str | Path) -> Windows:
    """The Windows of a folder that `save_windows` wrote; their `values` stay in the file.

    Training reads its batches from there. Raises DatasetError for a folder that is none or damaged.
    """
    import polars as pl

    folder = Path(folder)
    try:
        about = json.loads((folder / ABOUT).read_text())
        if about["format"] > _FORMAT:
            raise DatasetError(f"{folder}: was written by a newer Ambulo: update this one")
        table, values = pl.read_parquet(folder / "rows.parquet"), Rows(folder / "values.npy")
        if len(table) != len(values):
            raise ValueError(f"{len(values)} windows, but rows for {len(table)}")
        facts: dict[str, Any] = {name: about[name] for name in _FACTS}
        facts |= {k: tuple(v) for k, v in facts.items() if isinstance(v, list)}
        channels = about["windowing"]["channels"]
        windowing = Windowing(**{**about["windowing"], "channels": channels and tuple(channels)})
        columns: dict[str, Any] = {name: table[name].to_numpy() for name in _ROWS}
        for name in ("subjects", "recordings"):
            columns[name] = columns[name].astype(str)
        return Windows(values=cast(Array, values), windowing=windowing, **columns, **facts)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DatasetError(
            f"{folder}: holds no windows of 'ambulo windows', or is damaged ({error})"
        ) from error


def is_stored(name: str) -> bool:
    """Whether the name of a data set is a folder that `save_windows` wrote."""
    return (Path(name) / ABOUT).is_file()


def load_stored(folder: str) -> Dataset:
    """A folder of windows as a data set, `load_dataset("path/to/folder")`."""
    windows = load_windows(folder)
    info = DatasetInfo(
        name=windows.source,
        title=f"the windows in {folder}",
        people=len(windows.people),
        rate=windows.rate,
        channels=windows.channels,
        placements=windows.placements,
        groupings={"all": {name: name for name in windows.activities}},
        windowing=windows.windowing,
        size=f"{len(windows)} windows",
        terms=windows.terms,
        citation=windows.citation,
        files=(),
        url="",
        official_test=windows.official_test,
        training=windows.training,
    )
    return Dataset(info, (), {}, None, windows)


def parts_of(dataset: Dataset, **options: Any) -> Iterable[Windows]:
    """Each recording's windows of a data set, with all that `Dataset.windows` takes.

    Recordings that are shorter than a window are left out there, and so they are here.
    """
    if dataset.fixed is not None:
        yield dataset.windows(**options)
        return
    some = False
    for recording in dataset.recordings:
        one = replace(dataset, recordings=(recording,))
        try:
            part = one.windows(**options)
        except TooShortError:
            continue
        yield replace(part, notes={})
        some = True
    if not some:
        dataset.windows(**options)  # which says how long the longest is
