"""The page of days: what stands on it, what is written beside it, and how it does in a browser."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_report_browser import CHROMIUM, browse, measured
from typer.testing import CliRunner

from ambulo import Gap, Recognizer, Windowing, train
from ambulo.cli import app
from ambulo.datasets.synthetic import make
from ambulo.readers.pieces import in_pieces
from ambulo.readers.table import write
from ambulo.report.daily import daily, write_daily

ACC = ("acc_x", "acc_y", "acc_z")
BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    windowing = Windowing(seconds=2.56, overlap=0.5, rate=20.0, channels=ACC)
    return train("features", windowing.cut(make(people=3, minutes=2.0)))


@pytest.fixture(scope="module")
def folder(recognizer: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes over a change of clocks, with a gap."""
    (made,) = make(people=1, minutes=4.0, seed=3)
    start = datetime(2024, 3, 31, 0, 58, 30, tzinfo=UTC)
    made = replace(made, start=start, gaps=(Gap(100.0, 160.0),), name="a</script><b>", intervals=())
    found = daily(recognizer, in_pieces(made, 1000), zone="Europe/Rome")
    out = tmp_path_factory.mktemp("days")
    assert write_daily(found, out)[0] == out / "report.html"
    return out


def test_the_page_and_its_files_say_the_same(folder: Path) -> None:
    names = ["days.csv", "days.json", "days.parquet", "report.html", "timeline.csv"]
    assert sorted(p.name for p in folder.iterdir()) == names
    (day,) = json.loads((folder / "days.json").read_text())
    assert day["date"] == "2024-03-31" and day["length"] == 23
    assert [h["clock"][11:16] for h in day["hours"]] == ["01:58", "03:00"]
    assert sum(day["minutes"].values()) == pytest.approx(5, abs=0.01)
    assert day["minutes"]["gap"] == pytest.approx(1, abs=0.01) and day["steps"] > 50
    page = (folder / "report.html").read_text()
    shares = re.findall(r"([\d.]+) % of recording", page)
    assert "20.0 % of all" in page and sum(map(float, shares)) == pytest.approx(100, abs=0.5)
    assert "<b>" not in page and "script-src &#39;sha256-" not in page
    assert "script-src 'sha256-" in page and "Moe-Nilssen" in page


@BROWSER
def test_the_script_runs_and_asks_nobody(folder: Path, tmp_path: Path) -> None:
    dom, console, asked = browse(folder / "report.html", tmp_path, "--virtual-time-budget=9000",
                                 "--dump-dom")  # fmt: skip
    assert console == [] and asked == []
    assert 'data-ready="yes"' in dom
    said = re.search(r'role="status"[^>]*>([^<]+)<', dom)
    assert said and said[1].startswith("Sun 2024-03-31 01:58:30 to 03:03:30 (5.0 min): ")


@BROWSER
@pytest.mark.parametrize("width", [390, 1200])
def test_it_fits_and_zooms(folder: Path, tmp_path: Path, width: int) -> None:
    frame = tmp_path / "frame.html"
    page = html.escape((folder / "report.html").read_text())
    frame.write_text(
        f'<iframe id="f" style="width:{width}px;height:900px;border:0" srcdoc="{page}"></iframe>'
        """<script>
        window.onload = () => setTimeout(() => {
          const d = document.getElementById("f").contentDocument, out = [];
          const canvas = d.querySelector("canvas");
          const status = () => d.querySelector("[role=status]").textContent;
          const colours = () => new Set(canvas.getContext("2d")
            .getImageData(0, 0, canvas.width, canvas.height).data).size;
          const pen = canvas.getContext("2d"), write = pen.fillText, written = new Set();
          pen.fillText = (text, ...at) => { written.add(text); write.call(pen, text, ...at); };
          d.defaultView.dispatchEvent(new Event("afterprint"));  // draws at once
          const steps = [
            () => d.querySelector("[data-do=in]").click(),
            () => canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"})),
            () => canvas.dispatchEvent(new WheelEvent("wheel", {deltaY: -9999, clientX: 9})),
            () => canvas.dispatchEvent(new KeyboardEvent("keydown", {key: "Home"})),
          ];
          out.push(d.documentElement.scrollWidth, colours() > 20, status());
          const next = () => {
            const step = steps.shift();
            if (!step) { document.title = JSON.stringify([...out, [...written]]); return; }
            step(); setTimeout(() => { out.push(status()); next(); }, 100);
          };
          next();
        }, 1000);
        </script>"""
    )
    dom, console, asked = browse(frame, tmp_path, "--virtual-time-budget=20000", "--dump-dom")
    assert console == [] and asked == []
    found = re.search(r"<title>(.*?)</title>", dom)
    assert found
    wide, drawn, whole, zoomed, later, window, again, written = json.loads(html.unescape(found[1]))
    assert wide == width and drawn
    assert {*ACC, "standing", "gap"} <= {*written}  # no colour alone says what it is
    spans = [re.search(r"\(([\d.]+) (s|min)\)", text) for text in (whole, zoomed, later, window)]
    assert [s and s.groups() for s in spans] == [
        ("5.0", "min"), ("2.5", "min"), ("2.5", "min"), ("5.0", "s"),
    ]  # fmt: skip
    assert zoomed != later and again == whole


