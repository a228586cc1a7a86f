"""A lake of scored recordings as one page: people, their days, and what they did on them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambulo.day import NOTHING
from ambulo.fleet.summary import Summary
from ambulo.report.figures import WIDTH, figure
from ambulo.report.page import Facts, Picture, Section, Table, render
from ambulo.timeline import label, write_whole

if TYPE_CHECKING:
    import polars as pl

MOST = 500
"""Rows of a table on the page: more are in the lake."""
_HATCHES = ("", "////", "....", "xxxx", "----")
"""Drawn over the ten colours where they come again."""
_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def write_group(found: Summary, path: str | Path) -> Path:
    """Write a summary as one self-contained HTML page, whole or not at all.

    Raises MissingExtraError without matplotlib or jinja2, OutputError where it cannot be written.
    """
    people = found.people["person"].n_unique()
    lead = f"{found.recordings} recordings of {people} people, {found.hours:,.1f} h of signal."
    page = render("What people did", sections(found), lead=lead)
    path = Path(path)
    write_whole(path, lambda to: to.write_text(page, "utf-8", "replace"))
    return path


def sections(found: Summary) -> list[Section]:
    """The sections of the page: sums, people, days, what was quarantined or is there twice, how."""
    return [
        _sums(found),
        _people(found),
        _days(found),
        *_failed(found),
        *_twice(found),
        _method(found),
    ]


def _sums(found: Summary) -> Section:
    days = found.days.select("person", "day").n_unique()
    people = found.people["person"].n_unique()
    rows = [
        ("people", f"{people:,}", f"{days / people:.1f} days each"),
        ("days", f"{days:,}", f"{found.short} too short, left out"),
        ("recordings", f"{found.recordings:,}", f"{len(found.failed)} quarantined"),
    ]
    for row in found.activities.filter(~_nothing()).head(6).iter_rows(named=True):
        spread = f"± {row['deviation']:.1f} over people"
        rows.append((row["activity"], f"{row['mean']:.1f} min", f"a day, {spread}"))
    return Section("sums", "In all", [Facts(rows)])


def _nothing() -> pl.Expr:
    import polars as pl

    return pl.col("activity").is_in(NOTHING)


def _people(found: Summary) -> Section:
    columns = ("people", "mean", "deviation", "least", "lower", "median", "upper", "most")
    rows = [
        (row["activity"], row["people"], *(f"{row[name]:.1f}" for name in columns[1:]))
        for row in found.activities.iter_rows(named=True)
    ]
    heads = ("activity", *columns[:4], "lower quartile", "median", "upper quartile", "most")
    return Section(
        "people",
        "Over people",
        [
            _boxes(found),
            Table("Minutes a day of each activity, over people", heads, rows),
            _persons(found),
        ],
    )


def _persons(found: Summary) -> Table:
    names = found.activities["activity"].to_list()
    wide = found.people.pivot(on="activity", index=["person", "days"], values="a_day")
    wide = wide.fill_null(0.0).sort("person")
    rows = [
        (row["person"], row["days"], *(f"{row[name]:.1f}" for name in names))
        for row in wide.head(MOST).iter_rows(named=True)
    ]
    caption = f"Minutes a day of each person{_more(len(wide))}"
    return Table(caption, ("person", "days", *names), rows, folded=True)


def _more(rows: int) -> str:
    return "" if rows <= MOST else f", the first {MOST} of {rows:,}; --out people.csv has all"


def _boxes(found: Summary) -> Picture:
    names = found.activities["activity"].to_list()[::-1]
    stats = [_box(row) for row in found.activities.reverse().iter_rows(named=True)]
    picture = figure(WIDTH, 1.0 + 0.3 * len(names))
    axes = picture.subplots()
    axes.bxp(stats, orientation="horizontal", showfliers=False, showmeans=True)
    axes.set_yticks(range(1, len(names) + 1), [label(name) for name in names], fontsize=8)
    axes.set_xlabel("minutes a day", fontsize=8)
    axes.tick_params(labelsize=8)
    alt = "Box plot of minutes a day of each activity over people; the table holds the numbers."
    return Picture(
        "people",
        picture,
        alt,
        "Quartiles, least and most over people; the triangle is the mean.",
    )


def _box(row: dict[str, Any]) -> dict[str, Any]:
    ends = {"whislo": row["least"], "whishi": row["most"], "mean": row["mean"]}
    return {"q1": row["lower"], "med": row["median"], "q3": row["upper"], **ends}


def _days(found: Summary) -> Section:
    """Means over people and days by day of the week; where no date is known, nothing."""
    import polars as pl

    dated = found.days.filter(pl.col("date").is_not_null())
    if not len(dated):
        return Section("days", "Over days", ["No recording tells a date: nothing to say by day."])
    count = dated.unique(["person", "day"])["date"].dt.weekday().value_counts()
    days = dict(count.rows())
    sums = dated.group_by(pl.col("date").dt.weekday(), "activity").agg(pl.col("minutes").sum())
    minutes = {(day, name): value for day, name, value in sums.rows()}
    names = found.activities["activity"].to_list()
    rows = [
        (_WEEK[day - 1], days[day], *(minutes.get((day, n), 0.0) / days[day] for n in names))
        for day in sorted(days)
    ]
    shown = [(row[0], row[1], *(f"{value:.1f}" for value in row[2:])) for row in rows]
    table = Table("Mean minutes of a day", ("day", "days", *names), shown)
    return Section("days", "Over days", [_week(rows, names), table])


def _week(rows: list[Any], names: list[str]) -> Picture:
    picture = figure(WIDTH, 2.7 + 0.15 * math.ceil(len(names) / 3))  # names are below, in threes
    axes = picture.subplots()
    bottom = [0.0] * len(rows)
    for k, name in enumerate(names):
        hours = [row[2 + k] / 60 for row in rows]
        colour, hatch = f"C{k % 10}", _HATCHES[k // 10 % len(_HATCHES)]
        if name in NOTHING:
            colour, hatch = str(0.7 + 0.1 * NOTHING.index(name)), ""
        axes.bar(
            [row[0][:3] for row in rows],
            hours,
            bottom=bottom,
            label=label(name),
            color=colour,
            hatch=hatch,
            edgecolor="w",
            linewidth=0.5,
        )
        bottom = [below + own for below, own in zip(bottom, hours, strict=True)]
    axes.set_ylabel("hours a day", fontsize=8)
    axes.tick_params(labelsize=8)
    picture.legend(loc="outside lower center", ncols=3, fontsize=7)
    return Picture(
        "week", picture, "Hours of each activity by day of the week; the table holds it."
    )


def _failed(found: Summary) -> list[Section]:
    if not len(found.failed):
        return []
    caption = f"Recordings that could not be scored{_more(len(found.failed))}"
    table = Table(
        caption,
        ("recording", "person", "reason"),
        found.failed.head(MOST).rows(),
        folded=True,
        words=(1, 2),
    )
    return [Section("failed", "Quarantined", [table])]


def _twice(found: Summary) -> list[Section]:
    if not len(found.twice):
        return []
    rows = [(*row[:3], f"{row[3]:.1f}") for row in found.twice.head(MOST).iter_rows()]
    caption = f"Recordings of a time that another one of their person has{_more(len(found.twice))}"
    table = Table(caption, ("person", "recording", "other", "minutes"), rows, words=(1, 2))
    return [Section("twice", "Recorded twice", ["These minutes count twice in all sums.", table])]


def _method(found: Summary) -> Section:
    text = (
        "A person's minutes a day are the mean over that person's days, and every person counts "
        "once, with however many days; who never showed an activity counts with 0 minutes. Several "
        "recordings of one date are one day. Gap: nothing was recorded. Unknown: like nothing "
        "that was learnt, or too little signal in one piece to decide on. Not worn: an hour or "
        "more without motion."
    )
    left = f" {found.short} days had less signal than asked for and were left out."
    return Section("method", "How this was made", [text + (left if found.short else "")])
