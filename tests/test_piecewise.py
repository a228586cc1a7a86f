"""A recording in pieces gives the timeline of the whole, whatever the pieces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambulo import Gap, Recognizer, Timeline, Windowing, load_dataset, read, train
from ambulo.datasets.synthetic import make
from ambulo.errors import RecognizerError, RecordingError, WindowingError
from ambulo.piecewise import predict_file, predict_pieces
from ambulo.readers import pieces
from ambulo.readers import pieces as open_pieces
from ambulo.readers.pieces import in_pieces
from ambulo.readers.table import write
from ambulo.recording import Recording

ACC = ("acc_x", "acc_y", "acc_z")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    dataset = replace(load_dataset("synthetic"), recordings=tuple(make(people=3, minutes=2.0)))
    windowing = Windowing(seconds=2.56, overlap=0.5, rate=20.0, channels=ACC)
    trained = train("features", windowing.cut(dataset.recordings))
    assert trained.context is not None and trained.context.reference is not None
    return trained


@pytest.fixture(scope="module")
def recording() -> Recording:
    (made,) = make(people=1, minutes=2.0, rate=64.0, seed=5)
    gaps = (Gap(10.0, 17.3), Gap(18.0, 19.0), Gap(60.5, 61.25))
    return replace(made, gaps=gaps, intervals=())


def same(a: Timeline, b: Timeline) -> None:
    assert [x.activity for x in a] == [x.activity for x in b]
    for key in ("start", "end", "confidence"):
        left, right = ([getattr(bout, key) for bout in t] for t in (a, b))
        np.testing.assert_allclose(left, right, atol=1e-4 if key == "confidence" else 1e-6)
    assert (a.start, a.recording) == (b.start, b.recording)


@pytest.mark.parametrize("size", [7, 131, 1000, 10**6])
@pytest.mark.parametrize("context", ["offline", "causal", "none"])
def test_pieces_of_any_size_give_the_timeline_of_the_whole(
    recognizer: Recognizer, recording: Recording, size: int, context: str
) -> None:
    whole = recognizer.predict(recording, context=context)
    assert {"gap", "unknown"} <= set(whole.totals())
    same(predict_pieces(recognizer, in_pieces(recording, size), context=context), whole)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_file_in_pieces_gives_the_timeline_of_the_file(
    recognizer: Recognizer,
    recording: Recording,
    tmp_path: Path,
    ending: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ambulo.readers.clean._BLOCK", 500)
    path = write(replace(recording, start=None).select(ACC), tmp_path / f"a.{ending}")
    again = open_pieces(path)
    assert sum(len(values) for _, values in again) == again.samples == len(recording)
    assert (len(again.sketch) < len(recording)) == (ending == "never")
    same(predict_file(recognizer, path), recognizer.predict(read(path)))


def test_a_long_file_is_judged_by_stretches_and_scaled_like_the_whole(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made,) = make(people=1, minutes=5.0, rate=50.0, seed=2)
    in_g = replace(made, values=made.values / np.float32(9.80665), intervals=()).select(ACC)
    path = write(in_g, tmp_path / "g.parquet")
    monkeypatch.setattr("ambulo.readers.clean._STRETCHES", 5)
    monkeypatch.setattr("ambulo.readers.clean._BLOCK", 777)
    in_parts = pieces(path)
    assert len(in_parts.sketch) < 0.5 * in_parts.samples
    assert in_parts.sketch.notes["scaled_by"]["acc_x"] == pytest.approx(9.80665)
    whole = read(path)
    np.testing.assert_array_equal(np.concatenate([v for _, v in in_parts]), whole.values)
    same(predict_file(recognizer, path), recognizer.predict(whole))


def test_watchers_see_every_sample_once(recognizer: Recognizer, recording: Recording) -> None:
    seen: list[tuple[float, np.ndarray]] = []

    class Watch:
        def push(self, begin: float, values: np.ndarray) -> None:
            seen.append((begin, values))

    predict_pieces(recognizer, in_pieces(recording, 333), watchers=[Watch()])
    np.testing.assert_array_equal(np.concatenate([v for _, v in seen]), recording.values)
    assert sorted({begin for begin, _ in seen}) == [s.start for s in recording.segments]


def test_what_cannot_be_predicted_is_refused(recognizer: Recognizer, recording: Recording) -> None:
    with pytest.raises(WindowingError, match="longer recording"):
        predict_pieces(recognizer, in_pieces(replace(recording, values=recording.values[:50])))
    with pytest.raises(RecognizerError, match="lacks the channels acc_x"):
        predict_pieces(recognizer, in_pieces(recording.select(["gyro_x"])))


def test_a_file_cut_short_while_it_is_read_is_told(
    recognizer: Recognizer, recording: Recording, tmp_path: Path
) -> None:
    path = write(recording, tmp_path / "day.parquet", labels=False)
    opened = pieces(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(RecordingError, match=r"day\.parquet: changed while it was read"):
        predict_pieces(recognizer, opened)