@BROWSER
@pytest.mark.parametrize("width", [390, 1200])
def test_names_without_end_fit_and_turn_nothing_around(
    recognizer: Recognizer, tmp_path: Path, width: int
) -> None:
    (made,) = make(people=1, minutes=1.0)
    found = daily(recognizer, in_pieces(made, 1000))
    long = "\u202e" + "m" * 200
    bouts = tuple(replace(bout, activity=long) for bout in found.timeline.bouts)
    hours = tuple(replace(hour, minutes={long: 1.0}) for hour in found.days[0].hours)
    found = replace(
        found,
        timeline=replace(found.timeline, bouts=bouts, recording=long),
        days=(replace(found.days[0], hours=hours, bouts={long: 1}, longest={}),),
    )
    page = write_daily(found, tmp_path / "days")[0]
    assert "\u202e" not in page.read_text() and "\\u202e" not in page.read_text()
    assert measured(page, tmp_path, width)[0] == width
    sideways = 'd.querySelector(".scroll table").offsetWidth'
    assert measured(page, tmp_path, width, sideways)[0] < 1000


def test_the_command_writes_days_and_refuses_what_is_wrong(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    recognizer.save(tmp_path / "r.ambulo")
    (made,) = make(people=1, minutes=1.0)
    write(replace(made, intervals=()).select(ACC), tmp_path / "a.csv")
    command = [sys.executable, "-m", "ambulo", "report"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    done = run("a.csv", "--recognizer", "r.ambulo", "--out", "days", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert len(content["files"]) == 5 and all((tmp_path / f).exists() for f in content["files"])
    assert sum(content["days"][0]["minutes"].values()) == pytest.approx(1, abs=0.01)
    wrong = run("a.csv", "--recognizer", "r.ambulo", "--out", "new", "--zone", "Nowhere/Here")
    assert wrong.returncode == 2 and "Europe/Rome" in wrong.stderr
    assert "Traceback" not in wrong.stderr and not (tmp_path / "new").exists()


def test_hours_without_a_zone_are_those_of_the_stated_one(
    recognizer: Recognizer, tmp_path: Path
) -> None:
    """A file that says 23:30, of a wearer in Rome, is of that evening and not of the next day."""
    recognizer.save(tmp_path / "r.ambulo")
    (made,) = make(people=1, minutes=1.0)
    start = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    write(replace(made, intervals=(), start=start).select(ACC), tmp_path / "a.parquet")
    frame = pl.read_parquet(tmp_path / "a.parquet")
    naive = frame.with_columns(pl.col("time").dt.replace_time_zone(None))
    naive.write_csv(tmp_path / "a.csv")

    def days(*arguments: str) -> list[str]:
        run = CliRunner().invoke(
            app,
            ["report", *arguments, "--recognizer", f"{tmp_path / 'r.ambulo'}", "--json"]
            + ["--out", f"{tmp_path / 'out'}", "--zone", "Europe/Rome"],
        )
        assert run.exit_code == 0, run.output
        return [day["date"] for day in json.loads(run.stdout)["days"]]

    assert days(f"{tmp_path / 'a.csv'}") == ["2026-07-01"]
    assert days(f"{tmp_path / 'a.parquet'}") == ["2026-07-02"]  # whose zone is stated, UTC
    assert days(f"{tmp_path / 'a.csv'}", "--as", "zone=UTC") == ["2026-07-02"]
    (tmp_path / "a.toml").write_text('zone = "UTC"')
    assert days(f"{tmp_path / 'a.csv'}") == ["2026-07-02"]


def test_a_recognizer_without_acceleration_gives_days_without_steps(tmp_path: Path) -> None:
    windowing = Windowing(seconds=2.56, channels=("gyro_x", "gyro_y", "gyro_z"))
    people = make(people=3, minutes=1.0)
    turning = train("features", windowing.cut(people))
    signal = replace(people[0].select(["gyro_x", "gyro_y", "gyro_z"]), intervals=())
    found = daily(turning, in_pieces(signal))
    assert found.days[0].steps is None and found.nonwear == ()
    assert np.isfinite(found.envelope.low).all()
    write_daily(found, tmp_path / "out")
