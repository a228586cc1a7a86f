"""The page is one file that loads nothing, escapes everything, and shows each promised part."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_training import Tiny

from ambulo import Recognizer, evaluate, train
from ambulo.day import NOTHING
from ambulo.errors import EvaluationError, OutputError
from ambulo.events import EventScores
from ambulo.importance import attention_over_time
from ambulo.protocols import Fold
from ambulo.report import Facts, Picture, Section, Table, figures, write_evaluation, write_page
from ambulo.report.figures import drawn
from ambulo.report.group import _week
from ambulo.scores import Evaluation
from ambulo.windows import Windows

HOSTILE = "<script>alert(1)</script> $\\frac{ & \"'\x07 行走 https://evil.example/x.js"
COMMAND = "ambulo evaluate synthetic --report 'a folder'"


class Page(HTMLParser):
    """What a page consists of: tags with their attributes, headings, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def sections(self) -> list[str]:
        return [a["id"] for a in self.all("section")]


@pytest.fixture(scope="module")
def attentive(synthetic: Windows) -> Evaluation:
    return evaluate(
        "cnn-lstm-attention",
        synthetic,
        protocol="people:1,2",
        epochs=1,
        explain=True,
        sizes={"hidden": 8},
    )


@pytest.fixture(scope="module")
def plain(synthetic: Windows) -> Evaluation:
    return evaluate(Tiny, synthetic, protocol="groups:2", seeds=2, epochs=3, explain=True)


def page_of(evaluation: Evaluation, folder: Path, **more: Any) -> Page:
    return Page(write_evaluation(evaluation, folder, **more)[0].read_text())


def is_self_contained(page: Page) -> bool:
    sources = [
        a[key] for _, a in page.tags for key in ("src", "href", "data", "srcset") if key in a
    ]
    local = all(source.startswith(("data:", "#")) for source in sources)
    return local and not page.all("script") and not any("style" in a for _, a in page.tags)


EVERY = ["scores", "people", "confusion", "classes", "curves", "examples", "calibration"]


def test_every_promised_part(attentive: Evaluation, synthetic: Windows, tmp_path: Path) -> None:
    page = page_of(
        replace(attentive, audit={"clean": True, "verdict": "Nothing leaks.", "findings": []}),
        tmp_path,
        windows=synthetic,
        command=COMMAND,
    )
    assert page.sections == [*EVERY, "importance", "attention", "audit", "origin"]
    for says in ("Protocol people:1,2", "95 % interval", "Nothing leaks", COMMAND, "torch 2"):
        assert says in page.text
    assert is_self_contained(page) and "INFLATED" not in page.text
    assert all(len(a["alt"]) > 30 for a in page.all("img"))
    assert "Points: accuracy of 2 test people" in " ".join(a["alt"] for a in page.all("img"))
    assert len(page.all("img")) == len(list(tmp_path.glob("*.png")))
    for section in page.sections:
        assert json.loads((tmp_path / f"{section}.json").read_text())


def test_no_address_is_in_the_page(
    attentive: Evaluation, synthetic: Windows, tmp_path: Path
) -> None:
    html = write_evaluation(attentive, tmp_path, windows=synthetic)[0].read_text()
    assert "http://" not in html and "https://" not in html and "@import" not in html
    assert 'name="viewport"' in html and "@media print" in html


def test_a_model_without_attention(plain: Evaluation, synthetic: Windows, tmp_path: Path) -> None:
    page = page_of(plain, tmp_path, windows=synthetic)
    assert page.sections == [*EVERY, "importance", "audit", "origin"] and plain.attention is None
    assert "Between the 2 seeds" in page.text and "2 seeds" in page.text
    assert not list(tmp_path.glob("attention*"))


def test_a_head_that_is_solved_has_no_curves(synthetic: Windows, tmp_path: Path) -> None:
    scores = evaluate("features", synthetic, protocol="people:1,2")
    page = page_of(scores, tmp_path / "solved")
    assert "there are no epochs" in page.text and not list(tmp_path.glob("*/curves.png"))
    (row,) = scores.histories[0]
    assert f"{100 * row['validation_accuracy']:.1f} %" in page.text
    page = page_of(replace(scores, histories=[[]]), tmp_path / "unknown")  # its card tells nothing
    assert "curves" not in page.sections


def test_without_windows_or_explanation(plain: Evaluation, tmp_path: Path) -> None:
    bare = replace(
        plain, probabilities=None, truth=None, positions=None, importance=None, audit=None
    )
    page = page_of(bare, tmp_path)
    assert page.sections == ["scores", "people", "confusion", "classes", "curves", "origin"]
    assert bare.calibration() is None and bare.to_dict()["calibration"] is None


