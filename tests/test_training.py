"""Training is repeatable, resumable, interruptible, and never peeks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ambulo import train
from ambulo.augmentation import Variation
from ambulo.errors import TrainingError
from ambulo.imbalance import class_weights, make_loss, order
from ambulo.models import model_class
from ambulo.models.frame import Frame
from ambulo.models.initial import as_keras
from ambulo.options import IMBALANCE, Options
from ambulo.recording import housings
from ambulo.training import fit, split_people
from ambulo.windows import Windows


class Tiny(nn.Module):
    """A network that trains in no time."""

    def __init__(self, channels: int, length: int, classes: int, *, hidden: int = 8) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * channels, hidden)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(hidden, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.drop(torch.relu(self.dense(torch.cat([x.mean(1), x.std(1)], 1))))
        return out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.features(x))
        return out


def weights(fitted: Any) -> list[torch.Tensor]:
    return [value.clone() for value in fitted.network.state_dict().values()]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_seed_decides_everything(synthetic: Windows) -> None:
    options = Options(epochs=3, rotate=10)
    first, again = (fit(Tiny, synthetic, options, seed=4) for _ in range(2))
    other = fit(Tiny, synthetic, options, seed=5)
    assert same(weights(first), weights(again)) and first.history == again.history
    assert not same(weights(first), weights(other))


def test_it_learns(synthetic: Windows) -> None:
    fitted = fit(Tiny, synthetic, Options(epochs=15, learning_rate=0.01))
    assert fitted.history[-1]["loss"] < 0.7 * fitted.history[0]["loss"]
    assert max(row["validation_accuracy"] for row in fitted.history) > 0.4


def test_validation_is_whole_people(synthetic: Windows) -> None:
    for seed in range(5):
        kept, held = split_people(synthetic, 0.3, seed)
        assert held.people and not set(kept.people) & set(held.people)
        assert len(kept) + len(held) == len(synthetic)


def test_scaling_sees_training_people_only(synthetic: Windows) -> None:
    kept, held = split_people(synthetic, 0.15, 0)
    fitted = fit(Tiny, synthetic, Options(epochs=1))
    expected = kept.values.reshape(-1, 6).mean(0)
    assert np.allclose(fitted.network.scaling.shift, expected, atol=1e-3)
    wild = synthetic.values.copy()
    wild[np.isin(synthetic.subjects, held.people)] *= 100
    again = fit(Tiny, replace(synthetic, values=wild), Options(epochs=1))
    assert torch.equal(again.network.scaling.scale, fitted.network.scaling.scale)


def test_minmax_scales_to_the_unit_interval(synthetic: Windows) -> None:
    fitted = fit(Tiny, synthetic, Options(epochs=1, scaling="minmax", validation=0))
    scaled = fitted.network.scaling(torch.as_tensor(synthetic.values))
    assert float(scaled.min()) == pytest.approx(0, abs=1e-5)
    assert float(scaled.max()) == pytest.approx(1, abs=1e-5)


def test_best_weights_are_those_of_the_best_validation_epoch(synthetic: Windows) -> None:
    fitted = fit(Tiny, synthetic, Options(epochs=12, learning_rate=0.3, patience=3))
    losses = [row["validation_loss"] for row in fitted.history]
    assert fitted.best_epoch == int(np.argmin(losses))
    assert len(losses) <= fitted.best_epoch + 4


def test_without_validation_all_epochs_run(synthetic: Windows) -> None:
    fitted = fit(Tiny, synthetic, Options(epochs=4, validation=0))
    assert len(fitted.history) == 4 and fitted.best_epoch == 3 and not fitted.validation_people


class Break(Exception):
    """Stops a run from outside, as a power cut would."""


def test_a_broken_run_goes_on_as_if_unbroken(synthetic: Windows, tmp_path: Path) -> None:
    options, path = Options(epochs=5, rotate=5, average=0.9), tmp_path / "run.ckpt"
    whole = fit(Tiny, synthetic, options)

    def stop(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise Break

    with pytest.raises(Break):
        fit(Tiny, synthetic, options, checkpoint=path, report=stop)
    resumed = fit(Tiny, synthetic, options, checkpoint=path)
    assert same(weights(resumed), weights(whole)) and resumed.history == whole.history


def test_foreign_and_damaged_checkpoints_are_refused(synthetic: Windows, tmp_path: Path) -> None:
    path = tmp_path / "run.ckpt"
    fit(Tiny, synthetic, Options(epochs=1), checkpoint=path)
    with pytest.raises(TrainingError, match="another model, data set, option or seed"):
        fit(Tiny, synthetic, Options(epochs=1), checkpoint=path, seed=1)
    whole = path.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    for damaged in (whole[:100], whole[: directory + 10] + b"\x63" + whole[directory + 11 :]):
        path.write_bytes(damaged)
        with pytest.raises(TrainingError, match="not a checkpoint"):
            fit(Tiny, synthetic, Options(epochs=1), checkpoint=path)


def test_interrupt_keeps_the_best_so_far(synthetic: Windows) -> None:
    def interrupt(row: dict[str, float]) -> None:
        if row["epoch"] == 1:
            raise KeyboardInterrupt

    recognizer = train(Tiny, synthetic, epochs=10, report=interrupt)
    assert recognizer.card["interrupted"] and recognizer.card["epochs"].startswith("2,")


def test_what_is_done_about_imbalance_lifts_the_rare_activity(synthetic: Windows) -> None:
    rng = np.random.default_rng(0)
    rare = synthetic[(synthetic.labels != 0) | (rng.random(len(synthetic)) < 0.05)]
    x, recall = torch.as_tensor(rare.values[rare.labels == 0]), {}
    for kind in IMBALANCE:
        options = Options(epochs=30, learning_rate=0.01, imbalance=kind, validation=0)
        network = fit(Tiny, rare, options).network
        recall[kind] = float((network(x).argmax(1) == 0).float().mean())
    assert min(recall[kind] for kind in ("weights", "sampling", "logits")) > recall["none"]


def test_losses_are_the_published_ones() -> None:
    logits, y = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])
    train = torch.tensor([0, 0, 0, 1])
    p = logits.softmax(1)[[0, 1], y]
    focal = make_loss("focal", train, 2, 0.0)(logits, y)
    assert torch.allclose(focal, (-((1 - p) ** 2) * p.log()).mean())
    adjusted = make_loss("logits", train, 2, 0.0)(logits, y)
    shifted = (logits + torch.tensor([0.75, 0.25]).log()).log_softmax(1)[[0, 1], y]
    assert torch.allclose(adjusted, -shifted.mean())
    drawn = torch.cat([order("sampling", train, 2, torch.Generator()) for _ in range(100)])
    assert 0.4 < (train[drawn] == 1).float().mean() < 0.6


def test_first_weights_as_keras_draws_them() -> None:
    network = model_class("cnn-lstm")(9, 128, 6)
    as_keras(network)
    lstm, head = network.recurrent, network.head
    assert (lstm.bias_ih_l0[64:128] == 1).all() and lstm.bias_ih_l0.sum() == 64
    assert torch.allclose(lstm.weight_hh_l0.T @ lstm.weight_hh_l0, torch.eye(64), atol=1e-5)
    assert head.bias.abs().max() == 0 and head.weight.abs().max() <= (6 / (64 + 6)) ** 0.5


def test_a_solved_head_refuses_what_it_cannot_do(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="none or weights"):
        fit("rocket", synthetic, Options(imbalance="focal"))


def test_rotation_turns_all_sensors_alike_and_keeps_lengths(synthetic: Windows) -> None:
    x = torch.as_tensor(synthetic.values[:10])
    variation = Variation.of(synthetic, Options(rotate=20, around=30))
    assert variation is not None
    turned = variation(x, torch.Generator().manual_seed(0))
    for triad in ([0, 1, 2], [3, 4, 5]):
        assert torch.allclose(
            turned[:, :, triad].norm(dim=2), x[:, :, triad].norm(dim=2), atol=1e-3
        )
    dots = [(v[:, :, :3] * v[:, :, 3:]).sum(2) for v in (x, turned)]
    assert torch.allclose(*dots, atol=1e-2) and not torch.allclose(x, turned, atol=0.1)


def test_turning_around_keeps_what_is_along_the_wearers_vertical(synthetic: Windows) -> None:
    variation = Variation.of(synthetic, Options(around=60))
    assert variation is not None
    (vertical, axes), *_ = variation.housings
    x = torch.as_tensor(synthetic.values[:10])
    turned = variation(x, torch.Generator().manual_seed(0))
    up = torch.as_tensor(vertical, dtype=x.dtype)
    for triad in axes:
        assert torch.allclose(turned[:, :, triad] @ up, x[:, :, triad] @ up, atol=1e-3)
    assert not torch.allclose(turned, x, atol=0.1)


def test_a_mirror_shows_the_watch_on_the_other_arm(synthetic: Windows) -> None:
    """Half stay as they are; turning goes the other way about all axes but the mirrored one."""
    variation = Variation.of(synthetic, Options(mirror="x"))
    assert variation is not None
    x = torch.as_tensor(synthetic.values[:200])
    seen = variation(x, torch.Generator().manual_seed(0))
    other = x * torch.tensor([-1.0, 1, 1, 1, -1, -1])
    same, mirrored = ((seen == v).all(dim=2).all(dim=1) for v in (x, other))
    assert (same | mirrored).all() and 70 < mirrored.sum() < 130
    both = Variation.of(synthetic, Options(mirror="xy"))
    assert both is not None
    turned = (x * torch.tensor([-1.0, -1, 1, -1, -1, 1])) == both(x, torch.Generator())
    assert 30 < turned.all(dim=2).all(dim=1).sum() < 70


def test_the_vertical_is_where_gravity_is_felt(synthetic: Windows) -> None:
    names = tuple(name.replace("gyro", "body_acc") for name in synthetic.channels)
    swapped = replace(
        synthetic,
        values=synthetic.values[:, :, [3, 4, 5, 0, 1, 2]],
        channels=(*names[3:], *names[:3]),
    )
    variation, same = (Variation.of(w, Options(around=60)) for w in (synthetic, swapped))
    assert variation is not None and same is not None
    np.testing.assert_allclose(variation.housings[0][0], same.housings[0][0])


def test_stretching_changes_the_pace_and_nothing_else(synthetic: Windows) -> None:
    variation = Variation.of(synthetic, Options(stretch=0.2))
    assert variation is not None
    t = torch.arange(128) / 50
    wave = torch.sin(2 * torch.pi * 2.0 * t)[None, :, None].repeat(200, 1, 6)
    paced = variation(wave, torch.Generator().manual_seed(0))
    peaks = torch.fft.rfft(paced[:, 16:112, 0], n=4096).abs().argmax(1) * 50 / 4096
    assert 0.1 < (peaks / 2).log().std() < 0.3 and abs((peaks / 2).log().mean()) < 0.05
    assert paced.abs().max() <= 1
    still = torch.full((3, 128, 6), 9.8)
    assert torch.allclose(variation(still), still)


def test_the_frame_of_gravity_does_not_see_a_turned_sensor(synthetic: Windows) -> None:
    frame = Frame(6, housings(synthetic.channels), "gravity")
    variation = Variation.of(synthetic, Options(rotate=60))
    assert variation is not None
    x = torch.as_tensor(synthetic.values[:10])
    turned = frame(variation(x, torch.Generator().manual_seed(0)))
    assert turned.shape == (10, x.shape[1], 6)
    assert torch.allclose(turned, frame(x), atol=2e-2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"epoch": 3}, "unknown training options epoch: choose from epochs"),
        ({"scaling": "robust"}, "scaling must be one of standard, minmax, none"),
        ({"mirror": "xx"}, "mirror must name axes, as in x or xy"),
        ({"mirror": "left"}, "mirror must name axes"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"device": "abacus"}, "device 'abacus' cannot be used here"),
        ({"sizes": {"depth": 3}}, "cannot be built"),
    ],
)
def test_wrong_options_are_refused(synthetic: Windows, options: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        train(Tiny, synthetic, **options)


def test_sizes_that_do_not_fit_a_model_are_refused(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="'cnn-lstm' cannot be built"):
        train("cnn-lstm", synthetic, sizes={"filters": [8, 16]})
    with pytest.raises(
        TrainingError, match="'best' cannot be built.*its sizes are features, share"
    ):
        train("best", synthetic, sizes={"hidden": 8})


def test_a_network_of_ones_own_must_give_logits(synthetic: Windows) -> None:
    class Swapped(Tiny):
        def __init__(self, channels: int, classes: int, length: int) -> None:
            super().__init__(channels, length, classes)

    says = r"'Swapped' gives \(2, 128\).*built as Swapped\(channels, length, classes\)"
    with pytest.raises(TrainingError, match=says):
        train(Swapped, synthetic)


def test_one_person_cannot_validate(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="give more people, or validation=0"):
        train(Tiny, synthetic.of(["1"]))


@pytest.mark.parametrize("model", ["features", pytest.param("rocket", marks=pytest.mark.slow)])
def test_one_activity_alone_is_learnt_too(synthetic: Windows, model: str) -> None:
    one = synthetic[synthetic.labels == 2]
    made = train(model, one, progress=False)
    assert (made.decide(one, context="none").argmax(1) == 2).all()


def test_unknown_model_names_the_known(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="choose from lstm, gru"):
        train("transformer", synthetic)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks glibc")
def test_what_a_step_frees_stays_for_the_next_one() -> None:
    """Counted in a process of its own, since the C library is asked once and for good."""
    code = """
