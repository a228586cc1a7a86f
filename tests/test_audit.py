"""The audit finds what was planted, and nothing where people were kept apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_cli import ambulo

from ambulo import load_dataset
from ambulo.audit import audit, audit_arrays, inflation, inflation_arrays
from ambulo.datasets.synthetic import make
from ambulo.errors import AuditError
from ambulo.protocols import folds
from ambulo.windows import Windows

Sides = tuple[Windows, Windows]
Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def apart(synthetic: Windows) -> Sides:
    """A clean split: people 1 to 3, and person 4."""
    return synthetic.of(["1", "2", "3"]), synthetic.of(["4"])


@pytest.fixture(scope="module")
def drawn(synthetic: Windows) -> Sides:
    """Windows of 50 % overlap, split at random."""
    return at_random(synthetic)


def at_random(windows: Windows, share: float = 0.3) -> Sides:
    training, test = folds(windows, f"random:{share}")[0].split(windows)
    return windows[training], windows[test]


def values(sides: Sides) -> Arrays:
    return sides[0].values, sides[1].values


def noisy(x: np.ndarray, share: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=x.shape) * x.std(axis=(0, 1))
    return (x + share * noise).astype(np.float32)


def standardised(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    return (x - by.mean(axis=(0, 1), dtype=float)) / by.std(axis=(0, 1), dtype=float)


# Clean splits


def test_people_apart_are_clean(apart: Sides) -> None:
    found = audit(*apart)
    assert found.clean and not found.findings and str(found).startswith("no leak found")
    assert audit_arrays(*values(apart), apart[0].subjects, apart[1].subjects).findings == ()


@pytest.mark.parametrize("people", ["1", "2", "3"])
def test_every_person_alone_is_clean(synthetic: Windows, people: str) -> None:
    test = synthetic.subjects == people
    assert not audit(synthetic[~test], synthetic[test]).findings


def test_scaling_on_training_people_is_clean(apart: Sides) -> None:
    train, test = values(apart)
    pair = standardised(train, train), standardised(test, train)
    assert not audit_arrays(*pair).findings
    low, high = train.min((0, 1)), train.max((0, 1))
    assert not audit_arrays(*((x - low) / (high - low) for x in (train, test))).findings
    assert not audit(*apart, scaling=(train.mean((0, 1)), 1 / train.std((0, 1)))).findings


def test_windows_scaled_each_by_itself_are_clean(apart: Sides) -> None:
    own = [(x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) for x in values(apart)]
    assert not audit_arrays(*own).findings


@pytest.mark.parametrize("still", ["constant", "step", "ramp", "padded", "clipped", "spike", "few"])
def test_signals_that_say_nothing_are_clean(still: str) -> None:
    rng = np.random.default_rng(0)
    x = np.zeros((60, 128, 3), np.float32)
    at = rng.integers(20, 100, 60)
    for window, k in zip(x, at, strict=True):
        if still == "constant":
            window[:] = 9.8
        elif still == "step":
            window[k:] = 1.0
        elif still == "ramp":
            window[:] = np.linspace(0, rng.normal(), 128)[:, None]
        elif still == "padded":
            window[:8] = rng.normal(size=(8, 3))
        elif still == "clipped":
            wave = np.sin(np.arange(128)[:, None] / rng.uniform(5, 15, 3) + rng.uniform(0, 6, 3))
            window[:] = np.clip(3 * wave, -1, 1)
        elif still == "spike":
            window[k] = 5.0
        else:
            window[k : k + 3] = 0.01
    assert not audit_arrays(x[:40], x[40:]).findings


def test_quantised_noise_of_two_still_people_is_clean() -> None:
    """A phone on a table shows two or three values only."""
    rng = np.random.default_rng(0)
    x = (np.float32([0, 0, 9.8]) + 0.02 * rng.normal(size=(900, 60, 3)) * [1, 2, 3]).round(1)
    assert not audit_arrays(x[:600], x[600:]).findings


def test_square_waves_in_step_are_no_leak() -> None:
    """Even exact copies prove nothing where backward signals match too."""
    start = np.random.default_rng(0).integers(0, 56, (60, 1))
    wave = np.sin((np.arange(128) + start) * 2 * np.pi / 56).round()
    assert audit_arrays(*np.split(np.repeat(wave[:, :, None], 3, axis=2), [40])).clean


def test_signals_that_repeat_by_nature_are_no_leak() -> None:
    t, phase = np.arange(128), np.random.default_rng(0).uniform(0, 6.28, (80, 1, 1))
    x = np.sin(t[None, :, None] / 5 + phase + np.zeros(3)).astype(np.float32)
    found = audit_arrays(x[:60], x[60:])
    assert found.clean and {f.severity for f in found.findings} == {"doubt"}


# Planted leaks


@pytest.mark.parametrize(("overlap", "typical"), [(0.25, 0.25), (0.5, 0.5), (0.9, 0.9)])
def test_overlapping_windows_split_at_random(overlap: float, typical: float) -> None:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=3, minutes=1.0)))
    train, test = at_random(dataset.windows(overlap=overlap), 0.4)
    found = audit(train, test)
    spans = next(f for f in found.findings if f.kind == "overlapping-spans")
    assert spans.details["typical_overlap"] == pytest.approx(typical, abs=0.02)
    by_content = audit_arrays(train.values, test.values)
    (segments,) = by_content.findings
    assert segments.kind == "shared-segments" and segments.severity == "leak"
    assert segments.count >= 0.98 * spans.count
    assert segments.details["typical_shift"] <= 2 * 128 * (1 - overlap) + 1


def test_spans_that_touch_are_no_overlap(synthetic: Windows) -> None:
    one = synthetic.of(["1"])
    assert audit(one[one.starts % 256 == 0], one[one.starts % 256 == 128]).kinds == ("same-people",)


def test_spans_are_compared_in_time_where_rates_differ(recording: object) -> None:
    dataset = load_dataset("synthetic")
    fast, slow = (dataset.windows(rate=rate).of(["1"]) for rate in (50.0, 25.0))
    early, late = fast[fast.seconds < 30], slow[slow.seconds > 40]
    assert "overlapping-spans" not in audit(early, late).kinds
    found = audit(early, slow)
    assert "overlapping-spans" in found.kinds and any("differ" in s for s in found.skipped)
    expected = (slow.seconds < early.seconds.max() + 2.56).sum()
    assert found.findings[1].count == pytest.approx(expected, abs=1)


def test_same_person_on_both_sides(synthetic: Windows) -> None:
    half = synthetic.seconds < 60
    test = (synthetic.subjects == "4") | ((synthetic.subjects == "3") & ~half)
    found = audit(synthetic[~test], synthetic[test])
    person = found.findings[0]
    assert person.kind == "same-people" and person.details["people"] == ["3"] and person.of == 2
    train, test = synthetic[~test], synthetic[test]
    arrays = audit_arrays(train.values, test.values, train.subjects, test.subjects)
    assert "same-people" in arrays.kinds


def test_same_names_in_other_data_sets_are_a_doubt(apart: Sides) -> None:
    test = replace(apart[1], source="elsewhere", subjects=np.full(len(apart[1]), "1"))
    (finding,) = audit(apart[0], test).findings
    assert finding.severity == "doubt" and "another data set" in finding.sentence


def test_a_recording_under_another_name_is_found_by_content(synthetic: Windows) -> None:
    train, test = synthetic.of(["1", "2"]), synthetic.of(["2"])
    n = len(test)
    test = replace(test, subjects=np.full(n, "x"), recordings=np.full(n, "copy"))
    found = audit(train, test)
    assert found.kinds == ("duplicates", "shared-segments") and found.findings[0].count == n


def test_exact_duplicates(apart: Sides) -> None:
    train, test = values(apart)
    copied = np.concatenate([test, train[::20]])
    found = audit_arrays(train[::2], copied)
    first = found.findings[0]
    assert (first.kind, first.count) == ("duplicates", len(train[::20]))
    assert "near-duplicates" not in found.kinds


@pytest.mark.parametrize("change", ["noise", "scaled", "offset", "each window"])
def test_near_duplicates(apart: Sides, change: str) -> None:
    train, test = values(apart)
    copies = train[::10]
    if change == "noise":
        copies = noisy(copies, 0.005)
    elif change == "scaled":
        copies = copies * np.linspace(0.2, 3, copies.shape[2], dtype=np.float32)
        test = test * np.linspace(0.2, 3, copies.shape[2], dtype=np.float32)
    elif change == "offset":
        copies = copies + np.float32(3)
    else:
        copies = (copies - copies.mean((1, 2), keepdims=True)) / copies.std((1, 2), keepdims=True)
        train, test = train[:], test / test.std()
    found = audit_arrays(train[::2], np.concatenate([test, copies]))
    near = next(f for f in found.findings if f.kind == "near-duplicates")
    assert near.severity == "leak" and near.count >= 0.9 * len(copies)
    assert near.count <= len(copies)


def test_scaled_on_each_side_after_a_at_random(drawn: Sides) -> None:
    """Each side is standardised by itself, so that shared values differ a little."""
    train, test = (standardised(x, x) for x in values(drawn))
    (segments,) = audit_arrays(train, test).findings
    (plain,) = audit_arrays(*values(drawn)).findings
    assert segments.count == pytest.approx(plain.count, rel=0.01)


def test_shared_segments_among_clean_ones_are_counted(apart: Sides) -> None:
    train, test = values(apart)
    planted = np.concatenate([train[:200:5, 64:], test[:40, :64]], axis=1)
    (segments,) = audit_arrays(train[:200:5], np.concatenate([test, planted])).findings
    assert segments.count == len(planted) and segments.details["typical_shift"] == 64
    # A fifth of a window is too little to tell.
    short = np.concatenate([train[:40, 100:], test[:40, :100]], axis=1)
    assert not audit_arrays(train, short).findings


@pytest.mark.parametrize("kind", ["standard", "one for all", "each position", "minmax", "-1 to 1"])
def test_scaler_fitted_on_both_sides_shows_in_arrays(apart: Sides, kind: str) -> None:
    train, test = values(apart)
    both = np.concatenate([train, test])
    axes = {"one for all": (0, 1, 2), "each position": 0}.get(kind, (0, 1))
    if kind in ("minmax", "-1 to 1"):
        low, high = both.min(axes), both.max(axes)
        both = (both - low) / (high - low)
        both = 2 * both - 1 if kind == "-1 to 1" else both
    else:
        both = (both - both.mean(axes, dtype=float)) / both.std(axes, dtype=float)
    found = audit_arrays(both[: len(train)], both[len(train) :])
    assert found.kinds == ("fitted-on-test",) and not found.clean


@pytest.mark.parametrize("kind", ["standard", "minmax", "test"])
def test_given_scaling_of_both_sides(apart: Sides, kind: str) -> None:
    both = np.concatenate(values(apart))
    if kind == "minmax":
        both[len(apart[0]), 0] = [50, 51, 52, 5, 6, 7]
        apart = apart[0], replace(apart[1], values=both[len(apart[0]) :])
        scaling = both.min((0, 1)), 1 / np.ptp(both, axis=(0, 1))
    else:
        fitted = apart[1].values if kind == "test" else both
        scaling = fitted.mean((0, 1)), 1 / fitted.std((0, 1))
    assert audit(*apart, scaling=scaling).kinds == ("fitted-on-test",)


def test_selection_on_test_people(apart: Sides) -> None:
    assert not audit(*apart, chosen_on=["1"]).findings
    found = audit(*apart, chosen_on=["1", "4"])
    assert found.kinds == ("chosen-on-test",) and found.findings[0].details["people"] == ["4"]


# What a leak is worth


def test_inflation_is_zero_where_people_are_apart(apart: Sides) -> None:
    assert set(inflation(*apart).points.values()) == {0.0}


def test_inflation_of_people_who_walk_differently() -> None:
    """Labels mean something for each person only: honest models can but guess."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 40)
    labels = people % 4
    x = rng.normal(size=(20, 1, 6))[people] + 0.05 * rng.normal(size=(800, 32, 6))
    test = rng.random(800) < 0.3
    sides = (x[~test], x[test], labels[~test], labels[test])
    worth = inflation_arrays(*sides, people[~test], people[test])
    assert worth.points["nearest neighbour"] > 40
    assert worth.given["nearest neighbour"] > 0.9 > 0.6 > worth.honest["nearest neighbour"]
    assert "points" in str(worth) and json.dumps(worth.to_dict())


