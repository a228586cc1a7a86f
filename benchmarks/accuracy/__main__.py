"""Ambulo and its peers on the same folds, side by side.

    python -m benchmarks.accuracy hapt-3s --models best,rocket,minirocket,forest --seeds 1

Every result is kept by (specification, fold, seed) in `--cache`, so that a run that broke off goes
on, and a second run only prints. Peers of aeon need `pip install aeon`. Each look at test people
goes into LEDGER.md, by hand, with what was decided.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ambulo.cli.arguments import options as parsed
from ambulo.context.learning import learn
from ambulo.context.windows import decide, in_other_order
from ambulo.datasets import load_dataset
from ambulo.models import MODELS
from ambulo.options import Options, make_options
from ambulo.protocols import Fold, folds
from ambulo.recognizer import softmax
from ambulo.timeline import write_whole
from ambulo.training import fit, predict_logits, to_device
from ambulo.windows import Windows, passages
from benchmarks.accuracy.peers import NETWORKS, OTHERS

SUITES: dict[str, dict[str, Any]] = {
    "uci-har": {"data": "uci-har", "protocol": "official"},
    "hapt-3s": {"data": "hapt", "protocol": "groups:10", "cut": {"seconds": 3.0}},
    "hapt-3s-passages": {
        "data": "hapt",
        "protocol": "groups:10",
        "load": {"activities": "twelve"},
        "cut": {"seconds": 3.0},
    },
    "hapt-3s-long-passages": {
        "data": "hapt",
        "protocol": "groups:10",
        "load": {"activities": "twelve"},
        "cut": {"seconds": 3.0, "passage": 0.8},
    },
    "wisdm": {"data": "wisdm", "protocol": "groups:10"},
    "mhealth": {
        "data": "mhealth",
        "protocol": "loso",
        "cut": {"seconds": 2.0, "channels": "ankle+arm"},
    },
    **{
        f"wisdm-2019-{device}-{group}": {
            "data": "wisdm-2019",
            "protocol": "groups:10",
            "load": {"device": device, "activities": group},
        }
        for device in ("phone", "watch")
        for group in ("five", "eighteen")
    },
}
"""What is measured: a data set, how it is cut, and how its people are split. Passages from one
posture to another are learnt where they are among the activities, but never scored; long ones are
those that fill most of a window."""
PEERS = 10
"""Epochs that the peers' networks are trained for at least, stopped early by validation people."""
LAG = 4
"""Windows that a causal decision waits for where it may: 6 s at 3 s and half overlap."""
CONTEXTS = tuple(
    f"{context}{order}"
    for context in ("none", "causal", "causal, later", "offline")
    for order in ("", " shuffled")
)
"""What speaks for a window; later: the `LAG` windows after it too; shuffled: each test recording's
bouts in random order."""


def windows_of(suite: dict[str, Any]) -> Windows:
    """All windows of a suite, unlabelled ones too."""
    dataset = load_dataset(suite["data"], **suite.get("load", {}))
    if dataset.fixed is not None:
        return dataset.windows(**suite.get("cut", {}))
    return dataset.windows(keep="all", **suite.get("cut", {}))


def one(model: str, windows: Windows, fold: Fold, seed: int) -> dict[str, Any]:
    """Train on a fold's training people, and decide on every window of its test people."""
    train, test = (windows[index] for index in fold.split(windows))
    start = time.perf_counter()
    if model in OTHERS:
        decide_on, parameters = OTHERS[model](train.labelled(), seed)
        seconds, start = time.perf_counter() - start, time.perf_counter()
        found = np.asarray(decide_on(test.values))
        spent = time.perf_counter() - start
        sure = found.ndim == 2
        if not sure:
            found = np.eye(len(test.activities))[found.astype(int)]
        out = {"none": found.astype(np.float32)}
    else:
        out, parameters, seconds, spent = network(model, train, test, seed)
        sure = True
    return {
        "decisions": {name: _scored(test, p) for name, p in out.items()},
        "parameters": parameters,
        "train_s": seconds,
        "window_ms": 1000 * spent / max(len(test), 1),
        "sure": sure,
    }


def network(model: str, train: Windows, test: Windows, seed: int) -> tuple[Any, int, float, float]:
    """Probabilities by context, parameters, seconds of training and of prediction."""
    start = time.perf_counter()
    options = options_of(model, train)
    name = _name(model)
    fitted = fit(NETWORKS.get(name, name), train.labelled(), options, seed=seed, context=False)
    seconds, start = time.perf_counter() - start, time.perf_counter()
    own = _own(fitted, test)
    spent = time.perf_counter() - start
    out = {"none": own}
    if (train.labels < 0).any() or (test.labels < 0).any():
        context, shuffled = learn(train), in_other_order(test, seed)
        for name, mode, lag in (
            ("causal", "causal", 0),
            ("causal, later", "causal", LAG),
            ("offline", "offline", 0),
        ):
            out[name] = decide(context, test, own, mode, lag)
            out[f"{name} shuffled"] = decide(context, shuffled, own, mode, lag)
    return out, sum(p.numel() for p in fitted.network.parameters()), seconds, spent


def without_passages(windows: Windows) -> Windows:
    """The windows with those of postural transitions unlabelled, as if nobody had noted them."""
    known = (windows.labels >= 0) & ~passages(windows.activities)[windows.labels]
    return replace(windows, labels=np.where(known, windows.labels, -1))


def _scored(windows: Windows, p: Any) -> Any:
    """Probabilities of the activities alone, which come before any passages."""
    p = p[:, ~passages(windows.activities)]
    return p / p.sum(axis=1, keepdims=True)


