"""The one file: complete, safe to load, and clear about what it cannot do."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambulo import Recognizer, Recording, adapt, evaluate, load_dataset, train
from ambulo.datasets.synthetic import make
from ambulo.errors import RecognizerError, RecordingError, WindowingError
from ambulo.readers.table import write
from ambulo.windows import Windowing, Windows


@pytest.fixture(scope="module")
def recognizer(synthetic: Windows) -> Recognizer:
    return train("cnn-lstm", synthetic, epochs=2)


@pytest.fixture(scope="module")
def saved(recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recognizer.save(tmp_path_factory.mktemp("recognizer") / "waist.ambulo")


def test_loads_what_was_saved(recognizer: Recognizer, saved: Path) -> None:
    again = Recognizer.load(saved)
    assert again == recognizer
    assert all(np.array_equal(again.tensors[k], v) for k, v in recognizer.tensors.items())


def test_predicts_the_whole_recording(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=1.0, seed=5)
    timeline = recognizer.predict(recording)
    assert timeline.bouts[-1].end == pytest.approx(60)
    assert sum(timeline.totals().values()) == pytest.approx(60)
    assert all(0 <= bout.confidence <= 1 for bout in timeline)


def test_other_rates_and_channel_orders_are_put_right(recognizer: Recognizer) -> None:
    (recording,) = make(people=1, minutes=1.0, seed=5)
    turned = recording.select([c.name for c in recording.channels][::-1])
    assert recognizer.predict(turned) == recognizer.predict(recording)
    (fast,) = make(people=1, minutes=1.0, rate=100.0, seed=5)
    assert recognizer.predict(fast).bouts[-1].end == pytest.approx(60)


def test_says_what_it_is(recognizer: Recognizer) -> None:
    text = recognizer.describe()
    for word in ("walking-upstairs", "gyro_z", "2.56 s", "cnn-lstm", "synthetic", "terms", "seed"):
        assert word in text


def test_refuses_unfit_recordings(recognizer: Recognizer, recording: Recording) -> None:
    with pytest.raises(RecognizerError, match="lacks the channels gyro_x, gyro_y, gyro_z"):
        recognizer.predict(recording)
    (good,) = make(people=1, minutes=1.0)
    with pytest.raises(RecognizerError, match="20 Hz.*50 Hz"):
        recognizer.predict(replace(good, rate=20.0))
    with pytest.raises(
        WindowingError, match="recording .* has no 2.56 s in one piece .the longest lasts"
    ):
        recognizer.predict(replace(good, values=good.values[:100], intervals=()))


def rewrite(source: Path, target: Path, changes: dict[str, bytes | None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = changes.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def head(saved: Path, **changes: object) -> bytes:
    with zipfile.ZipFile(saved) as archive:
        return json.dumps(json.loads(archive.read("recognizer.json")) | changes).encode()


def test_damaged_files_are_refused(saved: Path, tmp_path: Path) -> None:
    whole = saved.read_bytes()
    (tmp_path / "cut.ambulo").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.ambulo").write_text("hello")
    (tmp_path / "empty.ambulo").write_bytes(b"")
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 255
    (tmp_path / "flipped.ambulo").write_bytes(bytes(flipped))
    rewrite(saved, tmp_path / "headless.ambulo", {"recognizer.json": None})
    rewrite(saved, tmp_path / "graphless.ambulo", {"network.onnx": None})
    rewrite(saved, tmp_path / "odd.ambulo", {"recognizer.json": b"[1, 2]"})
    for name in ("cut", "text", "empty", "flipped", "headless", "graphless", "odd", "absent"):
        with pytest.raises(RecognizerError, match=f"{name}.ambulo"):
            Recognizer.load(tmp_path / f"{name}.ambulo")


@pytest.mark.parametrize(
    "wrong",
    [
        {"activities": "abcdef"},
        {"activities": [*range(6)]},
        {"card": "text"},
        {"card": {"people": "anna"}},
        {"card": {"old": {"people": 5}}},
        {"card": {"old": 5}},
        {"card": {"parent": {"card": {"people": "anna"}}}},
    ],
)
def test_names_that_are_no_lists_are_refused(
    wrong: dict[str, object], saved: Path, tmp_path: Path
) -> None:
    """A text passed for its letters: those it had learnt from were scored as unseen."""
    path = rewrite(saved, tmp_path / "r.ambulo", {"recognizer.json": head(saved, **wrong)})
    with pytest.raises(RecognizerError, match="damaged"):
        Recognizer.load(path)


def test_a_newer_format_says_upgrade(saved: Path, tmp_path: Path) -> None:
    path = rewrite(saved, tmp_path / "new.ambulo", {"recognizer.json": head(saved, format=99)})
    with pytest.raises(RecognizerError, match="upgrade ambulo"):
        Recognizer.load(path)


def test_no_damage_shows_as_anything_else(saved: Path, tmp_path: Path) -> None:
    """Bits flipped anywhere, and content that is read but makes no sense."""
    whole, path, chance = saved.read_bytes(), tmp_path / "bad.ambulo", random.Random(0)
    heads = [head(saved, network=None, context=1.5), b"[" * 10**5, head(saved, windowing={})]
    heads += [head(saved, windowing={"seconds": -1, "channels": []})]
    for content in heads:
        rewrite(saved, path, {"recognizer.json": content})
        with pytest.raises(RecognizerError, match="damaged"):
            Recognizer.load(path)
    with zipfile.ZipFile(saved) as archive:
        directory = archive.start_dir
    refused = 0
    for k in range(120):
        flipped = bytearray(whole)
        for _ in range(3):
            flipped[chance.randrange(directory * (k % 2), len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            Recognizer.load(path)
        except RecognizerError:
            refused += 1
    assert refused > 60


def test_a_graph_that_is_none_is_refused(saved: Path, tmp_path: Path) -> None:
    path = rewrite(saved, tmp_path / "graph.ambulo", {"network.onnx": b"nonsense"})
    with pytest.raises(RecognizerError, match="cannot be run"):
        Recognizer.load(path).probabilities(np.zeros((1, 128, 6)))


def test_pickles_inside_are_not_loaded(saved: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    path = rewrite(saved, tmp_path / "p.ambulo", {"tensors/scaling.scale.npy": buffer.getvalue()})
    with pytest.raises(RecognizerError, match="damaged"):
        Recognizer.load(path)


def test_predicting_imports_no_torch(saved: Path, tmp_path: Path) -> None:
    (recording,) = make(people=1, minutes=1.0)
    table = write(recording, tmp_path / "monday.csv")
    code = (
        "import sys; from ambulo.cli import app\n"
        f"app(['predict', {str(saved)!r}, {str(table)!r}], standalone_mode=False)\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'matplotlib', 'scipy.signal'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "00:00:00.0-" in run.stdout


def test_windows_cut_by_labels_teach_what_predicts_without(recording: Recording) -> None:
    """Nobody has labelled what is to be predicted."""
    people = [replace(recording, subject=name, name=name) for name in "ab"]
    cut = Windowing(seconds=2.0, align="labels").cut(people)
    made = train("features", cut, validation=0.5, progress=False)
    unlabelled = replace(recording, intervals=())
    assert made.predict(unlabelled).bouts and made.windowing.align == "recording"


def test_what_is_no_windows_and_no_recording_is_told_with_the_way_to_them(
    recognizer: Recognizer, synthetic: Windows
) -> None:
    dataset = load_dataset("synthetic")
    for call in (train, evaluate):
        with pytest.raises(WindowingError, match=r"a Dataset was given: call its windows\(\)"):
            call("features", dataset)
    with pytest.raises(WindowingError, match="a list was given"):
        adapt(recognizer, [])  # type: ignore[arg-type]
    with pytest.raises(RecordingError, match=r"not a str: ambulo.read\(FILE\)"):
        recognizer.predict("monday.csv")  # type: ignore[arg-type]
    for wrong in (synthetic.values[0], synthetic.values[:2, :60], synthetic.values[:2, :, :3]):
        with pytest.raises(RecognizerError, match=r"windows are \(n, 128, 6\), but these are"):
            recognizer.probabilities(wrong)
