"""uci-har and hapt from miniatures in the published layouts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ambulo import load_dataset
from ambulo.datasets import uci_har
from ambulo.datasets.archive import Archive
from ambulo.datasets.hapt import _labels
from ambulo.errors import DatasetError
from ambulo.signals import STANDARD_GRAVITY


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))


def number(value: float) -> str:
    """As the publishers write: ` -2.9399039e-002`."""
    mantissa, exponent = f"{value: .7e}".split("e")
    return f" {mantissa}e{exponent[0]}{int(exponent[1:]):03d}"


def uci(path: Path, values: np.ndarray, text: object = number) -> Path:
    """An archive whose every signal is `values` `(windows, 128)`, half training, half test."""
    half = len(values) // 2
    with zipfile.ZipFile(path, "w") as archive:
        for split, rows in (("train", values[:half]), ("test", values[half:])):
            base = f"UCI HAR Dataset/{split}"
            archive.writestr(
                f"{base}/y_{split}.txt", "".join(f"{i % 6 + 1}\n" for i in range(half))
            )
            archive.writestr(
                f"{base}/subject_{split}.txt", ("1\n" if split == "train" else "2\n") * half
            )
            lines = "".join("".join(map(text, row)) + "\n" for row in rows)  # type: ignore[arg-type]
            for signal in uci_har.FILES:
                for axis in "xyz":
                    archive.writestr(f"{base}/Inertial Signals/{signal}_{axis}_{split}.txt", lines)
    return path


def test_values_units_people_and_spans(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (12, 128)) * 10.0 ** rng.integers(-12, 3, (12, 128))
    windows = load_dataset("uci-har", uci(tmp_path / "mini.zip", values)).windows()
    expected = np.array([[float(number(v)) for v in row] for row in values]).astype(np.float32)
    assert np.array_equal(windows.values[:, :, 3], expected)  # rad/s as they are
    assert np.allclose(windows.values[:, :, 8], expected * STANDARD_GRAVITY)  # g to m/s²
    assert windows.people == ["1", "2"] and windows.channels[3] == "gyro_x"
    assert windows.starts.tolist() == [i * 64 for i in range(6)] * 2


def test_other_spellings_of_numbers_are_read_too(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1, (4, 128)).round(4)
    path = uci(tmp_path / "mini.zip", values, lambda v: f" {v:.4f}")
    windows = load_dataset("uci-har", path).windows(channels="gyro")
    assert np.allclose(windows.values[:, :, 2], values) and windows.values.shape == (4, 128, 3)


def test_the_cache_serves_the_same_until_the_file_changes(tmp_path: Path) -> None:
    path = uci(tmp_path / "mini.zip", np.zeros((4, 128)))
    first = load_dataset("uci-har", path).windows()
    again = load_dataset("uci-har", path).windows()
    assert np.array_equal(first.values, again.values) and list(first.subjects) == list(
        again.subjects
    )
    uci(path, np.ones((6, 128)))
    assert len(load_dataset("uci-har", path).windows()) == 6


@pytest.mark.parametrize("fault", ["letter", "short row", "rows missing", "no signals"])
def test_damage_inside_is_named(fault: str, tmp_path: Path) -> None:
    whole = uci(tmp_path / "whole.zip", np.zeros((4, 128)))
    broken = "test/Inertial Signals/body_gyro_y_test.txt"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(tmp_path / "bad.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(broken):
                if fault == "letter":
                    content = content[:5] + b"x" + content[6:]
                elif fault == "short row":
                    content = content[:-20] + b"\n"
                elif fault == "rows missing":
                    content = content[: len(content) // 2]
                else:
                    continue
            new.writestr(name, content)
    with pytest.raises(DatasetError, match=r"bad.zip.*body_gyro_y_test"):
        load_dataset("uci-har", tmp_path / "bad.zip")
    assert not (tmp_path / "cache" / "parsed").exists()


def hapt(path: Path, gyro_rows: int = 1000, cell: str = "0.5") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("RawData/labels.txt", "1 7 5 1 400\n1 7 7 401 500\n1 7 1 501 900\n")
        archive.writestr("RawData/acc_exp01_user07.txt", f"{cell} -0.1 1.0\n" * 1000)
        archive.writestr("RawData/gyro_exp01_user07.txt", "0.01 0.02 0.03\n" * gyro_rows)
    return path


def test_hapt_recording_labels_and_units(tmp_path: Path) -> None:
    dataset = load_dataset("hapt", hapt(tmp_path / "h.zip"), activities="twelve")
    (recording,) = dataset.recordings
    assert (recording.subject, recording.name, len(recording)) == ("7", "exp01_user07", 1000)
    assert np.allclose(recording.values[0, :3], np.array([0.5, -0.1, 1]) * STANDARD_GRAVITY)
    labels = recording.labels(["standing", "stand-to-sit", "walking"])
    assert np.bincount(labels + 1).tolist() == [100, 400, 100, 400]
    assert labels[399] == 0 and labels[400] == 1  # the file counts from 1, both ends included
    six = load_dataset("hapt", tmp_path / "h.zip").windows(align="labels")
    assert set(six.labels) == {0, 4} and "stand-to-sit" not in six.activities


def test_hapt_damage_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="1000 rows, its gyroscope 999"):
        load_dataset("hapt", hapt(tmp_path / "a.zip", gyro_rows=999))
    with pytest.raises(DatasetError, match=r"acc_exp01_user07.txt' is not a table of numbers"):
        load_dataset("hapt", hapt(tmp_path / "b.zip", cell="half"))


def test_an_archive_in_an_archive_a_folder_and_a_tar(tmp_path: Path) -> None:
    import tarfile

    inner = hapt(tmp_path / "inner.zip")
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as outer:
        outer.write(inner, "HAPT Data Set.zip")
    with zipfile.ZipFile(inner) as archive:
        archive.extractall(tmp_path / "folder")
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "folder", "HAPT")
    for name in ("outer.zip", "folder", "packed.tar.gz"):
        assert len(load_dataset("hapt", tmp_path / name).recordings[0]) == 1000


@pytest.mark.parametrize("text", ["", "1 1 1 5", "a b c d e", "1 1 13 1 50", "1 1 0 1 50"])
def test_labels_that_are_none_are_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "RawData").mkdir()
    (tmp_path / "RawData" / "labels.txt").write_text(text)
    with pytest.raises(DatasetError, match=r"labels.txt' is damaged"):
        _labels(Archive(tmp_path))
