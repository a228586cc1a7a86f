"""How long a stream takes for each decision, on one core: `python benchmarks/streaming.py`.

Every model, untrained but of its usual sizes, on 128 samples of 6 channels, overlap one half, fed
sample by sample at 50 Hz with causal context. What is timed is the push that brings a decision, by
the clock and in this thread's own time, which other programs do not lengthen.
"""

from __future__ import annotations

import os
import time

import numpy as np

os.environ["OMP_NUM_THREADS"] = "1"


def main(seconds: float = 20.0, decisions: int = 300) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    import torch

    torch.set_num_threads(1)
    from ambulo import MODELS, Recognizer, Stream, load_dataset
    from ambulo.context.learning import learn
    from ambulo.models import model_class
    from ambulo.models.scaling import Scaled

    windows = load_dataset("synthetic").windows()
    context = learn(windows)
    (recording, *_) = load_dataset("synthetic").recordings
    print(
        f"{'model':<20}{'decisions/s':>12}{'median ms':>11}{'p99 ms':>9}{'p99 CPU ms':>12}"
        f"{'push without, us':>18}"
    )
    for name in MODELS:
        network = Scaled(model_class(name)(6, 128, 6), 6)
        if hasattr(network.network, "prepare"):
            sample = torch.as_tensor(windows.values[:200])
            network.network.prepare(sample, torch.Generator())
        recognizer = Recognizer.from_network(network, windows, name=name, sizes={}, context=context)
        stream = Stream(recognizer, rate=50.0)
        took: list[float] = []
        computed: list[float] = []
        idle: list[float] = []
        begin, at = time.perf_counter(), 0
        while len(took) < decisions and time.perf_counter() - begin < seconds:
            values = recording.values[at % len(recording)]
            start, cpu = time.perf_counter(), time.thread_time()
            made = stream.push(at / 50.0, values)
            (took if made else idle).append(time.perf_counter() - start)
            if made:
                computed.append(time.thread_time() - cpu)
            at += 1
        ms = 1e3 * np.array(took[10:])
        print(
            f"{name:<20}{1e3 / ms.mean():>12.0f}{np.median(ms):>11.2f}"
            f"{np.percentile(ms, 99):>9.2f}{1e3 * np.percentile(computed[10:], 99):>12.2f}"
            f"{1e6 * float(np.median(idle)):>18.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
