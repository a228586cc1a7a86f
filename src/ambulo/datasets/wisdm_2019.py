"""WISDM 2019: a watch on the wrist and a phone in the pocket of 51 people, 18 activities."""

from __future__ import annotations

import re

from ambulo.datasets.archive import Archive
from ambulo.datasets.dataset import DatasetInfo, Notes
from ambulo.datasets.wisdm_text import CHANNELS, RATE, lacking, read_files
from ambulo.errors import DatasetError
from ambulo.recording import Recording
from ambulo.windows import Windowing

CODES = {
    "A": "walking",
    "B": "jogging",
    "C": "stairs",
    "D": "sitting",
    "E": "standing",
    "F": "typing",
    "G": "brushing-teeth",
    "H": "eating-soup",
    "I": "eating-chips",
    "J": "eating-pasta",
    "K": "drinking",
    "L": "eating-sandwich",
    "M": "kicking",
    "O": "playing-catch",
    "P": "dribbling",
    "Q": "writing",
    "R": "clapping",
    "S": "folding-clothes",
}
"""The letters of `activity_key.txt`; there is no N."""
PEOPLE = tuple(str(number) for number in range(1600, 1651))
FIVE = ("walking", "jogging", "stairs", "sitting", "standing")

INFO = DatasetInfo(
    name="wisdm-2019",
    title="WISDM smartphone and smartwatch activity and biometrics (2019)",
    people=len(PEOPLE),
    rate=RATE,
    channels=CHANNELS,
    placements=("wrist", "pocket"),
    groupings={
        "eighteen": {name: name for name in CODES.values()},
        "five": {name: name for name in FIVE},
    },
    windowing=Windowing(seconds=3.0, overlap=0.5, rate=RATE),
    training={
        "epochs": 3,
        "phone": {
            "best": {
                "frame": "both",
                "rotate": 20,
                "around": 60,
                "mirror": "xy",
                "copies": 2,
                "epochs": 10,
                "sizes": {"learnt": 0.3},
            },
        },
        "watch": {
            "best": {
                "frame": "both",
                "rotate": 15,
                "copies": 2,
                "epochs": 20,
                "sizes": {"learnt": 0.5},
            },
            "small": {"frame": "both", "rotate": 20, "around": 60, "copies": 2},
        },
    },
    size="3 minutes of 18 activities a person and device, 295 MB zip",
    terms="free to use with the citation",
    citation="Weiss, Yoneda, Hayajneh: Smartphone and smartwatch-based biometrics using "
    "activities of daily living. IEEE Access 7, 2019",
    files=("wisdm-dataset.zip", "wisdm-dataset"),
    url="https://archive.ics.uci.edu/static/public/507/"
    "wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip",
    groups={"acc": CHANNELS},
    devices=("watch", "phone"),
    remarks="Accelerometer only: watch and phone have clocks of their own, as have the gyroscopes. "
    "Each activity is a session of its own, and clocks jump between them.",
)


def read(archive: Archive, device: str = "") -> tuple[list[Recording], Notes]:
    """The recordings of a device's accelerometer, "watch" where none is named.

    Faults, gaps and time are treated as `wisdm_text` says, and counted in the notes, which also
    name the people who are missing, and the activities that the others lack.
    """
    device = device or INFO.devices[0]
    pattern = rf"raw/{device}/accel/data_\d+_accel_{device}\.txt$"
    names = [name for name in archive.find(".txt") if re.search(pattern, name)]
    if not names:
        raise DatasetError(
            f"{archive.path}: there is no 'raw/{device}/accel/data_1600_accel_{device}.txt' or the "
            "like in it: this is another archive, or a part; fetch the data set again"
        )
    recordings, notes = read_files(archive, names, CODES, lambda person: f"{device}-{person}")
    found = {recording.subject for recording in recordings}
    notes["missing_people"] = [person for person in PEOPLE if person not in found]
    notes["people_lacking_activities"] = lacking(recordings, list(CODES.values()))
    return recordings, notes
