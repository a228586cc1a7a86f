"""An uploaded recording, which may be anything, becomes a timeline in a process of its own.

The process may take so much memory and time and no more; what it does to itself does not concern
the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from ambulo.server.options import Options

SECONDS = 120
"""Seconds in which an upload must be decided."""
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


async def predict(
    recognizer: Path, body: AsyncIterator[bytes], name: str, options: Options
) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of the timeline of a recording that comes as `body`, and what is in doubt of it.

    `name` tells its kind.
    """
    with tempfile.TemporaryDirectory(prefix="ambulo-") as folder:
        path = Path(folder) / f"upload{_suffixes(name)}"
        with path.open("wb") as file:
            async for part in body:
                file.write(part)
        command = ["predict", str(recognizer.resolve()), path.name, "--json"]
        code, out, said = await _run(command, folder, options)
    if code == 0:
        lines = [line.partition(f"{path.name}: ") for line in said.splitlines()]
        return json.loads(out), [why for kind, _, why in lines if kind == "doubt: "]
    if code == 2:
        reasons = [line for line in said.splitlines() if line.startswith("error: ")]
        raise HTTPException(422, "\n".join(reasons).removeprefix("error: ")[:2000])
    raise HTTPException(422, "the recording could not be read within the memory and time for it")


def _suffixes(name: str) -> str:
    """The last two endings of a file's name, of letters and digits only."""
    endings = Path(_NAME.sub("", name)[-60:]).suffixes[-2:]
    return "".join(endings).lower()


async def _run(command: list[str], folder: str, options: Options) -> tuple[int, str, str]:
    """`ambulo …` in the folder, within limits: its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ambulo", *command),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"},
    )
    _limit(process.pid, options.memory)
    try:
        out, said = await asyncio.wait_for(process.communicate(), SECONDS)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        await process.wait()
        raise HTTPException(422, "the recording took too long to read") from None
    return process.returncode or 0, out.decode(), said.decode("utf-8", "replace")


def _limit(pid: int, memory: int) -> None:
    """Bound a process's memory where the system can; elsewhere only its time is bounded."""
    try:
        from resource import RLIMIT_AS, prlimit
    except ImportError:
        return
    with contextlib.suppress(ProcessLookupError):
        prlimit(pid, RLIMIT_AS, (memory, memory))
