"""Score many recordings: one task each, resumable, with nothing lost and nothing done twice.

    source ─► jobs ─► [read ─► predict ─► windows, bouts, days] ─► lake ─► summary

Every task writes its tables whole, and its entry in the manifest last: what has no entry, or one
of another file or recognizer, is done at the next run. `local` spreads tasks over processes, `ray`
over a cluster; both write the same tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ambulo.context import MODES
from ambulo.day import in_zone
from ambulo.errors import FleetError
from ambulo.fleet.cluster import ray
from ambulo.fleet.engines import Engine, local
from ambulo.fleet.jobs import Job, jobs
from ambulo.fleet.lake import Lake
from ambulo.fleet.task import Plan
from ambulo.pretrained import find
from ambulo.recognizer import Recognizer

ENGINES: dict[str, Engine] = {"local": local, "ray": ray}
"""Every engine by its name."""

Tell = Callable[[float, str], None]
"""Called with how much of the work one more task was, and what to say."""


@dataclass(frozen=True)
class Outcome:
    """What a run came to: recordings done now, found done before, and quarantined with a reason."""

    done: int
    before: int
    quarantined: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """How much signal was scored now."""

    def __str__(self) -> str:
        text = f"{self.done} recordings scored ({self.seconds / 3600:.1f} h), "
        text += f"{self.before} were done before, {len(self.quarantined)} quarantined"
        return "\n".join([text, *(f"  {name}: {why}" for name, why in self.quarantined.items())])

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "done": self.done,
            "before": self.before,
            "quarantined": self.quarantined,
            "hours": self.seconds / 3600,
        }


def score(
    source: str,
    out: str,
    recognizer: str | Path,
    *,
    engine: str = "local",
    workers: int = 0,
    context: str = "offline",
    overlap: float | None = None,
    zone: str | None = None,
    anyway: bool = False,
    tell: Tell | None = None,
) -> Outcome:
    """Score all recordings of `source` into the lake `out`.

    `source` is a folder, a glob, a manifest (`.csv` with a column `file`, and `person` where known,
    or any field of `Settings`) or any of these as an fsspec URL; `out` a folder or URL,
    `recognizer` a file or the name of one that comes along, whose windows may `overlap` by another
    share (`Recognizer.with_overlap`). `workers` is how many cores work, each on a recording, 0 all.
    What is in the lake already, from the same file by the same recognizer, is left as it is; what
    failed is tried again. A recording that cannot be scored, or, but for `anyway`, does not suit
    the recognizer, is quarantined: its reason stands in the manifest, as does what is in doubt of
    the others.

    Raises, before anything is touched, OutputError for a zone that is not known; FleetError where
    there is nothing to score or nowhere to write, for a manifest that says what is not understood,
    or for a recording whose place in the lake another one has; RecognizerError for a file that is
    no recognizer; WindowingError for an overlap that cannot be.
    """
    if engine not in ENGINES:
        raise FleetError(f"there is no engine '{engine}': choose from {', '.join(ENGINES)}")
    if context not in MODES:
        raise FleetError(f"context must be one of {', '.join(MODES)}, got {context!r}")
    if zone is not None:
        in_zone(None, zone)
    recognizer = find(recognizer)
    loaded = Recognizer.load(recognizer)
    if overlap is not None:
        loaded.with_overlap(overlap)
    print_ = sha256(recognizer.read_bytes()).hexdigest()
    plan = Plan(str(recognizer), print_, out, context, zone, anyway, overlap)
    lake = Lake(out)
    found = jobs(source, but=lake.owns)
    lake.sweep()
    entries = lake.entries()
    _keep_places(lake, found, entries)
    for job in found:
        owner = entries.get(job.key, {}).get("person", job.person)
        if owner != job.person:  # its rows lie under another name
            lake.drop(replace(job, person=owner))
    waiting = [job for job in found if not plan.has(entries.get(job.key), job)]
    before = len(found) - len(waiting)
    share = 1 / max(len(waiting), 1)
    done, seconds, quarantined = 0, 0.0, {}
    for entry in _run(engine, plan, waiting, workers):
        if entry["status"] == "done":
            done, seconds = done + 1, seconds + entry["seconds"]
        else:
            quarantined[entry["name"]] = entry["reason"]
        if tell:
            tell(share, f"{done + len(quarantined)} of {len(waiting)}, {entry['name']}")
    lake.sweep()  # a worker that died may have left a half
    lake.index()
    return Outcome(done, before, quarantined, seconds)


def _keep_places(lake: Lake, found: Sequence[Job], entries: dict[str, dict[str, Any]]) -> None:
    """See that no recording takes another one's place, which a file of the same name would.

    The same size and time of change make it the same recording, moved: its entry says so then.
    Entries of older lakes do not tell where recordings were, and are taken for these. What was
    quarantined has no rows, and so no place that could be taken.
    """
    held = {key: entry for key, entry in entries.items() if entry.get("status") == "done"}
    moved = [job for job in found if held.get(job.key, {}).get("source", job.url) != job.url]
    for job in moved:
        entry = entries[job.key]
        if not job.of_file(entry.get("stamp")):
            raise FleetError(
                f"{lake.url}: holds {job.name} already, of {entry['source']}, which {job.url} "
                "would replace: score this source into another lake, or the folder above both "
                f"into a new one; if it is the same recording, remove manifest/{job.key}.json"
            )
    for job in moved:
        entries[job.key]["source"] = job.url
        lake.enter(job, entries[job.key])


def _run(engine: str, plan: Plan, waiting: Sequence[Job], workers: int) -> Iterator[dict[str, Any]]:
    if waiting:
        yield from ENGINES[engine](plan, waiting, workers)
