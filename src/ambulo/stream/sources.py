"""Where samples come from: `stdin`, `udp://:5555`, `http://:8000`, `ws://…`, `phyphox://…`, a file.

An address without a host listens there; one with a host is connected to. A source is an iterator
of messages (see `ambulo.stream.messages`) or of parts; closing it closes its socket.
"""

from __future__ import annotations

import json
import math
import queue
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from ambulo.errors import MissingExtraError, StreamError
from ambulo.recording import Recording
from ambulo.stream.messages import LARGEST, Part

Messages = Iterator[bytes | str | Part]

WAITING = 1000
"""Messages that may wait; a sender that is quicker is told so."""
SLICE = 0.1
"""Seconds of signal that a replay gives at once, and between two looks at phyphox."""
EXAMPLES = (
    "stdin, udp://:5555, http://:8000, ws://:8765, phyphox://PHONE:8080, replay:FILE?speed=10"
)


class Live:
    """Messages that `take` waits for, one by one, until it is closed."""

    def __init__(self, take: Callable[[], bytes | str], close: Callable[[], Any]) -> None:
        self.take, self.close = take, close

    def __iter__(self) -> Live:
        return self

    def __next__(self) -> bytes | str:
        return self.take()


def source(address: str) -> Messages:
    """The messages at an address. Raises StreamError for one that is none or cannot be opened."""
    if address == "stdin":
        return lines(sys.stdin.buffer)
    if address.startswith("replay:"):
        path, _, query = address[len("replay:") :].partition("?")
        return replay(path, _speed(query))
    try:
        url = urlsplit(address)
        host, port = url.hostname or "", url.port
    except ValueError as error:
        raise StreamError(f"--from {address}: {error}: write for example {EXAMPLES}") from error
    if url.scheme == "phyphox" and host:
        return phyphox(f"http://{url.netloc}")
    if url.scheme in ("ws", "wss") and host and host != "0.0.0.0":
        return websocket(address)
    makers = {"udp": udp, "http": http, "ws": websocket_server}
    if url.scheme not in makers or port is None:
        raise StreamError(
            f"--from {address}: there is no such source: write for example {EXAMPLES}"
        )
    return makers[url.scheme](host, port)


def _speed(query: str) -> float:
    asked = parse_qs(query, keep_blank_values=True)
    if unknown := sorted({*asked} - {"speed"}):
        raise StreamError(f"replay:…?{unknown[0]}: a replay has no {unknown[0]}: write ?speed=10")
    text = asked.get("speed", ["1"])[0]
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not speed > 0:
        raise StreamError(f"speed={text}: give a number above 0, or inf for as fast as it goes")
    return speed


def lines(file: IO[bytes]) -> Messages:
    """One message a line; an empty line is none."""
    while line := file.readline(LARGEST + 1):
        if line.strip():
            yield line


def replay(path: str, speed: float = 1.0) -> Messages:
    """A recording as it once came, `speed` times as fast."""
    from ambulo.readers import read

    recording = read(path)
    return _slices(recording, speed)


def _slices(recording: Recording, speed: float) -> Messages:
    at, begin = recording.time, time.monotonic()
    names = [channel.name for channel in recording.channels]
    edges = np.searchsorted(at, np.arange(0, at[-1] + SLICE, SLICE))
    for a, b in zip([*edges], [*edges[1:], len(at)], strict=True):
        if a < b:
            if math.isfinite(speed):
                time.sleep(max(at[b - 1] / speed - (time.monotonic() - begin), 0))
            values = recording.values[a:b].astype(np.float64)
            yield Part(at[a:b], dict(zip(names, values.T, strict=True)))


def udp(host: str, port: int) -> Messages:
    """One message a datagram."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise _unopened("udp", host, port, error) from error

    return Live(lambda: listening.recv(LARGEST), listening.close)


def foreign(headers: Any) -> bool:
    """Whether another site's page asks, as browsers say; apps and programs name no other host.

    A site may point its own name at this machine (DNS rebinding): a page is only heeded that was
    found by an address, by localhost or by this machine's name.
    """
    origin, host = headers.get("Origin"), str(headers.get("Host")).lower()
    return origin is not None and (origin.partition(":")[2].lower() != f"//{host}" or not own(host))


def own(host: str) -> bool:
    """Whether a host, with its port or without, is an address, localhost or this machine's name."""
    machine = socket.gethostname().lower()
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name in ("localhost", machine, f"{machine}.local") or bool(ip_address(name))
    except ValueError:
        return False


def http(host: str, port: int) -> Messages:
    """One message a POST, as the app Sensor Logger pushes them (set its push URL to this one).

    Anybody who reaches the port may push, but for pages of other sites.
    """
    waiting: queue.Queue[bytes] = queue.Queue(WAITING)

    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            if foreign(self.headers):
                self.close_connection = True
                return self._answer(403)
            length = self.headers.get("Content-Length", "")
            size = int(length) if length.isascii() and length.isdigit() else -1
            if not 0 <= size <= LARGEST:
                self.close_connection = True
                return self._answer(411 if size < 0 else 413)
            try:
                waiting.put_nowait(self.rfile.read(size))
            except queue.Full:
                return self._answer(503)
            self._answer(200)

        def _answer(self, code: int) -> None:
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: what is malformed is counted."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise _unopened("http", host, port, error) from error
    return _from_thread(server, waiting)


