"""A recording that does not suit a recognizer is doubted or refused, with what to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ambulo import Recognizer, Recording, fit
from ambulo.datasets.synthetic import make
from ambulo.recording import channels
from ambulo.suitability import signature
from ambulo.windows import Windows


@pytest.fixture(scope="module")
def recognizer(synthetic: Windows) -> Recognizer:
    """One without a network: what fits is told by windowing and card alone."""
    card = {"signal": signature(synthetic), "placements": list(synthetic.placements)}
    return Recognizer(synthetic.windowing, synthetic.activities, graph=b"", card=card)


@pytest.fixture(scope="module")
def suited() -> Recording:
    return make(people=1, minutes=2.0, seed=9)[0]


def scaled(recording: Recording, *factors: float) -> Recording:
    return replace(recording, values=recording.values * np.float32(factors))


def verdicts(recording: Recording, recognizer: Recognizer) -> dict[str, str]:
    return {check.what: check.verdict for check in fit(recording, recognizer).checks}


def test_another_person_with_the_same_device_suits(
    suited: Recording, recognizer: Recognizer
) -> None:
    found = fit(suited, recognizer)
    assert found.verdict == "ok", [str(check) for check in found.checks]
    assert {"channels", "rate", "gravity in acc", "orientation of acc", "range of gyro"} <= {
        check.what for check in found.checks
    }


def test_wrong_units_are_refused(suited: Recording, recognizer: Recognizer) -> None:
    in_g = scaled(suited, *[1 / 9.81] * 3, *[1] * 3)
    assert verdicts(in_g, recognizer)["gravity in acc"] == "refuse"
    (check,) = fit(in_g, recognizer).of("refuse")
    assert "--as unit.acc=g" in check.remedy
    in_degrees = scaled(suited, *[1] * 3, *[57.3] * 3)
    assert verdicts(in_degrees, recognizer)["unit of gyro"] == "refuse"
    slightly = scaled(suited, *[1.25] * 3, *[1] * 3)
    assert verdicts(slightly, recognizer)["gravity in acc"] == "doubt"


def test_missing_channels_and_slow_rates_are_refused(
    suited: Recording, recognizer: Recognizer
) -> None:
    acc = suited.select(["acc_x", "acc_y", "acc_z"])
    assert verdicts(acc, recognizer)["channels"] == "refuse"
    body = replace(acc, channels=channels(["body_acc_x", "body_acc_y", "body_acc_z"]))
    assert "gravity was removed" in fit(body, recognizer).of("refuse")[0].remedy
    slow = replace(suited, values=suited.values[::2], rate=25.0, intervals=())
    assert verdicts(slow, recognizer)["rate"] == "refuse"


def test_a_turned_sign_and_another_orientation_are_doubted(
    suited: Recording, recognizer: Recognizer
) -> None:
    found = fit(scaled(suited, *[-1] * 3, *[1] * 3), recognizer)
    assert [check.what for check in found.of("doubt")] == ["orientation of acc"]
    assert "sign=ios" in found.of("doubt")[0].remedy


def test_a_device_worn_otherwise_is_doubted(suited: Recording, recognizer: Recognizer) -> None:
    rng = np.random.default_rng(0)
    card = {"signal": {"acc": {"up": [1.0, 0.0, 0.0], "angle": 10.0}}}
    upright = replace(recognizer, card=card)
    for axis, verdict in ((0, "ok"), (1, "doubt")):
        values = rng.normal(0, 0.1, (3000, 6)).astype(np.float32)
        values[:, axis] += np.float32(9.81)
        worn = replace(suited, values=values, intervals=())
        assert verdicts(worn, upright)["orientation of acc"] == verdict


def test_a_mirrored_device_is_as_in_training_for_a_recognizer_that_saw_mirrors(
    suited: Recording, recognizer: Recognizer
) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (3000, 6)).astype(np.float32)
    values[:, 0] -= np.float32(9.81)
    other = replace(suited, values=values, intervals=())
    for mirror, verdict in (("x", "ok"), ("y", "doubt")):
        signal = {"acc": {"up": [1.0, 0.0, 0.0], "angle": 10.0}}
        seen = replace(recognizer, card={"signal": signal, "options": {"mirror": mirror}})
        assert verdicts(other, seen)["orientation of acc"] == verdict


def test_strange_movement_stillness_clipping_and_placement_are_doubted(
    suited: Recording, recognizer: Recognizer
) -> None:
    wild = scaled(suited, *[1] * 3, *[15] * 3)
    assert verdicts(wild, recognizer)["range of gyro"] == "doubt"
    dead = replace(suited, values=np.tile(suited.values[:1], (3000, 1)), intervals=())
    assert verdicts(dead, recognizer)["range of acc"] == "doubt"
    cut = replace(suited, notes={"clipped": {"acc_x": len(suited) // 20}})
    assert verdicts(cut, recognizer)["clipping"] == "doubt"
    ankle = replace(suited, notes={"placement": "ankle"})
    assert verdicts(ankle, recognizer)["placement"] == "doubt"
    assert verdicts(replace(suited, notes={"placement": "waist"}), recognizer)["placement"] == "ok"


def test_a_card_that_says_nothing_leaves_out_what_needs_it(
    suited: Recording, recognizer: Recognizer
) -> None:
    assert fit(suited, replace(recognizer, card={})).verdict == "ok"
    in_g = scaled(suited, *[1 / 9.81] * 3, *[1] * 3)
    assert fit(in_g, replace(recognizer, card={})).verdict == "refuse"
