"""MHEALTH: the ten public logs and the partial Parquet files, with gaps and the null class."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ambulo.datasets import load_dataset
from ambulo.datasets.mhealth import ACTIVITIES, CHANNELS
from ambulo.errors import DatasetError

LABELLED = [
    *("chest.acc_x chest.acc_y chest.acc_z chest.ecg_1 chest.ecg_2".split()),
    *(
        f"{place}.{sensor}_{axis}"
        for place in ("left_ankle", "right_lower_arm")
        for sensor in ("acc", "gyro", "mag")
        for axis in "xyz"
    ),
]
"""The 23 columns as the authors' readme labels them."""
real = pytest.mark.skipif(not os.environ.get("AMBULO_DATA"), reason="needs AMBULO_DATA")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))


def numbers(n: int) -> np.ndarray:
    """Values `(n, 23)` in which column c of sample i is c + i / 1000."""
    return np.arange(23)[None, :] + np.arange(n)[:, None] / 1000


def save_logs(folder: Path, labels: dict[int, list[int]], extra: str = "") -> Path:
    path = folder / "mhealth+dataset.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MHEALTHDATASET/README.txt", "*** mHealth dataset ***")
        for person, label in labels.items():
            table = zip(numbers(len(label)), label, strict=True)
            lines = ["\t".join([*(f"{v:.5g}" for v in row), str(code)]) for row, code in table]
            name = f"MHEALTHDATASET/mHealth_subject{person}.log"
            archive.writestr(name, "\n".join(lines) + "\n" + extra)
    return path


def save_parquet(folder: Path, person: int, row: list[int], label: list[int]) -> Path:
    part = folder / "mhealth-partial"
    part.mkdir(exist_ok=True)
    columns = dict(zip(LABELLED, numbers(len(row)).T.astype(np.float32), strict=True))
    table = pl.DataFrame({"row": row, **columns, "label": label})
    table.write_parquet(part / f"subject{person:02d}.parquet")
    return part


def test_logs_with_the_null_class(tmp_path: Path) -> None:
    path = save_logs(tmp_path, {1: [0] * 150 + [4] * 250 + [0] * 100, 10: [12] * 200})
    data = load_dataset("mhealth", path=path, activities="thirteen")
    assert data.people == ["1", "10"]
    assert data.notes["rows"] == 700 and data.notes["partial"] is False
    assert data.notes["missing_people"] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert len(data.notes["people_lacking_activities"]["10"]) == 11
    assert [(i.start, i.end, i.activity) for i in data.recordings[0].intervals] == [
        (0.0, 3.0, "null"),
        (3.0, 8.0, "walking"),
        (8.0, 10.0, "null"),
    ]
    assert data.activities == (*ACTIVITIES, "null")
    assert "null" in np.array(data.activities)[data.windows().labels]
    twelve = load_dataset("mhealth", path=path).windows()
    assert set(np.array(twelve.activities)[twelve.labels]) == {"walking", "jumping"}
    assert len(twelve.channels) == 12 and twelve.length == 100


def test_units_and_names_are_those_of_what_is_measured(tmp_path: Path) -> None:
    data = load_dataset("mhealth", path=save_logs(tmp_path, {3: [1] * 10}))
    (recording,) = data.recordings
    first = dict(zip([c.name for c in recording.channels], recording.values[0], strict=True))
    assert first["chest.acc_x"] == 0 and first["chest.ecg_1"] == 3
    assert first["left_ankle.acc_x"] == 5 and first["right_lower_arm.acc_z"] == 16
    # columns 9-11 are labelled gyro and hold a direction; 12-14 hold the turn rate in deg/s
    assert first["left_ankle.mag_x"] == 8
    assert first["left_ankle.gyro_x"] == pytest.approx(np.deg2rad(11))
    assert first["right_lower_arm.gyro_z"] == pytest.approx(np.deg2rad(22))


def test_a_row_that_cannot_be_read_becomes_a_gap(tmp_path: Path) -> None:
    broken = "\t".join(["?", *["1.0"] * 22, "1"]) + "\n"
    good = "\t".join([*["1.0"] * 23, "1"]) + "\n"
    path = save_logs(tmp_path, {1: [1] * 100}, extra=broken + good)
    data = load_dataset("mhealth", path=path)
    assert data.notes["unreadable_rows"] == 1 and data.notes["rows"] == 101
    assert [(g.start, g.end) for g in data.recordings[0].gaps] == [(2.0, 2.02)]