def websocket_server(host: str, port: int) -> Messages:
    """What clients of a websocket that listens here send, but for pages of other sites."""
    waiting: queue.Queue[bytes | str] = queue.Queue(WAITING)

    def take(connection: Any) -> None:
        for message in connection:
            waiting.put(message)

    def check(connection: Any, request: Any) -> Any:
        return connection.respond(403, "") if foreign(request.headers) else None

    try:
        from websockets.sync.server import serve
    except ImportError as error:
        raise MissingExtraError("websockets", "serve") from error
    try:
        server = serve(take, host, port, process_request=check, max_size=LARGEST)
    except OSError as error:
        raise _unopened("ws", host, port, error) from error
    return _from_thread(server, waiting)


def _from_thread(server: Any, waiting: queue.Queue[Any]) -> Messages:
    """What a server that runs in a thread puts into a queue."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def close() -> None:
        server.shutdown()
        if hasattr(server, "server_close"):
            server.server_close()

    return Live(waiting.get, close)


def websocket(address: str) -> Messages:
    """What a websocket server sends; ends when it closes."""
    try:
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect
    except ImportError as error:
        raise MissingExtraError("websockets", "serve") from error
    try:
        opened = ExitStack()
        connection = opened.enter_context(connect(address, max_size=LARGEST))
    except (OSError, WebSocketException, TimeoutError) as error:
        raise StreamError(f"{address}: no websocket answers there ({error})") from error

    def take() -> bytes | str:
        try:
            return connection.recv()
        except WebSocketException as error:
            raise StopIteration from error

    return Live(take, opened.close)


PHYPHOX = {"accelerometer": "acc", "gyroscope": "gyro", "magnetic_field": "mag"}
"""phyphox's names of sensors; its accelerometer includes gravity."""


def phyphox(address: str, every: float = SLICE) -> Messages:
    """The app phyphox, asked ten times a second (its wiki: "Remote-interface communication").

    Open an experiment with the raw sensors, allow remote access, and start it. A phone that is
    silent is asked again, and one that brings nothing new whether its clock began anew, as after
    its data were cleared.
    """
    sensors = _phyphox_sensors(address)
    newest = dict.fromkeys(sensors, 0.0)
    while True:
        query = "&".join(_phyphox_query(buffers, newest[key]) for key, buffers in sensors.items())
        try:
            content = _get(f"{address}/get?{query}")
        except (OSError, ValueError):
            time.sleep(1.0)
            continue
        came = False
        for sensor, buffers in sensors.items():
            part = _phyphox_part(content, sensor, buffers)
            if part is None:
                yield b""  # counted as malformed
            elif len(part.time):
                came = True
                newest[sensor] = float(part.time[-1])
                yield part
        if not came and _phyphox_anew(address, sensors, newest):
            newest = dict.fromkeys(sensors, 0.0)
        time.sleep(every)


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read(16 * LARGEST))
    except HTTPException as error:  # what breaks off, or is no HTTP, is to it no OSError
        raise OSError(f"{type(error).__name__} {error}".strip()) from error


def _phyphox_sensors(address: str) -> dict[str, dict[str, str]]:
    """Of each sensor of the experiment, its buffers by axis: x, y, z, t."""
    try:
        inputs = _get(f"{address}/config")["inputs"]
        found = {
            PHYPHOX[item["source"]]: {k: v for out in item["outputs"] for k, v in out.items()}
            for item in inputs
            if item["source"] in PHYPHOX
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StreamError(
            f"{address}: phyphox does not answer there ({error}): open an experiment on the phone, "
            "choose 'Allow remote access' in its menu, and give the address it shows"
        ) from error
    found = {sensor: axes for sensor, axes in found.items() if {"x", "y", "z", "t"} <= set(axes)}
    if not found:
        raise StreamError(
            f"{address}: the experiment shows no raw sensor: open 'Acceleration with g'"
        )
    return found


def _phyphox_query(buffers: dict[str, str], newest: float) -> str:
    t = buffers["t"]
    return "&".join([f"{t}={newest!r}", *(f"{buffers[a]}={newest!r}|{t}" for a in "xyz")])


def _phyphox_anew(
    address: str, sensors: dict[str, dict[str, str]], newest: dict[str, float]
) -> bool:
    """Whether the last sample of a sensor lies before the newest that came."""
    clocks = {sensor: buffers["t"] for sensor, buffers in sensors.items()}
    try:
        found = _get(f"{address}/get?{'&'.join(clocks.values())}")["buffer"]
        last = {sensor: found[name]["buffer"][-1] for sensor, name in clocks.items()}
        return any(float(last[sensor]) < newest[sensor] for sensor in sensors)
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return False  # nothing yet


def _phyphox_part(content: Any, sensor: str, buffers: dict[str, str]) -> Part | None:
    try:
        t, *axes = (
            np.array(content["buffer"][buffers[key]]["buffer"], np.float64) for key in "txyz"
        )
    except (KeyError, TypeError, ValueError):
        return None
    n = min(map(len, (t, *axes)))  # the phone writes on while it answers
    return Part(t[:n], {f"{sensor}_{k}": v[:n] for k, v in zip("xyz", axes, strict=True)})


def _unopened(kind: str, host: str, port: int, error: OSError) -> StreamError:
    return StreamError(
        f"{kind}://{host}:{port}: cannot listen there ({error.strerror}): choose another port"
    )
