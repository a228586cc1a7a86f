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
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TOKEN = "benchmark-token"
RATE, PART = 50, 10


def serve(path: str, port: int) -> None:
    from ambulo.server import Options, server

    options = Options(token=TOKEN, recognizer=Path(path), rate=1e6, sessions=10_000)
    server(options, host="127.0.0.1", port=port).run()


def megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def phone(port: int, values: np.ndarray, begin: float, delay: float) -> dict[str, Any]:
    """One phone's session: what it sent, what the server took, and each decision's latency."""
    from websockets.asyncio.client import connect

    sent, latencies, taken = [], [], 0
    time_of = np.arange(len(values)) / RATE

    async def hear(connection: Any) -> None:
        nonlocal taken
        async for text in connection:
            now, message = time.monotonic(), json.loads(text)
            taken = message.get("taken", taken)
            assert "error" not in message, message
            for decision in message.get("decisions", ()):
                last = round(decision["end"] * RATE) - 1
                latencies.append(now - sent[last // PART])

    url = f"ws://127.0.0.1:{port}/live"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    options = {"ping_interval": None, "compression": None, "open_timeout": 120}
    async with connect(url, additional_headers=headers, **options) as connection:
        listening = asyncio.create_task(hear(connection))
        rows = np.column_stack([time_of, values])
        for k in range(0, len(rows), PART):
            due = begin + delay + (k + PART) / RATE
            await asyncio.sleep(max(due - time.monotonic(), 0))
            sent.append(time.monotonic())
            await connection.send(rows[k : k + PART].astype("<f8").tobytes())
        await connection.send('{"end":true}')
        await asyncio.wait_for(listening, 120)
    return {"sent": len(values), "taken": taken, "latencies": latencies}


async def load(port: int, phones: int, seconds: int, pid: int) -> tuple[list[Any], list[float]]:
    from ambulo.datasets.synthetic import make

    (recording,) = make(people=1, minutes=seconds / 60)
    memory = []

    async def watch() -> None:
        while True:
            memory.append(megabytes(pid))
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    delays = np.random.default_rng(0).uniform(0, 1.28, phones)
    begin = time.monotonic() + 2 + phones / 200
    tasks = [phone(port, recording.values.astype(float), begin, delay) for delay in delays]
    out = await asyncio.gather(*tasks)
    watching.cancel()
    skip = round(2 + phones / 200) + 5
    return out, memory[skip:]


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
        out, memory = asyncio.run(load(port, phones, seconds, process.pid or 0))
    finally:
        process.terminate()
        process.join(20)
    latencies = 1e3 * np.concatenate([o["latencies"] for o in out])
    lost = sum(o["sent"] - o["taken"] for o in out)
    p50, p99 = np.percentile(latencies, [50, 99])
    print(
        f"{phones:>6} phones {seconds} s: {lost} samples lost, {len(latencies)} decisions, "
        f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {latencies.max():.0f} ms, "
        f"memory {memory[0]:.0f} MB at 5 s, {memory[-1]:.0f} MB at the end",
        flush=True,
    )


def main() -> None:
    import resource

    from ambulo import load_dataset, train

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phones", type=int, nargs="+", default=[500])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--model", default="cnn-lstm-attention")
    asked = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    windows = load_dataset("synthetic").windows(keep="all")
    options = {} if asked.model == "features" else {"epochs": 1}
    with tempfile.TemporaryDirectory() as folder:
        path = train(asked.model, windows, **options).save(Path(folder) / "r.ambulo")
        for phones in asked.phones:
            measure(str(path), phones, asked.seconds)


if __name__ == "__main__":
    main()
