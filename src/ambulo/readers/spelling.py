"""Times as apps and spreadsheets write them, spelled as `ambulo.readers.clock` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ambulo.readers.finding import Finding

if TYPE_CHECKING:
    import polars as pl

_TWELVE = (
    r"(?i)^(.*?)(\d{1,2})(:\d{2}:\d{2}(?:[.:,]\d{1,9})?)\s*([ap])\.?\s?m\.?"
    r"(\s*(?:Z|[+-]\d{2}:?\d{2}))?$"
)
_FRACTION = r"^(.*\d:\d{2}:\d{2}[.:,])(\d{1,3})(\D.*)?$"
_LOOK = 1000
"""Texts at a column's begin, and as many at its middle, that tell how all are spelled."""


def plainly(text: pl.Series) -> tuple[pl.Series, list[Finding]]:
    """Texts of times with 24 hours and three digits of a millisecond, and what was decided."""
    text = text.str.strip_chars()
    sample = text.head(_LOOK).append(text.slice(len(text) // 2, _LOOK))
    if sample.str.contains(_TWELVE).sum() > 0.5 * len(sample):
        text = _in_24_hours(text)
    lengths = sample.str.extract(_FRACTION, 2).str.len_chars()
    if lengths.n_unique() > 1 and lengths.null_count() <= 0.5 * len(sample):
        return _milliseconds(text)
    return text, []


def _in_24_hours(text: pl.Series) -> pl.Series:
    """`3/1/2026 9:00:00.02 PM` as `3/1/2026 21:00:00.02`."""
    import polars as pl

    before, hour, after, half, zone = (text.str.extract(_TWELVE, k) for k in (1, 2, 3, 4, 5))
    pm = half.str.to_lowercase() == "p"
    hours = hour.cast(pl.Int64) % 12 + 12 * pm.cast(pl.Int64)
    in_24 = before + hours.cast(pl.String).str.zfill(2) + after + zone.fill_null("")
    return in_24.set(~hour.cast(pl.Int64).is_between(0, 12), None).alias(text.name)


def _milliseconds(text: pl.Series) -> tuple[pl.Series, list[Finding]]:
    """`9:00:00.7` as `9:00:00.007`, where times go back unless it is so.

    A program that writes the number of milliseconds without zeros in front makes .7, .27, .107.
    """
    import polars as pl

    before, digits, after = (text.str.extract(_FRACTION, k) for k in (1, 2, 3))
    lengths = digits.str.len_chars()
    numbers = digits.cast(pl.Int64)
    tenths = pl.Series([100, 10, 1]).gather((lengths - 1).fill_null(0)) * numbers
    same = (before == before.shift(1)).fill_null(value=False)
    decimal, counted = (int(((x.diff() < 0) & same).sum()) for x in (tenths, numbers))
    if decimal <= 10 * counted or decimal < 3:
        return text, []
    padded = before + digits.str.zfill(3) + after.fill_null("")
    why = f"written without zeros in front: as decimals, {decimal} times would go back"
    told = Finding("fraction of a second", "milliseconds", "measured", why)
    return padded.alias(text.name), [told]
