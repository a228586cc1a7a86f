"""Tables over people and days, out of a lake of scored recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambulo.errors import FleetError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Summary:
    """What people did: minutes a day of each activity, by person and over people.

    `people` has a row for each person and activity, `activities` one for each activity: people,
    mean, deviation, least and most of their means. `failed` are recordings with their reasons.
    """

    people: pl.DataFrame
    activities: pl.DataFrame
    failed: pl.DataFrame
    recordings: int
    hours: float

    def __str__(self) -> str:
        lines = [
            f"{self.recordings} recordings of {self.people['person'].n_unique()} people, "
            f"{self.hours:.1f} h; {len(self.failed)} quarantined"
        ]
        lines.append(f"{'minutes a day':<22}{'people':>8}{'mean':>9}{'deviation':>11}")
        for row in self.activities.iter_rows(named=True):
            spread = row["deviation"] or 0.0
            lines.append(
                f"{row['activity']:<22}{row['people']:>8}{row['mean']:>9.1f}{spread:>11.1f}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """One object that JSON can hold."""
        return {
            "recordings": self.recordings,
            "hours": self.hours,
            "activities": self.activities.to_dicts(),
            "people": self.people.to_dicts(),
            "failed": self.failed.to_dicts(),
        }


def summarize(lake: str | Path) -> Summary:
    """Sum up a lake that `score` wrote, on this machine.

    A person's minutes a day are those of all days on which anything was recorded. Raises FleetError
    where there is no lake, or nothing in it.
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
    days = pl.scan_parquet(
        folder / "days" / "**" / "*.parquet",
        hive_partitioning=True,
        hive_schema={"person": pl.String},
    ).collect()
    days = days.join(done.select(pl.col("name").alias("recording")), on="recording", how="semi")
    each = days.with_columns(id=pl.concat_str(pl.col("recording"), pl.col("day").cast(pl.String)))
    each = each.with_columns(
        id=pl.when(pl.col("date").is_null()).then("id").otherwise(pl.col("date").cast(pl.String))
    )
    count = each.group_by("person").agg(days=pl.col("id").n_unique())
    people = (
        each.group_by("person", "activity")
        .agg(pl.col("minutes").sum(), pl.col("bouts").sum(), pl.col("longest").max())
        .join(count, on="person")
        .with_columns(a_day=pl.col("minutes") / pl.col("days"))
        .sort("person", "activity")
    )
    everyone = people["person"].n_unique()
    activities = (
        people.pivot(on="activity", index="person", values="a_day")
        .fill_null(0.0)
        .unpivot(index="person", variable_name="activity", value_name="a_day")
        .group_by("activity")
        .agg(
            people=(pl.col("a_day") > 0).sum(),
            mean=pl.col("a_day").mean(),
            deviation=pl.col("a_day").std() if everyone > 1 else pl.lit(0.0),
            least=pl.col("a_day").min(),
            most=pl.col("a_day").max(),
        )
        .sort("mean", descending=True)
    )
    failed = manifest.filter(pl.col("status") != "done").select("name", "person", "reason")
    hours = float(done["seconds"].sum()) / 3600
    return Summary(people, activities, failed, len(done), hours)
