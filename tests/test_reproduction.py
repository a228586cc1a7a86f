"""Recipes: networks as described, mistakes that do what they are named after, and the walk."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ambulo import cli, reproduction
from ambulo.datasets import load_dataset
from ambulo.datasets.synthetic import make
from ambulo.errors import EvaluationError
from ambulo.models import MODELS, model_class
from ambulo.options import Options
from ambulo.protocols import folds
from ambulo.recipes import RECIPES, Recipe
from ambulo.recipes import mistakes as steps
from ambulo.recording import Gap, Interval, Recording, channels
from ambulo.report import write_reproductions
from ambulo.reproduction import cut, has_effect, reproduce, stages
from ambulo.windows import Windows


def count(layers: list[tuple[str, int, int]]) -> int:
    """Parameters of layers as a paper lists them: (kind, inputs, units)."""
    sizes = {
        "dense": lambda i, n: (i + 1) * n,
        "lstm": lambda i, n: 4 * n * (i + n + 2),
        "gru": lambda i, n: 3 * n * (i + n + 2),
        "conv3": lambda i, n: (3 * i + 1) * n,
        "conv5": lambda i, n: (5 * i + 1) * n,
        "norm": lambda i, n: 2 * n,
    }
    return sum(sizes[kind](i, n) for kind, i, n in layers)


BRANCH = [("dense", 64, 64), ("norm", 0, 64), ("dense", 64, 64), ("norm", 0, 64)]
DESCRIBED = {
    ("uci-recurrent", "lstm"): [
        *[("lstm", 9, 64), ("lstm", 64, 64), ("dense", 64, 128), ("dense", 128, 6)],
    ],
    ("uci-recurrent", "gru"): [
        *[("gru", 9, 64), ("gru", 64, 64), ("dense", 64, 128), ("dense", 128, 6)],
    ],
    ("uci-lstm", "lstm"): [
        *[("lstm", 36, 64), ("lstm", 64, 64), ("dense", 64, 128), ("dense", 128, 6)],
    ],
    ("wisdm-lstm", "lstm"): [
        *[("lstm", 3, 64), ("lstm", 64, 64), ("dense", 64, 128), ("dense", 128, 5)],
    ],
    ("uci-cnn-lstm", "cnn-lstm"): [
        *[("conv5", 9, 64), ("conv5", 64, 128), ("conv5", 128, 256)],
        *[("lstm", 256, 128), ("lstm", 128, 128), ("dense", 128, 64), ("dense", 64, 6)],
    ],
    ("mhealth-attention", "cnn-lstm-attention"): [
        *[("conv3", 12, 16), ("norm", 0, 16)],
        *[("lstm", 16, 64), ("lstm", 64, 64), ("lstm", 64, 64)],
        *[*BRANCH, *BRANCH, ("dense", 192, 64), ("dense", 64, 13)],
    ],
}
"""Every recipe's network layer by layer, as inputs and units."""
SHAPES = {"uci-har": (9, 128, 6), "wisdm": (3, 60, 5), "mhealth": (12, 100, 13)}


@pytest.mark.parametrize(
    ("recipe", "model"),
    [(recipe, model) for recipe in RECIPES.values() for model in recipe.models],
    ids=str,
)
def test_networks_have_the_described_layers(recipe: Recipe, model: str) -> None:
    sizes = recipe.options.get("sizes", {})
    network = model_class(model)(*SHAPES[recipe.dataset], **sizes)
    described = count(DESCRIBED[recipe.name, model])
    assert sum(p.numel() for p in network.parameters()) == described
    assert network(torch.zeros(2, *SHAPES[recipe.dataset][1::-1])).shape[0] == 2


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda r: r.name)
def test_recipes_name_public_things(recipe: Recipe) -> None:
    Options(**recipe.options)
    assert set(recipe.models) <= set(MODELS)
    assert {*recipe.own, *(m for also in recipe.also.values() for m in also)} <= {*steps.MISTAKES}


def recording(values: np.ndarray, names: list[str], subject: str = "1") -> Recording:
    """At 50 Hz, with an activity for each sample."""
    edges = [0, *[i for i in range(1, len(names)) if names[i] != names[i - 1]], len(names)]
    return Recording(
        values=values.astype(np.float32),
        rate=50.0,
        channels=channels(["acc_x"]),
        subject=subject,
        name=subject,
        intervals=tuple(
            Interval(a / 50, b / 50, names[a]) for a, b in zip(edges, edges[1:], strict=False)
        ),
    )


def test_outliers_are_judged_with_the_test_people() -> None:
    train = recording(np.linspace(0, 1, 500)[:, None], ["walking"] * 500, "1")
    test = recording(np.linspace(0, 100, 500)[:, None], ["walking"] * 500, "2")
    alone = steps.delete_outliers_with_test([train])[0]
    kept = steps.delete_outliers_with_test([train, test])
    assert len(alone) == 490 and len(kept[0]) > 490  # the upper bound now comes from the test
    assert len(kept[0]) + len(kept[1]) == 980
    assert kept[1].values.max() < 100 and not kept[1].gaps


