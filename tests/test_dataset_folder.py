"""A folder of recordings is a data set like any other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import logger_files as files
import pytest

from ambulo import load_dataset, read
from ambulo.datasets.synthetic import make
from ambulo.errors import DatasetError
from ambulo.readers.table import write


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people's recordings in their folders, beside what is none."""
    for recording in make(people=2, minutes=1.0):
        write(recording, tmp_path / f"anna{recording.subject}" / "monday.csv")
    (tmp_path / "notes.md").write_text("hello")
    (tmp_path / "anna1" / "broken.csv").write_text("nothing here")
    return tmp_path


def test_a_folder_a_person(people: Path) -> None:
    dataset = load_dataset(str(people))
    assert dataset.people == ["anna1", "anna2"]
    assert [r.name for r in dataset.recordings] == ["anna1/monday", "anna2/monday"]
    assert list(dataset.notes["recordings_missing"]) == ["anna1/broken.csv"]
    assert dataset.notes["other_files"] == ["notes.md"]
    windows = dataset.windows(seconds=2.0)
    assert len(windows.people) == 2 and set(windows.activities) == set(dataset.activities)
    assert windows.counts()["anna1"]["walking"] > 0
    assert dataset.windows(channels="acc").channels == ("acc_x", "acc_y", "acc_z")


def test_an_apps_export_is_one_recording(tmp_path: Path) -> None:
    (tmp_path / "bob").mkdir()
    files.sensor_logger_folder(tmp_path / "bob")
    files.sensor_logger_ios(tmp_path / "bob")
    dataset = load_dataset(str(tmp_path))
    assert dataset.people == ["bob"] and len(dataset.recordings) == 2


@pytest.mark.parametrize("kind", ["csv", "toml"])
def test_a_manifest_says_who_where_and_what(kind: str, tmp_path: Path) -> None:
    files.plain_unsaid(tmp_path)
    files.sensor_logger_ios(tmp_path)
    if kind == "csv":
        (tmp_path / "manifest.csv").write_text(
            "file,person,placement,activity\n"
            "unsaid.csv,7,waist,walking\nlogger_ios.zip,8,waist,sitting\n"
        )
    else:
        (tmp_path / "manifest.toml").write_text(
            '[[recording]]\nfile = "unsaid.csv"\nperson = 7\nplacement = "waist"\n'
            'activity = "walking"\nunit = { gyro = "rad/s" }\n'
            '[[recording]]\nfile = "logger_ios.zip"\nperson = 8\nplacement = "waist"\n'
            'activity = "sitting"\n'
        )
    dataset = load_dataset(str(tmp_path))
    assert dataset.people == ["7", "8"] and dataset.info.placements == ("waist",)
    assert dataset.activities == ("sitting", "walking")
    counts = dataset.windows().counts()
    assert counts["7"]["walking"] == counts["8"]["sitting"] > 10
    assert counts["7"]["sitting"] == 0


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("file,person\nabsent.csv,1\n", "no such file"),
        ("file,person\n../outside.csv,1\n", "outside its folder"),
        ("person\n1\n", "names no file"),
        ("file,person\n ,1\n", "entry 1 names no file"),
        ("file,colour\na.csv,red\n", "'colour' is not understood"),
    ],
)
def test_a_wrong_manifest_is_refused(manifest: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "manifest.csv").write_text(manifest)
    with pytest.raises(DatasetError, match=says):
        load_dataset(str(tmp_path / "in"))


def test_a_manifest_of_rows_fills_tables_by_dotted_columns(tmp_path: Path) -> None:
    rows = [f"{k / 50},{k % 7 / 10},0.5,0.8" for k in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["time,acc_x,acc_y,acc_z", *rows]) + "\n")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("file,person,unit.acc,activity\na.csv,1,g,walking\n")
    (recording,) = load_dataset(str(tmp_path)).recordings
    assert recording.values[:, 2].mean() == pytest.approx(0.8 * 9.80665, rel=1e-3)
    for column, value, says in (("unit", "g", "unit is a table"), ("rate", "fast", "rate='fast'")):
        manifest.write_text(f"file,{column}\na.csv,{value}\n")
        with pytest.raises(DatasetError, match=says):
            load_dataset(str(tmp_path))


