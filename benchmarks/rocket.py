"""`rocket` beside aeon's MiniRocket with scikit-learn's RidgeClassifierCV, in one run.

Both see the official training people of uci-har, three seeds; aeon gets windows standardised as
ours are, all cores, and as many features. Seconds are those of training, which for ours includes
rotated copies and the choice of the penalty on validation people. `pip install aeon` first.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

import numpy as np

from ambulo.datasets import load_dataset
from ambulo.options import make_options
from ambulo.training import fit, predict_logits, to_device
from ambulo.windows import Windows

SEEDS, FEATURES = 3, 5000


def ours(train: Windows, test: Windows, seed: int) -> tuple[float, float]:
    """Seconds of training and accuracy on test people."""
    start = time.perf_counter()
    options = make_options({"sizes": {"features": FEATURES}}, train, "rocket")
    fitted = fit("rocket", train, options, seed=seed)
    seconds = time.perf_counter() - start
    x, y = to_device(test, next(fitted.network.parameters()).device)
    return seconds, float((predict_logits(fitted.network, x).argmax(1) == y).float().mean())


def aeons(train: Windows, test: Windows, seed: int) -> tuple[float, float]:
    """The same of MiniRocket, scaling of its features, and RidgeClassifierCV."""
    from aeon.transformations.collection.convolution_based import MiniRocket
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    shift, scale = train.values.mean((0, 1)), train.values.std((0, 1))
    x, unseen = (
        np.ascontiguousarray(((w.values - shift) / scale).transpose(0, 2, 1)) for w in (train, test)
    )
    start = time.perf_counter()
    kernels = MiniRocket(n_kernels=FEATURES, n_jobs=os.cpu_count() or 1, random_state=seed)
    features = kernels.fit_transform(x)
    head = make_pipeline(
        StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
    )
    head.fit(features, train.labels)
    seconds = time.perf_counter() - start
    return seconds, float((head.predict(kernels.transform(unseen)) == test.labels).mean())


def main() -> None:
    try:
        import aeon
    except ImportError:
        sys.exit("aeon is not installed: pip install aeon")
    windows = load_dataset("uci-har").windows()
    train = windows.of([p for p in windows.people if p not in windows.official_test])
    test = windows.of(windows.official_test)
    aeons(train[:200], test[:10], 0)  # compiles
    print(f"uci-har, official people, {len(train)} and {len(test)} windows, {FEATURES} features")
    rows: dict[str, list[tuple[float, float]]] = {"ambulo": [], f"aeon {aeon.__version__}": []}
    for seed in range(SEEDS):
        for name, run in zip(rows, (ours, aeons), strict=True):
            rows[name].append(run(train, test, seed))
            seconds, accuracy = rows[name][-1]
            print(f"  {name:<14} seed {seed}  {100 * accuracy:.2f} %  {seconds:6.1f} s", flush=True)
    for name, found in rows.items():
        seconds, accuracies = zip(*found, strict=True)
        print(
            f"{name:<16} mean {100 * statistics.mean(accuracies):.2f} %, "
            f"median {statistics.median(seconds):.1f} s"
        )


if __name__ == "__main__":
    main()
