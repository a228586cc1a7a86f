"""Tables over people and days, out of a lake of scored recordings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambulo.day import NOT_WORN
from ambulo.errors import FleetError
from ambulo.timeline import GAP

if TYPE_CHECKING:
    import polars as pl

TWICE = timedelta(minutes=1)
"""How long two recordings of a person may overlap, as where a logger goes on in a new file."""


@dataclass(frozen=True)
class Summary:
    """What people did: minutes a day of each activity, by person and over people.

    `days` has a row for each person, day and activity, with the steps of the whole day, `people`
    for each person and activity, `activities` for each activity: how many people showed it, mean,
    deviation, least, quartiles and most of their minutes a day. `failed` are recordings with their
    reasons, `twice` those that tell of the same time as another one of their person: such minutes
    count twice. `short` counts days left out.
    """

    days: pl.DataFrame
    people: pl.DataFrame
    activities: pl.DataFrame
    failed: pl.DataFrame
    twice: pl.DataFrame
    recordings: int
    hours: float
    short: int = 0

    def __str__(self) -> str:
        lines = [
            f"{self.recordings} recordings of {self.people['person'].n_unique()} people, "
            f"{self.hours:.1f} h; {len(self.failed)} quarantined"
        ]
        lines.append(f"{'minutes a day':<22}{'people':>8}{'mean':>9}{'deviation':>11}")
        for row in self.activities.iter_rows(named=True):
            lines.append(
                f"{row['activity']:<22}{row['people']:>8}{row['mean']:>9.1f}{row['deviation']:>11.1f}"
            )
        for row in self.twice.head(1).iter_rows(named=True):
            lines.append(
                f"recorded twice, so counted twice, in {len(self.twice)} recordings: "
                f"{row['minutes']:.1f} min of {row['name']} are in {row['other']} too: "
                "score without one of them, into a new lake"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "recordings": self.recordings,
            "hours": self.hours,
            "days": self.days.select("person", "day").n_unique(),
            "days_left_out": self.short,
            "activities": self.activities.to_dicts(),
            "people": self.people.to_dicts(),
            "failed": self.failed.to_dicts(),
            "twice": self.twice.to_dicts(),
        }


def summarize(lake: str | Path, *, least: float = 0.0) -> Summary:
    """Sum up a lake that `score` wrote, on this machine.

    A person's minutes a day are the mean over all days with at least `least` hours of signal, gaps
    and time not worn apart; several recordings of a day are one day, and where two overlap, `twice`
    says so. Raises FleetError where there is no lake, or nothing in it.
    """
    import polars as pl

    folder = Path(lake)
    if not (folder / "manifest.parquet").exists():
        raise FleetError(f"{lake}: is no lake of 'ambulo score': name the folder it wrote to")
    manifest = pl.read_parquet(folder / "manifest.parquet")
    done = manifest.filter(pl.col("status") == "done")
    if not len(done):
        raise FleetError(
            f"{lake}: all {len(manifest)} recordings are quarantined; see its manifest"
        )
    days = _days(folder, done["name"])
    worn = pl.when(pl.col("activity").is_in((GAP, NOT_WORN))).then(0.0).otherwise("minutes")
    kept = days.filter(worn.sum().over("person", "day") >= 60 * least)
    if not len(kept):
        raise FleetError(f"{lake}: no day has {least:g} hours of signal: ask for fewer")
    people = _people(kept)
    return Summary(
        days=kept,
        people=people,
        activities=_activities(people),
        failed=manifest.filter(pl.col("status") != "done").select("name", "person", "reason"),
        twice=_twice(done),
        recordings=len(done),
        hours=float(done["seconds"].sum()) / 3600,
        short=days.select("person", "day").n_unique() - kept.select("person", "day").n_unique(),
    )


def _days(folder: Path, done: pl.Series) -> pl.DataFrame:
    """A row for each person, day and activity; a day without a date is one of its recording's."""
    import polars as pl

    rows = pl.scan_parquet(
        folder / "days" / "**" / "*.parquet",
        hive_partitioning=True,
        hive_schema={"person": pl.String},
    )
    numbered = pl.format("{} day {}", "recording", pl.col("day") + 1)
    rows = rows.filter(pl.col("recording").is_in(done.implode())).with_columns(
        day=pl.coalesce(pl.col("date").cast(pl.String), numbered)
    )
    counted = pl.when(pl.col("steps").count() > 0).then(pl.col("steps").sum())
    steps = rows.unique(["person", "day", "recording"]).group_by("person", "day").agg(steps=counted)
    return (
        rows.group_by("person", "day", "date", "activity")
        .agg(pl.col("minutes", "bouts").sum(), pl.col("longest").max())
        .join(steps, on=["person", "day"])
        .sort("person", "day", "activity")
        .collect()
    )


def _twice(done: pl.DataFrame) -> pl.DataFrame:
    """Recordings that begin before another one of their person ends: how many minutes they share.

    Those that do not tell when they began share them where their files are the same.
    """
    import polars as pl

    rows = []
    before: dict[str, tuple[datetime, str]] = {}
    told = done.filter(pl.col("start").is_not_null()) if "start" in done.columns else done.clear()
    began = [
        (row["person"], _in_utc(row["start"]), row["name"], row["seconds"])
        for row in told.iter_rows(named=True)
    ]
    for person, start, name, seconds in sorted(began):
        end = start + timedelta(seconds=seconds)
        last, other = before.get(person, (start, ""))
        if min(last, end) - start > TWICE:
            rows.append((person, name, other, (min(last, end) - start).total_seconds() / 60))
        if end > last or person not in before:
            before[person] = end, name
    undated = done.join(told, on="name", how="anti").sort("name")
    seen: dict[tuple[str, str], str] = {}
    for row in undated.iter_rows(named=True):
        content = row.get("sha256") or row["name"]
        first = seen.setdefault((row["person"], content), row["name"])
        if first != row["name"]:
            rows.append((row["person"], row["name"], first, row["seconds"] / 60))
    names = {"person": pl.String, "name": pl.String, "other": pl.String, "minutes": pl.Float64}
    return pl.DataFrame(rows, schema=names, orient="row")


def _in_utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _people(days: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    count = days.group_by("person").agg(days=pl.col("day").n_unique())
    return (
        days.group_by("person", "activity")
        .agg(pl.col("minutes", "bouts").sum(), pl.col("longest").max())
        .join(count, on="person")
        .with_columns(a_day=pl.col("minutes") / pl.col("days"))
        .sort("person", "activity")
    )


def _activities(people: pl.DataFrame) -> pl.DataFrame:
    """Each activity over all people; who never showed it did so for 0 minutes."""
    import polars as pl

    each = (
        people.pivot(on="activity", index="person", values="a_day")
        .fill_null(0.0)
        .unpivot(index="person", variable_name="activity", value_name="a_day")
    )
    value = pl.col("a_day")
    return (
        each.group_by("activity")
        .agg(
            people=(value > 0).sum(),
            mean=value.mean(),
            deviation=value.std().fill_null(0.0),
            least=value.min(),
            lower=value.quantile(0.25, "linear"),
            median=value.median(),
            upper=value.quantile(0.75, "linear"),
            most=value.max(),
        )
        .sort("mean", "activity", descending=[True, False])
    )
