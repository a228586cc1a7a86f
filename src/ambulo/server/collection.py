"""What phones record and label becomes a folder that `load_dataset` reads.

folder/.journal/SESSION.jsonl   every acknowledged chunk
folder/PERSON/SESSION.csv       time, channels, activity; made anew from the journal
folder/PERSON/SESSION.toml      where the phone was worn, and the units
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ambulo.errors import AmbuloError, OutputError
from ambulo.server.journal import Journal
from ambulo.timeline import write_whole

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
OPEN = 256
"""Sessions whose chunk numbers are held in memory."""


class Collection:
    """Takes chunks of recordings and keeps them. Safe to call from several threads.

    Raises OutputError for a folder that cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.journals = folder, folder / ".journal"
        try:
            self.journals.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder}: recordings cannot be kept there ({error.strerror}): choose "
                "another folder"
            ) from error
        self.open: dict[str, tuple[Journal, threading.Lock]] = {}
        self.lock = threading.Lock()

    def recover(self) -> list[str]:
        """Write the recordings whose journal is newer than they; give their sessions."""
        out = []
        for path in sorted(self.journals.glob("*.jsonl")):
            made = next(self.folder.glob(f"*/{path.stem}.csv"), None)
            if made is None or made.stat().st_mtime <= path.stat().st_mtime:
                self._try_to_write(path.stem, Journal(path))
                out.append(path.stem)
        return out

    def keep(self, session: str, chunk: dict[str, Any]) -> tuple[int, bool]:
        """Keep a chunk on the disk; give how many of the session there are, and if it is new.

        The recording is written when its last chunk, marked `last`, and all before it are there.
        Raises ValueError if the session is another person's, or has another chunk of this number.
        """
        journal, lock = self._journal(session)
        with lock:
            if journal.person not in (None, chunk["person"]):
                raise ValueError("this session belongs to another person")
            new = journal.append(chunk)
            have = len(journal.numbers)
            if new and journal.complete:
                self._try_to_write(session, journal)
            return have, new

    def numbers(self, session: str) -> list[int]:
        """Numbers of the chunks of a session that are kept."""
        journal, lock = self._journal(session)
        with lock:
            return sorted(journal.numbers)

    def _journal(self, session: str) -> tuple[Journal, threading.Lock]:
        with self.lock:
            found = self.open.pop(session, None)
            if found is None:
                found = Journal(self.journals / f"{session}.jsonl"), threading.Lock()
                idle = [name for name, (_, lock) in self.open.items() if not lock.locked()]
                for name in idle[: max(len(self.open) - OPEN + 1, 0)]:
                    del self.open[name]
            self.open[session] = found
            return found

    def _try_to_write(self, session: str, journal: Journal) -> None:
        """Write a recording; what cannot be written is in the journal, for the next start."""
        try:
            self._write(session, journal)
        except (AmbuloError, OSError, ValueError):
            logging.getLogger(__name__).exception("%s could not be written", session)

    def _write(self, session: str, journal: Journal) -> None:
        chunks = journal.chunks()
        if not any(chunk["samples"] for chunk in chunks):
            return
        person = self.folder / chunks[0]["person"]
        frame = table(chunks)
        said = _stated(chunks[0], min(chunk["channels"] for chunk in chunks))
        write_whole(person / f"{session}.toml", lambda to: to.write_text(said, encoding="utf-8"))
        write_whole(person / f"{session}.csv", frame.write_csv)
        logging.getLogger(__name__).info("wrote %s/%s.csv", person.name, session)


def table(chunks: list[dict[str, Any]]) -> Any:
    """The samples of a session's chunks in the order of time, as a polars frame with activities.

    The newest chunk says which intervals are labelled, for the wearer may have taken some back.
    """
    import polars as pl

    width = 1 + min(chunk["channels"] for chunk in chunks)
    rows = np.array([row[:width] for chunk in chunks for row in chunk["samples"]], np.float64)
    rows = rows[np.unique(rows[:, 0], return_index=True)[1]]
    names = CHANNELS[: width - 1]
    activity = np.full(len(rows), "", object)
    for interval in chunks[-1]["intervals"]:
        inside = (rows[:, 0] >= interval["start"]) & (rows[:, 0] < interval["end"])
        activity[inside] = interval["activity"]
    columns = {"time": (rows[:, 0] * 1e6).round().astype(np.int64)}
    frame = pl.DataFrame(columns).with_columns(
        pl.from_epoch("time", time_unit="us").dt.replace_time_zone("UTC")
    )
    values = {
        name: column.astype(np.float32) for name, column in zip(names, rows.T[1:], strict=True)
    }
    return frame.with_columns(**{k: pl.Series(v) for k, v in values.items()}).with_columns(
        activity=pl.Series(activity.astype(str))
    )


def _stated(chunk: dict[str, Any], channels: int) -> str:
    placement = f'placement = "{chunk["placement"]}"\n' if chunk["placement"] else ""
    gyro = 'gyro = "rad/s"\n' if channels == 6 else ""
    return f'{placement}gravity = "included"\nsign = "android"\n[unit]\nacc = "m/s²"\n{gyro}'
