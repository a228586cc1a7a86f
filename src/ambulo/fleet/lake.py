"""Where results lie: Parquet by table and person, and a manifest with an entry a recording.

out/windows/person=anna/monday-1f0c….parquet   a row for each window
out/bouts/…                                    a row for each bout of the timeline
out/days/…                                     a row for each day and activity
out/manifest/monday-1f0c….json                 what was scored by what, or why not
out/manifest.parquet                           the same, as one table
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from ambulo.errors import FleetError, OutputError
from ambulo.fleet.jobs import Job, filesystem, remote
from ambulo.timeline import write_whole

TABLES = ("windows", "bouts", "days")
"""The tables of a lake."""
LONGEST = 200
"""Characters of a person's name in that of a folder; of a longer one a part, and a fingerprint."""
_OWN = re.compile(rf"({'|'.join(TABLES)})/person=|manifest(/|\.parquet$)")


class Lake:
    """The results below a folder or an fsspec URL; every file is there whole or not at all."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.store: Any = None
        if remote(url):
            self.store, self.root = filesystem(self.url)
        else:
            self.root = str(Path(url))
            if Path(url).exists() and not Path(url).is_dir():
                raise FleetError(f"{url}: is a file: name a folder to write to")

    def place(self, table: str, job: Job) -> str:
        """Where a recording's rows of a table are, below the lake."""
        return f"{table}/person={_folder(job.person)}/{job.key}.parquet"

    def owns(self, job: Job) -> bool:
        """Whether a file is one of the lake's own: it may lie inside the source, or around it."""
        home = Path(self.root).resolve()
        if self.store is not None:
            home = Path(self.store.unstrip_protocol(self.root))
        url = Path(job.url)
        return url.is_relative_to(home) and bool(_OWN.match(url.relative_to(home).as_posix()))

    def put(self, place: str, write: Callable[[Path], Any]) -> None:
        """Write a file by `write(path)`; a reader never sees a half. Raises OutputError."""
        from polars.exceptions import ComputeError  # which a full disk is to polars

        try:
            if self.store is None:
                try:
                    write_whole(Path(self.root) / place, write)
                except FileNotFoundError:  # another run has swept the half away
                    write_whole(Path(self.root) / place, write)
                return
            with TemporaryDirectory() as folder:
                made = Path(folder) / "made"
                write(made)
                self.store.put_file(str(made), f"{self.root}/{place}")
        except (OSError, ComputeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(
                f"{self.url}: cannot be written to ({reason}): make room, or see to access, and "
                "run this again; what was done is kept"
            ) from error

    def drop(self, job: Job) -> None:
        """Take away a recording's rows, if there are any."""
        for table in TABLES:
            place = f"{self.root}/{self.place(table, job)}"
            if self.store is None:
                Path(place).unlink(missing_ok=True)
            elif self.store.exists(place):
                self.store.rm_file(place)

    def enter(self, job: Job, entry: dict[str, Any]) -> None:
        """Note what became of a recording: the last thing that its task does."""
        text = json.dumps(entry, indent=1, sort_keys=True)
        self.put(f"manifest/{job.key}.json", lambda to: to.write_text(text))

    def entries(self) -> dict[str, dict[str, Any]]:
        """All readable entries of the manifest, by key."""
        out = {}
        for name, text in self._manifest():
            try:
                entry = json.loads(text)
            except ValueError:
                continue  # what cannot be read is done again
            if isinstance(entry, dict):
                out[Path(name).stem] = entry
        return out

    def _manifest(self) -> list[tuple[str, str]]:
        if self.store is None:
            folder = Path(self.root) / "manifest"
            return [(p.name, p.read_text(errors="replace")) for p in sorted(folder.glob("*.json"))]
        self.store.invalidate_cache()
        found = (
            self.store.cat(f"{self.root}/manifest/*.json", on_error="omit")
            if self.store.exists(f"{self.root}/manifest")
            else {}
        )
        return [
            (name, bytes(text).decode(errors="replace")) for name, text in sorted(found.items())
        ]

    def sweep(self) -> None:
        """Take away what a killed run had begun to write, but no file of anybody else's."""
        if self.store is None:
            root = Path(self.root)
            for table in (*TABLES, "manifest"):
                for path in (root / table).rglob(".*"):
                    if path.is_file():
                        path.unlink(missing_ok=True)
            for path in root.glob(".manifest.parquet.*"):
                path.unlink(missing_ok=True)

    def index(self) -> None:
        """Write the manifest as one table too."""
        import polars as pl

        rows = [{"key": key, **entry} for key, entry in sorted(self.entries().items())]
        if rows:
            frame = pl.DataFrame(rows, infer_schema_length=None)
            self.put("manifest.parquet", frame.write_parquet)


def _folder(person: str) -> str:
    """A person's name as that of a folder, which file systems want below 256 bytes."""
    text, kept = quote(person, safe=""), person
    if len(text) <= LONGEST:
        return text
    while len(quote(kept, safe="")) > LONGEST:
        kept = kept[:-1]
    return f"{quote(kept, safe='')}-{sha256(person.encode()).hexdigest()[:16]}"