def test_inflation_without_people_leaves_stretches_out(drawn: Sides) -> None:
    labels = drawn[0].labels, drawn[1].labels
    worth = inflation_arrays(*values(drawn), *labels)
    known = inflation(*drawn)
    assert worth.windows == known.windows == len(drawn[1])
    assert worth.given == known.given
    assert worth.honest["nearest neighbour"] <= worth.given["nearest neighbour"]


def test_no_inflation_without_others_to_train_on(synthetic: Windows) -> None:
    with pytest.raises(AuditError, match="nothing is left"):
        inflation(*at_random(synthetic.of(["1"])))


# Results and refusals


def test_the_verdict_in_words_and_values(drawn: Sides) -> None:
    found = audit(*drawn)
    said = str(found)
    assert said.startswith("LEAK: 3 kinds found") and "64 samples long and shifted by 64" in said
    row = json.loads(json.dumps(found.to_dict()))
    assert not row["clean"] and row["windows"] == {"train": len(drawn[0]), "test": len(drawn[1])}
    assert all(f["count"] <= f["of"] for f in row["findings"])


def test_channels_first(drawn: Sides) -> None:
    swapped = [x.swapaxes(1, 2) for x in values(drawn)]
    with pytest.raises(AuditError, match="channels_first"):
        audit_arrays(*swapped)
    assert audit_arrays(*swapped, channels_first=True) == audit_arrays(*values(drawn))


