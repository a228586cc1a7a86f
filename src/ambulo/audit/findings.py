"""What an audit says: findings with counts, and a verdict in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ambulo.audit.content import Shared


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a split.

    `kind` is a short name; `count` of `of` test windows or people are concerned; `sentence` says
    it in plain words; a "leak" makes the score too good, a "doubt" may do so. `details` are
    numbers for machines.
    """

    kind: str
    severity: Literal["leak", "doubt"]
    count: int
    of: int
    sentence: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Audit:
    """The findings on a split, what was looked at, and what could not be looked at, and why.

    `windows` counts training and test windows. `shared` holds the pairs of windows that share
    signal, where contents were compared.
    """

    findings: tuple[Finding, ...]
    windows: tuple[int, int]
    checked: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    shared: Shared | None = field(default=None, compare=False, repr=False)

    @property
    def clean(self) -> bool:
        """Whether no leak was found; doubts may remain."""
        return not any(finding.severity == "leak" for finding in self.findings)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of finding, in order."""
        return tuple(finding.kind for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The audit as plain values for JSON."""
        return {
            "clean": self.clean,
            "windows": {"train": self.windows[0], "test": self.windows[1]},
            "findings": [asdict(finding) for finding in self.findings],
            "checked": list(self.checked),
            "skipped": list(self.skipped),
        }

    def __str__(self) -> str:
        leaks = sum(finding.severity == "leak" for finding in self.findings)
        verdict = "no leak found" if self.clean else f"LEAK: {leaks} kind{'s' * (leaks > 1)} found"
        lines = [f"{verdict} ({self.windows[0]} training and {self.windows[1]} test windows)"]
        lines += [f"  {f.severity:<6} {f.sentence}" for f in self.findings]
        lines += [f"  looked at: {', '.join(self.checked)}"] if self.checked else []
        lines += [f"  not looked at: {reason}" for reason in self.skipped]
        return "\n".join(lines)


def some(count: int, of: int, things: str = "test windows") -> str:
    """A count in words, as in `12 of 40 test windows (30 %)`."""
    share = 100 * count / max(of, 1)
    percent = "under 1" if 0 < share < 1 else f"{share:.0f}"
    return f"{count} of {of} {things} ({percent} %)"
