"""The commands as a user types them: answers, exit codes, and mistakes explained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from ambulo.cli import app, main
from ambulo.cli.arguments import options
from ambulo.cli.compare import _value
from ambulo.cli.tune import _space
from ambulo.datasets.synthetic import make
from ambulo.errors import AmbuloError, StreamError, TrainingError, printable
from ambulo.progress import bar
from ambulo.readers.table import write
from ambulo.stream.sinks import sink
from ambulo.stream.sources import source


def ambulo(
    *arguments: object, cwd: Path, code: int = 0, **env: str
) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-m", "ambulo", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
    )
    assert run.returncode == code, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recognizer and a recording, made by the commands themselves."""
    path = tmp_path_factory.mktemp("user")
    ambulo(
        *("train", "synthetic", "--people", "official", "--out", "waist.ambulo"),
        *("--model", "small", "--set", "sizes.features=168"),
        cwd=path,
    )
    ambulo("datasets", "export", "synthetic", "--recording", "person7", "--out", "p7.csv", cwd=path)
    return path


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "20000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_idle_threads_sleep_soon_unless_the_user_says_otherwise(
    given: dict[str, str], spins: str
) -> None:
    left = {key: item for key, item in os.environ.items() if not key.startswith(("GOMP_", "OMP_"))}
    code = (
        "import os, sys, ambulo.cli; sys.argv = ['ambulo', '--version']\n"
        "try: ambulo.cli.main()\n"
        "except SystemExit: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**left, **given}
    )
    assert run.stdout.split()[-2:] == [spins, "False"], run.stderr


@pytest.mark.parametrize(
    "command",
    ["train", "evaluate", "reproduce", "ablate --groups acc", "compare", "tune --search rotate=0"],
)
def test_without_torch_the_extra_is_named(command: str) -> None:
    code = "import sys; sys.modules['torch'] = None; import ambulo.cli; ambulo.cli.main()"
    name, *rest = command.split()
    data = ("--data", "synthetic") if name == "reproduce" else ("synthetic",)
    run = subprocess.run(
        [sys.executable, "-c", code, name, *data, *rest], capture_output=True, text=True
    )
    assert run.returncode == 2 and not run.stdout, run.stderr
    assert run.stderr.startswith("error:") and "pip install 'ambulo[train]'" in run.stderr


def test_train_export_predict_describe(folder: Path) -> None:
    outs = [v for name in ("t.csv", "t.json", "t.parquet", "t.png") for v in ("--out", name)]
    run = ambulo("predict", "waist.ambulo", "p7.csv", *outs, cwd=folder)
    assert len(run.stdout.splitlines()) == len(pl.read_csv(folder / "t.csv"))
    assert json.loads(ambulo("predict", "waist.ambulo", "p7.csv", "--json", cwd=folder).stdout)
    text = ambulo("describe", "waist.ambulo", cwd=folder).stdout
    assert "1, 2, 3, 4, 5, 6" in text and "features 168" in text
    assert json.loads(ambulo("describe", "waist.ambulo", "--json", cwd=folder).stdout)["seed"] == 0


@pytest.mark.slow
def test_evaluate_prints_one_object(folder: Path) -> None:
    quick = ("--model", "cnn", "--set", "epochs=1")
    arguments = ("evaluate", "synthetic", *quick, "--json", "--report", "report")
    run = ambulo(*arguments, cwd=folder)
    content = json.loads(run.stdout)
    assert f"report: {Path('report') / 'report.html'}" in run.stderr
    assert (
        "ambulo evaluate synthetic --model cnn --set" in (folder / "report/report.html").read_text()
    )
    for key in (
        *("dataset", "model", "protocol", "seeds", "windows", "people", "accuracy", "macro_f1"),
        *("worst_person", "per_person", "per_class", "confusion"),
    ):
        assert key in content
    assert (folder / "report" / "confusion.png").exists()


@pytest.mark.slow
def test_few_people_are_compared_by_leaving_each_out(folder: Path) -> None:
    asked = ["--over", "tta", "--values", "0,15", "--model", "rocket"]
    sized = ["--set", "sizes.features=84", "--seconds", "1.28", "--overlap", "0"]
    run = ambulo("compare", "synthetic", *asked, *sized, cwd=folder)
    assert "protocol loso, 8 test people" in run.stdout


