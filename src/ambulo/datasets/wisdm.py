"""WISDM 2010 (v1.1): a phone in the front trouser pocket of 36 people."""

from __future__ import annotations

import re

from ambulo.datasets.archive import Archive
from ambulo.datasets.dataset import DatasetInfo, Notes
from ambulo.datasets.wisdm_text import CHANNELS, RATE, lacking, read_files
from ambulo.errors import DatasetError
from ambulo.recording import Recording
from ambulo.windows import Windowing

ACTIVITIES = ("walking", "jogging", "upstairs", "downstairs", "sitting", "standing")

INFO = DatasetInfo(
    name="wisdm",
    title="Activity recognition using cell phone accelerometers (WISDM v1.1, 2010)",
    people=36,
    rate=RATE,
    channels=CHANNELS,
    placements=("pocket",),
    groupings={
        "six": {name: name for name in ACTIVITIES},
        "five": {
            "walking": "walking",
            "jogging": "jogging",
            "upstairs": "stairs",
            "downstairs": "stairs",
            "sitting": "sitting",
            "standing": "standing",
        },
    },
    windowing=Windowing(seconds=3.0, overlap=0.5, rate=RATE),
    training={
        "epochs": 3,
        "best": {
            "frame": "both",
            "rotate": 20.0,
            "around": 60.0,
            "copies": 2,
            "epochs": 20,
            "sizes": {"learnt": 0.5},
        },
    },
    size="1,098,208 rows, 15 h, 11 MB tar.gz",
    terms="keep the authors' readme.txt with the data; cite",
    citation="Kwapisz, Weiss, Moore: Activity recognition using cell phone accelerometers. "
    "SensorKDD 2010",
    # the first is what a download is kept as, so it must be the form that `url` has
    files=("WISDM_ar_latest.tar.gz", "wisdm-v1.1.zip", "WISDM_ar_v1.1"),
    url="https://www.cis.fordham.edu/wisdm/includes/datasets/latest/WISDM_ar_latest.tar.gz",
    groups={"acc": CHANNELS},
    remarks="Eight people's phones tick every 40 ms and skip every fifth tick: 20 samples a second "
    "on average, not the 25 that the commonest step suggests. Their samples are put at their "
    "times; taken as 25 Hz, their steps would come a quarter too fast.",
)


def read(archive: Archive, device: str = "") -> tuple[list[Recording], Notes]:
    """The recordings, from the public text `WISDM_ar_v1.1_raw.txt` or from one CSV a person.

    Faults, gaps and time are treated as `wisdm_text` says, and counted in the notes.
    """
    names = archive.find("WISDM_ar_v1.1_raw.txt") or [
        name for name in archive.find(".csv") if re.search(r"wisdm_subject\d+\.csv$", name)
    ]
    if not names:
        raise DatasetError(
            f"{archive.path}: there is no 'WISDM_ar_v1.1_raw.txt' and no 'wisdm_subject1.csv' in "
            "it: this is another archive; fetch the data set again"
        )
    codes = {name.capitalize(): name for name in ACTIVITIES}
    recordings, notes = read_files(archive, names, codes, lambda user: f"user{int(user):02d}")
    notes["resampled_25_hz_users"] = notes.pop("resampled_people")
    notes["people_lacking_activities"] = lacking(recordings, ACTIVITIES)
    return recordings, notes
