"""Which score tells an activity that was never learnt: every activity left out in turn.

    python -m benchmarks.accuracy.unknown hapt --model best --people training

A model is trained without the activity, and scored by the area under the ROC curve (AUROC) of each
score, for the windows of the activity against the windows of all others, of people it never saw.
`--people training` divides the official training people in 3 groups and tests on each, to choose
by; `--people test` trains on all of them and tests on the official test people, once.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ambulo.context.learning import still
from ambulo.datasets import load_dataset
from ambulo.models.novelty import Novelty
from ambulo.options import make_options
from ambulo.training import Fit, fit, predict_logits, to_device
from ambulo.windows import Windows

SCORES = ("novelty", "probability", "logit", "energy", "distance")


def without(windows: Windows, activity: int) -> Windows:
    """As if nobody had shown the activity: its windows gone, and its name."""
    kept = windows[windows.labels != activity]
    labels = (kept.labels - (kept.labels > activity)).astype(np.int16)
    names = tuple(n for k, n in enumerate(windows.activities) if k != activity)
    return replace(kept, labels=labels, activities=names)


def auroc(strange: Any, score: Any) -> float:
    """The probability that a strange window scores higher than a known one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(strange, score))


def scores(fitted: Fit, test: Windows) -> dict[str, Any]:
    """Each score of the test windows, higher where stranger."""
    x, _ = to_device(test, torch.device("cpu"))
    logits = predict_logits(fitted.network, x)
    novelty = fitted.novelty
    assert isinstance(novelty, Novelty)
    with torch.no_grad():
        calibrated = torch.softmax(logits / fitted.temperature, 1)
        return {
            "novelty": novelty(x, logits).numpy(),
            "probability": -calibrated.amax(1).numpy(),
            "logit": -logits.amax(1).numpy(),
            "energy": novelty.doubt(logits).numpy(),
            "distance": novelty.distance(x).numpy(),
        }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("data")
    asked.add_argument("--model", default="best")
    asked.add_argument("--people", choices=("training", "test"), default="training")
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    windows = load_dataset(given.data).windows().labelled()
    test = windows.official_test or windows.people[::4]
    training = [person for person in windows.people if person not in test]
    splits = [(training, list(test))]
    if given.people == "training":
        groups = [training[k::3] for k in range(3)]
        splits = [([p for p in training if p not in group], group) for group in groups]
    at_rest = still(windows.of(training))
    print(f"{given.data}, {given.model}, AUROC on {given.people} people, seed {given.seed}")
    print(f"{'left out':<22}" + "".join(f"{s:>13}" for s in SCORES) + f"{'called unknown':>16}")
    rows = []
    for code, activity in enumerate(windows.activities):
        found = []
        for trained, tested in splits:
            data, others = without(windows.of(trained), code), windows.of(tested)
            options = make_options({}, data, given.model)
            fitted = fit(given.model, data, options, seed=given.seed)
            made, strange = scores(fitted, others), others.labels == code
            assert fitted.novelty is not None
            called = made["novelty"] > fitted.novelty.above
            areas = [auroc(strange, made[name]) for name in SCORES]
            found.append([*areas, called[strange].mean(), called[~strange].mean()])
        rows.append(np.mean(found, axis=0))
        line(activity, rows[-1])
    moving = [k for k, name in enumerate(windows.activities) if name not in at_rest]
    line("mean, moving", np.mean([rows[k] for k in moving], axis=0))
    line("mean", np.mean(rows, axis=0))


def line(name: str, row: Any) -> None:
    print(f"{name:<22}" + "".join(f"{v:>13.3f}" for v in row[:-2]), end="")
    print(f"{100 * row[-2]:>7.1f} / {100 * row[-1]:.1f} %", flush=True)


if __name__ == "__main__":
    main()
