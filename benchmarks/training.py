"""Training throughput of each model against the usual loop, in one run.

The usual loop: the same network in torch's stock layers, a DataLoader over a TensorDataset, Adam,
float32. Both take the same batch size, data and threads. Each runs in a process of its own, since
Ambulo asks the C library to keep freed memory, and they alternate epoch by epoch, since the machine
may have neighbours; the quickest epoch of each counts, since what else the machine does only ever
adds time. Several fresh pairs of processes measure, and the median of their ratios counts, shown
with the range. The last column is Ambulo's loop in float32, to show what precision alone is worth.
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

from ambulo.building import build
from ambulo.epochs import run_epoch
from ambulo.memory import keep_freed
from ambulo.models import MODELS, convolutional, fast_gru, model_class
from ambulo.options import Options
from ambulo.state import State
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


def usual(name: str, data: Windows) -> list[Any]:
    """The usual loop, as a list of one function that runs an epoch."""
    x, y = torch.as_tensor(data.values), torch.as_tensor(data.labels.astype("int64"))
    network = stock(model_class(name)(len(data.channels), data.length, len(data.activities)))
    adam = torch.optim.Adam(network.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(x, y), batch_size=BATCH, shuffle=True)
    return [lambda: usual_epoch(network, loader, adam)]


def usual_epoch(network: nn.Module, loader: Any, optimizer: torch.optim.Optimizer) -> None:
    network.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()


def ours(name: str, data: Windows) -> list[Any]:
    """Ambulo's loop as it is, and in float32."""
    keep_freed()
    x, y = torch.as_tensor(data.values), torch.as_tensor(data.labels.astype("int64"))
    cpu, sizes, out = torch.device("cpu"), (len(data), len(data.activities)), []
    for options in (Options(batch=BATCH), Options(batch=BATCH, precision="float32")):
        state = State.start(build(name, data, x, options, 0, cpu), options, *sizes, 0)
        run = (state, (x, y), options, F.cross_entropy, None)
        out.append(lambda run=run: run_epoch(*run))
    return out


_epochs: list[Any] = []


def prepare(make: Any, name: str, data: Windows) -> None:
    """Called once in each process."""
    _epochs.extend(make(name, data))


def time_epoch(which: int) -> float:
    start = time.perf_counter()
    _epochs[which]()
    return time.perf_counter() - start


def measure(name: str, data: Windows) -> tuple[float, float, float]:
    """Windows a second of the usual loop, of Ambulo's, and of Ambulo's in float32."""
    context, times = multiprocessing.get_context("spawn"), []
    with (
        context.Pool(1, prepare, (usual, name, data)) as theirs,
        context.Pool(1, prepare, (ours, name, data)) as mine,
    ):
        for _ in range(ROUNDS + 1):
            runs = ((theirs, 0), (mine, 0), (mine, 1))
            times.append([pool.apply(time_epoch, (which,)) for pool, which in runs])
    a, b, c = (len(data) / min(column) for column in zip(*times[1:], strict=True))
    return a, b, c


def main() -> None:
    data = windows()
    print(
        f"training, windows/s; {data!r}, batch {BATCH}, {torch.get_num_threads()} threads, "
        f"medians of {PROCESSES} pairs of processes"
    )
    print(
        f"{'model':<22}{'usual loop':>12}{'ambulo':>10}{'ratio':>8}{'range':>14}{'in float32':>13}"
    )
    for name in (n for n in MODELS if not hasattr(model_class(n), "solver")):
        rows = [measure(name, data) for _ in range(PROCESSES)]
        usual_rate, rate, plain = (statistics.median(c) for c in zip(*rows, strict=True))
        ratios = sorted(b / a for a, b, _ in rows)
        middle, spread = statistics.median(ratios), f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        print(
            f"{name:<22}{usual_rate:>12.0f}{rate:>10.0f}{middle:>8.2f}{spread:>14}{plain:>13.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
