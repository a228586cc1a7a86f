"""Data sets by name: `load_dataset("hapt").windows(seconds=2.56, overlap=0.5)`.

One file a data set. Each gives `INFO`, the facts, and `read(archive)`, the recordings.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ambulo.datasets import hapt, mhealth, synthetic, uci_har, wisdm, wisdm_2019
from ambulo.datasets.archive import find, locate
from ambulo.datasets.dataset import Dataset, DatasetInfo, load_recordings
from ambulo.datasets.folder import is_folder, load_folder
from ambulo.datasets.stored import is_stored, load_stored
from ambulo.errors import DatasetError

DATASETS = {
    module.INFO.name: module for module in (uci_har, hapt, wisdm, wisdm_2019, mhealth, synthetic)
}
"""Every data set: its name, and the module that describes and reads it."""

__all__ = ["DATASETS", "Dataset", "DatasetInfo", "dataset_info", "describe", "load_dataset"]


def dataset_info(name: str) -> DatasetInfo:
    """The facts of a data set. Raises DatasetError for a name that is not in `DATASETS`."""
    if name not in DATASETS:
        raise DatasetError(
            f"there is no data set '{name}': choose from {', '.join(DATASETS)}, or give the path "
            "of a folder with recordings"
        )
    info: DatasetInfo = DATASETS[name].INFO
    return info


def load_dataset(
    name: str,
    path: str | Path | None = None,
    *,
    activities: str | None = None,
    device: str | None = None,
) -> Dataset:
    """Load a data set, from `path`, the folder `AMBULO_DATA`, the cache, or the network.

    `name` is one of `DATASETS`, or the path of a folder of recordings (see `datasets.folder`) or of
    windows (see `datasets.stored`).
    `activities` names one of its groupings (as "five"), `device` one of its devices, where
    it has a choice (as "phone"). Raises DatasetError when it is nowhere to be found or is not
    what it claims to be.
    """
    if name not in DATASETS and is_stored(name):
        return load_stored(name)
    if name not in DATASETS and is_folder(name):
        return load_folder(Path(name), activities)
    info = dataset_info(name)
    info.grouping(activities)
    device = _device(info, device)
    if len(info.devices) == len(info.placements) and device:
        info = replace(info, placements=(info.placements[info.devices.index(device)],))
    shared = {key: item for key, item in info.training.items() if key not in info.devices}
    info = replace(info, training={**shared, **info.training.get(device, {})})
    if name == synthetic.INFO.name:
        return Dataset(info, tuple(synthetic.make()), {}, activities)
    found = locate(name, info.files, info.url, path)
    if name == uci_har.INFO.name:
        windows, notes = uci_har.load(found)
        return Dataset(info, (), notes, activities, windows)
    read = DATASETS[name].read
    key = f"{name}-{device}" if device else name
    recordings, notes = load_recordings(key, found, lambda archive: read(archive, device))
    return Dataset(info, recordings, notes, activities)


def _device(info: DatasetInfo, device: str | None) -> str:
    if device is not None and device not in info.devices:
        raise DatasetError(
            f"data set '{info.name}' has no device '{device}': "
            + (f"choose from {', '.join(info.devices)}" if info.devices else "leave it out")
        )
    return device or (info.devices[0] if info.devices else "")


def _place(info: DatasetInfo, found: Path | None) -> str:
    if info.files:
        return str(found or "not on this machine")
    return info.name if info.name not in DATASETS else "made when asked for"


def describe(name: str | DatasetInfo) -> dict[str, Any]:
    """The facts of a data set as one dict, with `place`: where it is on this machine, if it is."""
    info = dataset_info(name) if isinstance(name, str) else name
    found = find(info.files)
    return {
        "name": info.name,
        "title": info.title,
        "people": info.people,
        "rate": info.rate,
        "placements": list(info.placements),
        "channels": list(info.channels),
        "activities": {key: list(info.activities(key)) for key in info.groupings},
        "groups": {key: list(names) for key, names in info.groups.items()},
        "devices": list(info.devices),
        "size": info.size,
        "terms": info.terms,
        "citation": info.citation,
        "remarks": info.remarks,
        "place": _place(info, found),
    }
