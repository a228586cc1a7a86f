"""Steps where people went on foot by their labels: how steady the cadence is, how much is found.

`python -m benchmarks.steps` goes through the labelled bouts of `wisdm`, `wisdm-2019`, `mhealth` and
`hapt`. Nobody counted those people's steps; but a bout has one cadence, and a run is not a stroll.
A row tells, of one sensor and activity, the shares of seconds whose cadence is near the bout's
median (15 %; of cadences that the activity can have), elsewhere, and not found; and the steps
counted, of those that the bouts have at their medians. `--half 0`, `--half 1`: people of even and
of odd number.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from ambulo import load_dataset
from ambulo.day import steps_in
from ambulo.gait import Gait

DATA = [
    ("wisdm", {}),
    ("wisdm-2019", {"device": "phone"}),
    ("wisdm-2019", {"device": "watch"}),
    ("mhealth", {}),
    ("hapt", {}),
]
CAN = {"jogging": (2.2, 3.3), "running": (2.2, 3.3), "walking": (1.4, 2.4)}
STAIRS = (1.1, 2.4)
EDGE = 2.0
"""Seconds left out at both ends of a bout, whose labels are not that exact."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", type=int, choices=(0, 1), help="people of even or odd number")
    half = parser.parse_args().half
    print(f"{'':48s} near  else  none  steps of those expected")
    for name, options in DATA:
        sums: dict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros(5))
        for recording in load_dataset(name, **options).recordings:
            if half is not None and int(recording.subject) % 2 != half:
                continue
            names = [channel.name for channel in recording.channels]
            for sensor in sorted({n[:-2] for n in names if n[:-2].split(".")[-1] == "acc"}):
                columns = [names.index(f"{sensor}_{axis}") for axis in "xyz"]
                for bout in recording.intervals:
                    if not steps_in(bout.activity):
                        continue
                    time = recording.time
                    inside = (time >= bout.start + EDGE) & (time < bout.end - EDGE)
                    gait = Gait(recording.rate, columns)
                    gait.push(0.0, recording.values[inside])
                    found = gait.cadence
                    if len(found) < 3:
                        continue
                    low, high = CAN.get(bout.activity, STAIRS)
                    usual = found[(found >= low) & (found <= high)]
                    middle = float(np.median(usual)) if len(usual) else (low + high) / 2
                    near, none = np.abs(found / middle - 1) < 0.15, np.isnan(found)
                    sums[sensor, bout.activity] += [
                        near.sum(),
                        none.sum(),
                        len(found),
                        np.nansum(found),
                        middle * len(found),
                    ]
        for (sensor, activity), (near, none, all_, steps, expected) in sorted(sums.items()):
            label = " ".join([name, *options.values(), sensor, activity])
            print(
                f"{label:48s} {near / all_:.2f}  {(all_ - near - none) / all_:.2f}  "
                f"{none / all_:.2f}  {steps / expected:.2f}   of {expected:.0f}"
            )


if __name__ == "__main__":
    main()
