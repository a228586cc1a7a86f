"""A folder of your own recordings as a data set: `load_dataset("path/to/folder")`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ambulo.datasets.dataset import Dataset, DatasetInfo
from ambulo.errors import DatasetError, RecordingError
from ambulo.progress import bar
from ambulo.readers.folder import read_folder
from ambulo.recording import Recording
from ambulo.windows import Windowing

OTHERS = "all"
"""The only grouping of a folder's activities: all of them, under their own names."""


def is_folder(name: str) -> bool:
    """Whether the name of a data set is the path of a folder."""
    return Path(name).is_dir()


def load_folder(path: Path, activities: str | None = None) -> Dataset:
    """The data set that a folder is: see `readers.folder.read_folder` for how it may lie.

    Its channels are those that all recordings have, its rate is the lowest of theirs. Raises
    DatasetError where no recording can be read or they share no channel.
    """
    try:
        with bar(f"reading {path}", known=False):
            recordings, notes = read_folder(path)
    except RecordingError as error:
        raise DatasetError(str(error)) from error
    info = describe_folder(path, recordings)
    info.grouping(activities)
    return Dataset(info, tuple(recordings), notes | _left_out(info, recordings), activities)


def _left_out(info: DatasetInfo, recordings: Sequence[Recording]) -> dict[str, str]:
    """A note on channels that are passed over because some recordings lack them."""
    names = {r.name: {channel.name for channel in r.channels} for r in recordings}
    lost = sorted(set().union(*names.values()) - set(info.channels))
    if not lost:
        return {}
    without = [name for name, has in names.items() if not set(lost) <= has]
    shown = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
    return {"channels_missing": f"{', '.join(lost)}, left out of all for {shown}"}


def describe_folder(path: Path, recordings: Sequence[Recording]) -> DatasetInfo:
    """The facts of a folder of recordings."""
    names = [[c.name for c in recording.channels] for recording in recordings]
    shared = tuple(name for name in names[0] if all(name in other for other in names))
    if not shared:
        listed = "; ".join(
            f"{r.name}: {', '.join(n)}" for r, n in zip(recordings, names, strict=True)
        )
        raise DatasetError(f"{path}: its recordings share no channel ({listed[:500]}): split it")
    found = sorted({i.activity for r in recordings for i in r.intervals})
    rate = min(recording.rate for recording in recordings)
    hours = sum(recording.duration for recording in recordings) / 3600
    placements = sorted({p for r in recordings if (p := r.notes.get("placement"))})
    groups: dict[str, tuple[str, ...]] = {}
    for name in shared:
        sensor = name.rpartition("_")[0]
        groups[sensor] = (*groups.get(sensor, ()), name)
    return DatasetInfo(
        name=str(path if path.name not in ("", "..") else path.resolve()),
        title=f"the recordings in {path}",
        people=len({recording.subject for recording in recordings}),
        rate=rate,
        channels=shared,
        placements=tuple(placements),
        groupings={OTHERS: {name: name for name in found}},
        windowing=Windowing(seconds=2.56, overlap=0.5, rate=rate, channels=shared),
        size=f"{len(recordings)} recordings, {hours:.2g} h",
        terms="your own data",
        citation="your own data",
        files=(),
        url="",
        groups=groups,
    )
