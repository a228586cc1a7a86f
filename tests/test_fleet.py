"""Many recordings: nothing lost, nothing done twice, the same whatever went wrong on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fleets import alike, make_study, tables
from typer.testing import CliRunner

from ambulo import Recognizer, load_dataset, read
from ambulo.cli import app
from ambulo.datasets.synthetic import make
from ambulo.errors import FleetError, OutputError, RecognizerError
from ambulo.fleet import score, task
from ambulo.fleet.jobs import Job, _remote_stamp, jobs
from ambulo.fleet.lake import Lake
from ambulo.fleet.summary import summarize
from ambulo.readers.table import write


@pytest.fixture(scope="module")
def recognizer(waist: Recognizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return waist.save(tmp_path_factory.mktemp("r") / "r.ambulo")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path / "study", 6)


def test_a_lake_holds_what_predict_says(study: Path, recognizer: Path, tmp_path: Path) -> None:
    done = score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    assert (done.done, done.before, done.quarantined) == (6, 0, {})
    bouts = tables(tmp_path / "lake")["bouts"].filter(pl.col("recording") == "p1/day1.csv")
    expected = Recognizer.load(recognizer).predict(read(study / "p1" / "day1.csv"))
    assert bouts["activity"].to_list() == [bout.activity for bout in expected]
    assert bouts["start"].to_list() == pytest.approx([bout.start for bout in expected])
    assert set(bouts["person"]) == {"p1"}
    days = tables(tmp_path / "lake")["days"]
    assert days["minutes"].sum() == pytest.approx(6 * 0.4, abs=0.05)


@pytest.mark.slow
def test_a_second_run_does_only_what_is_new_or_changed(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    score(str(study), str(lake), recognizer, workers=1)
    before = {p: p.stat().st_mtime_ns for p in lake.rglob("*.parquet")}
    assert score(str(study), str(lake), recognizer, workers=1).before == 6
    write(make(people=1, minutes=0.5, seed=50)[0], study / "p0" / "new.csv", labels=False)
    write(make(people=1, minutes=0.5, seed=51)[0], study / "p0" / "day0.parquet", labels=False)
    again = score(str(study), str(lake), recognizer, workers=1)
    assert (again.done, again.before) == (2, 5)
    kept = [p for p, at in before.items() if p.stat().st_mtime_ns == at]
    assert len(kept) == 3 * 5
    fresh = tmp_path / "fresh"
    score(str(study), str(fresh), recognizer, workers=1)
    assert alike(lake, fresh)


@pytest.mark.slow
def test_bad_files_are_quarantined_with_reasons_and_tried_again(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    lake, bad = tmp_path / "lake", study / "p2" / "day2.parquet"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    (study / "p2" / "notes.csv").write_text("dear diary\n")
    done = score(str(study), str(lake), recognizer, workers=2)
    assert done.done == 5 and set(done.quarantined) == {"p2/day2.parquet", "p2/notes.csv"}
    manifest = pl.read_parquet(lake / "manifest.parquet")
    reasons = manifest.filter(pl.col("status") == "quarantined")["reason"].to_list()
    assert all(reasons) and len(reasons) == 2
    bad.write_bytes(whole)
    again = score(str(study), str(lake), recognizer, workers=1)
    assert (again.done, again.before, len(again.quarantined)) == (1, 4 + 1, 1)
    fresh = tmp_path / "fresh"
    score(str(study), str(fresh), recognizer, workers=1)
    assert alike(lake, fresh)


def test_what_does_not_suit_is_no_day(study: Path, recognizer: Path, tmp_path: Path) -> None:
    """A gyroscope in degrees, stated to be in radians, is refused here as predict refuses it."""
    for path in [p for p in study.rglob("*") if p.is_file()][1:]:
        path.unlink()
    (path,) = (p for p in study.rglob("*") if p.is_file())
    frame = (pl.read_csv if path.suffix == ".csv" else pl.read_parquet)(path)
    turned = frame.with_columns(pl.col("^.*gyro_.$") * 57.3)
    (turned.write_csv if path.suffix == ".csv" else turned.write_parquet)(path)
    path.with_suffix(".toml").write_text('unit = { gyro = "rad/s" }\n')
    done = score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    ((_, reason),) = done.quarantined.items()
    assert "does not suit" in reason and "rad/s" in reason
    assert score(str(study), str(tmp_path / "lake"), recognizer, workers=1, anyway=True).done == 1


def test_what_is_stated_beside_a_recording_later_is_heeded(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    score(str(study), str(lake), recognizer, workers=1)
    path = next(p for p in study.rglob("*") if p.is_file())
    path.with_suffix(".toml").write_text('zone = "Asia/Kolkata"\n')
    assert score(str(study), str(lake), recognizer, workers=1).done == 1
    assert score(str(study), str(lake), recognizer, workers=1).done == 0
    path.with_suffix(".toml").unlink()
    assert score(str(study), str(lake), recognizer, workers=1).done == 1


def test_a_zone_that_is_none_touches_nothing(study: Path, recognizer: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    score(str(study), str(lake), recognizer, workers=1)
    before = sorted(p.name for p in lake.rglob("*.parquet"))
    with pytest.raises(OutputError, match="'Europe/Roma' is no time zone"):
        score(str(study), str(lake), recognizer, workers=1, zone="Europe/Roma")
    assert sorted(p.name for p in lake.rglob("*.parquet")) == before


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.3, 2.5])
def test_a_killed_run_is_finished_by_the_next_one(
    study: Path, recognizer: Path, tmp_path: Path, after: float
) -> None:
    lake, fresh = tmp_path / "lake", tmp_path / "fresh"
    command = ["score", str(study), str(lake), "--recognizer", str(recognizer), "--workers", "1"]
    running = subprocess.Popen(
        [sys.executable, "-m", "ambulo", *command], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not (lake / "manifest").exists() and time.monotonic() < deadline and after > 1:
        time.sleep(0.01)
    time.sleep(0.0 if after > 1 else after)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    (lake / "bouts").mkdir(parents=True, exist_ok=True)
    (lake / "bouts" / ".x-1.parquet.half").write_text("what a kill left")
    score(str(study), str(lake), recognizer, workers=1)
    score(str(study), str(fresh), recognizer, workers=1)
    assert alike(lake, fresh) and not list(lake.rglob(".*"))


def test_another_run_beside_takes_nothing_away(tmp_path: Path) -> None:
    lake, begun = Lake(str(tmp_path)), []
    (tmp_path / ".notes.json.bak").write_text("somebody's own")
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / ".monday.parquet.x7").write_text("on its way from elsewhere")

    def write(to: Path) -> None:
        to.write_text("whole")
        begun.append(to)
        if len(begun) == 1:
            lake.sweep()  # as a run does that begins just now

    lake.put("bouts/person=a/x.parquet", write)
    assert (tmp_path / "bouts" / "person=a" / "x.parquet").read_text() == "whole"
    assert len(begun) == 2 and len([p for p in tmp_path.rglob(".*") if p.is_file()]) == 2


def test_a_recognizer_that_is_exchanged_during_a_run_is_refused(
    study: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ambulo import fleet

    used = tmp_path / "used.ambulo"
    used.write_bytes(recognizer.read_bytes())
    local = fleet.ENGINES["local"]

    def exchanged(*arguments: Any) -> Any:
        with zipfile.ZipFile(used, "a") as archive:
            archive.comment = b"another"
        return local(*arguments)

    monkeypatch.setitem(fleet.ENGINES, "local", exchanged)
    with pytest.raises(RecognizerError, match="changed during the run"):
        score(str(study), str(tmp_path / "lake"), used, workers=1)
    assert not Lake(str(tmp_path / "lake")).entries()


def test_a_file_that_changes_while_it_is_read_is_read_again(
    study: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = iter(["a", "b", "c", "c"])
    monkeypatch.setattr(Job, "current", lambda self: next(stamps))
    plan = task.Plan(str(recognizer), "", str(tmp_path / "lake"), "offline", None)
    loaded = Recognizer.load(recognizer)
    entry = task.work(plan, jobs(str(study))[0], loaded)
    assert (entry["status"], entry["stamp"]) == ("done", "c")
    stamps = iter("abcd")
    entry = task.work(plan, jobs(str(study))[1], loaded)
    assert entry["status"] == "quarantined" and entry["reason"] == task.CHANGED


def test_manifests_globs_and_addresses_name_recordings(study: Path, recognizer: Path) -> None:
    named = {job.name: job for job in jobs(str(study))}
    globbed = jobs(str(study / "*" / "*.csv"))
    assert len(globbed) == 3 and all(job == named[job.name] for job in globbed)
    assert {job.person for job in jobs(str(study / "p0" / "day*"))} == {
        job.person for job in jobs(str(study / "p0"))
    }
    (study / "list.csv").write_text("file,person\np0/day0.parquet,anna\np9/none.csv,ben\n")
    listed = jobs(str(study / "list.csv"))
    assert [job.person for job in listed] == ["anna", "ben"] and listed[1].stamp == "absent"
    (study / "list.csv").rename(study / "manifest.csv")  # then the folder is known by it
    assert jobs(str(study)) == listed
    (study / "manifest.csv").unlink()
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in study.rglob("day*"):
        store.pipe(f"/bucket/{path.relative_to(study).as_posix()}", path.read_bytes())
    far = jobs("memory://bucket")
    assert [job.name for job in far] == [job.name for job in jobs(str(study)) if "day" in job.name]
    near = [job.name for job in jobs(str(study / "p?" / "*.csv"))]
    assert [job.name for job in jobs("memory://bucket/p?/*.csv")] == near
    store.rm("/bucket", recursive=True)


def test_whose_a_recording_is_does_not_depend_on_who_asks(study: Path, tmp_path: Path) -> None:
    """Visits of two people, called alike, are not one person's."""
    deep = tmp_path / "deep"
    files = sorted(study.rglob("*.csv"))
    for k, place in enumerate(["anna/visit1", "anna/visit2", "bob/visit1"]):
        (deep / place).mkdir(parents=True)
        shutil.copy(files[k], deep / place / "day.csv")
    expected = {"anna/visit1/day.csv": "anna", "anna/visit2/day.csv": "anna"}
    expected["bob/visit1/day.csv"] = "bob"
    for source in (deep, f"{deep}/*/*/day.csv", f"file://{deep}"):
        assert {job.name: job.person for job in jobs(str(source))} == expected
    read_too = load_dataset(str(deep)).recordings
    assert sorted(recording.subject for recording in read_too) == ["anna", "anna", "bob"]


