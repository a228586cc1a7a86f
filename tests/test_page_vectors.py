"""The page's preprocessing in JavaScript does what Python does, on the same made-up signals."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambulo import Recognizer
from ambulo.context.causal import Causal
from ambulo.context.unknown import Unknown
from ambulo.datasets.synthetic import make
from ambulo.stream import Stream
from ambulo.windows import Windowing

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js to run the page's modules")


def javascript(**given: Any) -> dict[str, Any]:
    """What tests/page_vectors.mjs makes of these."""
    script = Path(__file__).with_name("page_vectors.mjs")
    run = subprocess.run(
        [str(NODE), str(script)], input=json.dumps(given), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    out: dict[str, Any] = json.loads(run.stdout)
    return out


class Seen(Stream):
    """A stream that remembers the windows that it cut."""

    def decide(self, own: np.ndarray, novelty: np.ndarray) -> list[Any]:
        self.windows = [*getattr(self, "windows", []), *(w for c in self._due if c for w in c[1])]
        return super().decide(own, novelty)


def signal(seed: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """A minute with jitter, pauses, and what a phone may also give: twice, late, not finite."""
    rng = np.random.default_rng(seed)
    (recording,) = make(people=1, minutes=0.5, rate=rate, seed=seed)
    time = recording.time + rng.uniform(0, 0.3 / rate, len(recording))
    time += np.where(time > 8, rng.uniform(0.45, 3.0), 0.0) + np.where(time > 15, 0.4, 0.0)
    values = recording.values.astype(float)
    time[400], time[500], values[600, 2] = time[399], time[480], np.nan
    return time + (1.7e9 if seed % 2 else 0.0), values


@pytest.mark.parametrize("gravity", ["keep", "remove"])
def test_windows_are_those_of_python(waist: Recognizer, gravity: str) -> None:
    windowing = replace(waist.windowing, gravity=gravity)
    model = replace(waist, windowing=windowing, context=None)
    cases, expected = [], []
    for seed, rate in enumerate([50.0, 60.0, 64.0, 99.7, 49.2, 200.0]):
        time, values = signal(seed, rate)
        stream = Seen(model)
        decided = stream.push(time, values) + stream.finish()
        expected.append((stream, decided))
        known = np.where(np.isfinite(values), values, None)
        rows = [[t, *v] for t, v in zip(time.tolist(), known.tolist(), strict=True)]
        cases.append({"windowing": asdict(windowing), "rows": rows, "rate": None})
    for (stream, decided), got in zip(expected, javascript(windows=cases)["windows"], strict=True):
        assert len(got["starts"]) == len(decided) > 5
        assert got["starts"] == pytest.approx([d.start for d in decided], abs=1e-9)
        assert got["ends"] == pytest.approx([d.end for d in decided], abs=1e-9)
        values = np.array([w.ravel() for w in stream.windows])
        assert np.abs(np.array(got["values"]) - values).max() < 2e-5
        # A repeated sample counts as late here: the page need not tell them apart.
        counts = stream.counts
        left_out = counts["late"] + counts["duplicate"]
        assert got["counts"] == {"samples": counts["samples"], "notFinite": 1, "late": left_out}


def test_context_is_that_of_python(waist: Recognizer) -> None:
    assert waist.context is not None and (reference := waist.context.reference) is not None
    without = replace(waist.context, reference=None)
    walks = replace(waist.context, reference=replace(reference, stance=(), stood=()))
    stands = replace(reference, stance=("standing",), stood=reference.angles[::-1])
    rng, cases, expected = np.random.default_rng(1), [], []
    standing = replace(waist.context, reference=stands)
    often, taken = standing.every(waist.context.step / 4), replace(standing, taken=0.05)
    for context in (waist.context, standing, walks, without, often, taken):
        n = len(context.activities)
        own = rng.dirichlet(np.full(n, 0.1), 300)
        for name, at in (("walking", 50), ("standing", 70), ("walking", 200), ("standing", 240)):
            own[at : at + 10] = np.eye(n)[context.activities.index(name)] * 0.99 + 0.01 / n
        seconds = context.step * (np.arange(300) + 4 * (np.arange(300) > 120))
        gravity = rng.normal(0, 1, (300, 3)) + [9, 0, 0] * (np.arange(300) > 100)[:, None]
        causal = Causal(context)
        rows = [causal.push(*row) for row in zip(own, seconds.tolist(), gravity, strict=True)]
        expected.append(np.concatenate(rows))
        cases.append(
            {
                "context": context.to_dict(),
                "own": own.tolist(),
                "seconds": seconds.tolist(),
                "gravity": gravity.tolist(),
            }
        )
    for got, want in zip(javascript(context=cases)["context"], expected, strict=True):
        assert np.abs(np.array(got) - want).max() < 1e-6


def test_the_unknown_is_that_of_python() -> None:
    unknown, rng = Unknown(above=1.3), np.random.default_rng(0)
    novelty = np.r_[rng.normal(0, 1, 60), rng.normal(2.5, 1, 40), rng.normal(0, 1, 40), [50.0]]
    seconds = 1.28 * (np.arange(141) + 7 * (np.arange(141) > 110))
    case = {"unknown": asdict(unknown), "step": 1.28, "seconds": seconds.tolist()}
    (got,) = javascript(unknown=[{**case, "novelty": novelty.tolist()}])["unknown"]
    expected = unknown.decide(novelty, seconds, 1.28, "causal")
    assert np.abs(np.array(got) - expected).max() < 1e-6
    assert (expected[70:90] > 0.5).all() and (expected[:50] < 0.5).all()


def test_numbers_are_rounded_as_in_python() -> None:
    rates = [50 / rate for rate in (60, 59.9, 199.9, 400.2, 100, 99.7, 64, 52.3, 50, 416, 25.6)]
    windowings = [Windowing(seconds=s, overlap=o) for s in (2.5, 2.56, 1.0, 0.5) for o in (0.5, 0)]
    pairs = [(w, rate) for w in windowings for rate in (50.0, 25.0, 31.0, 100.0, 33.0)]
    got = javascript(fractions=rates, samples=[(asdict(w), rate) for w, rate in pairs])
    expected = [Fraction(x).limit_denominator(10_000) for x in rates]
    assert [tuple(f) for f in got["fractions"]] == [(f.numerator, f.denominator) for f in expected]
    assert [tuple(s) for s in got["samples"]] == [w.samples(rate) for w, rate in pairs]


def test_orientation_tells_where_up_is_and_channels_what_a_phone_gives() -> None:
    names = ["gyro_x", "acc_x", "acc_y", "acc_z"]
    worn = [f"waist.{name}" for name in names]
    got = javascript(
        upward=[(0, 0), (90, 0), (0, 90), (180, 0)],
        columns=[names, worn, ["mag_x"], ["waist.acc_x", "ankle.acc_x"]],
    )
    up = [[0, 0, 1], [0, 1, 0], [-1, 0, 0], [0, 0, -1]]
    assert np.allclose(got["upward"], up, atol=1e-12)
    assert got["columns"] == [[3, 0, 1, 2], [3, 0, 1, 2], None, None]


def test_eighteen_activities_and_the_unknown_differ_from_each_other_and_from_a_gap() -> None:
    module = Path(__file__).parent.parent / "src" / "ambulo" / "web" / "drawing.js"
    script = f"""
        import {{ colour }} from {json.dumps(module.as_uri())};
        const names = Array.from({{ length: 18 }}, (_, k) => `activity ${{k}}`);
        const shown = [...names, "unknown", "no signal"].map((name) => colour(names, name));
        console.log(JSON.stringify(shown));
    """
    run = subprocess.run(
        [str(NODE), "--input-type=module", "-e", script], capture_output=True, text=True
    )
    shown = json.loads(run.stdout)
    assert len(set(shown)) == 20 and shown[-1] == "transparent"