def test_null_rows_are_drawn_shuffled_and_put_first() -> None:
    names = ["null"] * 50_000 + ["walking"] * 500
    found = steps.shuffled_null([recording(np.arange(50_500)[:, None], names)])[0]
    null = found.values[:30_000, 0]
    assert len(found) == 30_500 and len(np.unique(null)) == 30_000
    assert (np.diff(null) < 0).any() and null.max() < 50_000
    assert [i.activity for i in found.intervals] == ["null", "walking"]


def test_straddling_joins_over_gaps_and_activities() -> None:
    one = recording(np.arange(100)[:, None], ["sitting"] * 60 + ["walking"] * 40)
    gap = replace(one, gaps=(Gap(1.0, 3.0),), intervals=())
    gap = replace(gap, intervals=(Interval(0, 1, "sitting"), Interval(3, 4, "walking")))
    joined = steps.straddling_windows([gap])[0]
    assert not joined.gaps and len(joined) == 100
    assert [(i.start, i.end) for i in joined.intervals] == [(0.0, 1.0), (1.0, 2.0)]


def test_channel_major_reshape_mixes_time(synthetic: Windows) -> None:
    mixed = steps.channel_major_reshape(synthetic)
    channels = len(synthetic.channels)
    assert mixed.values.shape == synthetic.values.shape
    assert (mixed.values[0, 0] == synthetic.values[0, :channels, 0]).all()


@pytest.fixture
def mini_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All ten logs of MHEALTH in miniature, in the exact public form, with the null class."""
    monkeypatch.setenv("AMBULO_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    path = tmp_path / "mhealth+dataset.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for person in range(1, 11):
            rows = []
            for label in (0, 1, 4, 0, 10):
                level = rng.normal(label, 0.2, (260, 23)) + np.sin(np.arange(260) * label)[:, None]
                rows += ["\t".join([*(f"{v:.5g}" for v in row), str(label)]) for row in level]
            name = f"MHEALTHDATASET/mHealth_subject{person}.log"
            archive.writestr(name, "\n".join(rows) + "\n")
    return path


@pytest.mark.slow
def test_the_full_mhealth_path_runs_with_the_null_class(mini_logs: Path) -> None:
    (done,) = reproduce("mhealth-attention", quick=True, data=mini_logs, progress=False)
    labels = [stage.label for stage in done.walk]
    assert labels[1:6] == [f"without {name}" for name in RECIPES["mhealth-attention"].own]
    assert "partial" not in done.data and done.published == 0.9961
    assert done.honest.evaluation is not None and not done.honest.mistakes
    own = done.reproduced.evaluation
    assert own is not None and own.people == ("9", "10") and "null" in own.activities
    assert all(np.isfinite([accuracy for _, accuracy, _ in done.rows()]))
    assert json.loads(json.dumps(done.to_dict()))["honest"] == done.honest.accuracy
    page, *files = write_reproductions([done], mini_logs.parent / "page")
    assert "without select-on-test" in page.read_text() and "99.6 %" in page.read_text()
    assert {file.suffix for file in files} == {".png", ".json"}


def test_windows_of_the_honest_stage_are_free_of_mistakes(mini_logs: Path) -> None:
    recipe = RECIPES["mhealth-attention"]
    dataset = load_dataset("mhealth", mini_logs, activities="thirteen")
    honest, own = cut(recipe, dataset, ()), cut(recipe, dataset, recipe.own)
    assert len(honest) < len(own) or len(own) < len(honest)
    assert honest.windowing.coverage == 0.8 and own.windowing.coverage < 0.01
    assert has_effect("shuffled-null", dataset)


def test_a_mistake_without_effect_is_not_undone() -> None:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=2, minutes=1.0)))
    labels = [s.label for s in stages(RECIPES["mhealth-attention"], "lstm", None, dataset)]
    assert "without shuffled-null" not in labels and "without select-on-test" in labels
    labels = [s.label for s in stages(RECIPES["wisdm-lstm"], "lstm", None, dataset)]
    assert len(labels) == 2 and labels[1].startswith("honest, groups:5")


def test_steps_switch_the_own_protocol() -> None:
    dataset = load_dataset("synthetic")
    own, honest = stages(RECIPES["uci-cnn-lstm"], "cnn-lstm", ["random-windows"], dataset)
    assert own.mistakes == ("random-windows",) and honest.honest
    with pytest.raises(EvaluationError, match="no step 'leak'"):
        reproduce("uci-lstm", steps=["leak"])
    with pytest.raises(EvaluationError, match="choose from mhealth-attention"):
        reproduce("unknown")


def test_random_windows_of_uci_come_from_training_people(synthetic: Windows) -> None:
    windows = replace(synthetic, official_test=("4",))
    recipe = RECIPES["uci-recurrent"]
    stage = reproduction.Stage("with random-windows alone", ("random-windows",))
    (fold,) = reproduction._folds(recipe, windows, stage, False)
    assert "4" not in fold.test and fold.inflated
    assert not folds(windows, recipe.honest)[0].inflated


def test_command_line(
    mini_logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["reproduce", "mhealth-attention", "--quick", "--steps", "none", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["ambulo", *arguments, "--data", str(mini_logs)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    said = capsys.readouterr().out
    assert not stop.value.code
    assert "published" in said and "honest" in said and "these numbers mean nothing" in said
