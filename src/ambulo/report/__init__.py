"""Pictures of data and of scores, and one self-contained HTML page of them.

A function of `figures` or `examples` gives a matplotlib Figure, `save` writes it as PNG. A page is
a list of `Section`s that `write_page` writes with their pictures and numbers beside it;
`write_evaluation` does so for an Evaluation.
"""

from __future__ import annotations

from ambulo.report.evaluation import sections, write_evaluation
from ambulo.report.examples import attention, example, signals
from ambulo.report.figures import confusion, curves, importance, people, reliability, save
from ambulo.report.page import Facts, Picture, Section, Table, Verbatim, write_page
from ambulo.report.side_by_side import (
    comparison,
    reproductions,
    trials_of,
    walk,
    write_reproductions,
)

__all__ = [
    "Facts",
    "Picture",
    "Section",
    "Table",
    "Verbatim",
    "attention",
    "comparison",
    "confusion",
    "curves",
    "example",
    "importance",
    "people",
    "reliability",
    "reproductions",
    "save",
    "sections",
    "signals",
    "trials_of",
    "walk",
    "write_evaluation",
    "write_page",
    "write_reproductions",
]
