"""Chromium without a window, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
RUNTIME = Path(__file__).parent.parent / "src/ambulo/web/vendor/ort.wasm.min.mjs"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--remote-debugging-port=0", "--disable-dev-shm-usage"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WAIT = 20.0
"""Seconds for anything to happen in a page; a busy machine is no failure."""


class Page:
    """A tab: commands, JavaScript, pictures, and what its console complained of."""

    def __init__(self, socket: Any, size: tuple[int, int] = (390, 844)) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
        self.send("Emulation.setDeviceMetricsOverride", **screen)

    def send(self, method: str, **params: Any) -> Any:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=WAIT))
            if message.get("id") == number:
                assert "error" not in message, message["error"]
                return message["result"]
            self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message["method"] == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
        if message["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def run(self, code: str) -> Any:
        """The value of a JavaScript expression, promises awaited."""
        done = self.send(
            "Runtime.evaluate",
            expression=code,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def until(self, code: str) -> Any:
        """Wait for an expression to become true; give its value."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            value = self.run(code)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"{code} did not come true; {self.complaints}")

    def before(self, code: str) -> None:
        """JavaScript that runs before the page's own."""
        self.send("Page.addScriptToEvaluateOnNewDocument", source=code)

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def picture(self, path: Path) -> None:
        found = self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def dark(self, on: bool = True) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.send("Emulation.setEmulatedMedia", features=[feature])


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A page of a browser with a profile of its own in `folder`."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(folder)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=WAIT) as answer:
            pages = json.load(answer)
        address = next(p["webSocketDebuggerUrl"] for p in pages if p["type"] == "page")
        with connect(address, max_size=None, ping_interval=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.wait(30)


def _port(folder: Path) -> int:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        try:
            return int((folder / "DevToolsActivePort").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            time.sleep(0.05)
    raise AssertionError("Chromium did not start")


FEED = """
const degrees = 180 / Math.PI;
window.feed = async (rows, from = performance.timeOrigin + performance.now()) => {
  for (const [k, [t, ax, ay, az, gx, gy, gz]] of rows.entries()) {
    const event = new DeviceMotionEvent("devicemotion", {
      accelerationIncludingGravity: { x: ax, y: ay, z: az },
      rotationRate: { alpha: gx * degrees, beta: gy * degrees, gamma: gz * degrees },
      interval: 20,
    });
    Object.defineProperty(event, "timeStamp", { value: from - performance.timeOrigin + 1000 * t });
    dispatchEvent(event);
    if (k % 50 === 49) await new Promise((resolve) => setTimeout(resolve));
  }
};
window.decisions = [];
document.addEventListener("decision", ({ detail }) => window.decisions.push(detail));
document.addEventListener("ready", () => { window.isReady = true; });
"""
"""Gives a page rows of seconds, acceleration and turn rate as a phone's sensors would."""