import resource
import numpy as np
from ambulo.memory import keep_freed

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(2_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

took = keep_freed()
faults()
print(int(took), faults())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took, faults = map(int, out.stdout.split())
    if not took:
        pytest.skip("the C library is not glibc")
    assert faults < 2000  # 20 times 16 MB are 78,000 pages


@pytest.mark.parametrize(
    "wrong",
    [
        {"patience": 0},
        {"learning_rate": -1.0},
        {"weight_decay": -1.0},
        {"smoothing": 2.0},
        {"average": 1.0},
        {"clip": 0.0},
        {"copies": -1},
        {"rotate": float("inf")},
        {"rotate": -5.0},
        {"stretch": float("nan")},
    ],
)
def test_numbers_that_options_cannot_have_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(TrainingError, match=f"{next(iter(wrong))} must be "):
        Options(**wrong)  # type: ignore[arg-type]


def test_training_that_finds_no_number_says_so(synthetic: Windows) -> None:
    with pytest.raises(TrainingError, match="smaller learning_rate"):
        train(Tiny, synthetic, epochs=1, learning_rate=1e11, clip=1e11, progress=False)


@pytest.fixture(scope="module")
def rare(synthetic: Windows) -> Windows:
    """An activity that only the people who are kept aside show."""
    _, held = split_people(synthetic, 0.25, 0)
    labels = synthetic.labels.copy()
    labels[np.isin(synthetic.subjects, held.people) & (labels == 0)] = len(synthetic.activities)
    return replace(synthetic, labels=labels, activities=(*synthetic.activities, "rowing"))


@pytest.mark.slow
@pytest.mark.parametrize("imbalance", ["none", "weights"])
@pytest.mark.parametrize("model", ["features", "small"])
def test_what_only_people_kept_aside_show_is_learnt_and_spoils_no_temperature(
    rare: Windows, model: str, imbalance: str
) -> None:
    made = train(model, rare, validation=0.25, imbalance=imbalance, progress=False)
    of_it = rare.labels == len(rare.activities) - 1
    p = made.probabilities(rare.values)
    assert (p.argmax(1)[of_it] == rare.labels[of_it]).mean() > 0.8
    assert p.max(1).mean() > 0.8


@pytest.mark.slow
def test_a_checkpoint_is_of_what_the_windows_show(synthetic: Windows, tmp_path: Path) -> None:
    asked = {"checkpoint": tmp_path / "c", "epochs": 1, "progress": False}
    train(Tiny, synthetic, **asked)
    other = replace(synthetic, labels=np.roll(synthetic.labels, 40))
    with pytest.raises(TrainingError):
        train(Tiny, other, **asked)


@pytest.mark.parametrize("model", ["small", "rocket", "cnn-lstm"])
def test_windows_too_short_for_a_model_are_refused(synthetic: Windows, model: str) -> None:
    short = replace(synthetic, values=np.ascontiguousarray(synthetic.values[:, :6]))
    with pytest.raises(TrainingError, match="too short"):
        train(model, short, epochs=1, progress=False)


def test_windows_with_no_number_are_refused(synthetic: Windows) -> None:
    values = synthetic.values.copy()
    values[3, 2, 1] = np.nan
    with pytest.raises(TrainingError, match="no finite number"):
        train("features", replace(synthetic, values=values), progress=False)


def test_class_weights_are_of_mean_1_over_windows_whoever_is_missing() -> None:
    y = torch.tensor([0] * 9 + [2] * 3)
    assert float(class_weights(y, 4)[y].mean()) == pytest.approx(1)
