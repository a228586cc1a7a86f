"""WISDM 2010 and 2019: both published forms, with every fault of the real files planted."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ambulo.datasets import DATASETS, load_dataset
from ambulo.datasets.wisdm_2019 import CODES
from ambulo.errors import DatasetError

STEP = 50_000_000
"""Nanoseconds between two samples at 20 Hz."""
real = pytest.mark.skipif(not os.environ.get("AMBULO_DATA"), reason="needs AMBULO_DATA")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))


def rows(
    user: int, activity: str, n: int, *, start: int = 10**12, step: int = STEP, first: float = 0.0
) -> list[str]:
    """Records whose x counts up by 0.25 from `first`, so that every sample can be told apart."""
    return [f"{user},{activity},{start + i * step},{first + i / 4},9.81,-0.5" for i in range(n)]


def text(records: list[str]) -> str:
    return "".join(f"{record};\n" for record in records)


def save_text(folder: Path, content: str) -> Path:
    path = folder / "WISDM_ar_latest.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("WISDM_ar_v1.1/WISDM_ar_v1.1_raw.txt")
        member.size = len(content.encode())
        archive.addfile(member, io.BytesIO(content.encode()))
    return path


def save_csvs(folder: Path, people: dict[int, list[str]]) -> Path:
    path = folder / "wisdm-v1.1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for user, records in people.items():
            lines = "\n".join(["user,activity,timestamp,x,y,z", *records])
            archive.writestr(f"WISDM_ar_v1.1/wisdm_subject{user}.csv", lines + "\n")
    return path


def test_both_forms_give_the_same(tmp_path: Path) -> None:
    people = {
        2: rows(2, "Walking", 200) + rows(2, "Jogging", 100, start=10**12 + 200 * STEP),
        10: rows(10, "Sitting", 150),
    }
    csvs = load_dataset("wisdm", path=save_csvs(tmp_path, people))
    whole = load_dataset("wisdm", path=save_text(tmp_path, text(people[10] + people[2])))
    assert whole.people == csvs.people == ["2", "10"]
    assert whole.notes == csvs.notes
    for a, b in zip(whole.recordings, csvs.recordings, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        assert (a.name, a.intervals, a.gaps) == (b.name, b.intervals, b.gaps)
    walker = whole.recordings[0]
    assert walker.values[:2].tolist() == np.float32([[0, 9.81, -0.5], [0.25, 9.81, -0.5]]).tolist()
    assert [(i.start, i.end, i.activity) for i in walker.intervals] == [
        (0.0, 10.0, "walking"),
        (10.0, 15.0, "jogging"),
    ]


def test_faults_of_the_text_are_repaired_or_counted(tmp_path: Path) -> None:
    records = rows(7, "Walking", 100)
    content = (
        text(records[:20])
        + ";".join(records[20:23]) + ";\n"  # newlines missing: three records in a line
        + f"{records[23]},;\n"  # a comma too many
        + f"{records[24].replace(',', ', ')} ;\r\n"  # spaces, and a line's end from Windows
        + "\n;\n"  # empty
        + text(records[25:60])
        + text(records[58:60])  # written twice
        + f"7,Walking,{10**12},1.5,2.5,;\n"  # z is empty
        + "7,Walking,5,1.5;\n"  # cut off
        + f"7,Walking,{10**12},1.5,2.5,3.5,7,Walking,9,1,1,1;\n"  # two records, no mark between
        + "7,Walking,0,0,0,0.0;\n7,Walking,0,0,0,-1.25;\n"  # buffers, empty and half-filled
        + text(records[60:99])
        + f"7,Walking,{10**12 + 98 * STEP},77,0,0;\n"  # the same time again
        + records[99]
    )  # fmt: skip
    data = load_dataset("wisdm", path=save_text(tmp_path, content))
    expected = {
        "rows": 100 + 2 + 2 + 1,
        "unreadable_rows": 3,
        "empty_rows": 2,
        "exact_duplicates": 2,
        "zero_timestamps": 2,
        "repeated_timestamps": 1,
        "unknown_activities": 0,
        "filled_samples": 0,
        "gaps": 0,
        "samples": 100,
        "recordings_found": 1,
        "resampled_25_hz_users": [],
    }
    assert {key: data.notes[key] for key in expected} == expected
    np.testing.assert_array_equal(data.recordings[0].values[:, 0], np.arange(100) / 4)


def test_gaps_missing_samples_and_clocks_that_begin_anew(tmp_path: Path) -> None:
    late, much_later = 10**12 + 200 * STEP, 10**12 + 5 * 3600 * 10**9
    walk = rows(3, "Walking", 100)
    del walk[50:53]  # 0.2 s: filled
    sit = rows(3, "Sitting", 80, start=late, first=500)  # after a pause of 5.05 s
    stand = rows(3, "Standing", 70, start=much_later, first=600)
    again = rows(3, "Jogging", 60, start=10**11, first=700)
    data = load_dataset("wisdm", path=save_text(tmp_path, text(walk + sit + stand + again)))
    first, second, third = data.recordings
    assert [r.name for r in data.recordings] == ["user03", "user03-2", "user03-3"]
    assert (data.notes["filled_samples"], data.notes["gaps"]) == (3, 1)
    np.testing.assert_allclose(first.values[:100, 0], np.arange(100) / 4)
    assert [(g.start, g.end) for g in first.gaps] == [(5.0, 10.0)]
    assert [(i.start, i.end, i.activity) for i in first.intervals] == [
        (0.0, 5.0, "walking"),
        (10.0, 14.0, "sitting"),
    ]
    assert [(s.first, s.last, s.start) for s in first.segments] == [(0, 100, 0.0), (100, 180, 10.0)]
    assert (len(second), len(third)) == (70, 60)
    windows = data.windows()
    assert windows.length == 60 and len(windows) == 2 + 1 + 1 + 1


def pattern(steps: list[int], n: int) -> np.ndarray:
    """Times in milliseconds of `n` samples whose distances repeat."""
    return np.concatenate([[0], np.cumsum(np.resize(steps, n - 1))])


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        ([40], True),
        ([40, 40, 40, 80], True),
        ([50, 49, 51], False),
        ([10], True),
        ([50, 100], False),
    ],
    ids=["25 Hz", "25 Hz less every fifth tick", "jitter", "100 Hz", "every third missing"],
)
def test_time_is_kept_whatever_the_step(tmp_path: Path, steps: list[int], counted: bool) -> None:
    ms = pattern(steps, 1500)
    wave = 10 + 3 * np.sin(2 * np.pi * 1.5 * ms / 1000)
    records = [
        f"12,Walking,{10**12 + t * 10**6},{x:.6f},0,0" for t, x in zip(ms, wave, strict=True)
    ]
    data = load_dataset("wisdm", path=save_text(tmp_path, text(records)))
    (recording,) = data.recordings
    assert recording.rate == 20.0
    assert data.notes["resampled_25_hz_users"] == (["12"] if counted else [])
    assert recording.duration == pytest.approx(ms[-1] / 1000, abs=0.2)
    middle = slice(20, -20)
    seconds = (np.arange(len(recording)) / 20)[middle]
    expected = 10 + 3 * np.sin(2 * np.pi * 1.5 * seconds)
    assert np.abs(recording.values[middle, 0] - expected).max() < 0.5


def test_unknown_activities_stay_unlabelled(tmp_path: Path) -> None:
    records = rows(5, "Walking", 100) + rows(5, "Dancing", 100, start=10**12 + 100 * STEP)
    data = load_dataset("wisdm", path=save_text(tmp_path, text(records)))
    assert data.notes["unknown_activities"] == 100
    assert [i.activity for i in data.recordings[0].intervals] == ["walking"]
    assert len(data.recordings[0]) == 200


def test_five_activities_merge_the_stairs(tmp_path: Path) -> None:
    records = rows(5, "Upstairs", 70) + rows(5, "Downstairs", 70, start=10**12 + 70 * STEP)
    path = save_text(tmp_path, text(records))
    windows = load_dataset("wisdm", path=path, activities="five").windows()
    assert set(np.array(windows.activities)[windows.labels]) == {"stairs"}


@pytest.mark.parametrize("content", ["", "\n\n", "no record at all", "1,Walking,0,0,0,0;\n"])
def test_a_file_without_a_record_is_named(tmp_path: Path, content: str) -> None:
    path = save_text(tmp_path, content)
    with pytest.raises(DatasetError, match=r"WISDM_ar_latest.*WISDM_ar_v1\.1_raw\.txt.*fetch"):
        load_dataset("wisdm", path=path)


@pytest.mark.parametrize("name", ["wisdm", "wisdm-2019"])
def test_foreign_and_damaged_archives_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something/else.txt", "1 2 3")
    with pytest.raises(DatasetError, match=r"other\.zip.*fetch the data set again"):
        load_dataset(name, path=path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(DatasetError, match=r"other\.zip"):
        load_dataset(name, path=path)


@pytest.fixture
def of_2019(tmp_path: Path) -> Callable[[dict[str, list[str]]], Path]:
    """Saves a device's files of people as the published zip does."""

    def save(people: dict[str, list[str]], device: str = "watch") -> Path:
        path = tmp_path / "wisdm-dataset.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("wisdm-dataset/activity_key.txt", "walking = A\n")
            for person, records in people.items():
                name = f"wisdm-dataset/raw/{device}/accel/data_{person}_accel_{device}.txt"
                archive.writestr(name, text(records))
                archive.writestr(name.replace("accel", "gyro"), text(records))
        return path

    return save


