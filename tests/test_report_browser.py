"""The page in a browser: nothing is requested, nothing is complained of, and it fits a phone."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_training import Tiny

from ambulo import evaluate
from ambulo.report import Section, Table, write_evaluation, write_page
from ambulo.windows import Windows

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Chromium: scripts/install-debian-packages"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr"),
)
"""The last two: the browser's own wishes reach nobody either, and the console is heard."""


def browse(page: Path, folder: Path, *arguments: str) -> tuple[str, list[str], list[str]]:
    """The page's DOM, its console's lines, and the addresses that it asked the network for."""
    log = folder / "net.json"
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'user'}", f"--log-net-log={log}"]
    run = subprocess.run(
        [*command, *(arguments or ["--dump-dom"]), page.as_uri()], capture_output=True, timeout=120
    )
    assert run.returncode == 0, run.stderr.decode()
    console = [line for line in run.stderr.decode().splitlines() if ":CONSOLE" in line]
    return run.stdout.decode(), console, requests(log)


def requests(log: Path) -> list[str]:
    """Addresses that a page asked for; what the browser asks on its own account has no file."""
    content = json.loads(log.read_text())
    start = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [e["params"] for e in content["events"] if e["type"] == start and "params" in e]
    return [
        params["url"]
        for params in asked
        if not params.get("url", "file:").startswith(("file:", "data:"))
        and "file://" in params.get("network_isolation_key", "file://")
    ]


@pytest.fixture(scope="module")
def page(synthetic: Windows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    evaluation = evaluate(Tiny, synthetic, protocol="people:1,2", epochs=2, explain=True)
    folder = tmp_path_factory.mktemp("page")
    return write_evaluation(evaluation, folder, windows=synthetic, command="ambulo evaluate")[0]


def test_the_watch_sees_what_a_page_does(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<img src="http://127.0.0.1:9/x.png"><link rel="stylesheet" href="https://a.invalid/a.css">'
        '<script>console.error("trouble")</script>'
    )
    _, console, asked = browse(bad, tmp_path)
    assert set(asked) == {"http://127.0.0.1:9/x.png", "https://a.invalid/a.css"}
    assert "trouble" in console[0]


def test_no_request_leaves_and_nothing_is_complained_of(page: Path, tmp_path: Path) -> None:
    dom, console, asked = browse(page, tmp_path)
    assert console == [] and asked == []
    assert "Windows that were right and wrong" in dom and dom.count("<img") > 8


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_it_fits_and_every_picture_is_seen(page: Path, tmp_path: Path, width: int) -> None:
    wide, images, seen = measured(page, tmp_path, width)
    assert wide == width and images == seen > 8


def measured(
    page: Path, tmp_path: Path, width: int, what: str = "d.documentElement.scrollWidth"
) -> tuple[int, int, int]:
    """How wide a page is in a frame of this width, its pictures, and those of them to be seen."""
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" style="width:{width}px;height:800px;border:0" '
        f'srcdoc="{html.escape(page.read_text())}"></iframe>'
        """<script>
        window.onload = () => {
          const d = document.getElementById("f").contentDocument;
          const images = [...d.images];
          const seen = images.filter(i => i.naturalWidth > 100 && i.clientWidth > 250);
          document.title = [WHAT, images.length, seen.length].join();
        };
        </script>""".replace("WHAT", what)
    )
    dom, _, asked = browse(frame, tmp_path, "--virtual-time-budget=20000", "--dump-dom")
    found = re.search(r"<title>(\d+),(\d+),(\d+)</title>", dom)
    assert found and asked == []
    wide, images, seen = map(int, found.groups())
    return wide, images, seen


def test_wide_tables_end_with_the_printed_page(page: Path, tmp_path: Path) -> None:
    """On paper nobody scrolls: what stood beyond the page's 180 mm was cut off."""
    names = [f"activity-{k:02}" for k in range(18)]
    tables = [
        Table("Confusion", ("true", *names), [(name, *[1234] * 18) for name in names]),
        Table("Narrow", ("activity", "F1"), [("sitting", "0.97")]),
    ]
    out = write_page("Wide", [Section("wide", "Wide", tables)], tmp_path / "wide")[0]
    out.write_text(out.read_text().replace("@media print", "@media all"))
    assert measured(out, tmp_path, 680)[0] == 680


def test_it_prints(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.pdf"
    browse(page, tmp_path, f"--print-to-pdf={out}", "--no-pdf-header-footer")
    content = out.read_bytes()
    assert content.startswith(b"%PDF") and 3 <= len(re.findall(rb"/Type\s*/Page\b", content)) < 30
