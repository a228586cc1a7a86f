"""Downloads go to the cache, resume where they broke off, and are not kept when broken."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_dataset_uci import hapt

from ambulo import load_dataset
from ambulo.datasets import archive
from ambulo.errors import DatasetError


class Server(BaseHTTPRequestHandler):
    """Serves one file with ranges; `allowance` bytes at most go out in a reply."""

    content = b""
    allowance = 1 << 30
    ranges: list[str | None] = []

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        type(self).ranges.append(asked)
        first = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        rest = self.content[first:]
        self.send_response(206 if rest and asked else 416 if asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.allowance])
        self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("AMBULO_OFFLINE")
    monkeypatch.setenv("AMBULO_DATA", "")
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Server.content, Server.allowance, Server.ranges = b"", 1 << 30, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hapt.zip"
    server.shutdown()
    server.server_close()


def test_a_broken_download_is_told_and_resumed(url: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(hapt(tmp_path / "whole.zip"), "a") as more:
        more.writestr("padding", os.urandom(1 << 20))
    whole = (tmp_path / "whole.zip").read_bytes()
    Server.content, Server.allowance = whole, len(whole) // 2
    with pytest.raises(DatasetError, match="downloading http"):
        archive.locate("hapt", ["hapt.zip"], url)
    assert not (tmp_path / "cache" / "downloads" / "hapt.zip").exists()
    Server.allowance = 1 << 30
    got = archive.locate("hapt", ["hapt.zip"], url)
    first, second = Server.ranges
    assert got.read_bytes() == whole and first is None
    assert second and int(second[6:-1]) > len(whole) // 4
    assert len(load_dataset("hapt", got).recordings) == 1


def test_a_download_that_was_whole_but_not_moved_is_fetched_again(url: str, tmp_path: Path) -> None:
    Server.content = hapt(tmp_path / "whole.zip").read_bytes()
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    part = tmp_path / "cache" / "downloads" / f"{name}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(Server.content)
    assert archive.locate("hapt", ["hapt.zip"], url).read_bytes() == Server.content


def test_the_cache_is_found_before_the_network(url: str, tmp_path: Path) -> None:
    Server.content = hapt(tmp_path / "whole.zip").read_bytes()
    first = archive.locate("hapt", ["hapt.zip"], url)
    assert archive.locate("hapt", ["hapt.zip"], url) == first and len(Server.ranges) == 1