def test_2019_says_who_and_what_is_missing(of_2019: Callable[..., Path]) -> None:
    everything = [
        row
        for n, code in enumerate(CODES)
        for row in rows(1600, code, 80, start=10**14 + (-1) ** n * n * 10**11)
    ]
    path = of_2019({"1600": everything, "1602": rows(1602, "A", 100)})
    data = load_dataset("wisdm-2019", path=path)
    assert data.people == ["1600", "1602"]
    assert len(data.notes["missing_people"]) == 49 and "1601" in data.notes["missing_people"]
    lacking = data.notes["people_lacking_activities"]
    assert list(lacking) == ["1602"] and len(lacking["1602"]) == 17
    assert len(data.activities) == 18 and data.notes["samples"] == 18 * 80 + 100
    assert data.recordings[0].name == "watch-1600" and data.recordings[1].name == "watch-1600-2"
    with pytest.raises(DatasetError, match=r"raw/phone/accel.*fetch"):
        load_dataset("wisdm-2019", path=path, device="phone")


@pytest.mark.parametrize(("device", "other"), [("watch", "phone"), ("phone", "watch")])
def test_2019_what_suits_a_device_is_not_what_suits_the_other(
    of_2019: Callable[..., Path], device: str, other: str
) -> None:
    path = of_2019({"1600": rows(1600, "A", 100)}, device)
    training = load_dataset("wisdm-2019", path=path, device=device).windows().training
    info = DATASETS["wisdm-2019"].INFO.training
    assert training["best"] == info[device]["best"] != info[other]["best"]
    assert device not in training and other not in training
    assert training["epochs"] == info["epochs"]