def test_partial_rows_leave_gaps(tmp_path: Path) -> None:
    row = [*range(7000, 7200), *range(7300, 7500), *range(9000, 9100)]
    path = save_parquet(tmp_path, 7, row, [1] * 200 + [1] * 100 + [2] * 100 + [3] * 100)
    data = load_dataset("mhealth", path=path)
    (recording,) = data.recordings
    assert recording.subject == "7" and len(recording) == 500
    assert [(g.start, g.end) for g in recording.gaps] == [(4.0, 6.0), (10.0, 40.0)]
    assert [(s.first, s.last) for s in recording.segments] == [(0, 200), (200, 400), (400, 500)]
    assert [(i.start, i.end, i.activity) for i in recording.intervals] == [
        (0.0, 4.0, "standing"),
        (6.0, 8.0, "standing"),
        (8.0, 10.0, "sitting"),
        (40.0, 42.0, "lying"),
    ]
    assert data.notes["partial"] is True and data.notes["gaps"] == 2
    starts = data.windows(keep="all").starts
    assert starts.tolist() == [0, 50, 100, 200, 250, 300, 400]
    assert [c.name for c in recording.channels] == list(CHANNELS)
    assert recording.values[0, CHANNELS.index("left_ankle.mag_x")] == 8


def test_the_whole_logs_win_over_the_part(tmp_path: Path) -> None:
    save_parquet(tmp_path, 1, list(range(100)), [1] * 100)
    save_logs(tmp_path, {1: [1] * 300})
    assert load_dataset("mhealth", path=tmp_path).notes["rows"] == 300


def test_groups_of_channels(tmp_path: Path) -> None:
    data = load_dataset("mhealth", path=save_logs(tmp_path, {1: [1] * 200}))
    assert data.windows(channels="chest").channels == ("chest.acc_x", "chest.acc_y", "chest.acc_z")
    assert data.windows(channels="ankle").channels[3] == "left_ankle.gyro_x"
    assert len(data.windows(channels="all").channels) == 23


def test_damaged_and_foreign_archives_are_named(tmp_path: Path) -> None:
    part = save_parquet(tmp_path, 1, [5, 4, 3], [1, 1, 1])
    with pytest.raises(DatasetError, match=r"subject01\.parquet.*backwards.*fetch"):
        load_dataset("mhealth", path=part)
    save_parquet(tmp_path, 1, [1, 2, 3], [1, 1, 13])
    with pytest.raises(DatasetError, match=r"subject01\.parquet.*0 to 12"):
        load_dataset("mhealth", path=part)
    pl.DataFrame({"row": [1], "label": [1]}).write_parquet(part / "subject01.parquet")
    with pytest.raises(DatasetError, match=r"subject01\.parquet.*fetch"):
        load_dataset("mhealth", path=part)
    (part / "subject01.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DatasetError, match=r"subject01\.parquet.*fetch"):
        load_dataset("mhealth", path=part)
    (part / "subject01.parquet").unlink()
    (part / "notes.txt").write_text("nothing")
    with pytest.raises(DatasetError, match=r"mhealth-partial: there is no 'mHealth_subject1\.log'"):
        load_dataset("mhealth", path=part)


@pytest.mark.parametrize("content", ["", "words\n", "1\t2\t3\n", "\x00\xff\n"])
def test_a_damaged_log_is_named(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "MHEALTHDATASET"
    folder.mkdir()
    (folder / "mHealth_subject4.log").write_text(content)
    with pytest.raises(DatasetError, match=r"mHealth_subject4\.log.*fetch"):
        load_dataset("mhealth", path=tmp_path)


@real
@pytest.mark.real
def test_real_counts() -> None:
    data = load_dataset("mhealth")
    assert len(data.people) == 10
    if data.notes["partial"]:
        assert data.notes["rows"] == 138_800
        assert data.notes["people_lacking_activities"] == {"1": ["jumping"], "7": ["jumping"]}
        assert len(data.windows()) == 2_329


@real
@pytest.mark.real
def test_real_gyro_rests_with_the_wearer() -> None:
    """The channels named gyro are near 0 in standing and not in running; those named mag are ~1."""
    windows = load_dataset("mhealth").windows(
        channels="left_ankle.gyro_x,left_ankle.mag_x".split(",")
    )
    gyro = load_dataset("mhealth").windows(channels=[f"left_ankle.gyro_{axis}" for axis in "xyz"])
    standing, running = (
        np.median(np.linalg.norm(gyro.values[gyro.labels == ACTIVITIES.index(a)], axis=2))
        for a in ("standing", "running")
    )
    assert standing < 0.05 and running > 2
    assert np.abs(windows.values[..., 1]).max() < 3
