"""Live sources and sinks: phones' formats, sockets of this machine, and malformed messages."""

from __future__ import annotations

import http.server
import io
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from ambulo import Recognizer, Recording, Stream, load_dataset, train
from ambulo.datasets.synthetic import make
from ambulo.errors import OutputError, StreamError
from ambulo.readers.table import write
from ambulo.stream import sources
from ambulo.stream.joining import Joiner
from ambulo.stream.messages import LARGEST, Part, parse
from ambulo.stream.running import run
from ambulo.stream.sinks import Courier, sink, view

AXES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return train("features", load_dataset("synthetic").windows().of(["1", "2", "3"]))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return make(people=1, minutes=0.3, seed=4)[0]


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.decisions: list[Any] = []
        self.lost = 0

    def write(self, decision: Any) -> None:
        self.decisions.append(decision)

    def close(self) -> None:
        pass


def rows(recording: Recording, every: int = 25) -> list[bytes]:
    """Messages of Ambulo's own kind, with a list for each channel."""
    out = []
    for at in range(0, len(recording), every):
        part = slice(at, at + every)
        content = {"time": recording.time[part].tolist()}
        content |= dict(zip(AXES, recording.values[part].T.tolist(), strict=True))
        out.append(json.dumps(content).encode())
    return out


def decided(recognizer: Recognizer, messages: Any, **options: Any) -> tuple[list[Any], Any]:
    kept = Kept()
    counts = run(Stream(recognizer, rate=50.0, **options), messages, [kept])
    return kept.decisions, counts


def sensor_logger(recording: Recording, late: float) -> list[bytes]:
    """What the app pushes: gravity apart, each sensor at times of its own, in nanoseconds."""
    out = []
    for at in range(0, len(recording), 50):
        payload: list[dict[str, Any]] = [{"name": "battery", "time": 1, "values": {"level": 0.5}}]
        for time, row in zip(
            recording.time[at : at + 50], recording.values[at : at + 50], strict=True
        ):
            gravity = np.array([9.0, 3.0, -1.0])
            for name, shift, values in (
                ("accelerometer", 0.0, row[:3] - gravity),
                ("gravity", late, gravity),
                ("gyroscope", late, row[3:]),
            ):
                stamp = int((1.7e9 + time + shift) * 1e9)
                xyz = dict(zip("xyz", map(float, values), strict=True))
                payload.append({"name": name, "time": stamp, "values": xyz})
        message = {"messageId": at, "sessionId": "s", "deviceId": "d", "payload": payload}
        out.append(json.dumps(message).encode())
    return out


def test_own_messages_and_sensor_logger_decide_alike(
    recognizer: Recognizer, recording: Recording
) -> None:
    plain, _ = decided(recognizer, rows(recording))
    singles = [
        json.dumps({"time": t, **dict(zip(AXES, v, strict=True))})
        for t, v in zip(recording.time, recording.values.tolist(), strict=True)
    ]
    assert [d.activity for d in decided(recognizer, singles)[0]] == [d.activity for d in plain]
    phone, counts = decided(recognizer, sensor_logger(recording, 0.0))
    assert counts["malformed"] == counts["incomplete"] == 0
    assert [d.activity for d in phone] == [d.activity for d in plain]
    p, q = (np.array([d.probabilities for d in found]) for found in (phone, plain))
    assert p == pytest.approx(q, abs=1e-3)
    late, counts = decided(recognizer, sensor_logger(recording, 0.004))
    assert [d.activity for d in late] == [d.activity for d in plain]
    assert counts["incomplete"] == 1 and counts["samples"] == len(recording) - 1


def test_pushes_out_of_order_are_waited_for(recognizer: Recognizer, recording: Recording) -> None:
    """Patience holds for sensors that come apart as it does for samples of all channels."""
    pushes = sensor_logger(recording, 0.004)
    plain, before = decided(recognizer, pushes)
    pushes[2:6] = [pushes[k] for k in (3, 2, 5, 4)]
    found, counts = decided(recognizer, pushes, patience=2.5)
    assert [(d.start, d.activity) for d in found] == [(d.start, d.activity) for d in plain]
    assert counts == before
    assert decided(recognizer, pushes)[1]["incomplete"] >= 100


def test_acceleration_without_gravity_is_said_to_lack_it(
    recognizer: Recognizer, recording: Recording
) -> None:
    pushes = [push.replace(b'"gravity"', b'"light"') for push in sensor_logger(recording, 0.0)]
    _, counts = decided(recognizer, pushes)
    assert counts["channels_missing"] == ["gravity_x", "gravity_y", "gravity_z"]


