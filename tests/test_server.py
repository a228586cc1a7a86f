"""The server: who may ask, what it answers, and that nothing a client sends upsets it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving import TOKEN, served
from typer.testing import CliRunner
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from ambulo import Recognizer, fit, read
from ambulo.cli import app, main
from ambulo.datasets.synthetic import make
from ambulo.errors import OutputError, StreamError
from ambulo.pretrained import find, load
from ambulo.readers.table import write
from ambulo.server import new_token, qr_code
from ambulo.server.access import Access
from ambulo.server.batching import UNTOLD, Session
from ambulo.server.certificate import certificate
from ambulo.server.metrics import Metrics
from ambulo.server.options import Options
from ambulo.stream import Stream

SHOWN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serving")


@pytest.fixture(scope="module")
def url(waist: Recognizer, folder: Path) -> Iterator[str]:
    path = waist.save(folder / "waist.ambulo")
    with served(recognizer=path, upload=1 << 20, rate=1e6, slowest=1.0) as url:
        yield url


def test_a_recognizer_that_comes_along_is_served_by_its_name(tmp_path: Path) -> None:
    (made,) = make(people=1, minutes=0.5)
    heavy = replace(made, values=1.15 * made.values)  # at rest it measures more than gravity
    path = write(heavy, tmp_path / "monday.csv", labels=False)
    with served(recognizer=Path("waist")) as url:
        head = httpx.get(f"{url}/recognizer.json", headers=SHOWN).json()
        answer = httpx.post(f"{url}/predict", headers=SHOWN, content=path.read_bytes(), timeout=60)
    assert head["recognizer"]["card"]["limits"] and answer.json()[0]["activity"]
    doubts = fit(read(path), load("waist")).of("doubt")
    assert json.loads(answer.headers["doubts"]) == [
        f"{doubt.what}: {doubt.found}: {doubt.remedy}" for doubt in doubts
    ]
    assert doubts


def live(url: str, **options: Any) -> Any:
    options = {"additional_headers": SHOWN, **options}
    return connect(f"{url.replace('http', 'ws')}/live", **options)


def signal(seconds: float = 30.0, seed: int = 5) -> np.ndarray:
    (recording,) = make(people=1, minutes=seconds / 60, seed=seed)
    return np.column_stack([recording.time, recording.values.astype(float)])


def hear(connection: Any) -> list[dict[str, Any]]:
    """Everything until the server closes, which it does after `end`."""
    messages = []
    try:
        while True:
            messages.append(json.loads(connection.recv(timeout=20)))
    except ConnectionClosed:
        return messages


def healthy(url: str) -> bool:
    return bool(httpx.get(f"{url}/health", timeout=20).json() == {"status": "ok"})


def test_the_page_is_open_and_the_rest_needs_the_token(url: str) -> None:
    page = httpx.get(url)
    assert page.status_code == 200 and "Ambulo" in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in ("/recognizer.json", "/network.onnx", "/metrics", "/openapi.json", "/nothing"):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
            assert httpx.get(url + path, headers=headers).status_code == 401, path
    head = httpx.get(f"{url}/recognizer.json", headers=SHOWN).json()["recognizer"]
    assert head["activities"][0] == "walking" and head["context"]
    assert httpx.get(f"{url}/network.onnx", headers=SHOWN).content[:1] == b"\x08"
    assert httpx.post(f"{url}/collect/x", headers=SHOWN, json={}).status_code in (404, 422)


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/app.py",
        "//etc/passwd",
        "/..%2f..%2fserver/app.py",
        "/vendor/../../server/app.py",
    ],
)
def test_no_path_leads_out_of_the_page(url: str, path: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        lines = (
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n"
        )
        raw.sendall(lines.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split()[1] in (b"404", b"405"), answer[:200]


def test_another_sites_page_may_not_ask(url: str, waist: Recognizer, tmp_path: Path) -> None:
    own = httpx.get(f"{url}/recognizer.json", headers={**SHOWN, "Origin": url})
    assert own.status_code == 200
    for origin in ("https://evil.example", "null", "http://[", url.replace("http", "https")):
        headers = {**SHOWN, "Origin": origin}
        assert httpx.get(f"{url}/recognizer.json", headers=headers).status_code == 403
        with pytest.raises(InvalidStatus):
            live(url, additional_headers=headers).__enter__()
    path = waist.save(tmp_path / "r.ambulo")
    with served(recognizer=path, origins=("https://friend.example",)) as other:
        headers = {**SHOWN, "Origin": "https://friend.example"}
        got = httpx.get(f"{other}/recognizer.json", headers=headers)
        assert got.status_code == 200
        assert got.headers["access-control-allow-origin"] == "https://friend.example"
        asked = {"Access-Control-Request-Method": "POST"}
        asked |= {"Access-Control-Request-Headers": "authorization"}
        for origin, status in (("https://friend.example", 200), ("https://evil.example", 400)):
            before = httpx.options(f"{other}/predict", headers={"Origin": origin, **asked})
            assert before.status_code == status
            allowed = before.headers.get("access-control-allow-origin")
            assert allowed == ("https://friend.example" if status == 200 else None)


@pytest.mark.parametrize("packed", [False, True])
def test_a_recording_becomes_the_timeline_that_python_makes(
    url: str, waist: Recognizer, tmp_path: Path, packed: bool
) -> None:
    (recording,) = make(people=1, minutes=1.0, seed=5)
    path = write(recording, tmp_path / "monday.csv")
    content = gzip.compress(path.read_bytes()) if packed else path.read_bytes()
    name = "monday.csv.gz" if packed else "monday.csv"
    answer = httpx.post(f"{url}/predict?name={name}", headers=SHOWN, content=content, timeout=60)
    assert answer.status_code == 200, answer.text
    expected = waist.predict(read(path)).rows()
    assert [row["activity"] for row in answer.json()] == [row["activity"] for row in expected]
    assert answer.json()[0]["confidence"] == pytest.approx(expected[0]["confidence"], abs=1e-4)


def bomb(kind: str) -> bytes:
    """A small file that would unpack to 300 MB, more than the test's server has memory for."""
    zeros = b"0.0,1,2,3\n" * 30_000_000
    out = io.BytesIO()
    if kind == "gz":
        return gzip.compress(zeros)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", zeros)
    return out.getvalue()