def test_names_may_hold_anything(attentive: Evaluation, synthetic: Windows, tmp_path: Path) -> None:
    names = (HOSTILE, *synthetic.activities[1:])
    who = np.where(synthetic.subjects == "1", HOSTILE, synthetic.subjects)
    hostile = replace(
        attentive,
        dataset=HOSTILE,
        model=HOSTILE,
        protocol=f"people:{HOSTILE}",
        activities=names,
        people=(HOSTILE, "2"),
        folds=(Fold(HOSTILE, ("3", "4"), (HOSTILE, "2")),),
        data={"terms": HOSTILE, "citation": HOSTILE},
        options={HOSTILE: HOSTILE},
        audit={"verdict": HOSTILE, "findings": [{"kind": HOSTILE, "count": 1, "text": HOSTILE}]},
    )
    windows = replace(synthetic, activities=names, subjects=who, recordings=who)
    page = page_of(hostile, tmp_path, windows=windows, command=HOSTILE)
    assert is_self_contained(page) and "<script>alert(1)</script>" in page.text
    for image in page.all("img"):
        kind, _, content = image["src"].partition(";base64,")
        picture = base64.b64decode(content)
        assert kind == "data:image/png" or (b"<script" not in picture and b"\x07" not in picture)


@pytest.mark.slow
def test_an_inflated_score_is_stamped_everywhere(
    plain: Evaluation, synthetic: Windows, tmp_path: Path
) -> None:
    folds = tuple(Fold(f.name, f.train + f.test, f.test) for f in plain.folds)
    inflated = replace(plain, folds=folds)
    assert inflated.inflated and inflated.to_dict()["inflated"] and not plain.inflated
    html = write_evaluation(inflated, tmp_path, windows=synthetic)[0].read_text()
    assert "<title>INFLATED" in html and 'class="stamp"' in html and "inflated; 95 %" in html
    assert "nobody of them was seen" not in html
    honest = write_evaluation(plain, tmp_path / "honest", windows=synthetic)[0].parent
    for name in ("people", "confusion", "curves", "calibration", "importance", "example-1-right"):
        assert (tmp_path / f"{name}.png").read_bytes() != (honest / f"{name}.png").read_bytes()


def test_the_table_of_events_tells_what_became_of_each(plain: Evaluation, tmp_path: Path) -> None:
    kinds = {"correct": 1, "deleted": 2, "fragmented": 3, "merged": 4, "fragmented_and_merged": 5}
    times = {"overfill": 7.0, "underfill": 8.0, "latency": None, "precision": {0.5: None}}
    scores: Any = {"true": 15, "found": 11, **kinds, "inserted": 6, **times}
    found = {"walking": EventScores(**scores)}
    page = page_of(replace(plain, context="offline", events=found), tmp_path)
    assert "walking151234567/8" in "".join(page.text.split())


def test_context_is_named_with_every_score(plain: Evaluation, tmp_path: Path) -> None:
    other = replace(plain, context="causal, 2 windows later")
    assert "Context: causal, 2 windows later." in page_of(other, tmp_path).text
    assert "context causal, 2 windows later" in figures.title(other)
    assert "Context" not in page_of(plain, tmp_path / "plain").text


def test_examples_are_what_they_say(
    attentive: Evaluation, synthetic: Windows, tmp_path: Path
) -> None:
    write_evaluation(attentive, tmp_path, windows=synthetic)
    chosen = json.loads((tmp_path / "examples.json").read_text())
    assert {one["right"] for one in chosen} == {True, False}
    assert attentive.probabilities is not None
    for one in chosen:
        at, p = one["position"], attentive.probabilities[0, one["row"]]
        assert synthetic.activities[synthetic.labels[at]] == one["true"]
        assert synthetic.activities[p.argmax()] == one["decided"]
        assert str(synthetic.subjects[at]) == one["person"] in ("1", "2")
        assert one["right"] == (one["true"] == one["decided"])


def test_no_two_activities_of_a_week_look_alike() -> None:
    names = [*(f"activity {k}" for k in range(22)), *NOTHING]
    picture = _week([("Monday", 1, *[1.0] * len(names))], names).figure
    (axes,) = picture.axes
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in axes.patches}) == len(names)
    drawn(picture, "png")
    assert axes.get_window_extent().height > 0.4 * picture.bbox.height  # its names leave it room