def test_datasets_lists_and_shows(folder: Path) -> None:
    listed = ambulo("datasets", cwd=folder, AMBULO_DATA="").stdout
    for name in ("uci-har", "hapt", "wisdm", "wisdm-2019", "mhealth", "synthetic"):
        assert name in listed
    shown = ambulo("datasets", "show", "synthetic", cwd=folder).stdout
    assert "walking-upstairs" in shown and (folder / "synthetic.png").exists()


def test_help_has_an_example_everywhere(folder: Path) -> None:
    def pages(command: Any, *names: str) -> Iterator[str]:
        yield CliRunner().invoke(app, [*names, "--help"]).stdout
        for name, inner in getattr(command, "commands", {}).items():
            yield from pages(inner, *names, name)

    for page in list(pages(get_command(app)))[1:]:
        assert "\n  Example: ambulo" in page and " Example:" not in page.replace("\n  Example:", "")
        assert "--json" in page
    assert ambulo("--version", cwd=folder).stdout.strip().count(".") == 2


MISTAKES = {
    "no recognizer": ("predict absent.ambulo p7.csv", "absent.ambulo: there is no such file"),
    "no such name": ("predict wast p7.csv", "that come along: waist, pocket, wrist"),
    "not a recognizer": ("predict p7.csv p7.csv", "p7.csv: is not a recognizer"),
    "lag that nothing heeds": ("predict waist.ambulo p7.csv --lag 3", "add --context causal"),
    "no such overlap": ("predict waist.ambulo p7.csv --overlap 1", "overlap must be from 0 to"),
    "no recording": ("predict waist.ambulo absent.csv", "absent.csv: there is no such file"),
    "a recognizer alone": ("predict pocket", "missing: write for example: ambulo predict pocket "),
    "its file alone": ("predict waist.ambulo", "ambulo predict waist.ambulo monday.csv"),
    "empty recording": ("predict waist.ambulo empty.csv", "empty.csv: is empty"),
    "too short": ("predict waist.ambulo short.csv", "2.56 s in one piece"),
    "lacks channels": ("predict waist.ambulo acc.csv", "lacks the channels gyro_x"),
    "bad ending": ("predict waist.ambulo p7.csv --out t.docx", "t.docx: a timeline is written as"),
    "recording as output": ("predict waist.ambulo p7.csv --out p7.csv", "p7.csv: is what is read"),
    "recognizer as output": ("export waist.ambulo --out waist.ambulo", "is what is read"),
    "no such seed": ("train synthetic --seed -1 --out o.ambulo", "--seed"),
    "no study": ("tune synthetic --model features --study p7.csv", "p7.csv: holds no search"),
    "unknown data set": ("evaluate nothing", "no data set 'nothing'"),
    "unknown model": ("evaluate synthetic --model x", "no model 'x'"),
    "unknown protocol": ("evaluate synthetic --protocol x", "no protocol 'x'"),
    "unknown person": ("train synthetic --people 1,99 --out o.ambulo", "99 not found"),
    "a folder for a file": ("train synthetic --out .", "is a directory"),
    "unknown activities": ("train synthetic --activities x --out o.ambulo", "choose from six"),
    "unknown option": ("train synthetic --set x=1 --out o.ambulo", "unknown training options x"),
    "malformed option": ("train synthetic --set epochs --out o.ambulo", "NAME=VALUE"),
    "wrong type": (
        "train synthetic --set epochs=many --out o.ambulo",
        "epochs must be of type int",
    ),
    "fixed windows": ("evaluate uci-har --data mini.zip --seconds 3", "cannot be cut"),
    "wrong archive": ("evaluate wisdm --data mini.zip", "mini.zip"),
    "too long windows": ("evaluate synthetic --seconds 10000", "longer recordings"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_exit_2_with_a_remedy_and_no_output(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (folder / "p7.csv").read_text().splitlines()
    (folder / "empty.csv").write_text("")
    (folder / "short.csv").write_text("\n".join(lines[:60]))
    (folder / "acc.csv").write_text("\n".join(",".join(x.split(",")[:4]) for x in lines))
    mini_uci_har(folder / "mini.zip")
    command, says = MISTAKES[case]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AMBULO_DATA", "")
    monkeypatch.setattr(sys, "argv", ["ambulo", *command.split()])
    with pytest.raises(SystemExit) as left:
        main()
    said = capsys.readouterr()
    assert left.value.code == 2 and says in said.err and not said.out
    assert not (folder / "o.ambulo").exists() and not (folder / "t.docx").exists()


def mini_uci_har(path: Path) -> None:
    """Four windows in the published layout of UCI HAR."""
    with zipfile.ZipFile(path, "w") as archive:
        for split, person in (("train", 1), ("test", 2)):
            base = f"UCI HAR Dataset/{split}"
            archive.writestr(f"{base}/y_{split}.txt", "1\n5\n")
            archive.writestr(f"{base}/subject_{split}.txt", f"{person}\n{person}\n")
            row = "".join(f" {1e-1 * (i % 7 - 3): .7e}".replace("e-0", "e-00") for i in range(128))
            for signal in ("body_acc", "body_gyro", "total_acc"):
                for axis in "xyz":
                    name = f"{base}/Inertial Signals/{signal}_{axis}_{split}.txt"
                    archive.writestr(name, f"{row}\n" * 2)


def test_the_reader_of_output_may_leave(folder: Path) -> None:
    command = f"{sys.executable} -m ambulo predict waist.ambulo p7.csv | head -1"
    run = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=folder)
    assert run.stdout.startswith("00:00:00.0-") and "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def in_g(folder: Path) -> str:
    """The same recording in g, under other names."""
    frame = pl.read_csv(folder / "p7.csv")
    names = {f"acc_{a}": f"accelerometer {a}" for a in "xyz"}
    frame = frame.with_columns(pl.col(f"acc_{a}") / 9.80665 for a in "xyz").rename(names)
    frame.write_csv(folder / "in_g.csv")
    return "in_g.csv"


def test_inspect_tells_what_was_decided_and_as_says_otherwise(folder: Path, in_g: str) -> None:
    said = ambulo("inspect", in_g, "--recognizer", "waist.ambulo", cwd=folder).stdout
    assert "measured     unit of acc: g: calm seconds measure" in said
    assert "otherwise: --as sign=ios|android" in said and "gravity in acc" in said
    facts = json.loads(ambulo("inspect", in_g, "--json", "--as", "sign=ios", cwd=folder).stdout)
    found = {finding["what"]: finding for finding in facts["findings"]}
    assert found["sign of acc"]["sure"] == "stated" and found["unit of acc"]["decided"] == "g"


def test_predict_refuses_nonsense_and_warns_on_doubt(folder: Path, in_g: str) -> None:
    stated = ("predict", "waist.ambulo", in_g, "--as", "unit.acc=m/s2")
    stated += ("--as", "gravity=included")
    run = ambulo(*stated, "--out", "never.csv", cwd=folder, code=2)
    assert "gravity in acc" in run.stderr and "--as unit.acc=g" in run.stderr
    assert not (folder / "never.csv").exists()
    outs = ("--out", "never.csv", "--out", "never.xlsx")
    run = ambulo("predict", "waist.ambulo", "p7.csv", *outs, cwd=folder, code=2)
    assert "never.xlsx: a timeline is written as" in run.stderr
    assert not (folder / "never.csv").exists()
    assert ambulo(*stated, "--anyway", cwd=folder).stdout
    run = ambulo("predict", "waist.ambulo", in_g, "--as", "sign=ios", cwd=folder)
    assert "doubt: in_g.csv: orientation of acc" in run.stderr


def test_a_folder_is_a_data_set_on_the_command_line(folder: Path) -> None:
    for recording in make(people=2, minutes=0.5):
        write(recording, folder / "mine" / recording.name / "monday.csv")
    shown = json.loads(ambulo("datasets", "show", "mine", "--json", cwd=folder).stdout)
    assert set(shown["counts"]) == {"person1", "person2"} and (folder / "mine.png").exists()
    for recording in make(people=2, minutes=0.5, seed=9):
        quick = recording.resampled(80.0)
        write(quick, folder / "quick" / recording.name / "monday.csv")
    run = ambulo("evaluate", "quick", "--model", "waist.ambulo", "--json", cwd=folder)
    assert json.loads(run.stdout)["people"]["test"] == ["person1", "person2"]


def test_a_name_in_a_message_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ambulo", "inspect", "absent\x07\x9b2J.csv"])
    with pytest.raises(SystemExit):
        main()
    assert "absent\ufffd\ufffd2J.csv: there is no such file" in capsys.readouterr().err


STEERS = "sit\x1b]0;x\x07ting\x1b[2J[/red]\u202e\x7f"
"""A name that retitles and clears a terminal, ends markup, and turns what follows around."""


def test_names_steer_no_terminal_and_machines_get_them_exactly(tmp_path: Path) -> None:
    (made,) = make(people=1, minutes=1.0)
    named = tuple(replace(i, activity=STEERS) for i in made.intervals[:1])
    write(replace(made, intervals=named), tmp_path / "mine" / "a.csv")
    (tmp_path / "mine" / "manifest.csv").write_text(f'file,person\na.csv,"{STEERS}"\n')
    said = ambulo("datasets", "show", "mine", "--out", "a.png", cwd=tmp_path).stdout
    assert "sit\ufffd]0;x\ufffdting\ufffd[2J[/red]\ufffd\ufffd" in said
    assert not {c for c in said if not c.isprintable() and c != "\n"}
    exact = json.loads(ambulo("datasets", "show", "mine", "--json", cwd=tmp_path).stdout)
    assert exact["counts"][STEERS][STEERS] > 0


def test_letters_that_join_and_blanks_of_all_scripts_are_printed() -> None:
    for name in (
        "\u0645\u06cc\u200c\u0631\u0648\u0645",
        "\u6b69\u304f\u3000\u901f",
        "20\u00a0min",
        "one\ntwo",
    ):
        assert printable(name) == name


def test_a_progress_bar_shows_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("COLUMNS", "200")
    with bar(f"[/b] {STEERS}", show=True) as advance:
        advance(1.0, f"[/i] {STEERS}")
    said = capsys.readouterr().err
    assert "[/b] sit\ufffd]0;x" in said and "\x1b]0" not in said


@pytest.mark.parametrize("pairs", [("unit=g", "unit.acc=g"), ("unit.acc=g", "unit=g")])
def test_a_table_is_not_stated_as_a_whole_and_in_part(
    tmp_path: Path, pairs: tuple[str, str]
) -> None:
    (tmp_path / "a.csv").write_text("time,acc_x,acc_y,acc_z\n0,1,2,3\n0.02,1,2,3\n")
    stated = [part for pair in pairs for part in ("--as", pair)]
    run = CliRunner().invoke(app, ["inspect", str(tmp_path / "a.csv"), *stated])
    assert run.exit_code == 2 or "as a whole and in part" in str(run.exception)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("compare synthetic --over rotate --values 0,5 --out c.jpg", "c.jpg: a picture is written"),
        ("ablate synthetic --groups acc --out c.gif", "a picture is written"),
        ("tune synthetic --out c.pdf", "a picture is written"),
        ("train synthetic --out held/x.ambulo", "held is no folder"),
        ("adapt waist --with held --out held/x.ambulo", "held is no folder"),
        ("audit synthetic --chosen-on person7", "--chosen-on names person7"),
        ("score held lake --recognizer waist --context causl", "context must be one of"),
        ("stream waist --from stdin --lag 3 --context none", "--lag 3 does nothing"),
        ("stream waist --from replay:held?sped=10", "a replay has no sped"),
        ("describe .", "is a folder"),
    ],
)
def test_what_is_wrong_is_said_before_work_is_done(
    command: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("held").write_text("a file")
    run = CliRunner().invoke(app, command.split())
    assert isinstance(run.exception, AmbuloError) and says in str(run.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["held"]


def test_nothing_is_a_value_too() -> None:
    """As of mirror, whose default it is: a search over it must not be of fewer than was asked."""
    assert _space(["mirror=,x"]) == {"mirror": ["", "x"]}
    assert _value("mirror", "") == "" and _value("sizes.features", "84") == 84


def test_recognizers_that_come_along_are_named_by_the_package() -> None:
    code = "import ambulo; print(ambulo.pretrained.PRETRAINED)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "waist" in run.stdout, run.stderr


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (["seed=1"], "write --seed"),
        (["protocol=loso"], "write --protocol"),
        (["sizes=5", "sizes.hidden=3"], "sizes are set one by one"),
        (["sizes.hidden=3", "sizes=5"], "sizes are set one by one"),
    ],
)
def test_what_is_no_training_option_is_not_set_as_one(pairs: list[str], says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        options(pairs)


@pytest.mark.parametrize("address", ["ws://[x", "http://[x", "ws://localhost:99999"])
def test_addresses_that_are_none_are_told(address: str) -> None:
    with pytest.raises(StreamError):
        sink(address, ("walking",))
    with pytest.raises(StreamError):
        next(iter(source(address)))
