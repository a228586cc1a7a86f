"""One self-contained HTML page of sections: text, tables and pictures, without network.

A page is `write_page(title, sections, folder)`. A section has a heading and parts in order: a `str`
(a paragraph; markupsafe.Markup where it is HTML already), `Facts`, `Table`, `Picture` or
`Verbatim`; an `Explorer` alone needs a script. Everything else is escaped, so that names from data
may hold anything.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambulo.errors import MissingExtraError, printable
from ambulo.report.figures import drawn
from ambulo.timeline import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in words for those who cannot see it, and a caption.

    `name` is that of its PNG. Neighbours of which each is `small` stand side by side where there is
    room. `bitmap` puts the PNG on the page, for figures of very many lines; else it is an SVG.
    """

    name: str
    figure: Figure
    alt: str
    caption: str = ""
    small: bool = False
    bitmap: bool = False

    kind = "picture"


@dataclass(frozen=True)
class Table:
    """Rows under column headings; the first cell of a row is the row's own heading.

    A `folded` table opens at a click, and is open in print where the browser can. `words` are the
    positions of columns of text, which are set to the left.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    folded: bool = False
    words: Sequence[int] = ()

    kind = "table"


@dataclass(frozen=True)
class Facts:
    """Large figures: name, value and a note to each."""

    rows: Sequence[tuple[str, str, str]]

    kind = "facts"


@dataclass(frozen=True)
class Verbatim:
    """Text in a fixed font, line by line as it is: a command, versions."""

    text: str

    kind = "verbatim"


@dataclass(frozen=True)
class Explorer:
    """A timeline over its signal that can be zoomed and moved; the only part that runs a script.

    `data` is what `explorer.js` draws. `legend` names what is shown, as name, colour on a light
    page and colour on a dark page, `spans` what can be chosen to see, as name and `start,end` in
    seconds. `alt` says what it shows to those who cannot see it. One a page.
    """

    data: dict[str, Any]
    legend: Sequence[tuple[str, str, str]]
    spans: Sequence[tuple[str, str]]
    alt: str

    kind = "explorer"

    @property
    def text(self) -> str:
        """The data as JSON that cannot end its own element."""
        return json.dumps(self.data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


Part = str | Picture | Table | Facts | Verbatim | Explorer


@dataclass(frozen=True)
class Section:
    """A heading, the parts under it, and what `name.json` is to hold, if anything."""

    name: str
    heading: str
    parts: Sequence[Part]
    data: Any = None


def write_page(
    title: str,
    sections: Sequence[Section],
    folder: str | Path,
    *,
    lead: str = "",
    stamp: str = "",
    name: str = "report",
) -> list[Path]:
    """Write `name.html`, and the pictures as PNG and the data as JSON beside it.

    `lead` stands under the title; `stamp` is a warning that nobody can overlook. All is made before
    anything is written, each file is written whole, and the page last. Gives the files, the page
    first. Raises MissingExtraError without matplotlib or jinja2, OutputError for a folder that
    cannot be written.
    """
    folder = Path(folder)
    content: dict[str, bytes] = {}
    for section in sections:
        if section.data is not None:
            text = json.dumps(_finite(section.data), indent=1, allow_nan=False)
            content[f"{section.name}.json"] = text.encode()
        for part in section.parts:
            if isinstance(part, Picture):
                content[f"{part.name}.png"] = drawn(part.figure, "png")
    page = render(title, sections, lead=lead, stamp=stamp)
    content[f"{name}.html"] = page.encode("utf-8", "replace")
    for file, data in content.items():
        write_whole(folder / file, lambda to, data=data: to.write_bytes(data))
    return [folder / file for file in reversed(content)]


def _finite(data: Any) -> Any:
    """The data with null for what JSON has no number for."""
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def render(title: str, sections: Sequence[Section], *, lead: str = "", stamp: str = "") -> str:
    """The HTML of a page; see `write_page`."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda shown: printable(shown) if type(shown) is str else shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["text"] = lambda part: isinstance(part, str)
    environment.filters["source"] = _source
    template = environment.from_string((files(__package__) / "page.html.j2").read_text("utf-8"))
    grouped = [(section, _grouped(section.parts)) for section in sections]
    explored = any(isinstance(part, Explorer) for section in sections for part in section.parts)
    script = (files(__package__) / "explorer.js").read_text("utf-8") if explored else ""
    mark = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return template.render(
        title=title, sections=grouped, lead=lead, stamp=stamp, script=script, mark=mark
    )


def _grouped(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts in order, neighbouring small pictures together."""
    out: list[list[Part]] = []
    for part in parts:
        small = isinstance(part, Picture) and part.small
        if small and out and isinstance(out[-1][0], Picture) and out[-1][0].small:
            out[-1].append(part)
        else:
            out.append([part])
    return out


def _source(picture: Picture) -> str:
    """A picture as a data URI."""
    kind = "png" if picture.bitmap else "svg"
    mime = "image/png" if picture.bitmap else "image/svg+xml"
    return f"data:{mime};base64,{base64.b64encode(drawn(picture.figure, kind)).decode()}"
