"""Wall time from a cold process: help, import, and `predict` beside the usual published script.

The script that published systems ship imports torch, scikit-learn and pandas, builds the network,
reads the CSV and predicts one window. Medians of interleaved runs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SCRIPT = """
import numpy as np, pandas as pd, torch
from sklearn.preprocessing import LabelEncoder, StandardScaler
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.r = nn.LSTM(6, 64, 2, batch_first=True)
        self.h = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 6))
    def forward(self, x):
        return self.h(self.r(x)[0][:, -1])
net = Net()
net.load_state_dict(torch.load({weights!r}, weights_only=True))
frame = pd.read_csv({csv!r})
window = StandardScaler().fit_transform(frame.iloc[:128, 1:7].to_numpy())
with torch.no_grad():
    print(net.eval()(torch.tensor(window[None], dtype=torch.float32)).softmax(1).argmax())
"""


def prepare(folder: Path) -> None:
    import torch
    from torch import nn

    from ambulo import Windowing, train
    from ambulo.datasets import load_dataset
    from ambulo.datasets.synthetic import make
    from ambulo.readers.table import write

    recordings = make(people=3, minutes=1.0)
    activities = load_dataset("synthetic").activities
    windows = Windowing(seconds=2.56).cut(recordings, activities)
    train("lstm", windows, epochs=1).save(folder / "model.ambulo")
    write(recordings[0], folder / "recording.csv", labels=False)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.r = nn.LSTM(6, 64, 2, batch_first=True)
            self.h = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 6))

    torch.save(Net().state_dict(), folder / "weights.pt")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        csv, weights = str(folder / "recording.csv"), str(folder / "weights.pt")
        ambulo = str(Path(sys.executable).parent / "ambulo")
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "import ambulo": [sys.executable, "-c", "import ambulo"],
            "ambulo --help": [ambulo, "--help"],
            "ambulo predict": [ambulo, "predict", str(folder / "model.ambulo"), csv],
            "usual script": [sys.executable, "-c", SCRIPT.format(weights=weights, csv=csv)],
        }
        times: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(6):
            for key, command in commands.items():
                start = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times[key].append(time.perf_counter() - start)
    medians = {key: statistics.median(values[1:]) for key, values in times.items()}
    print(f"{'cold start':<20}{'median s':>10}{'x pass':>10}{'x script':>10}")
    for key, value in medians.items():
        ratio = value / medians["python -c pass"], value / medians["usual script"]
        print(f"{key:<20}{value:>10.3f}{ratio[0]:>10.1f}{ratio[1]:>10.2f}")
    assert np.isfinite(list(medians.values())).all()


if __name__ == "__main__":
    main()
