"""`best`: parts fitted alone, and one head that says what they say together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ambulo import Recognizer, adapt, evaluate, train
from ambulo.errors import OutputError, RecognizerError, TrainingError
from ambulo.exporting import export
from ambulo.models.best import Best, Fixed
from ambulo.models.convolutional import CNN
from ambulo.options import Options, make_options
from ambulo.recognizer import softmax
from ambulo.report import write_evaluation
from ambulo.training import Fit, fit
from ambulo.windows import Windows

FEW = {"features": 168}


@pytest.fixture(scope="module")
def options() -> Options:
    return Options(epochs=3, sizes={**FEW, "learnt": 0.4})


@pytest.fixture(scope="module")
def fitted(short: Windows, options: Options) -> Fit:
    return fit("best", short, options)


@pytest.fixture(scope="module")
def made(fitted: Fit, short: Windows, options: Options) -> Recognizer:
    return Recognizer.from_network(
        fitted.network, short, name="best", sizes=options.sizes, temperature=fitted.temperature
    )


def said(found: Fit, windows: Windows) -> torch.Tensor:
    with torch.no_grad():
        return found.network(torch.as_tensor(windows.values)) / found.temperature


def test_it_says_the_mean_of_what_its_parts_say(
    fitted: Fit, short: Windows, options: Options
) -> None:
    learnt = fit(CNN, short, replace(options, sizes={}))
    fixed = fit(Fixed, short, replace(options, sizes=FEW))
    expected = 0.4 * said(learnt, short) + 0.6 * said(fixed, short)
    both = said(fitted, short) * fitted.temperature / fixed.temperature
    assert (both - expected).abs().max() < 0.01 * expected.abs().max()  # weights are halves
    assert (both.argmax(1) == expected.argmax(1)).float().mean() > 0.99
    assert fitted.validation_people == learnt.validation_people == fixed.validation_people


def test_its_history_is_that_of_both_parts(fitted: Fit) -> None:
    *epochs, solved = fitted.history
    assert [row["epoch"] for row in fitted.history] == [0, 1, 2, 3]
    assert all("loss" in row for row in epochs) and "penalty" in solved
    assert fitted.best_epoch == 3 and 0 < solved["validation_accuracy"] <= 1


def test_nothing_is_learnt_where_its_share_is_none(short: Windows) -> None:
    found = fit("best", short, Options(sizes={**FEW, "learnt": 0.0}))
    alone = fit(Fixed, short, Options(sizes=FEW))
    assert len(found.history) == 1
    assert torch.equal(said(found, short), said(alone, short))


def test_without_validation_people_it_is_as_sure_as_its_fixed_part(short: Windows) -> None:
    nobody = {"epochs": 1, "validation": 0.0}
    found = fit("best", short, Options(**nobody, sizes=FEW))
    fixed = fit(Fixed, short, Options(**nobody, sizes=FEW))
    assert found.temperature == fixed.temperature < 0.9 and found.aside is None


def test_normalisations_are_folded(short: Windows) -> None:
    network = fit(CNN, short, Options(epochs=1)).network.network
    assert isinstance(network, CNN)
    x = torch.randn(4, *short.values.shape[1:])
    with torch.no_grad():
        before = network(x)
        network.fold()
        assert torch.allclose(network(x), before, atol=1e-5)
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in network.modules())


@pytest.mark.parametrize("learnt", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(short: Windows, learnt: float) -> None:
    with pytest.raises(TrainingError, match="learnt must be from 0 to below 1"):
        train("best", short, sizes={"learnt": learnt})


def test_sizes_that_suit_the_data_are_kept_beside_given_ones(short: Windows) -> None:
    suits = replace(short, training={"best": {"copies": 2, "sizes": {"learnt": 0.0}}})
    assert make_options({"sizes": FEW}, suits, "best").sizes == {**FEW, "learnt": 0.0}
    assert make_options({"sizes": {"learnt": 0.2}}, suits, "best").sizes == {"learnt": 0.2}
    small = make_options({}, suits, "small")  # which has the same options but no such size
    assert small.sizes == {} and small.copies == 2


@pytest.mark.parametrize("format", ["onnx", "float16", "phone", "c"])
def test_its_exports_decide_alike(
    made: Recognizer, short: Windows, tmp_path: Path, format: str
) -> None:
    calm = replace(made, temperature=made.temperature * 20)  # so that no probability is 1
    done = export(calm, tmp_path / "net", format=format, windows=short.values[:40])
    assert done.difference < 1e-4
    assert calm.probabilities(short.values[:40]).max() < 0.99


@pytest.mark.slow
def test_its_c_drops_an_odd_last_step_too(short: Windows, tmp_path: Path) -> None:
    odd = replace(short, values=short.values[:, :61])
    found = fit("best", odd, Options(epochs=1, sizes={**FEW, "learnt": 0.9}))
    made = Recognizer.from_network(found.network, odd, name="best", sizes=FEW, temperature=20.0)
    done = export(made, tmp_path / "net.h", format="c", windows=odd.values[:40])
    assert done.difference < 1e-4


def test_in_bytes_it_is_written_or_its_difference_is_told(
    made: Recognizer, short: Windows, tmp_path: Path
) -> None:
    try:
        done = export(made, tmp_path / "net", format="int8", windows=short.values)
        assert done.difference <= 1e-3 and (tmp_path / "net").exists()
    except OutputError as error:
        assert "in a probability" in str(error) and not (tmp_path / "net").exists()


def test_its_head_can_be_taught(made: Recognizer, short: Windows) -> None:
    person = short.of(["1"])
    codes = (person.labels + 1) % len(person.activities)  # what nobody could have learnt before
    swapped = replace(person, labels=codes)
    child = adapt(made, swapped)
    before, after = (
        (r.probabilities(swapped.values).argmax(1) == swapped.labels).mean() for r in (made, child)
    )
    assert after > before


def test_weights_of_another_ambulo_are_told(made: Recognizer) -> None:
    old = {name.replace(".fixed", ""): tensor for name, tensor in made.tensors.items()}
    with pytest.raises(RecognizerError, match="still predicts, but to learn on from it"):
        replace(made, tensors=old).to_network()


def test_the_report_has_curves_and_what_was_solved(short: Windows, tmp_path: Path) -> None:
    found = evaluate("best", short, protocol="people:1,2", epochs=2, sizes=FEW)
    (page, *_) = write_evaluation(found, tmp_path)
    text = page.read_text()
    assert list(tmp_path.glob("curves.png")) and "that is solved takes one step" in text


def test_a_part_has_no_head_of_its_own() -> None:
    network = Best(6, 64, 4, features=168)
    heads = [name for name, _ in network.named_parameters() if "head" in name]
    assert heads == ["head.weight", "head.bias"]


def test_softmax_of_both_is_what_a_file_says(made: Recognizer, fitted: Fit, short: Windows) -> None:
    expected = softmax(said(fitted, short).numpy())
    assert np.abs(made.probabilities(short.values) - expected).max() < 1e-5
