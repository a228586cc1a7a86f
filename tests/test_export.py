"""Exports decide as the recognizer does, or are not written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from ambulo import Recognizer, export, train
from ambulo.c_header import MODELS, c_header, run
from ambulo.errors import OutputError
from ambulo.exporting import FORMATS
from ambulo.recognizer import softmax
from ambulo.windows import Windows


@pytest.fixture(scope="module")
def recognizer(synthetic: Windows) -> Recognizer:
    return train("cnn-lstm", synthetic, epochs=1, sizes={"filters": 16, "hidden": 16})


@pytest.mark.parametrize("format", ["onnx", "phone"])
def test_other_runtimes_get_the_same_probabilities(
    recognizer: Recognizer, synthetic: Windows, format: str, tmp_path: Path
) -> None:
    done = export(recognizer, tmp_path / "x", format=format, windows=synthetic.values)
    assert (done.windows, done.opset) == (len(synthetic), 18) and done.milliseconds > 0
    graph, temperature = (tmp_path / "x").read_bytes(), recognizer.temperature
    if format == "phone":
        with zipfile.ZipFile(tmp_path / "x") as archive:
            assert set(archive.namelist()) == {"recognizer.json", "network.onnx"}
            graph = archive.read("network.onnx")
            head = json.loads(archive.read("recognizer.json"))
        assert head["activities"] == list(recognizer.activities) and head["context"]
        assert head["windowing"]["rate"] == 50.0 and head["card"]["terms"]
        temperature = head["temperature"]
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for n in (1, 7):
        (logits,) = session.run(["logits"], {"signal": synthetic.values[:n]})
        expected = recognizer.probabilities(synthetic.values[:n])
        assert softmax(logits / temperature) == pytest.approx(expected, abs=1e-5)


def test_a_graph_says_what_it_takes_and_gives(
    recognizer: Recognizer, synthetic: Windows, tmp_path: Path
) -> None:
    """Who has the file alone knows channels, units, rate, activities and temperature."""
    export(recognizer, tmp_path / "x.onnx", windows=synthetic.values)
    about = onnxruntime.InferenceSession(tmp_path / "x.onnx").get_modelmeta()
    head = json.loads(about.custom_metadata_map["recognizer.json"])
    known = json.loads(json.dumps(recognizer.head()))
    assert head == {key: part for key, part in known.items() if key != "card"}
    assert about.custom_metadata_map["terms"] == recognizer.card["terms"]
    assert "128 samples at 50 Hz" in about.description and "gyro in rad/s" in about.description
    assert "each acc_x, acc_y, acc_z" in about.description and "with gravity" in about.description
    assert f"logits / {recognizer.temperature}" in about.description


def test_c_says_whether_gravity_is_in(synthetic: Windows) -> None:
    made = train("rocket", synthetic, sizes={"features": 84}, progress=False)
    assert "acc in m/s2 with gravity, gyro in rad/s */" in c_header(made)
    text = c_header(replace(made, windowing=replace(made.windowing, gravity="remove")))
    assert "acc in m/s2 less the mean of each axis" in text and "with gravity" not in text


@pytest.mark.parametrize("format", ["float16", "int8"])
def test_smaller_formats_are_near_enough_or_not_written(
    recognizer: Recognizer, synthetic: Windows, format: str, tmp_path: Path
) -> None:
    try:
        done = export(recognizer, tmp_path / "x", format=format, windows=synthetic.values)
    except OutputError as error:
        assert "not written" in str(error) and not list(tmp_path.iterdir())
        return
    assert done.difference <= 1e-3 and done.bytes < 0.8 * len(recognizer.graph)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("model", MODELS)
def test_plain_c_decides_alike(model: str, synthetic: Windows, tmp_path: Path) -> None:
    sizes = {"features": 84} if model in ("rocket", "best") else {}
    few = train(model, synthetic.of(synthetic.people[:2]), progress=False, epochs=1, sizes=sizes)
    done = export(few, tmp_path / "net.h", format="c", windows=synthetic.values)
    assert done.difference < 1e-3 and done.windows == len(synthetic) and done.opset == 0
    text = (tmp_path / "net.h").read_text()
    assert len(text) == done.bytes and '"walking"' in text
    assert model != "small" or done.bytes < 300_000
    wild = synthetic.values[:3].copy()
    wild[[0, 1], 9, 2] = np.nan, np.inf
    said, _ = run(text, wild, len(few.activities))
    assert np.isnan(said[:2]).all() and np.isfinite(said[2]).all()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_many_channels_are_written_in_c(synthetic: Windows, tmp_path: Path) -> None:
    """Which channels a kernel sees is a bit each: more than a short holds."""
    names = tuple(f"{place}.{name}" for place in "abc" for name in synthetic.channels)
    values = np.concatenate([synthetic.values, -synthetic.values, 2 * synthetic.values], axis=2)
    wide = replace(synthetic, values=values, channels=names, placements=("a", "b", "c"))
    wide = replace(wide, windowing=replace(wide.windowing, channels=names))
    made = train("rocket", wide, sizes={"features": 420}, progress=False)
    written = export(made, tmp_path / "net.h", format="c", windows=wide.values[:60])
    assert written.difference < 1e-3
    assert "typedef int ambulo_kernel_type" in (tmp_path / "net.h").read_text()


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_names_stay_names_in_c(synthetic: Windows, tmp_path: Path) -> None:
    """A recognizer may be anybody's: what it calls an activity must not become a program."""
    code = 'a"}; __attribute__((constructor)) static void f(void){remove("%s");} char *q[]={"b'
    (tmp_path / "kept").touch()
    names = (code % (tmp_path / "kept"), 'fast "walk"', "Gehen\\\n", "步行??/", "a", "b")
    made = train("rocket", synthetic, sizes={"features": 84}, progress=False)
    windowing = replace(made.windowing, channels=("*/ #error", *made.windowing.channels[1:]))
    odd = replace(made, activities=names[: len(made.activities)], windowing=windowing)
    export(odd, tmp_path / "net.h", format="c", windows=synthetic.values[:40])
    assert (tmp_path / "kept").exists() and "*/ #error" not in (tmp_path / "net.h").read_text()
    program = tmp_path / "main.c"
    program.write_text(
        '#include <stdio.h>\n#include "net.h"\n'
        "int main(void) { for (int k = 0; k < AMBULO_CLASSES; k++) puts(ambulo_activities[k]); }"
    )
    subprocess.run(["cc", "-std=c99", program, "-o", tmp_path / "main", "-lm"], check=True)
    said = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout.decode()
    assert said == "".join(f"{name}\n" for name in odd.activities)