class Impatient(Kept):
    """Presses Ctrl-C while it is given its third decision, and then takes it."""

    def write(self, decision: Any) -> None:
        if len(self.decisions) == 2:
            signal.raise_signal(signal.SIGINT)
        super().write(decision)


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, which a shell's "&" has ignored by all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_an_interruption_waits_for_the_decisions_under_way(
    recognizer: Recognizer, recording: Recording
) -> None:
    plain, _ = decided(recognizer, rows(recording), lag=2)
    first, second = Impatient(), Kept()
    counts = run(Stream(recognizer, rate=50.0, lag=2), rows(recording), [first, second])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert first.decisions == second.decisions and counts["messages"] < len(rows(recording))
    assert len(plain) > len(first.decisions) == 3 + 2  # those that had waited for later windows


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_the_command_loses_no_decision(
    recognizer: Recognizer, recording: Recording, how: signal.Signals, tmp_path: Path
) -> None:
    model, out = recognizer.save(tmp_path / "r.ambulo"), tmp_path / "out.jsonl"
    out.write_text('{"start": 1')  # of a run that died
    sinks = ["--to", "jsonl", "--to", f"jsonl:{out}", "--lag", "2", "--rate", "50"]
    command = [sys.executable, "-m", "ambulo", "stream", str(model), *sinks]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        process.stdin.write(b"\n".join(rows(recording)) + b"\n")
        process.stdin.flush()
        plain, _ = decided(recognizer, rows(recording), lag=2)
        said = [process.stdout.readline() for _ in plain[:-2]]  # all is read, two decisions wait
        process.send_signal(how)
        said += process.stdout.readlines()
        assert process.wait(30) == 0
    assert [json.loads(line)["start"] for line in said] == [d.start for d in plain]
    assert out.read_bytes().splitlines()[1:] == [line.rstrip() for line in said]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_said(recognizer: Recognizer, recording: Recording) -> None:
    full = sink("jsonl:/dev/full", recognizer.activities)
    with pytest.raises(OutputError, match=r"/dev/full: cannot be written .No space left"):
        run(Stream(recognizer, rate=50.0), rows(recording), [full])


def test_sensors_with_clocks_of_their_own_are_joined() -> None:
    joiner = Joiner(("acc_x", "gyro_x"))
    time = np.arange(0, 2, 0.02)
    joiner.push(Part(time, {"acc_x": time}))
    assert joiner.missing == ["gyro_x"]
    at = np.delete(np.arange(0.01, 1.5, 0.05), slice(8, 22))  # silent from 0.41 to 1.06
    got, values = joiner.push(Part(at, {"gyro_x": 10 * at}))
    assert got.min() == 0.02 and got.max() == pytest.approx(1.46)
    assert not ((got > at[7] + 1e-9) & (got < at[8] - 1e-9)).any()
    assert values == pytest.approx(np.c_[got, 10 * got])
    joiner.push(Part(time + 2, {"acc_x": time}))
    joiner.push(Part(time + 100, {"acc_x": time}))
    joiner.push(Part(time + 102, {"acc_x": time}))
    assert joiner.incomplete > 100  # nobody waits for a silent sensor for ever
    back, _ = joiner.push(Part(time, {"acc_x": time, "gyro_x": time}))
    assert len(back) == len(time)


def test_a_long_stretch_that_comes_at_once_is_kept() -> None:
    """As when a phone that records for a minute is first asked, or was away for one."""
    joiner, time = Joiner(("acc_x", "gyro_x", "mag_x")), np.arange(0, 60, 0.02)
    came = [
        joiner.push(Part(time + begin, {name: time}))[0]
        for begin in (0, 60)
        for name in joiner.channels
    ]
    assert np.concatenate(came) == pytest.approx(np.arange(6000) * 0.02)
    assert joiner.incomplete == 0


