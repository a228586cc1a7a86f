"""One recording, start to end: read, predict, and write its tables and its entry."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ambulo.context.windows import gravity_axes
from ambulo.day import Day, days
from ambulo.errors import AmbuloError, RecognizerError
from ambulo.fleet.jobs import Job
from ambulo.fleet.lake import Lake
from ambulo.gait import Gait
from ambulo.piecewise import Decisions, decide_pieces
from ambulo.readers import pieces_by
from ambulo.readers.folder import stated_in
from ambulo.recognizer import Recognizer
from ambulo.suitability import fit
from ambulo.timeline import UNKNOWN
from ambulo.wearing import Stillness

CHANGED = "changed while it was read"
CRASHED = "its worker died, twice: is there too little memory for it?"


@dataclass(frozen=True)
class Plan:
    """What every task of a run shares; the recognizer is loaded once in each process."""

    recognizer: str
    recognizer_sha256: str
    out: str
    context: str
    zone: str | None
    anyway: bool = False
    overlap: float | None = None

    def made_by(self) -> dict[str, Any]:
        """What results depend on beside the recording."""
        stated = {} if self.overlap is None else {"overlap": self.overlap}
        return {
            "recognizer": self.recognizer_sha256,
            "context": self.context,
            "zone": self.zone,
            "ambulo": version("ambulo"),
            **stated,
        }

    def entry(self, job: Job) -> dict[str, Any]:
        """What the manifest says of a job, whatever becomes of it."""
        return {
            "name": job.name,
            "person": job.person,
            "source": job.url,
            "by": self.made_by(),
        }

    def has(self, entry: dict[str, Any] | None, job: Job) -> bool:
        """Whether the manifest's entry says that this job was done, as it is now."""
        if entry is None or entry.get("status") != "done" or entry.get("person") != job.person:
            return False
        if entry.get("anyway") and not self.anyway:
            return False
        return entry.get("stamp") == job.stamp and entry.get("by") == self.made_by()


def work(plan: Plan, job: Job, recognizer: Recognizer | None = None) -> dict[str, Any]:
    """Score a recording, and give its entry, which is in the lake by then.

    The recognizer is that of the plan's file, unless it is given. A recording that cannot be scored
    is quarantined; a lake that cannot be written to raises OutputError.
    """
    recognizer = recognizer or _recognizer(plan.recognizer, plan.recognizer_sha256)
    if plan.overlap is not None:
        recognizer = recognizer.with_overlap(plan.overlap)
    lake, begun = Lake(plan.out), time.perf_counter()
    entry = plan.entry(job)
    for _ in range(2):  # a file that changes while it is read is read again
        job.settle()
        before = job.current()
        entry |= {"stamp": before, "status": "quarantined", "reason": CHANGED, "sha256": ""}
        try:
            with job.local() as path:
                entry["sha256"] = _hash(path)
                tables, facts = _score(plan, job, path, recognizer)
        except AmbuloError as error:
            tables, facts = {}, {"reason": str(error).replace(str(job.url), job.name)}
        except FileNotFoundError:
            tables, facts = {}, {"reason": "there is no such file"}
        except Exception as error:  # one recording must not keep all others from being scored
            tables, facts = {}, {"reason": f"{type(error).__name__}: {error}"}
        if job.current() != before:
            continue
        for table, frame in tables.items():
            lake.put(lake.place(table, job), frame.write_parquet)
        entry |= facts
        break
    if entry["status"] != "done":  # nor is anything left of what it once was
        lake.drop(job)
    lake.enter(job, {**entry, "took": round(time.perf_counter() - begun, 3)})
    return entry


def crashed(plan: Plan, job: Job) -> dict[str, Any]:
    """Quarantine a recording that takes its worker down, and give its entry."""
    entry = plan.entry(job)
    entry |= {"stamp": job.stamp, "status": "quarantined", "reason": CRASHED}
    lake = Lake(plan.out)
    lake.drop(job)
    lake.enter(job, entry)
    return entry


@lru_cache(maxsize=1)
def _recognizer(path: str, fingerprint: str) -> Recognizer:
    recognizer = Recognizer.load(path)
    content_of(path, fingerprint)
    return recognizer


def content_of(path: str, fingerprint: str) -> bytes:
    """The bytes of a plan's recognizer; RecognizerError if another one has taken its place."""
    content = Path(path).read_bytes()
    if sha256(content).hexdigest() != fingerprint:
        raise RecognizerError(f"{path}: changed during the run: run it again")
    return content


def _hash(path: Path) -> str:
    found = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _score(
    plan: Plan, job: Job, path: Path, recognizer: Recognizer
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tables of a recording, and what its entry says of it."""
    whole = pieces_by(plan.zone, path, **stated_in(dict(job.stated)))
    suits = fit(whole.sketch, recognizer)
    if (reasons := suits.reasons("refuse")) and not plan.anyway:
        raise RecognizerError(f"does not suit this recognizer: {reasons}")
    names = [channel.name for channel in whole.sketch.channels]
    axes = gravity_axes(names)
    rate = whole.sketch.rate
    gait, still = (Gait(rate, axes), Stillness(rate, axes)) if axes else (None, None)
    watchers = [watcher for watcher in (gait, still) if watcher is not None]
    found = decide_pieces(recognizer, whole, context=plan.context, watchers=watchers)
    calendar = days(
        found.timeline,
        zone=plan.zone,
        nonwear=still.nonwear() if still else (),
        rhythm=(gait.seconds, gait.cadence) if gait else None,
    )
    tables = {
        "windows": _windows(job, found, recognizer.activities),
        "bouts": _bouts(job, found),
        "days": _days(job, calendar),
    }
    facts = {
        "status": "done",
        "reason": "",
        "start": found.timeline.start and found.timeline.start.isoformat(),
        "seconds": round(whole.duration, 3),
        "windows": len(found.seconds),
        "gaps": len(whole.gaps),
        "doubts": suits.reasons("doubt"),
        **({"anyway": reasons} if reasons else {}),
    }
    return tables, facts


def _windows(job: Job, found: Decisions, activities: tuple[str, ...]) -> Any:
    import polars as pl

    best = np.array(activities)[found.probabilities.argmax(axis=1)]
    odd = np.zeros(len(best)) if found.unknown is None else found.unknown
    columns: dict[str, Any] = {
        "recording": [job.name] * len(best),
        "start": found.seconds,
        "end": found.seconds + found.length,
        "activity": np.where(odd > 0.5, UNKNOWN, best),
    }
    columns |= {f"p {name}": found.probabilities[:, k] for k, name in enumerate(activities)}
    columns["p unknown"] = odd
    return pl.DataFrame(columns).with_columns(pl.col("^p .*$").cast(pl.Float32))


def _bouts(job: Job, found: Decisions) -> Any:
    import polars as pl

    times = {"start_time": None, "end_time": None}  # columns of every file, if of no date
    rows = [{"recording": job.name, **times, **row} for row in found.timeline.rows()]
    schema = {"start_time": pl.String, "end_time": pl.String}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)


def _days(job: Job, calendar: tuple[Day, ...]) -> Any:
    import polars as pl

    rows = [
        {
            "recording": job.name,
            "day": k,
            "date": day.date,
            "activity": name,
            "minutes": minutes,
            "bouts": day.bouts.get(name, 0),
            "longest": day.longest.get(name, 0.0),
            "steps": day.steps,
        }
        for k, day in enumerate(calendar)
        for name, minutes in day.minutes.items()
    ]
    schema = {"date": pl.Date, "steps": pl.Int64, "minutes": pl.Float64, "longest": pl.Float64}
    return pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)
