"""The order of a sensor's rows: late samples are put in their place, a clock that restarts is not.

Sorting by time is right for rows that come late. It would mix two recordings that stand one below
the other, each with a clock of its own, so that is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ambulo.errors import RecordingError
from ambulo.readers.grid import Stream

Array = npt.NDArray[Any]

LATE = 2.0
"""Seconds that rows may go back in time over others without being another recording."""
_FEW = 10
"""Rows that may stand anywhere: a packet sent again, a stamp or two gone wrong."""


def check_order(stream: Stream, dated: bool) -> None:
    """Raise RecordingError naming the row where the clock of a sensor starts anew.

    There time goes back, and many rows follow among the times of those before. Rows that fill a
    pause came late, and if the clock is `dated` so are those from before the first row; by a clock
    that counts from a start, these are another recording.
    """
    time = stream.time
    backs = np.flatnonzero(np.diff(time) < -LATE) + 1
    if not len(backs):
        return
    newest = np.maximum.accumulate(time)
    forward = float(np.median(np.diff(time))) > 0
    for begin, at, end in zip([0, *backs], backs, [*backs[1:], len(time)], strict=False):
        beyond = np.flatnonzero(time[at:end] > newest[at - 1])
        run, before = time[at : at + beyond[0] if len(beyond) else end], time[begin:at]
        low, high = float(run.min()), float(run.max())
        if len(run) <= _FEW or high - low <= LATE:
            continue
        mixed = np.count_nonzero((before >= low) & (before <= high)) > _FEW
        if mixed or (forward and not dated and high < time[:at].min()):
            row = int(at if stream.rows is None else stream.rows[at]) + 1
            raise RecordingError(
                f"the clock of {', '.join(stream.names[:3])} goes back by "
                f"{time[at - 1] - time[at]:.6g} s at data row {row} and goes on from there, as "
                "when two recordings, or two devices, stand one below the other: split the file at "
                "that row (if clocks were set back there in autumn, state the zone: --as "
                "zone=Europe/Rome)"
            )
