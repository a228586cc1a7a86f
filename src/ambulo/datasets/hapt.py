"""HAPT: the continuous recordings behind UCI HAR, with postural transitions."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ambulo.datasets.archive import Archive
from ambulo.datasets.dataset import DatasetInfo, Notes
from ambulo.datasets.uci_har import ACTIVITIES, CITATION, TEST_PEOPLE
from ambulo.errors import DatasetError
from ambulo.recording import Interval, Recording, channels
from ambulo.signals import STANDARD_GRAVITY
from ambulo.windows import Windowing

TRANSITIONS = (
    "stand-to-sit",
    "sit-to-stand",
    "sit-to-lie",
    "lie-to-sit",
    "stand-to-lie",
    "lie-to-stand",
)
CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")

INFO = DatasetInfo(
    name="hapt",
    title="Smartphone-based recognition of human activities and postural transitions (2015)",
    people=30,
    rate=50.0,
    channels=CHANNELS,
    placements=("waist",),
    groupings={
        "six": {name: name for name in ACTIVITIES},
        "twelve": {name: name for name in (*ACTIVITIES, *TRANSITIONS)},
    },
    windowing=Windowing(seconds=2.56, overlap=0.5),
    size="61 recordings, 6.2 h, 15 MB zip",
    terms="free to use with the citation",
    citation="Reyes-Ortiz, Oneto, Samà, Parra, Anguita: Transition-aware human activity "
    f"recognition using smartphones. Neurocomputing 171, 2016; {CITATION}",
    files=("HAPT Data Set.zip", "HAPT Data Set", "hapt.zip"),
    url="https://archive.ics.uci.edu/static/public/341/"
    "smartphone+based+recognition+of+human+activities+and+postural+transitions.zip",
    groups={"acc": CHANNELS[:3], "gyro": CHANNELS[3:]},
    official_test=TEST_PEOPLE,
    training={
        "rotate": 15.0,
        "epochs": 30,
        "patience": 20,
        "lstm": {"rotate": 5.0},
        "best": {"around": 30.0, "epochs": 20, "sizes": {"learnt": 0.3}},
    },
    remarks="The same people and recordings as uci-har: never test on one what the other trained.",
)


def read(archive: Archive, device: str = "") -> tuple[list[Recording], Notes]:
    """The recordings and their labelled intervals (samples in the file are 1-based, inclusive)."""
    labels = _labels(archive)
    names = [n for n in archive.names if re.search(r"RawData/acc_exp\d+_user\d+\.txt$", n)]
    with ThreadPoolExecutor(2) as pool:
        recordings = list(pool.map(lambda name: _one(archive, name, labels), sorted(names)))
    return recordings, {"samples": sum(map(len, recordings)), "labelled_intervals": len(labels)}


def _labels(archive: Archive) -> Any:
    """Rows of experiment, user, activity, first and last sample."""
    try:
        text = archive.read(archive.one("RawData/labels.txt"))
        if not text.strip():
            raise ValueError("it is empty")
        labels = np.loadtxt(io.BytesIO(text), dtype=int, ndmin=2)
    except ValueError as error:
        labels = np.zeros((0, 0), int)
        reason = str(error)
    else:
        reason = "it holds other rows than experiment, user, activity, first and last sample"
    many = len(ACTIVITIES) + len(TRANSITIONS)
    if labels.shape[1] != 5 or not ((labels[:, 2] >= 1) & (labels[:, 2] <= many)).all():
        raise DatasetError(
            f"{archive.path}: 'RawData/labels.txt' is damaged ({reason}): fetch the archive again"
        )
    return labels


def _one(archive: Archive, name: str, labels: Any) -> Recording:
    experiment, user = (int(n) for n in re.findall(r"exp(\d+)_user(\d+)", name)[0])
    acc = _matrix(archive, name) * STANDARD_GRAVITY
    gyro = _matrix(archive, name.replace("acc_exp", "gyro_exp"))
    if len(acc) != len(gyro):
        raise DatasetError(
            f"{archive.path}: '{name}' has {len(acc)} rows, its gyroscope {len(gyro)}: "
            "fetch the archive again"
        )
    activities = (*ACTIVITIES, *TRANSITIONS)
    rows = labels[(labels[:, 0] == experiment) & (labels[:, 1] == user)]
    return Recording(
        values=np.hstack([acc, gyro]).astype(np.float32),
        rate=50.0,
        channels=channels(CHANNELS),
        subject=str(user),
        name=f"exp{experiment:02d}_user{user:02d}",
        intervals=tuple(
            Interval((first - 1) / 50, last / 50, activities[code - 1])
            for _, _, code, first, last in rows.tolist()
        ),
    )


def _matrix(archive: Archive, name: str) -> Any:
    import polars as pl

    try:
        frame = pl.read_csv(
            archive.read(name), separator=" ", has_header=False, schema_overrides=[pl.Float64] * 3
        )
        return frame.select(frame.columns[:3]).to_numpy()
    except (pl.exceptions.PolarsError, KeyError) as error:
        raise DatasetError(
            f"{archive.path}: '{name}' is not a table of numbers ({str(error).splitlines()[0]}): "
            "fetch the archive again"
        ) from error
