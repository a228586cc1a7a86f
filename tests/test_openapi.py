"""What the server says of itself in its OpenAPI document is how it behaves, whatever is asked."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from serving import TOKEN, served

from ambulo import Recognizer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None, reason="needs schemathesis"
    ),
]
CONFIG = """
[[operations]]
include-path = "/predict"
checks.positive_data_acceptance.expected-statuses = [200, 404, 422]
"""
"""A body of any bytes is as stated; whether it is a recording, only reading it tells."""


def test_schemathesis_finds_nothing(waist: Recognizer, tmp_path: Path) -> None:
    path = waist.save(tmp_path / "waist.ambulo")
    (tmp_path / "schemathesis.toml").write_text(CONFIG)  # read from the folder it runs in
    with served(recognizer=path, collect=tmp_path / "kept", rate=1e6, upload=1 << 20) as url:
        code = "from schemathesis.cli import schemathesis; schemathesis()"
        command = [sys.executable, "-c", code, "run"]
        command += [f"{url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}"]
        command += ["--max-examples", "40", "--continue-on-failure", "--request-timeout", "60"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout
