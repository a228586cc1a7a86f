"""MHEALTH: ten people with sensors on chest, left ankle and right lower arm, twelve activities.

Units inside Ambulo: acceleration is in m/s² already, and the turn rate is converted from the deg/s
of the authors' readme to rad/s. The magnetometer stays as it is: a field of about 1 in local units.

Turn rate and magnetic field are the other way round than the readme says, and are named here by
what they measure. The columns called "gyro" (9-11, 18-20) have a length of about 1 in every
activity, also standing still, and keep their length while the limb turns: a direction. Those called
"magnetometer" (12-14, 21-23) are near 0 at rest and reach hundreds in running: turn rates. What
settles it: the change of the first is the cross product of itself with the second, axis by axis, as
for a field fixed in the world (R² 0.95 in slow movements of the arm). The same fit says that the
turn rates are too small by a factor of 1 to 2.3, different for each axis: the authors' calibration,
which is kept.
"""

from __future__ import annotations

import io
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ambulo.datasets.archive import Archive
from ambulo.datasets.dataset import DatasetInfo, Notes
from ambulo.errors import DatasetError
from ambulo.recording import Gap, Interval, Recording, channels
from ambulo.windows import Windowing

if TYPE_CHECKING:
    import polars as pl

RATE = 50.0
NULL = "null"
"""What people did between the twelve activities."""
ACTIVITIES = (
    "standing",
    "sitting",
    "lying",
    "walking",
    "stairs",
    "waist-bends",
    "arm-raises",
    "crouching",
    "cycling",
    "jogging",
    "running",
    "jumping",
)
_CODES = (NULL, *ACTIVITIES)


def _axes(*sensors: str) -> tuple[str, ...]:
    return tuple(f"{sensor}_{axis}" for sensor in sensors for axis in "xyz")


CHEST = _axes("chest.acc")
ANKLE = _axes("left_ankle.acc", "left_ankle.gyro")
ARM = _axes("right_lower_arm.acc", "right_lower_arm.gyro")
PUBLISHED = _axes("left_ankle.acc", "left_ankle.mag", "right_lower_arm.acc", "right_lower_arm.mag")
"""The columns that published systems take as accelerometer and gyroscope of ankle and arm."""
CHANNELS = (
    *CHEST,
    "chest.ecg_1",
    "chest.ecg_2",
    *_axes("left_ankle.acc", "left_ankle.mag", "left_ankle.gyro"),
    *_axes("right_lower_arm.acc", "right_lower_arm.mag", "right_lower_arm.gyro"),
)
"""In the order of the log's columns, by what they measure."""
_AS_LABELLED = {"gyro": "mag", "mag": "gyro"}
_LABELLED = tuple(
    re.sub("gyro|mag", lambda match: _AS_LABELLED[match[0]], channel) for channel in CHANNELS
)

INFO = DatasetInfo(
    name="mhealth",
    title="MHEALTH: body motion and vital signs of ten people (2014)",
    people=10,
    rate=RATE,
    channels=CHANNELS,
    placements=("chest", "left_ankle", "right_lower_arm"),
    groupings={
        "twelve": {name: name for name in ACTIVITIES},
        "thirteen": {name: name for name in (*ACTIVITIES, NULL)},
    },
    windowing=Windowing(seconds=2.0, overlap=0.5, rate=RATE, channels=(*ANKLE, *ARM)),
    training={"best": {"sizes": {"learnt": 0.3}}},
    size="1,215,745 rows, 6.8 h, of which 343,195 of the twelve activities",
    terms="free to use with the citation",
    citation="Banos et al.: mHealthDroid: a novel framework for agile development of mobile health "
    "applications. IWAAL 2014; Banos et al.: Design, implementation and validation of a novel open "
    "framework for agile development of mobile health applications. BioMedical Engineering OnLine "
    "14, 2015",
    # the first is what a download is kept as; the whole logs win over the part
    files=("mhealth+dataset.zip", "MHEALTHDATASET.zip", "MHEALTHDATASET", "mhealth-partial"),
    url="https://archive.ics.uci.edu/static/public/319/mhealth+dataset.zip",
    groups={
        "chest": CHEST,
        "ankle": ANKLE,
        "arm": ARM,
        "published": PUBLISHED,
        "all": CHANNELS,
    },
    remarks="The log's 'gyro' columns hold the direction of the magnetic field (length about 1), "
    "its 'magnetometer' columns the turn rate in deg/s, too small by a factor of 1 to 2.3: gyro "
    "and mag are named here by what they measure, gyro in rad/s, mag in local units. To compare "
    "with work that took the columns as they were labelled, choose the channels 'published'.",
)


