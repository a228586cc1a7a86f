"""Counts that Prometheus reads."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from threading import Lock

HELP = {
    "ambulo_requests_total": "Requests answered, by status.",
    "ambulo_refused_total": "Requests and connections refused, by reason.",
    "ambulo_samples_total": "Samples received over websockets.",
    "ambulo_faults_total": "Samples late, duplicate or not finite, and jumps of clocks, by kind.",
    "ambulo_malformed_total": "Websocket messages that were not understood.",
    "ambulo_windows_total": "Windows decided.",
    "ambulo_rounds_total": "Times that the network ran, each for windows of many sessions.",
    "ambulo_chunks_total": "Chunks of collected recordings that were kept.",
}
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper edges of the classes of latencies, in seconds."""


@dataclass
class Metrics:
    """Counters by name and label, and how long decisions took after their last sample came."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    latencies: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    seconds: float = 0.0
    lock: Lock = field(default_factory=Lock)

    def count(self, name: str, n: int = 1, label: str = "") -> None:
        """Count `n` more; `label` is as in `status="200"`."""
        key = (name, label)
        with self.lock:
            self.counts[key] = self.counts.get(key, 0) + n

    def took(self, seconds: float) -> None:
        """A decision came `seconds` after the message with its last sample."""
        self.latencies[bisect_left(EDGES, seconds)] += 1
        self.seconds += seconds

    def text(self, sessions: int) -> str:
        """All of it in Prometheus' text format, version 0.0.4."""
        lines = []
        for name, about in HELP.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} counter"]
            mine = {label: n for (of, label), n in self.counts.items() if of == name} or {"": 0}
            lines += [
                f"{name}{{{label}}} {n}" if label else f"{name} {n}"
                for label, n in sorted(mine.items())
            ]
        lines += ["# HELP ambulo_sessions Phones connected.", "# TYPE ambulo_sessions gauge"]
        lines.append(f"ambulo_sessions {sessions}")
        return "\n".join(lines + self._histogram()) + "\n"

    def _histogram(self) -> list[str]:
        name = "ambulo_decision_seconds"
        lines = [
            f"# HELP {name} From a window's last sample to its decision.",
            f"# TYPE {name} histogram",
        ]
        total = 0
        for edge, n in zip([*map(str, EDGES), "+Inf"], self.latencies, strict=True):
            total += n
            lines.append(f'{name}_bucket{{le="{edge}"}} {total}')
        return [*lines, f"{name}_sum {self.seconds:.6f}", f"{name}_count {total}"]