def test_what_c_cannot_be_made_of_is_refused(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="train one of features, rocket, best, small"):
        export(recognizer, tmp_path / "net.h", format="c")
    assert not list(tmp_path.iterdir())


def test_what_decides_otherwise_is_not_written(
    recognizer: Recognizer, synthetic: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = train("cnn-lstm", synthetic, epochs=1, seed=1, sizes={"filters": 16, "hidden": 16})
    monkeypatch.setitem(FORMATS, "onnx", lambda graph: other.graph)
    with pytest.raises(OutputError, match=r"not written.*given windows"):
        export(recognizer, tmp_path / "x.onnx", windows=synthetic.values)
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="choose from onnx, float16, int8, phone, c"):
        export(recognizer, tmp_path / "x", format="exe")


def test_the_command_says_what_it_checked_on(recognizer: Recognizer, tmp_path: Path) -> None:
    small = replace(recognizer, card={"terms": "none"})
    command = [sys.executable, "-m", "ambulo", "export", str(small.save(tmp_path / "r.ambulo"))]
    made_up = subprocess.run(
        [*command, "--out", str(tmp_path / "a.onnx")], capture_output=True, text=True, check=True
    )
    assert "made-up windows" in made_up.stderr and "opset 18" in made_up.stdout
    real = subprocess.run(
        [*command, "--out", str(tmp_path / "b.zip"), "--format", "phone", "--json"]
        + ["--check", "synthetic"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(real.stdout)
    assert found["checked_on"] == "synthetic" and found["windows"] > 500
    assert np.isclose(found["difference"], 0) and not real.stderr
