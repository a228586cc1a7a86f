"""The tutorial runs from top to bottom on made-up people, and shows what its text says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

TUTORIAL = Path(__file__).parent.parent / "examples" / "tutorial.ipynb"

FINDINGS = """
import json, sys
print(json.dumps({
    "python": sys.executable,
    "honest": honest.accuracy()["mean"],
    "tested": honest.people,
    "honest clean": honest.audit["clean"] and not honest.inflated,
    "shuffled": shuffled.accuracy()["mean"],
    "shuffled clean": shuffled.audit["clean"] or not shuffled.inflated,
    "trained on": recognizer.card["people"],
    "recording of": recording.subject,
    "kept": scores.accuracy()["mean"],
    "without acceleration": sensors.difference("gyro"),
    "labels": sorted({i.activity for i in recording.intervals}),
    "totals": timeline.totals(),
    "seconds": recording.duration,
}))
"""


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    return nbformat.read(TUTORIAL, as_version=4)


def outputs(cell: NotebookNode) -> str:
    """What a cell said on standard output."""
    return "".join(o["text"] for o in cell.outputs if o.get("name") == "stdout")


def test_it_is_stored_without_outputs(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, cell.id
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert 'DATASET = "synthetic"' in notebook.cells[1].source


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel of this very interpreter, whatever is installed or set up for this user."""
    home = tmp_path / "jupyter"
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(home / name.lower()))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # no word on frozen modules
    monkeypatch.delenv("AMBULO_DATA", raising=False)
    spec = home / "jupyter_data_dir" / "kernels" / "here" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "here", "language": "python"}))
    return "here"


@pytest.mark.slow
def test_it_runs_and_teaches_what_it_says(
    notebook: NotebookNode, kernel: str, tmp_path: Path
) -> None:
    notebook.cells.append(new_code_cell(FINDINGS))
    folder = tmp_path / "work"
    folder.mkdir()
    resources: dict[str, Any] = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, kernel_name=kernel, resources=resources).execute()

    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    complaints = "".join(
        o["text"] for cell in cells.values() for o in cell.outputs if o.get("name") == "stderr"
    )
    assert "Warning" not in complaints, complaints
    for name in ("signals", "figures", "shuffle", "doubtful", "importance", "ablate", "save"):
        assert any("image/png" in o.get("data", {}) for o in cells[name].outputs), name
    assert "also in training" in outputs(cells["shuffle"])
    assert "label: " in outputs(cells["predict"])

    found = json.loads(outputs(notebook.cells[-1]))
    assert found["python"] == sys.executable
    assert len(found["tested"]) == 8 and found["honest clean"] and not found["shuffled clean"]
    assert 0.6 < found["honest"] < found["shuffled"] and found["kept"] > 0.6
    assert found["without acceleration"]["high"] < 0
    assert found["recording of"] == "8" and found["trained on"] == list("123456")
    assert set(found["labels"]) <= set(found["totals"])
    assert sum(found["totals"].values()) == pytest.approx(found["seconds"], abs=0.1)
    for name in ("tutorial.ambulo", "timeline.csv", "timeline.png"):
        assert (folder / name).stat().st_size > 500
