"""Devices worn for days: calibrated by gravity, non-wear found, their clocks told in local time."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import logger_files as files
import numpy as np
import pytest

from ambulo import read
from ambulo.errors import MissingExtraError, RecordingError
from ambulo.readers import findings
from ambulo.readers.wear import calibrate, nonwear


def test_calibration_brings_still_periods_to_one_g() -> None:
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(60, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    true = ways.repeat(100, axis=0) + rng.normal(0, 0.002, (6000, 3))
    gain, offset = np.array([1.03, 0.98, 1.01]), np.array([0.02, -0.03, 0.01])
    acc = ((true - offset) / gain).astype(np.float32)
    done = calibrate(acc, rate=10)
    assert done.done and "now" in done.why
    assert np.abs(acc - true).max() < 0.005


def test_calibration_is_left_where_still_periods_show_one_side_only() -> None:
    acc = np.tile(np.float32([0, 0, 1.02]), (6000, 1))
    assert not calibrate(acc, rate=10).done and (acc[:, 2] == np.float32(1.02)).all()


def test_hours_on_a_table_are_not_worn() -> None:
    rng = np.random.default_rng(0)
    acc = np.float32([0, 0, 1]) + rng.normal(0, 0.2, (5 * 3600, 3)).astype(np.float32)
    acc[3600 : 3 * 3600] = [0, 0, 1]
    assert nonwear(acc, rate=1) == [(3600.0, 10800.0)]
    assert nonwear(acc[:3600], rate=1) == []


def test_device_files_tell_zone_wearer_and_temperature(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    geneactiv, actigraph = (read(w(tmp_path)) for w in (files.geneactiv, files.actigraph))
    assert (geneactiv.subject, actigraph.subject) == ("0001", "Anna")
    assert geneactiv.notes["device"]["temperature"]["median"] == pytest.approx(28.2)
    rome = read(tmp_path / "geneactiv.bin", zone="Europe/Rome")
    assert rome.start == files.START and rome.start.utcoffset() == timedelta(hours=1)
    assert geneactiv.start == files.START and geneactiv.start.utcoffset() == timedelta(hours=1)
    axivity = read(files.axivity(tmp_path), zone="Europe/Rome")
    assert axivity.start is not None and axivity.start.hour == files.START.hour
    assert {"calibration", "not worn"} <= {finding.what for finding in findings(rome)}


def test_a_cut_device_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("actfast")
    for write in (files.axivity, files.geneactiv, files.actigraph):
        path = write(tmp_path)
        path.write_bytes(path.read_bytes()[:700])
        with pytest.raises(RecordingError, match=f"{path.name}.*again"):
            read(path)


def test_without_actfast_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = files.axivity(tmp_path)
    monkeypatch.setitem(sys.modules, "actfast", None)
    with pytest.raises(MissingExtraError, match=r"ambulo\[devices\]"):
        read(path)