def test_a_file_with_a_bracket_in_its_name_is_no_glob(tmp_path: Path) -> None:
    for name in ("day[1].csv", "day1.csv"):
        (tmp_path / name).write_text("time,acc_x\n")
    assert [job.name for job in jobs(str(tmp_path / "day[1].csv"))] == ["day[1].csv"]
    assert [job.name for job in jobs(str(tmp_path / "day[12].csv"))] == ["day1.csv"]
    store = pytest.importorskip("fsspec").filesystem("memory")
    store.pipe("/brackets/day[1].csv", b"time,acc_x\n")
    assert [job.name for job in jobs("memory://brackets/day[1].csv")] == ["day[1].csv"]
    store.rm("/brackets", recursive=True)


def test_what_a_manifest_states_is_part_of_the_stamp(tmp_path: Path) -> None:
    manifest = tmp_path / "list.csv"

    def listed(row: str) -> Job:
        manifest.write_text(f" file,person,sign,unit.gyro,activity\n{row}\n , ,,,\n")
        (job,) = jobs(str(manifest))
        assert job.current() == job.stamp
        return job

    (tmp_path / "a.csv").write_text("time,acc_x\n")
    plain = jobs(str(tmp_path / "a.csv"))[0]
    assert listed("a.csv ,a, ,,walking") == plain  # as lakes have it that did without
    stated = listed("a.csv,a, ios ,deg/s,")
    assert stated.stated == (("sign", "ios"), ("unit.gyro", "deg/s"))
    assert len({plain.stamp, stated.stamp, listed("a.csv,a,ios,,").stamp}) == 3
    assert stated.of_file(plain.stamp) and plain.of_file(stated.stamp)
    assert not plain.of_file("0 0") and not plain.of_file(None)