@pytest.mark.parametrize("name", ["x.csv", "x.zip", "../../x.csv", "x.cwa", "x.parquet", "", "\0"])
def test_what_is_no_recording_is_refused_with_a_reason(url: str, name: str) -> None:
    content = random.Random(name).randbytes(5000)
    answer = httpx.post(
        f"{url}/predict", params={"name": name}, headers=SHOWN, content=content, timeout=60
    )
    assert answer.status_code == 422 and len(answer.json()["detail"]) > 20
    assert "/tmp" not in answer.json()["detail"] and healthy(url)


@pytest.mark.parametrize("name", ["a.zip", "a.csv.gz"])
def test_a_bomb_goes_off_in_a_process_of_its_own(
    waist: Recognizer, tmp_path: Path, name: str
) -> None:
    path = waist.save(tmp_path / "r.ambulo")
    with served(recognizer=path, memory=1 << 30) as url:
        content = bomb(name.rpartition(".")[2])
        answer = httpx.post(
            f"{url}/predict?name={name}", headers=SHOWN, content=content, timeout=99
        )
        assert answer.status_code == 422 and healthy(url)


def test_json_that_would_take_many_times_its_size_is_not_read(
    waist: Recognizer, tmp_path: Path
) -> None:
    path = waist.save(tmp_path / "r.ambulo")
    kind = {**SHOWN, "Content-Type": "application/json"}
    with served(recognizer=path, collect=tmp_path / "kept", rate=1e6) as url:
        for content, codes in ((b"[" * 100_000, (400, 422)), (b"[" + b"[]," * (1 << 20), (413,))):
            answer = httpx.post(f"{url}/collect/s", headers=kind, content=content)
            assert answer.status_code in codes, answer.text[:200]
        parts = (b"[]," * 100_000 for _ in range(9))  # whose size is not said before
        assert httpx.post(f"{url}/collect/s", headers=kind, content=parts).status_code == 413
        assert healthy(url)