def test_short_windows_are_compared_whole(apart: Sides) -> None:
    train, test = (x[:, :8] for x in values(apart))
    found = audit_arrays(train, test)
    assert not found.findings and "10 samples" in found.skipped[-1]


# The command line


@pytest.fixture
def files(drawn: Sides, apart: Sides, tmp_path: Path) -> Path:
    for name, side in zip(("train", "test"), drawn, strict=True):
        np.save(tmp_path / f"X_{name}.npy", side.values)
        np.save(tmp_path / f"y_{name}.npy", side.labels)
        np.save(tmp_path / f"s_{name}.npy", side.subjects)
    np.save(tmp_path / "other.npy", apart[1].values)
    np.save(tmp_path / "three.npy", apart[0].values)
    np.save(tmp_path / "flat.npy", np.zeros((5, 561)))
    np.save(tmp_path / "none.npy", np.zeros((0, 128, 6)))
    np.save(tmp_path / "first.npy", np.zeros((5, 6, 128)))
    np.save(tmp_path / "nan.npy", np.full((5, 128, 6), np.nan))
    np.save(tmp_path / "text.npy", np.full((5, 128, 6), "a"))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "scalar.npy", np.float32(1))
    np.savez(tmp_path / "several.npz", a=np.zeros(3))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01\x00")
    (tmp_path / "void.npy").write_bytes(b"")
    return tmp_path


