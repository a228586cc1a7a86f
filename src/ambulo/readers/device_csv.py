"""Research devices' samples as CSV, out of their makers' software; see `preamble` for the files."""

from __future__ import annotations

from ambulo.readers.meaning import Layout
from ambulo.readers.names import ACC, GYRO, MAG
from ambulo.readers.phone import Find
from ambulo.readers.preamble import NAMELESS
from ambulo.readers.source import Source


def actigraph_csv(source: Source) -> Layout | None:
    """ActiLife's raw export of an ActiGraph, in g, deg/s and µT."""
    return _stated(source, "ActiGraph")


def geneactiv_csv(source: Source) -> Layout | None:
    """The raw export of GENEActiv's software, in g."""
    return _stated(source, "GENEActiv")


def nameless(source: Source) -> Layout | None:
    """A time and three numbers, or six, in rows without names, as Axivity's software writes them.

    Others may too, so that the unit is found from the numbers.
    """
    above = source.preamble
    if above is None or above.title != NAMELESS:
        return None
    said = "a row is a time and then acceleration, or that and turning, as Axivity's OmGui has it"
    return Layout(title=NAMELESS, form=("assumed", said))


def _stated(source: Source, maker: str) -> Layout | None:
    above = source.preamble
    if above is None or not above.title.startswith(maker):
        return None
    return Layout(
        title=above.title,
        units={ACC: "g", GYRO: "deg/s", MAG: "µT"},
        sign="android",
        sure="stated",
        why="these devices read +g upwards at rest",
    )


SOFTWARE: dict[str, Find] = {
    "actigraph-csv": actigraph_csv,
    "geneactiv-csv": geneactiv_csv,
    "nameless": nameless,
}
"""Every maker's software whose exports are known."""