def test_too_large_too_slow_and_too_often(url: str, waist: Recognizer, tmp_path: Path) -> None:
    large = httpx.post(f"{url}/predict", headers=SHOWN, content=bytes(2 << 20))
    assert large.status_code == 413
    chunked = httpx.post(
        f"{url}/predict", headers=SHOWN, content=(bytes(1 << 18) for _ in range(9))
    )
    assert chunked.status_code == 413

    def slowly() -> Iterator[bytes]:
        for _ in range(40):
            yield b"time"
            time.sleep(0.5)

    begin = time.monotonic()
    try:  # a client that goes on sending may not get to read the answer
        assert httpx.post(f"{url}/predict", headers=SHOWN, content=slowly()).status_code == 408
    except httpx.TransportError:
        pass
    assert time.monotonic() - begin < 10
    path = waist.save(tmp_path / "r.ambulo")
    with served(recognizer=path, rate=1.0) as other:
        codes = [httpx.get(f"{other}/health").status_code for _ in range(20)]
    assert 429 in codes and codes[0] == 200


@pytest.mark.parametrize("before", [b"", b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(
    waist: Recognizer, tmp_path: Path, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambulo.server.patience.SECONDS", 0.5)
    monkeypatch.setattr("ambulo.server.KEPT", 1)
    with served(recognizer=waist.save(tmp_path / "r.ambulo")) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 20) as raw:
            raw.sendall(before)
            raw.sendall(b"GET /health HTTP/1.1\r\nHos")
            answers = b"".join(iter(lambda: raw.recv(65536), b""))  # until it is closed
        assert answers.count(b"HTTP/1.1 200") == len(before[:1])
        assert healthy(url)


def test_the_server_decides_as_the_stream_does(url: str, waist: Recognizer) -> None:
    rows = signal()
    stream = Stream(waist)
    expected = stream.push(rows[:, 0], rows[:, 1:]) + stream.finish()
    with live(url, subprotocols=["ambulo", f"token.{TOKEN}"], additional_headers={}) as connection:
        assert connection.subprotocol == "ambulo"
        for k in range(0, len(rows), 17):
            connection.send(rows[k : k + 17].astype("<f8").tobytes())
        connection.send(json.dumps({"end": True}))
        messages = hear(connection)
    assert messages[0]["channels"] == list(stream.channels)
    assert messages[-1]["taken"] == len(rows)
    got = [d for message in messages for d in message.get("decisions", ())]
    assert [d["activity"] for d in got] == [d.activity for d in expected]
    assert [d["start"] for d in got] == pytest.approx([d.start for d in expected])
    probabilities = np.array([d["probabilities"] for d in got])
    assert np.abs(probabilities - [d.probabilities for d in expected]).max() < 1e-4


def test_sessions_go_through_the_network_together_and_stay_apart(
    url: str, waist: Recognizer
) -> None:
    """Twenty phones, one of which sends ten times as much at once: each gets its own decisions."""
    signals = [signal(15 if k else 150, seed=k) for k in range(20)]
    connections = [live(url) for _ in signals]
    opened = [connection.__enter__() for connection in connections]
    for connection, rows in zip(opened, signals, strict=True):
        for part in np.array_split(rows, max(len(rows) // 3000, 1)):
            connection.send(part.astype("<f8").tobytes())
    for connection in opened:
        connection.send('{"end":true}')
    for connection, rows in zip(opened, signals, strict=True):
        messages = hear(connection)
        stream = Stream(waist)
        expected = stream.push(rows[:, 0], rows[:, 1:]) + stream.finish()
        got = [d["activity"] for m in messages for d in m.get("decisions", ())]
        assert messages[-1]["taken"] == len(rows)
        assert got == [d.activity for d in expected]
    for connection in connections:
        connection.__exit__(None, None, None)
    counts = dict(
        line.rsplit(" ", 1)
        for line in httpx.get(f"{url}/metrics", headers=SHOWN).text.splitlines()
        if not line.startswith("#")
    )
    assert int(counts["ambulo_windows_total"]) > int(counts["ambulo_rounds_total"]) > 0
    assert int(counts["ambulo_decision_seconds_count"]) == int(counts["ambulo_windows_total"])
    assert counts["ambulo_sessions"] == "0"


def test_a_websocket_needs_the_token(url: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            live(url, additional_headers=headers).__enter__()
        assert refused.value.response.status_code == 403


def test_a_message_too_large_ends_its_connection(url: str) -> None:
    with live(url) as connection, pytest.raises(ConnectionClosed) as closed:
        connection.send(bytes(1 << 20))
        while True:
            connection.recv(timeout=20)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
    assert healthy(url)


def test_what_is_wrong_with_samples_is_counted_and_they_are_decided_on(
    url: str, waist: Recognizer
) -> None:
    """Duplicates, samples out of order and not finite, a clock that is set back by an hour."""
    rows = signal(60)
    rows[1500:, 0] -= 3600.0
    wrong = rows.repeat(1 + (np.arange(len(rows)) % 50 == 7), axis=0)
    wrong[[400, 401]] = wrong[[401, 400]]
    wrong[800, 3] = np.nan
    stream = Stream(waist)
    expected = stream.push(wrong[:, 0], wrong[:, 1:]) + stream.finish()
    before = counted(url)
    with live(url) as connection:
        for k in range(0, len(wrong), 25):
            connection.send(wrong[k : k + 25].astype("<f8").tobytes())
            if k < 500:
                connection.send("{")
        connection.send('{"end":true}')
        messages = hear(connection)
    got = [d["activity"] for m in messages for d in m.get("decisions", ())]
    assert got == [d.activity for d in expected] and len(got) > 35
    after = counted(url)
    grown = {name: n - before.get(name, 0) for name, n in after.items()}
    assert grown["ambulo_malformed_total"] == 20
    for kind in ("duplicate", "late", "not_finite", "jumps"):
        assert grown[f'ambulo_faults_total{{kind="{kind}"}}'] == stream.counts[kind] > 0


def counted(url: str) -> dict[str, int]:
    lines = httpx.get(f"{url}/metrics", headers=SHOWN).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: int(value) for name, value in pairs if value.isdigit()}


def test_who_reads_nothing_is_not_read_any_further(waist: Recognizer) -> None:
    session = Session(Stream(waist), waiting=1000)
    for _ in range(UNTOLD):
        session.put(np.zeros((1, 7)))
        session.out.append((0.0, []))
    session.portion()
    session.breathe()
    assert not session.room.is_set()
    session.out.clear()
    session.breathe()
    assert session.room.is_set()


def memory() -> int:
    """Bytes that this process, in which the server runs too, has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="tells no process's memory")
@pytest.mark.parametrize("seconds", [2, 20])
def test_channels_that_do_not_come_are_told(url: str, seconds: int) -> None:
    with live(url) as connection:
        for t in range(seconds):  # the turn rate is missing; after 20 s no end needs to be said
            times = [t + k / 50 for k in range(50)]
            acc = dict.fromkeys(("acc_x", "acc_y", "acc_z"), [1.0] * 50)
            connection.send(json.dumps({"time": times, **acc}))
        if seconds == 2:
            connection.send('{"end": true}')
        *_, last = hear(connection)
    assert "gyro_x, gyro_y, gyro_z do not come" in last["error"]


def test_empty_messages_take_no_memory(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    puts = []
    put = Session.put
    monkeypatch.setattr(
        Session, "put", lambda self, rows: (puts.append(len(rows)), put(self, rows))
    )
    with live(url) as connection:
        for content in (b"", b"", signal(1)[:, :7].astype("<f8").tobytes(), b"", "[]"):
            connection.send(content)
        connection.send('{"end": true}')
        hear(connection)
    assert puts and min(puts) > 0


def test_malformed_messages_are_counted_and_then_refused(url: str, waist: Recognizer) -> None:
    """Made-up messages of all kinds, 1000 of them over many connections; others are served on."""
    chance, before = random.Random(0), memory()
    good = json.dumps({"time": [0.1, 0.2], "acc_x": [1, 2]})
    sent = 0
    while sent < 1000:
        with live(url) as connection:
            try:
                for _ in range(100):
                    connection.send(malformed(chance, good))
                    sent += 1
                hear(connection)
            except ConnectionClosed:
                pass
    assert healthy(url) and memory() - before < 32 << 20
    test_the_server_decides_as_the_stream_does(url, waist)


def malformed(chance: random.Random, good: str) -> bytes | str:
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 300))
    if kind == 1:
        at = chance.randrange(len(good))
        return good[:at] + chance.choice('[]{}",:nul0e9\\') + good[at + chance.randrange(3) :]
    if kind == 2:
        return chance.choice(["", "null", "[]", "{}", "[" * 5000, '"x"', "1e999", '{"time": {}}'])
    if kind == 3:
        huge = np.array([[chance.choice([np.nan, np.inf, 1e308, -1e308, 0.0]) for _ in range(7)]])
        return huge.astype("<f8").tobytes()
    return json.dumps({"time": [1, 2], **{c: [chance.random()] for c in ("acc_x", "acc_y")}})


def test_phones_trust_the_certificate_that_is_made(waist: Recognizer, tmp_path: Path) -> None:
    path = waist.save(tmp_path / "r.ambulo")
    made, key = certificate(tmp_path / "tls", ["127.0.0.1", "localhost"])
    assert key.stat().st_mode & 0o077 == 0
    before = made.read_bytes()
    assert certificate(tmp_path / "tls", ["localhost"])[0].read_bytes() == before
    trusting = ssl.create_default_context(cafile=made)
    with served(recognizer=path, tls=(made, key), certificate=made) as url:
        answer = httpx.get(f"{url}/certificate", verify=trusting)
        assert url.startswith("https") and answer.content == before
        with live(url, ssl=trusting) as connection:
            assert "channels" in json.loads(connection.recv(timeout=20))
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
    certificate(tmp_path / "tls", ["192.0.2.7"])
    assert made.read_bytes() != before


def test_who_steals_its_key_is_trusted_for_no_other_site(tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    made, key = certificate(tmp_path / "tls", ["127.0.0.1", "phone-host.local"])
    own = x509.load_pem_x509_certificate(made.read_bytes())
    stolen = serialization.load_pem_private_key(key.read_bytes(), None)
    mine = ec.generate_private_key(ec.SECP256R1())

    def trusted(host: str) -> bool:
        named = x509.SubjectAlternativeName([x509.DNSName(host)])
        forged = (
            x509.CertificateBuilder(own.subject, x509.Name([]), mine.public_key(), 7)
            .not_valid_before(own.not_valid_before_utc)
            .not_valid_after(own.not_valid_after_utc)
            .add_extension(named, critical=True)
            .sign(stolen, hashes.SHA256())
        )
        served_key = mine.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        chain = tmp_path / "forged.pem"
        chain.write_bytes(served_key + forged.public_bytes(serialization.Encoding.PEM))
        site = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        site.load_cert_chain(chain)
        to_site, to_phone = ssl.MemoryBIO(), ssl.MemoryBIO()
        phone = ssl.create_default_context(cafile=made).wrap_bio(to_phone, to_site, False, host)
        server_side = site.wrap_bio(to_site, to_phone, True)
        try:
            for step in (phone, server_side, phone):
                with contextlib.suppress(ssl.SSLWantReadError):
                    step.do_handshake()
        except ssl.SSLCertVerificationError as error:
            assert "permitted subtree violation" in str(error)
            return False
        return True

    assert trusted("phone-host.local") and not trusted("example.com")


def test_the_address_that_is_told_is_the_one_that_answers(tmp_path: Path) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("needs IPv6")
    command = [sys.executable, "-m", "ambulo", "serve", "--http", "--collect", str(tmp_path)]
    for host, reached in (("127.0.0.1", "http://127.0.0.1"), ("::1", "http://[::1]")):
        process = subprocess.Popen(
            [*command, "--host", host, "--port", "0", "--json"], stdout=subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"].partition("/#")[0]
            assert url.rpartition(":")[0] == reached and healthy(url)
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_who_leaves_amid_an_upload_is_no_fault(url: str, caplog: pytest.LogCaptureFixture) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        head = f"POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        raw.sendall(f"{head}Content-Length: 1000\r\n\r\ntime".encode())
        time.sleep(0.3)
    time.sleep(0.3)
    assert healthy(url) and not caplog.records


def test_who_waits_for_others_is_not_called_slow(
    waist: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(path: Path, body: Any, *_: Any) -> Any:
        async for _ in body:
            pass
        await asyncio.sleep(1.2)
        return [], []

    monkeypatch.setattr("ambulo.server.app.predict", slow)
    path = waist.save(tmp_path / "r.ambulo")
    with served(recognizer=path, slowest=1.0) as url, ThreadPoolExecutor(4) as four:

        def parts() -> Iterator[bytes]:
            for _ in range(12):
                time.sleep(0.05)
                yield bytes(1 << 20)

        def ask(_: int) -> int:
            return httpx.post(f"{url}/predict", headers=SHOWN, content=parts()).status_code

        assert list(four.map(ask, range(4))) == [200] * 4


def test_the_qr_code_says_where_and_with_which_token() -> None:
    drawn = qr_code("https://192.0.2.7:8443/#token=x")
    assert len(drawn.splitlines()) > 10
    assert len({new_token() for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nothing to serve"),
        (["absent.ambulo"], "no such file"),
        (["--collect", ".", "--token", "short"], "too short"),
        (["--collect", ".", "--token", "base64/with+signs=="], "letters, digits"),
        (["--collect", ".", "--origin", "example.org"], "https://example.org"),
        (["--collect", "/dev/null", "--http"], "/dev/null: recordings cannot be kept there"),
        (["--collect", ".", "--http", "--host", "192.0.2.9"], "choose another --port or --host"),
        (["--collect", ".", "--certificate", "a.pem"], "belong together"),
        (["--collect", ".", "--certificate", "a.pem", "--key", "b.pem"], "a.pem"),
    ],
)
def test_what_cannot_be_served_is_a_clear_error(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ambulo", "serve", *arguments])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2 and says in capsys.readouterr().err


def test_an_address_that_asks_too_often_gets_what_is_its_own() -> None:
    """Many phones may be behind one address: what is refused must not count against them."""
    access = Access(None, Options(token="x" * 12, rate=50.0), Metrics(), frozenset())
    clock = iter(np.arange(7200) / 60)
    served = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ambulo.server.access.time.monotonic", lambda: next(clock))
        for k in range(7200):
            served += access._allowance("nat") and k >= 5400
    assert served == pytest.approx(50 * 30, rel=0.02)


@pytest.mark.slow
def test_who_reads_no_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ambulo.server.patience.STUCK", 0.5)
    with served(recognizer=find("waist")) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect((host, int(port)))
            raw.settimeout(30)
            shown = f"Authorization: {SHOWN['Authorization']}"
            asked = f"GET /network.onnx HTTP/1.1\r\nHost: x\r\n{shown}\r\n\r\n"
            raw.sendall(asked.encode() * 100)
            time.sleep(2.0)
            came = 0
            with contextlib.suppress(OSError):
                while part := raw.recv(65536):
                    came += len(part)
        assert 0 < came < 60 * len(load("waist").graph)
        assert healthy(url)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--name müller.local", "is no name of a machine"),
        ("--host a..b --http", "cannot listen there"),
        ("--http --certificate c.pem --key k.pem", "leave one of them out"),
    ],
)
def test_what_cannot_be_served_is_told(
    arguments: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    run = CliRunner().invoke(app, ["serve", "waist", "--port", "0", *arguments.split()])
    assert isinstance(run.exception, StreamError) and says in str(run.exception)


def test_a_place_that_cannot_keep_the_certificate_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    run = CliRunner().invoke(app, ["serve", "waist", "--port", "0"])
    assert isinstance(run.exception, OutputError) and "cannot keep" in str(run.exception)
