"""Many phones at once that let one server decide: lost samples, latency, memory.

    python benchmarks/serving.py [--phones 500 …] [--seconds 60] [--model cnn-lstm-attention]

Each simulated phone sends 50 samples a second, five messages a second, in real time, from this
same machine. Latency is from sending the message with a window's last sample to reading its
decision. The memory is that of the server's process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TOKEN = "benchmark-token"
RATE, PART = 50, 10
SLICE = 0.004
"""Seconds for which the generator sleeps at least, to send what is due in one go."""


def serve(path: str, port: int) -> None:
    from ambulo.server import Options, server

    options = Options(token=TOKEN, recognizer=Path(path), rate=1e6, sessions=10_000)
    server(options, host="127.0.0.1", port=port).run()


def seconds_of(pid: int) -> float:
    """Processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class Phone(asyncio.Protocol):
    """One phone's connection. Its messages were made before: the generator shares the machine."""

    def __init__(self, opened: asyncio.Future[Phone], closed: asyncio.Future[None]) -> None:
        self.opened, self.closed = opened, closed
        self.sent: list[float] = []
        self.latencies: list[float] = []
        self.taken, self.received = 0, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(HANDSHAKE)

    def send(self, frame: bytes) -> None:
        self.sent.append(time.monotonic())
        self.transport.write(frame)

    def data_received(self, data: bytes) -> None:
        now, self.received = time.monotonic(), self.received + data
        if not self.opened.done():
            head, end, self.received = self.received.partition(b"\r\n\r\n")
            if not end:
                self.received = head
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self.opened.set_result(self)
        while (found := unframed(self.received)) is not None:
            opcode, content, self.received = found
            if opcode == 1:
                self.hear(now, json.loads(content))
            if opcode == 9:  # a ping: who does not answer is sent away
                self.transport.write(framed(10, content))

    def hear(self, now: float, message: dict[str, Any]) -> None:
        assert "error" not in message, message
        self.taken = message.get("taken", self.taken)
        for decision in message.get("decisions", ()):
            last = round(decision["end"] * RATE) - 1
            self.latencies.append(now - self.sent[last // PART])

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set_result(None)


HANDSHAKE = (
    "GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    f"Authorization: Bearer {TOKEN}\r\n\r\n"
).encode()


def framed(opcode: int, content: bytes) -> bytes:
    """A client's websocket message (RFC 6455, 5.2), under the mask 0 that leaves it as it is."""
    size = (
        bytes([128 | len(content)])
        if len(content) < 126
        else b"\xfe%c%c" % divmod(len(content), 256)
    )
    return bytes([128 | opcode]) + size + bytes(4) + content


def unframed(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first of a server's messages, its opcode before and what follows behind it."""
    if len(data) < 4:
        return None
    size, at = data[1], 2
    if size > 125:
        at = 4 if size == 126 else 10
        size = int.from_bytes(data[2:at])
    if len(data) < at + size:
        return None
    return data[0] & 15, data[at : at + size], data[at + size :]


async def connected(port: int) -> Phone:
    loop = asyncio.get_running_loop()
    opened, closed = loop.create_future(), loop.create_future()
    await loop.create_connection(lambda: Phone(opened, closed), "127.0.0.1", port)
    phone: Phone = await asyncio.wait_for(opened, 120)
    return phone


async def play(phones: list[Phone], values: np.ndarray) -> None:
    """All phones send the same signal, each in real time and from a moment of its own."""
    rows = np.column_stack([np.arange(len(values)) / RATE, values]).astype("<f8")
    frames = [framed(2, rows[k : k + PART].tobytes()) for k in range(0, len(rows), PART)]
    frames.append(framed(1, b'{"end":true}'))
    delays = np.random.default_rng(0).uniform(0, 1.28, len(phones))
    events = [
        (delay + (k + 1) * PART / RATE, phone.send, frame)
        for phone, delay in zip(phones, delays, strict=True)
        for k, frame in enumerate(frames)
    ]
    events.sort(key=lambda event: event[0])
    begin = time.monotonic()
    for due, send, frame in events:
        while (wait := begin + due - time.monotonic()) > 0:
            await asyncio.sleep(max(wait, SLICE))
        send(frame)
    await asyncio.wait_for(asyncio.gather(*(phone.closed for phone in phones)), 120)


async def load(port: int, phones: int, seconds: int, pid: int) -> tuple[Any, ...]:
    from ambulo.datasets.synthetic import make

    (recording,) = make(people=1, minutes=seconds / 60)
    memory = []

    async def watch() -> None:
        while True:
            memory.append(megabytes(pid))
            await asyncio.sleep(1)

    connections = [await connected(port) for _ in range(phones)]
    watching = asyncio.create_task(watch())
    begin, server, own = time.monotonic(), seconds_of(pid), time.process_time()
    await play(connections, recording.values.astype(float))
    took = time.monotonic() - begin
    busy = (seconds_of(pid) - server) / took, (time.process_time() - own) / took
    watching.cancel()
    return connections, memory, busy


def measure(path: str, phones: int, seconds: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(path, port))
    process.start()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    try:
        out, memory, busy = asyncio.run(load(port, phones, seconds, process.pid or 0))
    finally:
        process.terminate()
        process.join(20)
    latencies = 1e3 * np.concatenate([phone.latencies for phone in out])
    lost = sum(seconds * RATE - phone.taken for phone in out)
    p50, p99 = np.percentile(latencies, [50, 99])
    print(
        f"{phones:>6} phones {seconds} s: {lost} samples lost, {len(latencies)} decisions, "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {latencies.max():.0f} ms, "
        f"server {busy[0]:.0%} of a core, generator {busy[1]:.0%}, "
        f"memory {memory[5]:.0f} MB at 5 s, {memory[len(memory) // 2]:.0f} MB half way, "
        f"{memory[seconds - 1]:.0f} MB at the end",
        flush=True,
    )


def trained(model: str, path: Path) -> Path:
    from ambulo import load_dataset, train

    windows = load_dataset("synthetic").windows(keep="all")
    return train(model, windows, **({} if model == "features" else {"epochs": 1})).save(path)


def main() -> None:
    import resource

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, nargs="+", default=[500])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--model", default="cnn-lstm-attention")
    parser.add_argument("--recognizer", help="a file to serve, instead of training one")
    asked = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        path = asked.recognizer or trained(asked.model, Path(folder) / "r.ambulo")
        for phones in asked.phones:
            measure(str(path), phones, asked.seconds)


if __name__ == "__main__":
    main()