def test_blanks_around_a_name_make_no_other_person_or_activity(tmp_path: Path) -> None:
    named = ("walking", " walking ")
    rows = [f"{k / 50},{k % 7},0.5,9.8,{named[k // 100 % 2]}" for k in range(400)]
    rows[:50] = [row.replace("walking", "") for row in rows[:50]]
    for name in "abc":
        lines = ["time,acc_x,acc_y,acc_z,activity", *rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "manifest.csv").write_text(
        "file,person,activity\na.csv,anna, \nb.csv ,anna ,\nc.csv, bob, rowing\n"
    )
    dataset = load_dataset(str(tmp_path))
    assert dataset.people == ["anna", "bob"] and dataset.activities == ("rowing", "walking")
    assert [(i.start, i.end) for i in dataset.recordings[0].intervals] == [(1.0, 8.0)]


def test_a_wearer_is_one_with_blanks_or_without(tmp_path: Path) -> None:
    rows = [f"{k / 50},{k % 7},0.5,9.8,{('bob', ' bob ', ' ')[k % 3]}" for k in range(200)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["time,acc_x,acc_y,acc_z,subject", *rows]) + "\n")
    assert read(path).subject == "bob"


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no recording in it can be read"):
        load_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="choose from .* or give the path"):
        load_dataset("hapd")


def test_recordings_must_share_channels(tmp_path: Path) -> None:
    acc, gyro = (make(people=1, minutes=0.2)[0] for _ in "12")
    write(acc.select(["acc_x", "acc_y", "acc_z"]), tmp_path / "a.csv")
    write(gyro.select(["gyro_x", "gyro_y", "gyro_z"]), tmp_path / "b.csv")
    with pytest.raises(DatasetError, match="share no channel"):
        load_dataset(str(tmp_path))


def test_channels_that_one_recording_takes_from_all_are_told(tmp_path: Path) -> None:
    for k, recording in enumerate(make(people=3, minutes=0.5)):
        chosen = recording.select(["acc_x", "acc_y", "acc_z"]) if k == 1 else recording
        write(chosen, tmp_path / f"{k}.csv")
    dataset = load_dataset(str(tmp_path))
    assert dataset.info.channels == ("acc_x", "acc_y", "acc_z")
    said = dataset.notes["channels_missing"]
    assert said == "gyro_x, gyro_y, gyro_z, left out of all for 1"
    (tmp_path / "1.csv").unlink()
    assert "channels_missing" not in load_dataset(str(tmp_path)).notes


def test_one_file_of_a_folder_is_named_where_read_is_meant(tmp_path: Path) -> None:
    recording = replace(make(people=1, minutes=0.2)[0], intervals=())
    write(recording, tmp_path / "a.csv")
    with pytest.raises(Exception, match="is a folder: name a file in it"):
        read(tmp_path)


def test_rows_of_one_file_are_recordings_of_their_own(tmp_path: Path) -> None:
    """As where a logger has a wrist left and right: two under one name would be one recording."""
    rows = [f"{k / 50},{k % 7},0.5,9.8,{k % 5},0.5,9.8,1,2,9.8" for k in range(200)]
    header = ",".join(f"{side}{axis}" for side in "lrb" for axis in "xyz")
    (tmp_path / "a.csv").write_text("\n".join([f"time,{header}", *rows]) + "\n")
    listed = [f"a.csv,anna,walking,{side}x,{side}y,{side}z" for side in "lrb"]
    columns = ",".join(f"columns.acc_{axis}" for axis in "xyz")
    (tmp_path / "manifest.csv").write_text("\n".join([f"file,person,activity,{columns}", *listed]))
    dataset = load_dataset(str(tmp_path))
    assert len({recording.name for recording in dataset.recordings}) == 3


def test_a_file_has_one_wearer(tmp_path: Path) -> None:
    """Two, by a slip of copying, would be tested on windows that they were learnt from."""
    rows = [f"{k / 50},{k % 7},0.5,9.8" for k in range(200)]
    (tmp_path / "a.csv").write_text("\n".join(["time,acc_x,acc_y,acc_z", *rows]) + "\n")
    (tmp_path / "manifest.csv").write_text("file,person\na.csv,anna\na.csv,dan\n")
    with pytest.raises(DatasetError, match="'a.csv' is given to anna and to dan"):
        load_dataset(str(tmp_path))