def options_of(model: str, windows: Windows) -> Options:
    """How a network is trained here: as suits the data, but a peer for `PEERS` epochs at least.

    Behind its name it may be asked for otherwise, as in "best+tta=15".
    """
    name = _name(model)
    options = make_options(parsed(model.split("+")[1:]), windows, name)
    return replace(options, epochs=max(PEERS, options.epochs)) if name in NETWORKS else options


def _name(model: str) -> str:
    return model.partition("+")[0]


def _own(fitted: Any, windows: Windows) -> Any:
    x, _ = to_device(windows, next(fitted.network.parameters()).device)
    logits = np.asarray(predict_logits(fitted.network, x).cpu())
    return softmax(logits / np.float32(fitted.temperature))


def kept(
    cache: Path, name: str, model: str, windows: Windows, fold: Fold, seed: int
) -> dict[str, Any]:
    """A result from the cache, or made now and kept there."""
    networks = _name(model) in {*MODELS, *NETWORKS}
    options = asdict(options_of(model, windows)) if networks else {}
    text = json.dumps([name, model, windows.describe(), asdict(fold), seed, options], default=str)
    path = cache / f"{name}-{model}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"
    if not path.exists():
        torch.manual_seed(seed)
        made = one(model, windows, fold, seed)
        arrays = {f"p {key}": value for key, value in made.pop("decisions").items()}
        facts = np.array(json.dumps(made))
        write_whole(path, lambda to: _save(to, {"facts": facts, **arrays}))
        print(f"  {name} {model} {fold.name} seed {seed}: {made['train_s']:.0f} s", flush=True)
    with np.load(path, allow_pickle=False) as found:
        facts = json.loads(str(found["facts"]))
        decisions = {key[2:]: found[key] for key in found.files if key.startswith("p ")}
    return {**facts, "decisions": decisions}


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with open(path, "wb") as file:
        np.savez_compressed(file, **arrays)


def macro_f1(truth: Any, decided: Any) -> float:
    """F1 averaged over the activities that occur."""
    scores = []
    for activity in np.unique(truth):
        both = ((truth == activity) & (decided == activity)).sum()
        scores.append(2 * both / ((truth == activity).sum() + (decided == activity).sum()))
    return float(np.mean(scores))


def calibration_error(truth: Any, p: Any, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017)."""
    sure, right = p.max(1), p.argmax(1) == truth
    which = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = [
        (which == k).sum() * abs(right[which == k].mean() - sure[which == k].mean())
        for k in np.unique(which)
    ]
    return float(sum(gaps) / len(truth))


def row(
    cache: Path, name: str, model: str, windows: Windows, plan: list[Fold], seeds: range
) -> None:
    """A line of the table for each context."""
    runs = [[kept(cache, name, model, windows, fold, seed) for fold in plan] for seed in seeds]
    for mode in (mode for mode in CONTEXTS if mode in runs[0][0]["decisions"]):
        accuracy, f1, f1_folds, errors, people = [], [], [], [], {}
        for done in runs:
            truth, found, who = [], [], []
            for fold, result in zip(plan, done, strict=True):
                test = without_passages(windows[fold.split(windows)[1]])
                scored = test.labels >= 0
                truth.append(test.labels[scored])
                found.append(result["decisions"][mode][scored])
                who.append(test.subjects[scored])
                f1_folds.append(macro_f1(truth[-1], found[-1].argmax(1)))
            y, p, subjects = np.concatenate(truth), np.concatenate(found), np.concatenate(who)
            right = p.argmax(1) == y
            accuracy.append(right.mean())
            f1.append(macro_f1(y, p.argmax(1)))
            errors.append(calibration_error(y, p) if done[0]["sure"] else np.nan)
            for person in np.unique(subjects):
                people.setdefault(str(person), []).append(right[subjects == person].mean())
        each = {person: float(np.mean(scores)) for person, scores in people.items()}
        worst = min(each, key=lambda person: each[person])
        flat = [result for done in runs for result in done]
        print(
            f"{name:<22}{model:<20}{mode:<24}{100 * np.mean(accuracy):>8.2f}"
            f"{100 * np.std(accuracy):>6.2f}{np.mean(f1):>8.4f}{np.mean(f1_folds):>8.4f}"
            f"{100 * each[worst]:>7.1f} ({worst}){100 * np.mean(errors):>7.2f}"
            f"{flat[0]['parameters']:>10}{np.mean([r['train_s'] for r in flat]):>8.1f}"
            f"{np.mean([r['window_ms'] for r in flat]):>9.3f}",
            flush=True,
        )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("suites", nargs="+", choices=[*SUITES, "all"])
    asked.add_argument("--models", default="best,rocket,features,minirocket,hydra,forest,tinyhar")
    asked.add_argument("--seeds", type=int, default=1)
    asked.add_argument("--folds", type=int, help="The first so many folds only, of every model.")
    asked.add_argument("--cache", type=Path, default=Path(".bench/accuracy"))
    given = asked.parse_args()
    known = [*MODELS, *NETWORKS, *OTHERS]
    unknown = [m for m in given.models.split(",") if _name(m) not in known]
    if unknown:
        asked.error(f"no model {', '.join(unknown)}: choose from {', '.join(known)}")
    print(
        f"{'suite':<22}{'model':<20}{'context':<24}{'acc %':>8}{'± %':>6}{'F1':>8}{'F1/fold':>8}"
        f"{'worst %':>12}{'ECE %':>7}{'params':>10}{'train s':>8}{'ms/window':>9}"
    )
    for name in SUITES if "all" in given.suites else given.suites:
        suite = SUITES[name]
        windows = windows_of(suite)
        plan = folds(windows.labelled(), suite["protocol"])[: given.folds]
        for model in given.models.split(","):
            row(given.cache, name, model, windows, plan, range(given.seeds))


if __name__ == "__main__":
    main()
