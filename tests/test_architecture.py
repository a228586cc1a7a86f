"""Who may import whom, and what the light commands must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "ambulo"

LEVELS: list[set[str]] = [
    {
        "errors",
        "signals",
        "timeline",
        "events",
        "conformal",
        "progress",
        "processes",
        "checkpoint",
        "memory",
        "models",
        "gait",
    },
    {"recording", "day", "wearing", "runtime"},
    {"windows", "readers"},
    {"datasets", "protocols", "options", "recipes", "audit", "context"},
    {"recognizer", "augmentation"},
    {
        "suitability",
        "closed_form",
        "imbalance",
        "importance",
        "state",
        "batches",
        "parallel",
        "c_header",
    },
    {"stream", "exporting", "epochs", "building", "pretrained", "heads"},
    {"piecewise", "server"},
    {"fleet"},
    {"training", "scores", "adaptation"},
    {"evaluation", "sklearn_door"},
    {"reproduction", "comparison", "tuning"},
    {"report"},
    {"cli"},
]
"""A module may import from the levels above its own in this list, and a package from itself."""

LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
HEAVY = (
    "torch",
    "ray",
    "fastapi",
    "matplotlib",
    "jinja2",
    "sklearn",
    "optuna",
    "pandas",
    "scipy",
)


def rooms() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The rooms of Ambulo that a file imports, wherever in it."""
    out = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "ambulo":
                names = [f"ambulo.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        out |= {name.split(".")[1] for name in names if name.startswith("ambulo.")}
    return out


@pytest.mark.parametrize("path", rooms(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_follow_the_table(path: Path) -> None:
    own = room(path)
    if own in ("__init__", "__main__", "cli"):
        return
    assert own in LEVEL, f"{own} has no level: give it one in LEVELS"
    for name in imported(path) - {own}:
        allowed = name == "errors" if LEVEL[own] == 0 else LEVEL[name] < LEVEL[own]
        assert allowed, f"{path} imports {name}"


def test_no_drawers() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "core", "misc"}
    assert not {path.stem for path in rooms()} & drawers
    assert not {path.stem for path in rooms()} & set(sys.stdlib_module_names) - {"__init__"}


def test_no_public_name_is_hidden_by_a_module() -> None:
    import ambulo

    assert not {*ambulo.__all__} & {room(path) for path in rooms()}


@pytest.mark.parametrize(
    "code",
    [
        "import ambulo",
        "import ambulo.cli",
        "import ambulo.report.daily",
        "from ambulo import read, fit, Recognizer, Windowing, Timeline, load_dataset, MODELS",
    ],
)
def test_light_imports_load_nothing_heavy(code: str) -> None:
    check = f"import sys; {code}; print([m for m in {HEAVY!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_reading_loads_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    code = (
        "import polars as pl; from ambulo import read; import ambulo.suitability\n"
        "pl.DataFrame({'time': [i / 50 for i in range(200)], 'acc_x': [1.0] * 200})"
        f".write_parquet({str(path)!r}); read({str(path)!r})"
    )
    test_light_imports_load_nothing_heavy(code.replace("\n", ";"))


def test_only_the_command_line_prints() -> None:
    for path in rooms():
        calls = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call))
        names = {n.func.id for n in calls if isinstance(n.func, ast.Name)}
        assert not names & {"print", "eval", "exec"}, path


def test_the_command_line_prints_by_say_alone() -> None:
    """What is printed anywhere else may hold a name that steers the terminal."""
    for path in (SOURCE / "cli").glob("*.py"):
        assert path.stem == "saying" or "typer.echo" not in path.read_text(), path