def test_other_windows_are_refused(plain: Evaluation, synthetic: Windows, tmp_path: Path) -> None:
    for other in (synthetic[:50], replace(synthetic, labels=synthetic.labels[::-1].copy())):
        with pytest.raises(EvaluationError, match="not the windows"):
            write_evaluation(plain, tmp_path / "out", windows=other)
    assert not (tmp_path / "out").exists()


def test_all_or_nothing(
    plain: Evaluation, synthetic: Windows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_evaluation(plain, tmp_path / "file" / "out")
    drawn, calls = figures.drawn, []

    def breaks(*arguments: Any) -> bytes:
        calls.append(1)
        if len(calls) > 5:
            raise ValueError("no ink")
        return drawn(*arguments)

    monkeypatch.setattr("ambulo.report.page.drawn", breaks)
    with pytest.raises(ValueError, match="no ink"):
        write_evaluation(plain, tmp_path / "out", windows=synthetic)
    assert not (tmp_path / "out").exists()


def test_of_very_many_people_those_recognised_worst_are_drawn(
    plain: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = plain.per_person()
    worst = sorted(plain.people, key=lambda person: scores[person]["accuracy"])[:2]
    monkeypatch.setattr(figures, "MOST_PEOPLE", 2)
    (axes,) = figures.people(plain).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == worst
    assert axes.get_ylabel() == f"test person, the worst 2 of {len(plain.people)}"
    page = write_evaluation(plain, tmp_path / "out")[0].read_text()
    assert f"the 2 recognised worst of {len(plain.people)} test people" in page


def test_a_page_of_ones_own(plain: Evaluation, tmp_path: Path) -> None:
    sections = [
        Section("walk", "A walk", ["Words & <b>", Facts([("published", "97 %", "by whom")])]),
        Section(
            "table", "A table", [Table("Caption", ("a", "b"), [("x", 1)])], {"x": float("nan")}
        ),
        Section("picture", "A picture", [Picture("bars", figures.people(plain), "Some bars")]),
    ]
    written = write_page("Reproduced", sections, tmp_path, lead="Lead", stamp="Beware", name="walk")
    page = Page(written[0].read_text())
    assert [p.name for p in written] == ["walk.html", "bars.png", "table.json"]
    assert page.sections == ["walk", "table", "picture"] and not page.all("b")
    assert "Words & <b>" in page.text and "Beware" in page.text and "97 %" in page.text
    assert json.loads((tmp_path / "table.json").read_text()) == {"x": None}
    assert [a["scope"] for a in page.all("th")] == ["col", "col", "row"]


@pytest.mark.slow
def test_the_same_page_twice(plain: Evaluation, synthetic: Windows, tmp_path: Path) -> None:
    first, again = (
        write_evaluation(plain, tmp_path / name, windows=synthetic)[0].read_bytes()
        for name in ("a", "b")
    )
    assert first == again and len(first) < 3_000_000


@pytest.mark.slow
def test_a_recognizer_has_a_report_too(short: Windows, tmp_path: Path) -> None:
    sizes = {"hidden": 8}
    recognizer = train("cnn-lstm-attention", short.of(["1", "2"]), epochs=1, sizes=sizes)
    loaded = Recognizer.load(recognizer.save(tmp_path / "a.ambulo"))
    evaluation = evaluate(loaded, short, explain=True)
    assert evaluation.people == ("3", "4") and not evaluation.inflated
    network = recognizer.to_network()
    assert network is not None
    its = attention_over_time(network, short.of(["3", "4"]).values)
    assert its is not None and np.array_equal(its, evaluation.attention)
    page = page_of(evaluation, tmp_path / "out", windows=short)
    assert "attention" in page.sections and "importance" in page.sections
    assert re.search(r"Person [34], recording", page.text)
    some = np.where(np.arange(len(short)) % 7, short.labels, -1)
    other = replace(short, labels=some).coded(sorted(short.activities))
    given = evaluate(loaded, other, explain=True, context="causal")
    assert given.attention is not None and len(given.attention) == len(given.truth)
    assert "attention" in page_of(given, tmp_path / "other", windows=other).sections


def test_another_data_sets_people_are_not_the_same(synthetic: Windows) -> None:
    recognizer = train(Tiny, synthetic, epochs=1)
    card = recognizer.card | {"data": "elsewhere"}
    evaluation = evaluate(replace(recognizer, card=card), synthetic)
    assert evaluation.people == ("1", "2", "3", "4") and not evaluation.inflated
    assert "elsewhere 1" in evaluation.folds[0].train
