"""Training throughput of each model against the usual loop, in one run.

The usual loop: the same network in torch's stock layers, a DataLoader over a TensorDataset, Adam,
float32. Both take the same batch size, data and threads, and alternate; the quickest epoch of each
counts, since what else the machine does only ever adds time. Recurrent layers run up to half as
fast again or not, for a whole process, by where their memory happens to lie: so several fresh
processes measure, and the median of their ratios counts, shown with the range. The last column is
Ambulo's loop in float32, to show what precision alone is worth.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from ambulo.models import MODELS, convolutional, fast_gru, model_class
from ambulo.options import Options
from ambulo.state import State
from ambulo.training import build, run_epoch
from ambulo.windows import Windows

BATCH, ROUNDS, PROCESSES, WINDOWS = 64, 4, 9, 704


def windows() -> Windows:
    from ambulo import Windowing
    from ambulo.datasets import load_dataset
    from ambulo.datasets.synthetic import make

    recordings = make(people=6, minutes=6.0)
    activities = load_dataset("synthetic").activities
    return Windowing(seconds=2.56).cut(recordings, activities).labelled()[:WINDOWS]


def stock(network: nn.Module) -> nn.Module:
    """The network with torch's own pooling and GRU in the place of Ambulo's."""
    for name, child in network.named_children():
        if isinstance(child, convolutional.Halve):
            setattr(network, name, nn.MaxPool1d(2))
        elif isinstance(child, fast_gru.GRU):
            sizes = (child.input_size, child.hidden_size, child.num_layers)
            setattr(network, name, nn.GRU(*sizes, dropout=child.dropout, batch_first=True))
        stock(child)
    return network


def usual_epoch(network: nn.Module, loader: Any, optimizer: torch.optim.Optimizer) -> None:
    network.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()


def timed(action: Any) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure(name: str, data: Windows) -> tuple[float, float, float]:
    """Windows a second of the usual loop, of Ambulo's, and of Ambulo's in float32."""
    x, y = torch.as_tensor(data.values), torch.as_tensor(data.labels.astype("int64"))
    plain = stock(model_class(name)(len(data.channels), data.length, len(data.activities)))
    adam = torch.optim.Adam(plain.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    runs = [Options(batch=BATCH), Options(batch=BATCH, precision="float32")]
    cpu, sizes = torch.device("cpu"), (len(data), len(data.activities))
    states = [State.start(build(name, data, x, o, 0, cpu), o, *sizes, 0) for o in runs]
    times: list[list[float]] = [[], [], []]
    for _ in range(ROUNDS + 1):
        times[0].append(timed(lambda: usual_epoch(plain, loader, adam)))
        for i, (state, options) in enumerate(zip(states, runs, strict=True)):
            run = (state, (x, y), options, F.cross_entropy, None)
            times[i + 1].append(timed(lambda run=run: run_epoch(*run)))
    a, b, c = (len(x) / min(column[1:]) for column in times)
    return a, b, c


def main() -> None:
    data = windows()
    print(
        f"training, windows/s; {data!r}, batch {BATCH}, {torch.get_num_threads()} threads, "
        f"medians of {PROCESSES} processes"
    )
    print(
        f"{'model':<22}{'usual loop':>12}{'ambulo':>10}{'ratio':>8}{'range':>14}{'in float32':>13}"
    )
    context = multiprocessing.get_context("spawn")
    for name in (n for n in MODELS if not hasattr(model_class(n), "solver")):
        with context.Pool(1, maxtasksperchild=1) as pool:
            rows = pool.starmap(measure, [(name, data)] * PROCESSES, chunksize=1)
        usual, ours, plain = (statistics.median(column) for column in zip(*rows, strict=True))
        ratios = sorted(b / a for a, b, _ in rows)
        middle, spread = statistics.median(ratios), f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(
            f"{name:<22}{usual:>12.0f}{ours:>10.0f}{middle:>8.2f}{spread:>14}{plain:>13.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