def test_audit_of_files(files: Path) -> None:
    arrays = "audit --train X_train.npy --test X_test.npy".split()
    run = ambulo(*arrays, cwd=files, code=1)
    assert "LEAK" in run.stdout and "give --train-labels" in run.stdout and not run.stderr
    labels = "--train-labels y_train.npy --test-labels y_test.npy".split()
    people = "--subjects-train s_train.npy --subjects-test s_test.npy".split()
    run = ambulo(*arrays, *labels, *people, "--json", cwd=files, code=1)
    (split,) = json.loads(run.stdout)["splits"]
    assert split["inflation"]["points"].keys() == {"nearest neighbour", "ridge regression"}
    assert "same-people" in [finding["kind"] for finding in split["findings"]]
    clean = ambulo("audit", "--train", "three.npy", "--test", "other.npy", cwd=files)
    assert clean.stdout.startswith("arrays: no leak found")


def test_audit_of_a_protocol(tmp_path: Path) -> None:
    run = ambulo("audit", "synthetic", "--protocol", "groups:2", "--json", cwd=tmp_path)
    assert json.loads(run.stdout)["clean"] and len(json.loads(run.stdout)["splits"]) == 2
    run = ambulo("audit", "synthetic", "--protocol", "random:0.3", cwd=tmp_path, code=1)
    assert "overlap in time" in run.stdout and "points" in run.stdout
    assert "1319 training and 565 test windows" in run.stdout