def read(archive: Archive, device: str = "") -> tuple[list[Recording], Notes]:
    """The recordings, from the ten logs `mHealth_subjectN.log`, or from the partial Parquet files.

    In the logs label 0 is the activity "null". In the partial files `row` is a sample's place in
    its log; wherever rows are missing, a gap is stated.
    """
    logs = [n for n in archive.names if re.search(r"mHealth_subject\d+\.log$", n)]
    parts = [n for n in archive.names if re.search(r"subject\d+\.parquet$", n)]
    names = sorted(logs or parts, key=lambda name: _person(name))
    if not names:
        raise DatasetError(
            f"{archive.path}: there is no 'mHealth_subject1.log' and no 'subject01.parquet' in it: "
            "this is another archive; fetch the data set again"
        )
    rows = {name: (_log if logs else _parquet)(archive, name) for name in names}
    whole = {name: table.drop_nulls() for name, table in rows.items()}
    recordings = [_recording(archive, name, table) for name, table in whole.items()]
    return recordings, {
        "rows": sum(map(len, recordings)),
        "unreadable_rows": sum(len(rows[name]) - len(whole[name]) for name in names),
        "gaps": sum(len(recording.gaps) for recording in recordings),
        "partial": not logs,
        "missing_people": sorted(set(range(1, 11)) - {_person(name) for name in names}),
        "people_lacking_activities": {r.subject: lack for r in recordings if (lack := _lacking(r))},
    }


def _person(name: str) -> int:
    return int(re.findall(r"(\d+)\.\w+$", name)[0])


def _lacking(recording: Recording) -> list[str]:
    done = {interval.activity for interval in recording.intervals}
    return [activity for activity in ACTIVITIES if activity not in done]


def _log(archive: Archive, name: str) -> pl.DataFrame:
    import polars as pl

    try:
        table = pl.read_csv(
            archive.read(name),
            separator="\t",
            has_header=False,
            ignore_errors=True,
            schema_overrides=[pl.Float32] * len(CHANNELS) + [pl.Int8],
        )
    except pl.exceptions.PolarsError as error:
        raise _damaged(archive, name, str(error).splitlines()[0]) from error
    if table.width != len(CHANNELS) + 1:
        raise _damaged(archive, name, f"it has {table.width} columns, not {len(CHANNELS) + 1}")
    table.columns = [*CHANNELS, "label"]
    return table.with_row_index("row")


def _parquet(archive: Archive, name: str) -> pl.DataFrame:
    import polars as pl

    try:
        table = pl.read_parquet(io.BytesIO(archive.read(name))).select("row", *_LABELLED, "label")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(archive, name, str(error).splitlines()[0]) from error
    table.columns = ["row", *CHANNELS, "label"]
    return table


def _damaged(archive: Archive, name: str, why: str) -> DatasetError:
    return DatasetError(
        f"{archive.path}: '{name}' is not a table of MHEALTH ({why}): fetch the archive again"
    )


def _recording(archive: Archive, name: str, table: pl.DataFrame) -> Recording:
    row = table["row"].to_numpy().astype(np.int64)
    label = table["label"].to_numpy()
    steps = np.diff(row)
    if not len(row) or (steps < 1).any() or not np.isin(label, range(len(_CODES))).all():
        raise _damaged(archive, name, "it is empty, rows run backwards, or a label is not 0 to 12")
    time = (row - row[0]) / RATE
    missing = np.flatnonzero(steps > 1)
    edges = [0, *(np.flatnonzero((steps > 1) | (np.diff(label) != 0)) + 1), len(row)]
    values = table.select(CHANNELS).to_numpy().astype(np.float32)
    turns = [i for i, channel in enumerate(CHANNELS) if ".gyro_" in channel]
    values[:, turns] = np.deg2rad(values[:, turns])
    return Recording(
        values=values,
        rate=RATE,
        channels=channels(CHANNELS),
        subject=str(_person(name)),
        name=f"subject{_person(name):02d}",
        intervals=tuple(
            Interval(float(time[a]), float(time[b - 1] + 1 / RATE), _CODES[label[a]])
            for a, b in pairwise(edges)
        ),
        gaps=tuple(Gap(float(time[i] + 1 / RATE), float(time[i + 1])) for i in missing),
    )