def test_what_a_manifest_states_is_heeded(
    waist: Recognizer, recognizer: Path, tmp_path: Path
) -> None:
    study, lake = make_study(tmp_path / "study", 1, minutes=0.2), tmp_path / "lake"
    plan = task.Plan(str(recognizer), "", str(lake), "offline", None, anyway=True)
    done, windows, listed = [], [], study / "list.csv"
    for sign in ("", "ios", "up"):
        listed.write_text(f"file,sign\np0/day0.parquet,{sign}\n")
        (job,) = jobs(str(listed))
        assert not plan.has(done[-1] if done else None, job)
        done.append(task.work(plan, job, waist))
        windows += [tables(lake)["windows"]] if done[-1]["status"] == "done" else []
        assert plan.has(done[-1], job) is (sign != "up")
    assert len(windows) == 2 and not windows[0].equals(windows[1])
    assert "sign='up': choose from android, ios" in done[-1]["reason"]


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("file,colour\na.csv,red\n", "'colour' is not understood"),
        ("file,person\n,anna\n", "entry 1 names no file"),
        ("file,person\na.csv,anna,ios\n", "entry 1 has more cells than columns"),
        ("file,person\n", "lists no recording"),
    ],
)
def test_a_wrong_manifest_is_refused(manifest: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(manifest)
    with pytest.raises(FleetError, match=says):
        jobs(str(tmp_path / "list.csv"))


def test_a_manifest_may_be_far_away() -> None:
    store = pytest.importorskip("fsspec").filesystem("memory")
    store.pipe("/listed/p0/a.csv", b"time,acc_x\n")
    store.pipe("/listed/list.csv", b"\xef\xbb\xbffile,person,sign\np0/a.csv,anna,ios\nb.csv,,\n")
    one, other = sorted(jobs("memory://listed/list.csv"), key=lambda job: job.person)
    assert (one.url, one.name) == ("memory:///listed/p0/a.csv", "p0/a.csv")
    assert one.stated == (("sign", "ios"),) and one.stamp == one.current()
    assert (other.person, other.stamp, other.stated) == ("b", "absent", ())
    assert [job.name for job in jobs("memory://listed/p0/a.csv")] == ["a.csv"]
    store.rm("/listed", recursive=True)


def test_a_lake_may_be_far_away(study: Path, recognizer: Path, tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")

    plan = task.Plan(str(recognizer), "x", "memory://lake", "offline", None)
    job = jobs(str(study))[0]
    assert task.work(plan, job, Recognizer.load(recognizer))["status"] == "done"
    lake = Lake("memory://lake")
    assert plan.has(lake.entries()[job.key], job)
    store = fsspec.filesystem("memory")
    assert store.exists(f"/lake/{lake.place('bouts', job)}")
    store.rm("/lake", recursive=True)


def test_a_second_study_takes_no_place_of_the_first(
    recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, lake = make_study(tmp_path / "s1", 1), make_study(tmp_path / "s2", 2), "lake"
    monkeypatch.chdir(tmp_path)
    score("s1", lake, recognizer, workers=1)
    before = tables(tmp_path / lake)
    with pytest.raises(FleetError, match=r"holds p0/day0.parquet already, of .*s1.*folder above"):
        score(str(other), lake, recognizer, workers=1)
    assert all(frame.equals(before[name]) for name, frame in tables(tmp_path / lake).items())
    monkeypatch.chdir(other)  # spelled in another way it is the same study
    for source in ("../s1", str(one), "../s1/p*/*.parquet"):
        assert score(source, "../lake", recognizer, workers=1).before == 1
    one.rename(tmp_path / "moved")
    assert score("../moved", "../lake", recognizer, workers=1).before == 1
    (entry,) = Lake("../lake").entries().values()
    assert entry.pop("source") == str(tmp_path / "moved" / "p0" / "day0.parquet")
    (path,) = (tmp_path / "lake" / "manifest").iterdir()
    path.write_text(json.dumps(entry))  # as older lakes have it
    assert score("../moved", "../lake", recognizer, workers=1).before == 1


def test_what_was_quarantined_keeps_no_place(recognizer: Path, tmp_path: Path) -> None:
    lake, mended = Lake(str(tmp_path / "lake")), make_study(tmp_path / "mended", 1, 0.2)
    (job,) = jobs(str(mended))
    entry = {"name": job.name, "person": job.person, "source": "/bad/p0/day0.parquet"}
    lake.enter(job, {**entry, "stamp": "1 1", "status": "quarantined", "reason": "torn"})
    assert score(str(mended), lake.url, recognizer, workers=1).done == 1
    lake.enter(job, {**entry, "stamp": "1 1", "status": "done"})
    with pytest.raises(FleetError, match="holds p0/day0.parquet already"):
        score(str(mended), lake.url, recognizer, workers=1)


def test_a_lake_is_no_recording_of_its_source(recognizer: Path, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", 1)
    for before in (0, 1):
        done = score(str(study), str(study / "lake"), recognizer, workers=1)
        assert (done.done, done.before, done.quarantined) == (1 - before, before, {})
    raw = study / "lake" / "raw" / "p0"
    raw.parent.mkdir()
    (study / "p0").rename(raw)
    lake = Lake(str(study / "lake"))
    assert [job.name for job in jobs(lake.url, but=lake.owns)] == ["raw/p0/day0.parquet"]
    job = Job("memory:///lake/windows/person=a/x.parquet", "", "", "")
    assert Lake("memory://lake").owns(job) and not Lake("memory://other").owns(job)


def test_a_source_may_be_above_or_in_a_hidden_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_study(tmp_path / ".hidden" / "study", 1)
    make_study(tmp_path / ".hidden" / "study" / ".cache", 1)
    (tmp_path / ".hidden" / "here").mkdir()
    monkeypatch.chdir(tmp_path / ".hidden" / "here")
    for source in ("../study", str(tmp_path / ".hidden" / "study")):
        assert [job.name for job in jobs(source)] == ["p0/day0.parquet"]


def test_an_address_that_is_not_there_is_told(recognizer: Path, tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "list.csv").write_text("file\nmemory://none/a.csv\n")
    done = score(str(tmp_path / "list.csv"), str(tmp_path / "lake"), recognizer, workers=1)
    assert done.quarantined["memory://none/a.csv"] == "there is no such file"


def test_sums_are_over_people(study: Path, recognizer: Path, tmp_path: Path) -> None:
    score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    found = summarize(tmp_path / "lake")
    assert found.recordings == 6 and found.people["person"].n_unique() == 3
    assert found.hours == pytest.approx(6 * 0.4 / 60, abs=0.01)
    done = CliRunner().invoke(app, ["summarize", str(tmp_path / "lake"), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["recordings"] == 6


def test_the_documented_queries_run(study: Path, recognizer: Path, tmp_path: Path) -> None:
    (study / "p0" / "bad.csv").write_text("dear diary\n")
    score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    page = (Path(__file__).parent.parent / "docs" / "fleet.md").read_text()
    setup = re.search(r"```python\n(import polars.*?)```", page, re.DOTALL)
    queries = re.findall(r"```sql\n(SELECT.*?)```", page, re.DOTALL)
    assert setup and len(queries) >= 4
    answers = "".join(f"print(lake.execute({query!r}, eager=True).height)\n" for query in queries)
    run = subprocess.run(
        [sys.executable, "-c", setup[1] + answers], capture_output=True, text=True, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.splitlines()[-1]) == 1  # one reason for what is quarantined


def test_the_documented_queries_run_in_duckdb(
    study: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed: pip install duckdb")
    (study / "p0" / "bad.csv").write_text("dear diary\n")
    score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "fleet.md").read_text()
    (views,) = re.findall(r"```sql\n(CREATE VIEW.*?)```", page, re.DOTALL)
    lake = duckdb.connect()
    lake.execute(views)
    for query in re.findall(r"```sql\n(SELECT.*?)```", page, re.DOTALL):
        found = lake.execute(query).fetchall()
    assert len(found) == 1  # one reason for what is quarantined


def a_lake(folder: Path) -> Path:
    """Two people, who sat for 6 and 2 h on a Monday; ben also walked for 3 h on the Tuesday."""
    lake = Lake(str(folder))
    rows = {"anna": [(0, 1, "sitting", 360.0)], "ben": [(0, 1, "sitting", 120.0)]}
    rows["ben"] += [(1, 2, "walking", 180.0), (1, 2, "gap", 600.0)]
    for person, days in rows.items():
        job = Job(person, f"{person}.csv", person, "1 1")
        names = ("day", "date", "activity", "minutes")
        table = pl.DataFrame(
            [dict(zip(names, (k, date(2026, 6, d), a, m), strict=True)) for k, d, a, m in days]
        ).with_columns(recording=pl.lit(job.name), bouts=1, longest=60.0, steps=10)
        lake.put(lake.place("days", job), table.write_parquet)
        about = {"name": job.name, "person": person, "status": "done", "reason": ""}
        lake.enter(job, {**about, "seconds": 3600.0})
    bad = {"name": "<bad>.csv", "person": "eve", "status": "quarantined", "reason": "no <time>"}
    lake.enter(Job("", "<bad>.csv", "eve", ""), bad)
    lake.index()
    return folder


def test_a_page_tells_of_people_and_days(tmp_path: Path) -> None:
    lake, page = a_lake(tmp_path / "lake"), tmp_path / "group.html"
    found = summarize(lake)
    rows = {row["activity"]: row for row in found.activities.iter_rows(named=True)}
    assert rows["sitting"]["mean"] == pytest.approx((360 + 60) / 2)
    assert (rows["walking"]["people"], rows["walking"]["median"]) == (1, 45.0)
    done = CliRunner().invoke(app, ["summarize", str(lake), "--out", str(page)])
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert "210.0 min" in text and "Tuesday" in text and "2 people" in text
    assert "no &lt;time&gt;" in text and "<bad>" not in text
    assert "<script" not in text
    assert all(at.startswith(("data:", "#")) for at in re.findall(r'(?:src|href)="([^"]*)"', text))


def test_what_was_recorded_twice_is_told(recognizer: Path, tmp_path: Path) -> None:
    source, lake, page = tmp_path / "study", str(tmp_path / "lake"), tmp_path / "group.html"
    names = Recognizer.load(recognizer).windowing.channels or ()
    rows = pl.DataFrame({"time": np.arange(9000) / 50, **dict.fromkeys(names, 0.5)})
    began = datetime(2026, 6, 1, 9, tzinfo=UTC)
    for name, minutes in (("anna/a", 0), ("anna/b", 1), ("anna/c", 4), ("ben/a", 0)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        first = began.timestamp() + 60 * minutes
        rows.with_columns(pl.col("time") + first).write_csv(source / f"{name}.csv")
    for name in ("cleo/a", "cleo/copy", "dan/a"):
        (source / name).parent.mkdir(exist_ok=True)
        rows.write_csv(source / f"{name}.csv")
    score(str(source), lake, recognizer, anyway=True, workers=1)
    found = summarize(lake)
    assert found.twice.rows() == [
        ("anna", "anna/b.csv", "anna/a.csv", pytest.approx(2.0)),
        ("cleo", "cleo/copy.csv", "cleo/a.csv", pytest.approx(3.0)),
    ]
    assert "2.0 min of anna/b.csv are in anna/a.csv too" in str(found)
    assert CliRunner().invoke(app, ["summarize", lake, "--out", str(page)]).exit_code == 0
    assert "Recorded twice" in page.read_text()


def test_steps_of_a_day_are_told_whole_in_each_of_its_rows(tmp_path: Path) -> None:
    lake = Lake(str(a_lake(tmp_path / "lake")))
    job = Job("more", "more.csv", "ben", "1 1")
    first = pl.read_parquet(tmp_path / "lake" / "days" / "person=ben" / "*.parquet").head(1)
    same = first.with_columns(date=date(2026, 6, 2), recording=pl.lit(job.name), steps=5)
    lake.put(lake.place("days", job), same.write_parquet)
    entry = {"name": job.name, "person": "ben", "status": "done", "reason": "", "seconds": 3600.0}
    lake.enter(job, entry)
    lake.index()
    days = summarize(tmp_path / "lake").days.filter(pl.col("day") == "2026-06-02")
    assert days["activity"].to_list() == ["gap", "sitting", "walking"]
    assert days["steps"].to_list() == [15, 15, 15]


def test_short_days_can_be_left_out(tmp_path: Path) -> None:
    lake = a_lake(tmp_path / "lake")
    found = summarize(lake, least=3.0)
    assert found.short == 1 and found.people["a_day"].to_list() == [360.0, 600.0, 180.0]
    with pytest.raises(FleetError, match="ask for fewer"):
        summarize(lake, least=20.0)


def test_mistakes_are_explained(recognizer: Path, tmp_path: Path, study: Path) -> None:
    with pytest.raises(FleetError, match="holds no recording"):
        score(str(tmp_path / "none"), str(tmp_path / "lake"), recognizer)
    with pytest.raises(FleetError, match="local, ray"):
        score(str(study), str(tmp_path / "lake"), recognizer, engine="dask")
    with pytest.raises(FleetError, match="is a file"):
        score(str(study), str(recognizer), recognizer)
    with pytest.raises(FleetError, match="no lake"):
        summarize(tmp_path)
    assert not (tmp_path / "lake").exists()


def test_times_without_a_zone_are_by_the_clock_of_the_runs_zone(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    path = study / "p0" / "day0.parquet"
    frame = pl.read_parquet(path)
    evening = pl.Series([datetime(2026, 7, 1, 23, 0)]).cast(pl.Datetime("us"))
    step = (pl.int_range(len(frame)) * 20_000).cast(pl.Duration("us"))
    alone = tmp_path / "alone"
    alone.mkdir()
    frame.with_columns(time=pl.lit(evening[0]) + step).write_csv(alone / "a.csv")
    score(str(alone), str(tmp_path / "lake"), recognizer, workers=1, zone="Europe/Rome")
    (entry,) = Lake(str(tmp_path / "lake")).entries().values()
    assert entry["start"] == "2026-07-01T23:00:00+02:00"
    assert tables(tmp_path / "lake")["days"]["date"].unique().to_list() == [date(2026, 7, 1)]


def test_a_name_listed_twice_is_refused(study: Path, recognizer: Path, tmp_path: Path) -> None:
    """There is one result a name: each run would do one of them, and undo the other."""
    (study / "manifest.csv").write_text("file,person\np0/day0.parquet,a\np0/day0.parquet,b\n")
    with pytest.raises(FleetError, match=r"names p0/day0.parquet twice"):
        score(str(study), str(tmp_path / "lake"), recognizer, workers=1)
    assert not (tmp_path / "lake").exists()


@pytest.mark.slow
def test_what_was_scored_anyway_is_not_done_for_a_run_that_asks_for_more(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    (study / "manifest.csv").write_text("file,scale.acc\np0/day0.parquet,0.5\np1/day1.csv,\n")
    lake = str(tmp_path / "lake")
    first = score(str(study), lake, recognizer, workers=1, anyway=True)
    assert (first.done, first.quarantined) == (2, {})
    again = score(str(study), lake, recognizer, workers=1)
    assert (again.done, again.before, list(again.quarantined)) == (0, 1, ["p0/day0.parquet"])


def test_any_error_of_one_recording_leaves_the_others_be(
    study: Path, recognizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*_: Any, **__: Any) -> Any:
        raise IndexError("nobody thought of this")

    monkeypatch.setattr(task, "pieces_by", odd)
    plan = task.Plan(str(recognizer), "x", str(tmp_path / "lake"), "offline", None)
    entry = task.work(plan, jobs(str(study))[0], Recognizer.load(recognizer))
    assert entry["status"] == "quarantined" and entry["reason"].startswith("IndexError: nobody")


@pytest.mark.slow
def test_a_very_long_name_of_a_person_is_shortened_on_disk_alone(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    names = ["Ж" * 60, "Ж" * 61]
    rows = zip(("p0/day0.parquet", "p1/day1.csv"), names, strict=True)
    (study / "manifest.csv").write_text("\n".join(["file,person", *map(",".join, rows)]))
    lake = tmp_path / "lake"
    assert score(str(study), str(lake), recognizer, workers=1).done == 2
    assert len(list((lake / "days").iterdir())) == 2
    assert sorted(entry["person"] for entry in Lake(str(lake)).entries().values()) == names
    people = summarize(lake).people["person"].unique().to_list()
    assert len(people) == 2 and all(person.startswith("Ж" * 33 + "-") for person in people)


@pytest.mark.parametrize("mark", ["ETag", "mtime", "Last-Modified", "updated", "created"])
def test_a_stores_mark_tells_that_a_file_changed(mark: str) -> None:
    stamps = {_remote_stamp({"size": 7, mark: f"{k} GMT"}) for k in (1, 2)}
    assert len(stamps) == 2


@pytest.mark.slow
def test_all_bouts_read_as_one_table_whether_dated_or_not(
    study: Path, recognizer: Path, tmp_path: Path
) -> None:
    frame = pl.read_parquet(study / "p0" / "day0.parquet")
    row, start = pl.int_range(len(frame)), pl.lit(datetime(2026, 7, 1, 9))
    alone = tmp_path / "alone"
    moments = {"a": row / 50, "b": start + (20_000 * row).cast(pl.Duration("us"))}
    for person, moment in moments.items():
        (alone / person).mkdir(parents=True)
        frame.with_columns(time=moment).write_csv(alone / person / "day.csv")
    score(str(alone), str(tmp_path / "lake"), recognizer, workers=1)
    bouts = pl.scan_parquet(tmp_path / "lake" / "bouts", hive_partitioning=True).collect()
    told = bouts.group_by("person").agg(pl.col("start_time").is_null().all()).sort("person")
    assert told.rows() == [("a", True), ("b", False)]
