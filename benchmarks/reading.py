"""Reading `uci-har`: zip to Windows, beside decompressing it, pandas, and the cache.

Medians of interleaved runs in fresh processes, so that nothing is warm that would not be.
Needs the data.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

DECOMPRESS = """
import zipfile
archive = zipfile.ZipFile(path)
start = time.perf_counter()
for name in archive.namelist():
    archive.read(name)
"""
PANDAS = """
import io, zipfile, numpy as np, pandas as pd
archive = zipfile.ZipFile(path)
start = time.perf_counter()
signals = [n for n in archive.namelist() if "Inertial" in n and n.endswith(".txt")]
for split in ("train", "test"):
    names = [n for n in signals if f"/{split}/" in n]
    np.stack([pd.read_csv(io.BytesIO(archive.read(n)), sep=r"\\s+", header=None).to_numpy("f4")
              for n in names], axis=2)
"""
AMBULO = """
from ambulo import load_dataset
import ambulo.datasets, ambulo.datasets.archive
start = time.perf_counter()
windows = load_dataset("uci-har", path).windows()
assert windows.values.shape == (10299, 128, 9)
"""


def seconds(code: str, path: str, cache: str) -> float:
    """Time of `code` from its `start` on, in a process of its own."""
    body = f"import time\npath = {path!r}\n{code}\nprint(time.perf_counter() - start)"
    run = subprocess.run(
        [sys.executable, "-c", body],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AMBULO_CACHE": cache},
    )
    return float(run.stdout)


def main() -> None:
    path = os.path.join(os.environ.get("AMBULO_DATA", ""), "UCI HAR Dataset.zip")
    if not os.path.exists(path):
        print("reading: skipped, AMBULO_DATA has no 'UCI HAR Dataset.zip'")
        return
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as warm:
        seconds(AMBULO, path, warm)
        for _ in range(5):
            with tempfile.TemporaryDirectory() as cold:
                rows.setdefault("decompress only", []).append(seconds(DECOMPRESS, path, cold))
                rows.setdefault("ambulo, cold", []).append(seconds(AMBULO, path, cold))
                rows.setdefault("ambulo, cached", []).append(seconds(AMBULO, path, warm))
        rows["pandas"] = [seconds(PANDAS, path, warm)]
    cold = statistics.median(rows["ambulo, cold"])
    floor = statistics.median(rows["decompress only"])
    print(f"{'uci-har, zip to windows':<26}{'median s':>10}{'x floor':>10}{'x cold':>10}")
    for name, times in rows.items():
        median = statistics.median(times)
        print(f"{name:<26}{median:>10.3f}{median / floor:>10.2f}{median / cold:>10.2f}")


if __name__ == "__main__":
    main()
