"""How soon the page is ready, and how long a window takes in the browser, on one thread.

python benchmarks/page.py waist cnn-lstm.ambulo
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import FEED, chromium  # noqa: E402
from serving import TOKEN, served  # noqa: E402

from ambulo.pretrained import load  # noqa: E402

WINDOWS = 300


def measure(name: str) -> None:
    recognizer = load(name)
    shape = [recognizer.network["length"], len(recognizer.windowing.channels or ())]
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        chromium(Path(folder) / "profile") as page,
        served(recognizer=recognizer.save(Path(folder) / "r.ambulo")) as url,
    ):
        page.before(FEED)
        ready = []
        for k in range(4):
            start = time.perf_counter()
            page.open(f"{url}/#token={TOKEN}" if not k else f"{url}/")
            page.until("window.isReady")
            ready.append(time.perf_counter() - start)
            if not k:
                page.until("navigator.serviceWorker.controller !== null")
        graph = base64.b64encode(recognizer.graph).decode()
        times = page.run(f"""(async () => {{
          const bytes = Uint8Array.from(atob("{graph}"), (c) => c.charCodeAt(0));
          const {{ load }} = await import("./network.js");
          const run = await load(bytes, {shape});
          const out = [];
          for (let k = 0; k < {WINDOWS + 50}; k++) {{
            const window = Float32Array.from({{ length: {np.prod(shape)} }}, Math.random);
            const start = performance.now();
            await run(window);
            out.push(performance.now() - start);
          }}
          return out.slice(50);
        }})()""")
    print(
        f"{Path(name).stem:<22}first load {ready[0]:5.2f} s, later {np.median(ready[1:]):5.2f} s; "
        f"a window: median {np.median(times):5.2f} ms, p99 {np.quantile(times, 0.99):5.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    for given in sys.argv[1:] or ["waist"]:
        measure(given)
