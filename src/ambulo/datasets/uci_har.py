"""UCI HAR: the official windows of 2013, with the official split of people."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ambulo.datasets.archive import Archive, fingerprint, keep, load_cached
from ambulo.datasets.dataset import DatasetInfo, Notes
from ambulo.errors import DatasetError
from ambulo.signals import STANDARD_GRAVITY
from ambulo.windows import Windowing, Windows

ACTIVITIES = (
    "walking",
    "walking-upstairs",
    "walking-downstairs",
    "sitting",
    "standing",
    "laying",
)
TEST_PEOPLE = ("2", "4", "9", "10", "12", "13", "18", "20", "24")
CITATION = (
    "Anguita, Ghio, Oneto, Parra, Reyes-Ortiz: A public domain dataset for human activity "
    "recognition using smartphones. ESANN 2013"
)
FILES = ("body_acc", "body_gyro", "total_acc")
CHANNELS = tuple(f"{sensor}_{axis}" for sensor in ("body_acc", "gyro", "acc") for axis in "xyz")

INFO = DatasetInfo(
    name="uci-har",
    title="Human activity recognition using smartphones (2013)",
    people=30,
    rate=50.0,
    channels=CHANNELS,
    placements=("waist",),
    groupings={"six": {name: name for name in ACTIVITIES}},
    windowing=Windowing(seconds=2.56, overlap=0.5, rate=50.0, channels=CHANNELS),
    size="10,299 windows of 128 samples, 26 MB zip",
    terms="as is; no commercial use (README of the data set)",
    citation=CITATION,
    files=("UCI HAR Dataset.zip", "UCI HAR Dataset", "uci-har.zip"),
    url="https://archive.ics.uci.edu/static/public/240/"
    "human+activity+recognition+using+smartphones.zip",
    groups={"body_acc": CHANNELS[:3], "gyro": CHANNELS[3:6], "acc": CHANNELS[6:]},
    official_test=TEST_PEOPLE,
    training={
        "rotate": 15.0,
        "epochs": 30,
        "patience": 20,
        "lstm": {"rotate": 5.0},
        "best": {"around": 30.0, "copies": 8, "epochs": 20, "sizes": {"learnt": 0.3}},
    },
    remarks="Filtered by its authors over whole recordings before windowing, and its body "
    "acceleration needs their filter: a benchmark, not a windowing that can be deployed; use hapt "
    "for that. Which samples a window holds was not published: the spans are nominal, half a "
    "window apart in file order, so that neighbours count as overlapping.",
)

LENGTH = 128
_WIDTH = 16
_POWERS = 10.0 ** np.arange(-60, 61)


def load(path: Path) -> tuple[Windows, Notes]:
    """The official windows `(10299, 128, 9)`, training people first; parsed once, then cached."""
    key = fingerprint(path) + "-1"
    kept = load_cached(INFO.name, key)
    if kept is None:
        arrays = _read(Archive(path))
        kept = arrays, {"windows": len(arrays["labels"])}
        keep(INFO.name, key, *kept)
    return _assemble(kept[0]), kept[1]


def _assemble(arrays: dict[str, Any]) -> Windows:
    subjects = arrays["subjects"].astype(str)
    starts = np.zeros(len(subjects), np.int64)
    for person in set(subjects):
        mine = subjects == person
        starts[mine] = np.arange(mine.sum()) * (LENGTH // 2)
    return Windows(
        values=arrays["values"],
        labels=arrays["labels"],
        activities=ACTIVITIES,
        subjects=subjects,
        recordings=np.char.add("person", subjects),
        starts=starts,
        seconds=starts / INFO.rate,
        rate=INFO.rate,
        channels=CHANNELS,
        windowing=replace(INFO.windowing),
        source=INFO.name,
        official_test=TEST_PEOPLE,
        placements=INFO.placements,
        terms=INFO.terms,
        citation=CITATION,
        training=dict(INFO.training),
    )


def _read(archive: Archive) -> dict[str, Any]:
    labels = [_column(archive, f"{split}/y_{split}.txt") - 1 for split in ("train", "test")]
    people = [_column(archive, f"{split}/subject_{split}.txt") for split in ("train", "test")]
    n = [len(column) for column in labels]
    for split, rows, column in zip(("train", "test"), n, people, strict=True):
        if len(column) != rows:
            raise DatasetError(
                f"{archive.path}: {split} has {rows} labels and {len(column)} people: "
                "fetch it again"
            )
    values = np.empty((sum(n), LENGTH, len(CHANNELS)), np.float32)
    views = {"train": values[: n[0]], "test": values[n[0] :]}

    def fill(job: tuple[str, int, str]) -> None:
        split, column, signal = job
        name = archive.one(f"{split}/Inertial Signals/{signal}_{split}.txt")
        block = _signal(archive, name, len(views[split]))
        views[split][:, :, column] = block if "gyro" in signal else block * STANDARD_GRAVITY

    signals = [f"{sensor}_{axis}" for sensor in FILES for axis in "xyz"]
    jobs = [(split, i, s) for split in ("train", "test") for i, s in enumerate(signals)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(fill, jobs))
    return {
        "values": values,
        "labels": np.concatenate(labels).astype(np.int16),
        "subjects": np.concatenate(people).astype(np.int16),
    }


def _column(archive: Archive, ending: str) -> Any:
    name = archive.one(ending)
    try:
        return np.loadtxt(io.BytesIO(archive.read(name)), dtype=np.int64, ndmin=1)
    except ValueError as error:
        raise DatasetError(
            f"{archive.path}: '{name}' is not a column of whole numbers ({error}): fetch it again"
        ) from error


def _signal(archive: Archive, name: str, rows: int) -> Any:
    """One file of 128 numbers a row, `(rows, 128)` float32."""
    raw = archive.read(name)
    width = _WIDTH * LENGTH + 1
    try:
        if len(raw) == rows * width and _is_fixed(raw):
            return _fixed_width(raw, width)
        block = np.array(raw.split(), np.float64).astype(np.float32).reshape(-1, LENGTH)
    except ValueError as error:
        raise DatasetError(
            f"{archive.path}: '{name}' is not rows of {LENGTH} numbers ({error}): fetch it again"
        ) from error
    if len(block) != rows:
        raise DatasetError(
            f"{archive.path}: '{name}' has {len(block)} rows, its labels {rows}: fetch it again"
        )
    return block


def _is_fixed(raw: bytes) -> bool:
    """Whether every number is written as ` -2.9399039e-002`, with digits at fixed places."""
    fields = np.frombuffer(raw, np.uint8).reshape(-1, _WIDTH * LENGTH + 1)[:, :-1]
    fields = fields.reshape(len(fields), LENGTH, _WIDTH)
    return bool((fields[:, :, 3] == ord(".")).all() and (fields[:, :, 11] == ord("e")).all())


def _fixed_width(raw: bytes, width: int) -> Any:
    """Parse `sd.ddddddde±ddd` by arithmetic on the digits, faster than a general parser."""
    lines = np.frombuffer(raw, np.uint8).reshape(-1, width)[:, :-1]
    out = np.empty((len(lines), LENGTH), np.float32)
    for at in range(0, len(lines), 64):  # 64 rows at a time stay in the processor's cache
        text = np.ascontiguousarray(lines[at : at + 64]).reshape(-1, _WIDTH)
        digit = text - np.uint8(ord("0"))
        if (np.delete(digit[:, 2:], [1, 9, 10], axis=1) > 9).any():
            raise ValueError("a character that is no digit")
        mantissa = digit[:, 2].astype(np.int32)
        for place in range(4, 11):
            mantissa = mantissa * 10 + digit[:, place]
        exponent = digit[:, 13].astype(np.int32) * 100 + digit[:, 14] * 10 + digit[:, 15]
        exponent = np.where(text[:, 12] == ord("-"), -exponent, exponent) - 7
        value = mantissa * _POWERS[np.clip(exponent, -60, 60) + 60]
        np.negative(value, where=text[:, 1] == ord("-"), out=value)
        out[at : at + 64] = value.reshape(-1, LENGTH)
    return out
