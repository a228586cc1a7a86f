"""Every registered reader keeps these promises; none can be added by half."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))
import logger_files as files

from ambulo import read
from ambulo.errors import AmbuloError
from ambulo.readers import READERS, findings
from ambulo.readers.finding import SURE
from ambulo.readers.source import Source

Write = Callable[[Path], Path]
CASES = 2000 if os.environ.get("AMBULO_NIGHTLY") else 200
PAIRS = [(name, write) for name, writers in files.GOLDEN.items() for write in writers]
DEVICES = ("axivity", "geneactiv", "actigraph")


def need(name: str) -> None:
    if name in DEVICES:
        pytest.importorskip("actfast")


def test_every_reader_has_golden_files() -> None:
    assert set(files.GOLDEN) == set(READERS)


@pytest.mark.parametrize(("name", "write"), PAIRS, ids=lambda v: getattr(v, "__name__", v))
def test_a_golden_file_is_taken_by_its_reader_and_by_none_before(
    name: str, write: Write, tmp_path: Path
) -> None:
    need(name)
    from ambulo.readers import Settings

    path = write(tmp_path)
    for other, reader in READERS.items():
        recording = reader(Source(path), Settings())
        assert (recording is not None) == (other == name)
        if recording is not None:
            break


@pytest.mark.parametrize(("name", "write"), PAIRS, ids=lambda v: getattr(v, "__name__", v))
def test_every_decision_is_told(name: str, write: Write, tmp_path: Path) -> None:
    need(name)
    recording = read(write(tmp_path))
    found = {finding.what: finding for finding in findings(recording)}
    assert {"format", "rate", "unit of acc", "gravity in acc", "sign of acc"} <= set(found)
    assert all(f.sure in SURE and f.decided and f.why for f in found.values())
    for note in ("rows", "rows_dropped", "rows_out_of_order", "rows_of_the_same_time", "clipped"):
        assert note in recording.notes
    json.dumps({k: v for k, v in recording.notes.items() if k != "findings"})


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("golden")
    written = [write(folder) for _, write in PAIRS]
    return {path.name: path.read_bytes() for path in written if path.is_file()}


def damage(data: st.DataObject, content: bytes) -> bytes:
    """Cut anywhere, bytes flipped, columns shuffled, units mixed."""
    if data.draw(st.booleans()) and content[:1].isascii() and b"\n" in content[:200]:
        lines = [line.split(b",") for line in content[:20_000].split(b"\n")[:-1]]
        order = data.draw(st.permutations(range(len(lines[0]))))
        lines = [[line[i] for i in order if i < len(line)] for line in lines]
        column, factor = data.draw(st.integers(0, len(order) - 1)), data.draw(st.floats())
        for line in lines[1 + data.draw(st.integers(0, 20)) :: data.draw(st.integers(1, 3))]:
            if column < len(line):
                line[column] = line[column][: data.draw(st.just(3))] + str(factor).encode()
        content = b"\n".join(b",".join(line) for line in lines)
    out = bytearray(content)
    for _ in range(data.draw(st.integers(0, 6))):
        out[data.draw(st.integers(0, len(out) - 1))] = data.draw(st.integers(0, 255))
    head = data.draw(st.booleans())
    end = data.draw(st.integers(0, min(len(out), 3000) if head else len(out)))
    return bytes(out[:end]) if data.draw(st.booleans()) else bytes(out)


@settings(
    max_examples=CASES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_damage_is_read_or_refused_in_words(
    data: st.DataObject, golden: dict[str, bytes], tmp_path: Path
) -> None:
    name = data.draw(st.sampled_from(sorted(golden)))
    if name.startswith(DEVICES):
        need(DEVICES[0])
    path = tmp_path / name
    path.write_bytes(damage(data, golden[name]))
    try:
        recording = read(path)
    except AmbuloError as error:
        assert name in str(error)
    else:
        assert np.isfinite(recording.values).all() and len(recording) > 1
        assert findings(recording)
