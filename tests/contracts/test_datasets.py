"""Every registered data set keeps these promises."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from ambulo import load_dataset
from ambulo.datasets import DATASETS, dataset_info, describe
from ambulo.errors import DatasetError

FETCHED = [name for name in DATASETS if dataset_info(name).files]


@pytest.mark.parametrize("name", DATASETS)
def test_says_what_a_user_must_know(name: str) -> None:
    facts = describe(name)
    for key in ("title", "people", "rate", "channels", "placements", "size", "terms", "citation"):
        assert facts[key], key
    assert all(facts["activities"].values())


@pytest.mark.parametrize("name", FETCHED)
def test_absent_names_all_four_places(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBULO_DATA", str(tmp_path))
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DatasetError) as error:
        load_dataset(name)
    for place in ("--data PATH", "AMBULO_DATA", str(tmp_path / "cache"), dataset_info(name).url):
        assert place in str(error.value)


@pytest.mark.parametrize("name", FETCHED)
@pytest.mark.parametrize("fault", ["missing", "not a zip", "another", "climbs", "truncated"])
def test_wrong_archive_is_named(
    name: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "given.zip"
    if fault == "not a zip":
        path.write_bytes(b"<html>404</html>")
    elif fault != "missing":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../evil.txt" if fault == "climbs" else "other.txt", "x" * 1000)
    if fault == "truncated":
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match="given.zip"):
        load_dataset(name, path)
    assert not (tmp_path / "cache" / "parsed").exists()


@pytest.mark.parametrize("name", DATASETS)
def test_unknown_choices_name_the_known(name: str) -> None:
    with pytest.raises(DatasetError, match="choose from"):
        load_dataset(name, activities="seventeen")
    with pytest.raises(DatasetError, match="no device 'toaster'"):
        load_dataset(name, device="toaster")


@pytest.mark.parametrize(
    "name", ["synthetic", *(pytest.param(n, marks=pytest.mark.real) for n in FETCHED)]
)
def test_windows_are_whole_and_know_where_they_are_from(name: str) -> None:
    dataset = load_dataset(name)
    windows = dataset.windows()
    assert np.isfinite(windows.values).all()
    assert set(windows.people) <= set(dataset.people)
    assert len(windows.people) <= dataset.info.people
    assert set(np.unique(windows.labels)) <= set(range(len(windows.activities)))
    assert windows.source == name and windows.terms and windows.citation
    _check_spans(dataset, windows)


def _check_spans(dataset: object, windows: object) -> None:
    """Windows of recordings hold the very samples that their spans name."""
    recordings = {r.name: r for r in dataset.recordings}  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for i in rng.choice(len(windows), 50):  # type: ignore[arg-type]
        if not recordings:
            break
        recording = recordings[windows.recordings[i]]  # type: ignore[attr-defined]
        assert recording.subject == windows.subjects[i]  # type: ignore[attr-defined]
        span = recording.select(windows.channels).values[windows.starts[i] :][: windows.length]  # type: ignore[attr-defined]
        assert np.array_equal(span, windows.values[i])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [n for n in DATASETS if dataset_info(n).official_test])
def test_official_test_people_are_people_of_it(name: str) -> None:
    info = dataset_info(name)
    assert 0 < len(info.official_test) < info.people
