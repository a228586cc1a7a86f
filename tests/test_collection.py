"""What phones record is kept from the moment it is acknowledged, and becomes a data set."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving import TOKEN, served

from ambulo import load_dataset
from ambulo.server.collection import Collection
from ambulo.server.journal import Journal

SHOWN = {"Authorization": f"Bearer {TOKEN}"}
KILLS = int(os.environ.get("AMBULO_KILLS", "50" if os.environ.get("AMBULO_NIGHTLY") else "2"))
"""How often the server is killed: two times here, 50 at night, which takes three minutes."""
BEGIN = 1.7e9


def chunk(number: int, *, last: bool = False, **other: Any) -> dict[str, Any]:
    """A second of a recording, its samples told apart by `number`; all of it is walking."""
    time_of = BEGIN + number + np.arange(50) / 50
    samples = [[round(float(t), 3), number, 2.0, 9.8, 0.0, 0.0, 0.1] for t in time_of]
    walked = [{"start": BEGIN, "end": BEGIN + number + 1, "activity": "walking"}]
    return {
        "number": number,
        "person": "p1",
        "placement": "waist",
        "channels": 6,
        "samples": samples,
        "intervals": walked,
        "last": last,
        **other,
    }


def test_chunks_in_any_order_and_twice_become_one_recording(tmp_path: Path) -> None:
    collection = Collection(tmp_path)
    taken_back = [{"start": BEGIN + 1, "end": BEGIN + 2.5, "activity": "climbing stairs"}]
    for number in (2, 0, 0, 3, 2):
        collection.keep("monday", chunk(number, last=number == 3, intervals=taken_back))
    assert not (tmp_path / "p1").exists() and collection.numbers("monday") == [0, 2, 3]
    assert collection.keep("monday", chunk(1)) == (4, True)
    assert collection.keep("monday", chunk(1)) == (4, False)
    with pytest.raises(ValueError, match="another person"):
        collection.keep("monday", chunk(4, person="p2"))
    with pytest.raises(ValueError, match="another part 0: count on from 4"):
        Collection(tmp_path).keep("monday", chunk(0, samples=chunk(7)["samples"]))
    (recording,) = load_dataset(str(tmp_path)).recordings
    assert (recording.subject, recording.rate, len(recording)) == ("p1", 50.0, 200)
    assert recording.notes["placement"] == "waist" and recording.start is not None
    (interval,) = recording.intervals
    assert (interval.start, interval.end) == pytest.approx((1.0, 2.5), abs=0.021)
    assert interval.activity == "climbing stairs"
    assert [c.name for c in recording.channels][3] == "gyro_x"


def test_a_line_cut_short_by_a_kill_is_cut_off_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    journal = Journal(path)
    for number in range(3):
        assert journal.append(chunk(number))
    whole = path.read_bytes()
    for cut in (1, 50, 500):
        path.write_bytes(whole[:-cut])
        again = Journal(path)
        assert set(again.numbers) == {0, 1} and not again.append(chunk(0))
        assert again.append(chunk(2)) and path.read_bytes() == whole
    path.write_bytes(whole.replace(b'"walking"', b'"running"', 1))
    assert not Journal(path).numbers  # its checksum is wrong, so the file ends there


def test_what_was_under_way_is_a_recording_after_the_next_start(tmp_path: Path) -> None:
    Collection(tmp_path).keep("monday", chunk(0))
    assert Collection(tmp_path).recover() == ["monday"]
    assert len(load_dataset(str(tmp_path)).recordings[0]) == 50


def test_only_chunks_are_taken(tmp_path: Path) -> None:
    bad: list[dict[str, Any]] = [
        {"person": "../up"},
        {"person": "a/b"},
        {"person": ""},
        {"placement": "x\ny"},
        {"number": -1},
        {"channels": 5},
        {"extra": 1},
        {"samples": [[1, 2]]},
        {"samples": [["1", "x", 2, 3]]},
        {"samples": [[0.0] * 7] * 5001},
        {"samples": None},
        {"intervals": [{"start": 0, "end": 1, "activity": "a,b\n"}]},
        {"samples": [[1e30, 0, 0, 0, 0, 0, 0]]},
        {"samples": [[float("nan"), 0, 0, 0, 0, 0, 0]]},
        {"person": "\ud800"},
        {"\ud800": 1},
    ]
    with served(collect=tmp_path, rate=1e6) as url:
        for change in bad:
            content = json.dumps(chunk(0) | change)
            headers = SHOWN | {"Content-Type": "application/json"}
            answer = httpx.post(f"{url}/collect/s", headers=headers, content=content)
            assert answer.status_code == 422, change
            assert not any("input" in wrong for wrong in answer.json()["detail"])
        for session in ("..%2f..%2fx", ".hidden", "a" * 41, "a b"):
            answer = httpx.post(f"{url}/collect/{session}", headers=SHOWN, json=chunk(0))
            assert answer.status_code in (404, 405, 422), session
        assert httpx.post(f"{url}/collect/s", json=chunk(0)).status_code == 401
        answer = httpx.post(f"{url}/collect/s", headers=SHOWN, json=chunk(0))
        assert answer.json() == {"kept": 1}
        assert httpx.get(f"{url}/collect/s", headers=SHOWN).json() == [0]
    assert [p.name for p in (tmp_path / ".journal").iterdir()] == ["s.jsonl"]
    assert not list(tmp_path.parent.glob("up*"))


def start(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["serve", "--collect", str(folder), "--http", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--token", TOKEN, "--json"]
    process = subprocess.Popen([sys.executable, "-m", "ambulo", *command], stdout=subprocess.PIPE)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{url}/health")
            return process, url
        except httpx.TransportError:
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate(timeout=30)


def send(url: str, session: str, acknowledged: set[int]) -> None:
    """Send chunks, each until it is acknowledged, until the server is gone."""
    with httpx.Client(headers=SHOWN) as client:
        for number in range(max(acknowledged, default=-1) + 1, 10_000):
            try:
                answer = client.post(f"{url}/collect/{session}", json=chunk(number))
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                acknowledged.add(number)


@pytest.mark.slow
def test_killed_at_any_moment_it_has_what_it_acknowledged(tmp_path: Path) -> None:
    """Twenty phones send while the server is killed, again and again."""
    chance = random.Random()
    sessions: dict[str, set[int]] = {f"s{k}": set() for k in range(20)}
    for _ in range(KILLS):
        process, url = start(tmp_path)
        threads = [
            threading.Thread(target=send, args=(url, name, kept)) for name, kept in sessions.items()
        ]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.1, 1.0))
        stop(process, signal.SIGKILL)
        for thread in threads:
            thread.join()
    process, url = start(tmp_path)
    try:
        for name, kept in sessions.items():
            found = httpx.get(f"{url}/collect/{name}", headers=SHOWN).json()
            assert kept <= set(found), f"{name} lost {kept - set(found)}"
    finally:
        stop(process, signal.SIGTERM)
    assert process.returncode in (0, -signal.SIGTERM) and any(sessions.values())
    recordings = {r.name: r for r in load_dataset(str(tmp_path)).recordings}
    for name, kept in sessions.items():
        if kept:
            seen = set(recordings[f"p1/{name}"].values[:, 0].round().astype(int).tolist())
            assert kept <= seen and len(recordings[f"p1/{name}"]) >= 50 * len(kept)


def test_damage_amid_a_journal_leaves_a_copy_of_all(tmp_path: Path) -> None:
    """What a kill cut short is the last line; what a disk spoilt may have others behind it."""
    collection = Collection(tmp_path)
    for number in range(4):
        collection.keep("monday", chunk(number))
    (path,) = tmp_path.rglob("monday.jsonl")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert Collection(tmp_path).numbers("monday") in ([0], [0, 1])
    assert path.with_suffix(".damaged").read_bytes() == content
    cut = path.read_bytes()[:-9]
    path.with_suffix(".damaged").unlink()
    path.write_bytes(cut)
    Collection(tmp_path).numbers("monday")
    assert not path.with_suffix(".damaged").exists()
