"""Progress bars on standard error, for people only: silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ambulo.errors import printable

Advance = Callable[[float, str], None]
"""Call with the share done since the last call, 0 to 1, and what to say about it."""


@contextmanager
def bar(title: str, *, show: bool | None = None, known: bool = True) -> Iterator[Advance]:
    """A bar with the time left; `show` None shows it if standard error is a terminal.

    With `known` False nobody can say how much is left, and the bar only moves.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield lambda share, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(printable(title), total=1.0 if known else None, text="")

        def advance(share: float, text: str) -> None:
            shown.update(task, advance=share, text=printable(text))

        yield advance