MALFORMED = {
    "no JSON": b"hello",
    "cut": b'{"time": 1, "acc_x"',
    "a number": b"5",
    "null": b"null",
    "no time": b'{"acc_x": 1}',
    "no channel": b'{"time": 1, "x": 2}',
    "a word": b'{"time": "noon", "acc_x": 1}',
    "lengths differ": b'{"time": [1, 2], "acc_x": [1]}',
    "nested": b'{"time": [[1]], "acc_x": [[1]]}',
    "deep": b"[" * 100_000,
    "huge": b'{"time": 1' + b"0" * 400 + b', "acc_x": 1}',
    "payload": b'{"payload": [{"name": "gravity", "time": 1}]}',
    "bytes": b"\xff\xfe",
    "axis": b'{"payload": [{"name": "gravity", "time": 1, "values": {"x": null, "y": 1, "z": 1}}]}',
    "empty": b"",
    "payload of 1": b'{"payload": 1}',
    "too long": b" " * (LARGEST + 1),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_messages_are_refused_one_by_one(case: str) -> None:
    with pytest.raises(StreamError):
        parse(MALFORMED[case])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["time", "acc_x", "gyro_z", "payload", "name", "values", "x"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.lists(JSON.map(json.dumps) | st.binary(max_size=30), max_size=20))
@settings(max_examples=60)
def test_nothing_that_comes_ends_a_stream(recognizer: Recognizer, noise: list[Any]) -> None:
    _, counts = decided(recognizer, noise)
    assert counts["messages"] == len(noise)


def test_noise_between_messages_changes_no_decision(
    recognizer: Recognizer, recording: Recording
) -> None:
    good = rows(recording)
    noisy = [
        m
        for k, message in enumerate(good)
        for m in (message, *list(MALFORMED.values())[k % 9 : k % 9 + 1])
    ]
    plain, _ = decided(recognizer, good)
    found, counts = decided(recognizer, noisy)
    assert found == plain and counts["malformed"] == len(good)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def received(messages: Iterator[Any], n: int) -> list[Any]:
    out = list(islice(messages, n))
    messages.close()  # type: ignore[attr-defined]
    return out


def test_datagrams(recording: Recording) -> None:
    port = free_port(socket.SOCK_DGRAM)
    messages = sources.source(f"udp://127.0.0.1:{port}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for row in rows(recording)[:5]:
            sender.sendto(row, ("127.0.0.1", port))
    assert received(messages, 5) == rows(recording)[:5]


def test_pushes_over_http_with_limits(recording: Recording) -> None:
    port = free_port()
    messages = sources.source(f"http://127.0.0.1:{port}")
    url = f"http://127.0.0.1:{port}/data"
    for message in sensor_logger(recording, 0.0)[:3]:
        assert requests.post(url, data=message, timeout=5).status_code == 200
    assert requests.post(url, data=b"x" * (LARGEST + 1), timeout=5).status_code == 413
    with socket.create_connection(("127.0.0.1", port)) as rude:
        rude.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        assert b"411" in rude.recv(100)
    assert len(received(messages, 3)) == 3


def test_websockets_both_ways(recognizer: Recognizer, recording: Recording) -> None:
    client = pytest.importorskip("websockets.sync.client")
    port = free_port()
    messages = sources.source(f"ws://:{port}")
    out = sink(f"ws://127.0.0.1:{port}", recognizer.activities)
    with client.connect(f"ws://127.0.0.1:{port}") as phone:
        for row in rows(recording)[:3]:
            phone.send(row)
    assert received(islice_of(messages, 3), 3) == rows(recording)[:3]
    stream = Stream(recognizer, rate=50.0)
    for decision in stream.push(recording.time, recording.values)[:2]:
        out.write(decision)
    assert json.loads(next(messages))["start"] == 0.0
    out.close()
    messages.close()  # type: ignore[attr-defined]
    with pytest.raises(StreamError, match="no websocket answers"):
        sources.source(f"ws://127.0.0.1:{free_port()}")


def test_pages_of_other_sites_push_nothing(recording: Recording) -> None:
    client = pytest.importorskip("websockets.sync.client")
    at = f"127.0.0.1:{free_port()}"
    messages, mine = sources.source(f"http://{at}"), {"Origin": f"http://{at.upper()}"}
    for origin in ("https://other.example", "null", ""):
        other = {"Origin": origin}
        assert requests.post(f"http://{at}", b"bad", headers=other, timeout=5).status_code == 403
    assert requests.post(f"http://{at}", b"good", headers=mine, timeout=5).status_code == 200
    assert received(messages, 1) == [b"good"]
    at = f"127.0.0.1:{free_port()}"
    messages = sources.source(f"ws://:{at.partition(':')[2]}")
    with pytest.raises(client.InvalidStatus, match="403"):
        client.connect(f"ws://{at}", origin="https://other.example")
    with client.connect(f"ws://{at}", origin=f"http://{at}") as phone:
        phone.send("good")
    assert received(messages, 1) == ["good"]


def test_a_site_that_points_its_name_here_pushes_nothing() -> None:
    port = free_port()
    messages = sources.source(f"http://:{port}")
    for host, answer in (
        (f"rebound.example:{port}", 403),
        ("[", 403),
        (f"localhost:{port}", 200),
        (f"[::1]:{port}", 200),
        (f"{socket.gethostname()}.local:{port}", 200),
    ):
        headers = {"Host": host, "Origin": f"http://{host}"}
        url = f"http://127.0.0.1:{port}"
        assert requests.post(url, host.encode(), headers=headers, timeout=5).status_code == answer
    assert b"rebound" not in b"".join(received(messages, 3))  # type: ignore[arg-type]


def islice_of(messages: Iterator[Any], n: int) -> Iterator[Any]:
    yield from islice(messages, n)


class Phone(http.server.BaseHTTPRequestHandler):
    """The app phyphox with a recording, of which more is known at every look."""

    recording: Recording
    known = 0

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        inputs = [
            {
                "source": source,
                "outputs": [{a.lower(): n + a} for a in "XYZ"] + [{"t": f"{n}_time"}],
            }
            for source, n in (("accelerometer", "acc"), ("gyroscope", "gyr"), ("light", "lux"))
        ]
        content: Any = {"inputs": inputs}
        if path == "/get":
            Phone.known += 60
            asked = dict(item.split("=") for item in query.split("&"))
            time = self.recording.time[: self.known] + 1.0
            columns = {"acc_time": time, "gyr_time": time}
            names = [f"{s}{axis}" for s in ("acc", "gyr") for axis in "XYZ"]
            columns |= dict(zip(names, self.recording.values[: self.known].T, strict=True))
            content = {"buffer": {}, "status": {"measuring": True}}
            for name, after in asked.items():
                new = columns[name][time > float(after.partition("|")[0])]
                content["buffer"][name] = {
                    "buffer": new.tolist(),
                    "size": 0,
                    "updateMode": "partial",
                }
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Phone)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()


def test_phyphox_is_asked_for_what_is_new(
    recognizer: Recognizer, recording: Recording, server: http.server.ThreadingHTTPServer
) -> None:
    Phone.recording = recording
    messages = sources.phyphox(f"http://127.0.0.1:{server.server_port}", every=0.0)
    found, counts = decided(recognizer, islice_of(messages, 2 * (len(recording) // 60)))
    plain, _ = decided(recognizer, rows(recording))
    assert [d.activity for d in found] == [d.activity for d in plain]
    assert counts["samples"] == len(recording) and counts["malformed"] == 0
    with pytest.raises(StreamError, match="remote access"):
        next(sources.source(f"phyphox://127.0.0.1:{free_port()}"))


def test_phyphox_may_be_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock begins at 0 then: what is newer than the newest would not come for long."""
    clocks = iter([[1.0, 2.0], [1.0, 2.0], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2]])
    monkeypatch.setattr(sources, "_phyphox_sensors", lambda _: {"acc": {a: a for a in "xyzt"}})

    def answer(url: str) -> Any:
        time = next(clocks)
        asked = dict(item.partition("=")[::2] for item in url.partition("?")[2].split("&"))
        after = asked["t"].partition("|")[0]
        new = [t for t in time if t > float(after)] if after else time[-1:]
        return {"buffer": {name: {"buffer": new} for name in asked}}

    monkeypatch.setattr(sources, "_get", answer)
    parts = list(islice(sources.phyphox("", every=0.0), 2))
    assert [part.time.tolist() for part in parts] == [[1.0, 2.0], [0.1, 0.2]]  # type: ignore[union-attr]


def test_what_a_receiver_that_hangs_never_got_is_lost(
    recognizer: Recognizer, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Courier(lambda _: threading.Event().wait(), lambda: None)
    monkeypatch.setattr(out.thread, "join", lambda timeout: None)
    counts = run(Stream(recognizer, rate=50.0), rows(recording), [out])
    assert counts["lost"] == counts["decisions"] > 5


def test_a_webhook_gets_decisions_and_its_silence_stops_nobody(
    recognizer: Recognizer, recording: Recording
) -> None:
    port = free_port()
    hook = sources.source(f"http://127.0.0.1:{port}")
    good, gone = (
        sink(f"http://127.0.0.1:{p}/x", recognizer.activities) for p in (port, free_port())
    )
    counts = run(Stream(recognizer, rate=50.0), rows(recording), [good, gone])
    got = [json.loads(message) for message in received(hook, counts["decisions"])]
    assert [d["start"] for d in got] == sorted(d["start"] for d in got)
    assert counts["lost"] == gone.lost == counts["decisions"] > 5


def test_unknown_addresses_are_explained(recognizer: Recognizer) -> None:
    for address in ("tcp://:1", "udp://:x", "udp://host", "file.csv", "replay:a.csv?speed=0"):
        with pytest.raises(StreamError, match=r"write for example|give a number"):
            sources.source(address)
    for address in ("somewhere", "http://", "https:///decisions"):
        with pytest.raises(StreamError, match="choose from terminal"):
            sink(address, recognizer.activities)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(StreamError, match="choose another port"):
            sources.source(f"udp://127.0.0.1:{taken.getsockname()[1]}")


def test_the_terminal_shows_the_activity_and_all_probabilities(
    recognizer: Recognizer, recording: Recording
) -> None:
    from rich.console import Console

    (decision, *_) = Stream(recognizer, rate=50.0).push(recording.time, recording.values)
    console = Console(record=True, width=80, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view(decision, recognizer.activities))
    text = console.export_text()
    console.file.close()
    assert all(name in text for name in recognizer.activities)
    assert f"{decision.activity}  {100 * decision.probability:.0f} %" in text
    names = ("stairs [up]", "[/]", "\x1b[2J\x07")  # no markup, and nothing that steers a terminal
    made = replace(decision, activity=names[0], probabilities=(0.9, 0.05, 0.05))
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(view(made, names))
    text = console.export_text()
    assert text.count("stairs [up]") == 2 and "[/]" in text and "\ufffd[2J\ufffd" in text


def test_the_command_replays_a_file_and_reads_lines(
    recognizer: Recognizer, recording: Recording, tmp_path: Path
) -> None:
    path = recognizer.save(tmp_path / "r.ambulo")
    write(recording, tmp_path / "r.csv", labels=False)
    command = [sys.executable, "-m", "ambulo", "stream", str(path)]
    replayed = subprocess.run(
        [*command, "--from", f"replay:{tmp_path}/r.csv?speed=inf", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    fed = subprocess.run(
        [*command, "--rate", "50", "--to", f"jsonl:{tmp_path}/out.jsonl"],
        input=b"nonsense\n\n" + b"\n".join(rows(recording)), capture_output=True, check=True,
    )  # fmt: skip
    found = [[json.loads(line)["activity"] for line in text.splitlines()]
             for text in (replayed.stdout, (tmp_path / "out.jsonl").read_text())]  # fmt: skip
    assert found[0] == found[1] and len(found[0]) == 13
    assert b"1 malformed" in fed.stderr and not fed.stdout
    refused = subprocess.run([*command, "--from", "x"], capture_output=True, text=True)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr


class Dropping(Phone):
    """A phone that breaks off within every other answer."""

    protocol_version = "HTTP/1.1"
    close_connection = True
    asked = 0

    def do_GET(self) -> None:
        Dropping.asked += 1
        if Dropping.asked % 2 or not self.path.startswith("/get"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"100\r\n{")
        return None


@pytest.mark.slow
def test_a_phone_that_breaks_off_is_asked_again(
    recognizer: Recognizer, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    Phone.recording, Phone.known = recording, 0
    monkeypatch.setattr(sources.time, "sleep", lambda _: None)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Dropping) as phone:
        threading.Thread(target=phone.serve_forever, daemon=True).start()
        messages = sources.phyphox(f"http://127.0.0.1:{phone.server_port}", every=0.0)
        _, counts = decided(recognizer, islice_of(messages, 10))
        phone.shutdown()
    assert counts["samples"] == 300


def test_what_is_no_web_server_is_no_phone() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()

        def greet() -> None:
            connection, _ = other.accept()
            connection.sendall(b"SSH-2.0-OpenSSH\r\n")
            connection.close()

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(StreamError, match="remote access"):
            next(sources.source(f"phyphox://127.0.0.1:{other.getsockname()[1]}"))


def test_channels_that_nobody_needs_are_not_kept() -> None:
    """Their names may be anything: a phone that makes them up must not fill the memory."""
    joiner = Joiner(["wrist.acc_x", "wrist.gyro_x"])
    for k in range(50):
        names = ("acc_y", "wrist.body_acc_y", f"p{k}.acc_x", "wrist.body_gyro_x")
        joiner.push(Part(np.array([k / 50]), {name: np.zeros(1) for name in names}))
    assert not joiner.joins and not joiner.seen
    time = np.arange(50) / 50
    for name in ("wrist.body_acc_x", "wrist.gravity_x"):
        joiner.push(Part(time, {name: np.ones(50)}))
    joined, values = joiner.push(Part(time, {"wrist.gyro_x": np.zeros(50)}))
    assert len(joined) == 50 and values[:, 0].tolist() == [2.0] * 50
