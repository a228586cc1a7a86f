"""A recording as days: one page with a timeline to explore over the signal, and tables beside."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.context.windows import gravity_axes
from ambulo.day import NOT_WORN, NOTHING, Day, days, in_zone, overlaid, save
from ambulo.errors import printable
from ambulo.gait import Gait
from ambulo.piecewise import Watcher, predict_pieces
from ambulo.readers import Pieces
from ambulo.recognizer import Recognizer
from ambulo.report.page import Explorer, Facts, Part, Section, Table, render
from ambulo.timeline import GAP, UNKNOWN, Timeline, wall, write_whole
from ambulo.wearing import Envelope, Stillness

Array = npt.NDArray[Any]

_COLOURS = (
    *(("#2563eb", "#60a5fa"), ("#d97706", "#fbbf24"), ("#059669", "#34d399")),
    *(("#be185d", "#f472b6"), ("#7c3aed", "#a78bfa"), ("#0e7490", "#22d3ee")),
    *(("#a16207", "#facc15"), ("#b91c1c", "#f87171"), ("#4d7c0f", "#a3e635")),
    *(("#57534e", "#d6d3d1"), ("#1e3a8a", "#93c5fd"), ("#9d174d", "#fbcfe8")),
    *(("#27272a", "#fafafa"), ("#c026d3", "#e879f9"), ("#ea580c", "#fdba74")),
    *(("#14532d", "#bbf7d0"), ("#4c1d95", "#ddd6fe"), ("#713f12", "#fef3c7")),
)
_GREY = {
    UNKNOWN: ("#c9ced4", "#4b5563"),
    GAP: ("#eef0f2", "#1f2630"),
    NOT_WORN: ("#9aa3ad", "#6b7280"),
}
_LIMIT = 40.0
"""m/s² beyond which the picture of the signal is cut off: four times gravity."""


@dataclass(frozen=True)
class Daily:
    """What a recording's days were: timeline, days, times not worn, and the signal's envelope."""

    timeline: Timeline
    days: tuple[Day, ...]
    nonwear: tuple[tuple[float, float], ...]
    envelope: Envelope
    channels: tuple[str, ...]
    card: dict[str, Any]


def daily(
    recognizer: Recognizer, whole: Pieces, *, zone: str | None = None, context: str = "offline"
) -> Daily:
    """The days of a recording in pieces, which are gone through once, in little memory.

    Hours are those of the clock of `zone`; without it, of the recording's start. Steps and time
    not worn need a three-axis accelerometer that feels gravity. Raises what `predict_pieces` and
    `days` raise.
    """
    names = [channel.name for channel in whole.sketch.channels]
    axes, rate = gravity_axes(names), whole.sketch.rate
    drawn = axes or [names.index(name) for name in (recognizer.windowing.channels or names)][:3]
    envelope = Envelope(rate, drawn)
    gait, still = (Gait(rate, axes), Stillness(rate, axes)) if axes else (None, None)
    watchers: list[Watcher] = [w for w in (envelope, gait, still) if w is not None]
    start = in_zone(whole.sketch.start, zone) if zone else whole.sketch.start
    timeline = predict_pieces(recognizer, whole, context=context, watchers=watchers)
    timeline = replace(timeline, start=start)
    spans = tuple(still.nonwear()) if still else ()
    rhythm = (gait.seconds, gait.cadence) if gait else None
    found = days(timeline, nonwear=spans, rhythm=rhythm)
    shown = tuple(names[k] for k in drawn)
    return Daily(timeline, found, spans, envelope, shown, recognizer.card)


def write_daily(found: Daily, folder: str | Path) -> list[Path]:
    """Write `report.html`, the hours as CSV and Parquet, days as JSON, the timeline as CSV.

    All is made before anything is written, each file is written whole, and the page last. Gives
    the files, the page first. Raises MissingExtraError without jinja2, OutputError for a folder
    that cannot be written.
    """
    folder = Path(folder)
    page = render(f"Days of {found.timeline.recording}", sections(found), lead=_lead(found))
    paths = [save(found.days, folder / f"days.{ending}") for ending in ("csv", "parquet", "json")]
    paths.append(found.timeline.save(folder / "timeline.csv"))
    write_whole(folder / "report.html", lambda to: to.write_text(page, "utf-8", "replace"))
    return [folder / "report.html", *paths]


def sections(found: Daily) -> list[Section]:
    """The sections of the page: sums, the timeline to explore, days, hours, how it was made."""
    return [_sums(found), _explorer(found), _days(found), *_hours(found), _method(found)]


def _lead(found: Daily) -> str:
    start, end = found.timeline.start, found.timeline.bouts[-1].end
    if start is None:
        return f"{_time(end / 60)} of signal, counted from its start: the file tells no wall time."
    zone = getattr(start.tzinfo, "key", None) or start.tzname() or "no stated zone"
    return f"{start:%Y-%m-%d %H:%M} to {wall(start, end):%Y-%m-%d %H:%M}, clock of {zone}."


def _sums(found: Daily) -> Section:
    minutes: dict[str, float] = {}
    for day in found.days:
        for name, value in day.minutes.items():
            minutes[name] = minutes.get(name, 0.0) + value
    whole = sum(minutes.values())
    recorded = whole - minutes.get(GAP, 0.0)
    rows = [
        (
            name,
            _time(value),
            f"{100 * value / whole:.1f} % of all"
            if name == GAP
            else f"{100 * value / recorded:.1f} % of recording",
        )
        for name, value in sorted(minutes.items(), key=lambda item: (item[0] in NOTHING, -item[1]))
    ]
    steps = [day.steps for day in found.days if day.steps is not None]
    if steps:
        rows.append(("steps", f"{sum(steps):,}", "while on foot"))
    sitting = max((day.longest_sitting for day in found.days), default=0.0)
    if sitting:
        rows.append(("longest sitting", _time(sitting / 60), "on end"))
    return Section("sums", "In all", [Facts(rows)])


def _time(minutes: float) -> str:
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    if minutes < 90:
        return f"{minutes:.1f} min"
    whole = round(minutes)
    return f"{whole // 60} h {whole % 60:02d} min"


def _explorer(found: Daily) -> Section:
    bouts = overlaid(found.timeline.bouts, found.nonwear)
    names = list(dict.fromkeys(bout.activity for bout in bouts))
    activities = [name for name in names if name not in NOTHING]
    colours = [_GREY.get(n) or _COLOURS[activities.index(n) % len(_COLOURS)] for n in names]
    packed, low, high = _packed(found.envelope)
    end = bouts[-1].end
    data = {
        "names": [printable(name) for name in names],
        "colours": {key: [c[k] for c in colours] for k, key in enumerate(("light", "dark"))},
        "starts": [round(bout.start, 2) for bout in bouts],
        "codes": [names.index(bout.activity) for bout in bouts],
        "end": round(end, 2),
        "least": 5.0,
        "epoch": _epoch(found.timeline),
        "zones": _zones(found.timeline, end),
        "channels": found.channels,
        "step": found.envelope.step,
        "steps": found.envelope.count,
        "low": low,
        "high": high,
        "signal": packed,
    }
    spans = [("everything", f"0,{end:.2f}")]
    spans += [(_name(k, day), f"{day.start:.2f},{day.end:.2f}") for k, day in enumerate(found.days)]
    alt = (
        f"Timeline of {len(bouts)} bouts of {', '.join(names)} over the signal of "
        f"{', '.join(found.channels)}. What is in view is told below; the tables hold the same."
    )
    text = (
        f"A stripe of activities over {', '.join(found.channels)}, least and greatest value in "
        f"each {found.envelope.step:.3g} s"
        + (f"; beyond {_LIMIT:g} m/s² it is cut off" if max(-low, high) >= _LIMIT else "")
        + ". Where many bouts fall together, the stripe is divided as they divide the time."
    )
    legend = [(name, *colour) for name, colour in zip(names, colours, strict=True)]
    parts: list[Part] = [text, Explorer(data, legend, spans, alt)]
    return Section("timeline", "Timeline", parts)


def _packed(envelope: Envelope) -> tuple[str, float, float]:
    """Least and greatest values of each channel as bytes, 255 for none: deflated, base64."""
    low, high = envelope.low, envelope.high
    there = np.isfinite(low)
    bottom = max(min(float(low[there].min()), 0.0), -_LIMIT)
    top = min(max(float(high[there].max()), bottom + 1.0), _LIMIT)
    rows = []
    for k in range(low.shape[1]):
        for values in (low[:, k], high[:, k]):
            level = np.clip((np.where(there[:, k], values, bottom) - bottom) / (top - bottom), 0, 1)
            rows.append(np.where(there[:, k], np.round(254 * level), 255).astype(np.uint8))
    packed = zlib.compress(np.concatenate(rows).tobytes(), 9)
    return base64.b64encode(packed).decode(), bottom, top


def _epoch(timeline: Timeline) -> float | None:
    start = timeline.start
    if start is None:
        return None
    return (start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp()


def _zones(timeline: Timeline, end: float) -> list[tuple[float, float]]:
    """From which second on the clock is how many seconds ahead of UTC."""
    start, out = timeline.start, list[tuple[float, float]]()
    if start is None or start.tzinfo is None:
        return out
    for at in [*np.arange(0.0, end, 900.0).tolist(), end]:
        offset = wall(start, at).utcoffset()
        ahead = offset.total_seconds() if offset else 0.0
        if not out or out[-1][1] != ahead:
            out.append((_changed(start, at, ahead) if out else 0.0, ahead))
    return out


def _changed(start: Any, before: float, ahead: float) -> float:
    """The full second within the 15 minutes up to `before` from which the clock is `ahead`."""
    for at in np.arange(np.floor(before - 900), before + 1):
        offset = wall(start, float(at)).utcoffset()
        if offset is not None and offset.total_seconds() == ahead:
            return float(at)
    return before


def _name(k: int, day: Day) -> str:
    return f"{day.date:%a\u00a0%d\u00a0%b}" if day.date else f"day {k + 1}"


def _columns(found: Daily) -> list[str]:
    names = dict.fromkeys(name for day in found.days for name in day.minutes)
    return sorted(names, key=lambda name: name in NOTHING)


def _days(found: Daily) -> Section:
    names = _columns(found)
    rows = [
        (
            _name(k, day),
            *(f"{day.minutes.get(name, 0.0):.1f}" for name in names),
            f"{(sum(day.minutes.values()) - day.minutes.get(GAP, 0.0)) / 60:.1f} of {day.length:g}",
        )
        for k, day in enumerate(found.days)
    ]
    moved = [
        (
            _name(k, day),
            "" if day.steps is None else f"{day.steps:,}",
            "" if day.cadence is None else f"{day.cadence:.0f}",
            _time(day.longest_sitting / 60) if day.longest_sitting else "",
        )
        for k, day in enumerate(found.days)
    ]
    bouts = [(name, *(str(day.bouts.get(name, 0)) for day in found.days)) for name in names]
    heads = ["bouts", *(_name(k, day) for k, day in enumerate(found.days))]
    tables = [
        Table("Minutes of each activity", ["day", *names, "hours recorded"], rows),
        Table("On foot and sitting", ["day", "steps", "steps a minute", "longest sitting"], moved),
        Table("Bouts", heads, bouts, True),
    ]
    return Section("days", "Day by day", tables)


def _hours(found: Daily) -> list[Section]:
    names = _columns(found)
    tables = []
    for k, day in enumerate(found.days):
        rows = [
            (
                f"{hour.clock:%H:%M %Z}" if hour.clock else f"{hour.start / 3600:.0f} h",
                *(f"{hour.minutes.get(name, 0.0):.1f}" for name in names),
                "" if hour.steps is None else f"{hour.steps:,}",
                "" if hour.cadence is None else f"{hour.cadence:.0f}",
            )
            for hour in day.hours
        ]
        columns = ["hour from", *names, "steps", "steps a minute"]
        tables.append(Table(f"{_name(k, day)}: minutes of each hour", columns, rows, folded=True))
    return [Section("hours", "Hour by hour", tables)]


def _method(found: Daily) -> Section:
    silent = sum(day.silent or 0.0 for day in found.days)
    parts: list[Part] = [
        "Activities are those that a recognizer decided on"
        + _scores(found.card)
        + ". Gap: nothing was recorded. Unknown: like nothing that was learnt, or too "
        "little signal in one piece to decide on.",
        "Bouts: up to 10 s of something else do not end one; a gap or time not worn does. A bout "
        "belongs to the day on which it begins.",
    ]
    if any(day.steps is not None for day in found.days):
        parts.append(
            "Steps: the rhythm of the acceleration's length, second by second while on foot "
            "(autocorrelation at a step and a stride, after Moe-Nilssen and Helbostad 2004); "
            f"{_time(silent)} on foot showed no rhythm, or were next to a gap, and no steps were "
            "counted there."
        )
        parts.append(
            "Not worn: at least an hour in which two axes deviate by less than 13 mg and range "
            "over less than 50 mg (van Hees et al. 2011). Whoever lies very still may look so."
        )
    return Section("method", "How this was made", parts)


def _scores(card: dict[str, Any]) -> str:
    people = card.get("people") or card.get("trained_on", {}).get("people", ())
    return f", trained on {len(people)} people" if isinstance(people, Sequence) and people else ""