MISTAKES = {
    "nothing": ("", "name a data set, or give arrays"),
    "both": ("synthetic --train X_train.npy --test X_test.npy", "not both"),
    "one side": ("--train X_train.npy", "give both --train and --test"),
    "no arrays": ("--train-labels y_train.npy", "give both --train and --test"),
    "one label": (
        "--train X_train.npy --test X_test.npy --train-labels y_train.npy",
        "give both --train-labels and --test-labels",
    ),
    "missing": ("--train X_train.npy --test nowhere.npy", "nowhere.npy: there is no such file"),
    "folder": ("--train X_train.npy --test .", "is no whole .npy file"),
    "void": ("--train X_train.npy --test void.npy", "void.npy: is no whole .npy file"),
    "broken": ("--train X_train.npy --test broken.npy", "broken.npy: is no whole .npy file"),
    "objects": ("--train X_train.npy --test objects.npy", "objects.npy: holds Python objects"),
    "several": ("--train X_train.npy --test several.npz", "several.npz: holds several arrays"),
    "features": ("--train X_train.npy --test flat.npy", "flat.npy: has shape (5, 561)"),
    "scalar": ("--train X_train.npy --test scalar.npy", "scalar.npy: has shape ()"),
    "empty": ("--train X_train.npy --test none.npy", "none.npy: is empty"),
    "channels": ("--train X_train.npy --test first.npy", "--channels-first"),
    "cut": ("--train X_train.npy --test first.npy --channels-last", "give windows of the same cut"),
    "nan": ("--train X_train.npy --test nan.npy", "nan.npy: 5 of 5 windows hold NaN"),
    "text": ("--train X_train.npy --test text.npy", "text.npy: holds <U1"),
    "lengths": (
        "--train X_train.npy --test X_test.npy --train-labels y_test.npy --test-labels y_test.npy",
        "y_test.npy: has",
    ),
    "no labels": (
        "--train X_train.npy --test X_test.npy --subjects-train nan.npy --subjects-test y_test.npy",
        "nan.npy: has shape (5, 128, 6), not (windows,)",
    ),
    "protocol": ("synthetic --protocol lucky", "there is no protocol 'lucky'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_exit_2_with_a_remedy(case: str, files: Path) -> None:
    command, says = MISTAKES[case]
    run = ambulo("audit", *command.split(), cwd=files, code=2, AMBULO_DATA="")
    assert says in run.stderr and "Traceback" not in run.stderr and not run.stdout


# The real thing


@pytest.mark.real
def test_uci_har_official_is_clean_and_random_is_not() -> None:
    windows = load_dataset("uci-har").windows()
    test = np.isin(windows.subjects, windows.official_test)
    official = audit_arrays(windows.values[~test], windows.values[test])
    assert official.findings == () and official.shared is not None
    train, test = at_random(windows)
    (segments,) = audit_arrays(train.values, test.values).findings
    assert segments.kind == "shared-segments" and segments.count > 0.85 * len(test)
    assert segments.details["typical_shift"] == 64
    assert inflation(train, test).points["nearest neighbour"] > 8


@pytest.mark.real
@pytest.mark.parametrize("name", ["wisdm", "mhealth", "hapt"])
def test_people_of_real_data_are_clean(name: str) -> None:
    windows = load_dataset(name).windows()
    test = np.isin(windows.subjects, windows.people[::3])
    assert audit(windows[~test], windows[test]).findings == ()


@pytest.mark.real
def test_single_channels_of_real_people_are_clean() -> None:
    windows = load_dataset("mhealth").windows()
    test = np.isin(windows.subjects, windows.people[::3])
    for k in range(windows.values.shape[2]):
        x = windows.values[:, :, [k]]
        assert audit_arrays(x[~test], x[test]).findings == (), windows.channels[k]