def test_2019_a_damaged_file_is_named(of_2019: Callable[..., Path]) -> None:
    path = of_2019({"1600": rows(1600, "A", 100), "1601": ["\x00\x01"]})
    with pytest.raises(DatasetError, match=r"wisdm-dataset\.zip: .*data_1601_accel_watch\.txt"):
        load_dataset("wisdm-2019", path=path)


@real
@pytest.mark.real
def test_real_2010() -> None:
    data = load_dataset("wisdm")
    assert len(data.people) == 36
    assert data.notes["rows"] == 1_098_208
    assert data.notes["exact_duplicates"] == 66_820
    assert data.notes["zero_timestamps"] == 12_845
    assert data.notes["unreadable_rows"] == 0
    assert data.notes["resampled_25_hz_users"] == "3 7 8 12 19 21 24 31".split()
    assert data.notes["people_lacking_activities"]["9"] == [
        "jogging",
        "upstairs",
        "downstairs",
        "sitting",
        "standing",
    ]
    windows = data.windows()
    assert 35_000 < len(windows) < 37_000
    assert np.isfinite(windows.values).all()


@real
@pytest.mark.real
def test_real_2010_as_one_text_is_the_same(tmp_path: Path) -> None:
    found = Path(os.environ["AMBULO_DATA"]) / "wisdm-v1.1.zip"
    if not found.exists():
        pytest.skip("needs the form with one CSV a person")
    with zipfile.ZipFile(found) as archive:
        tables = [archive.read(n) for n in archive.namelist() if n.endswith(".csv")]
    lines = [line for table in tables for line in table.decode().splitlines()[1:]]
    whole = load_dataset("wisdm", path=save_text(tmp_path, text(lines)))
    csvs = load_dataset("wisdm", path=found)
    assert whole.notes == csvs.notes
    for a, b in zip(whole.recordings, csvs.recordings, strict=True):
        assert (a.name, a.intervals, a.gaps) == (b.name, b.intervals, b.gaps)
        np.testing.assert_array_equal(a.values, b.values)


@real
@pytest.mark.real
def test_real_2010_walks_at_a_human_pace() -> None:
    """People with 40 ms ticks walk like the others: 1.5 to 2.3 steps a second, not 2.2 to 2.6."""
    data = load_dataset("wisdm")
    windows = data.windows(seconds=10.0)
    walking = windows[windows.labels == windows.activities.index("walking")]
    for person in data.notes["resampled_25_hz_users"]:
        length = np.linalg.norm(walking.of([person]).values, axis=2)
        length = (length - length.mean(axis=1, keepdims=True)) * np.hanning(length.shape[1])
        power = (np.abs(np.fft.rfft(length, 2048)) ** 2).mean(axis=0)
        hertz = np.fft.rfftfreq(2048, 1 / 20)
        band = (hertz > 1.2) & (hertz < 3.5)
        assert 1.5 < hertz[band][power[band].argmax()] < 2.15, person


@real
@pytest.mark.real
@pytest.mark.parametrize(
    ("device", "people", "n"), [("watch", 46, 3_021_961), ("phone", 22, 1_433_489)]
)
def test_real_2019(device: str, people: int, n: int) -> None:
    data = load_dataset("wisdm-2019", device=device)
    assert len(data.people) == people and len(data.notes["missing_people"]) == 51 - people
    assert data.notes["rows"] == n and data.notes["unreadable_rows"] == 0
    assert len(data.windows()) > 2000 * people
