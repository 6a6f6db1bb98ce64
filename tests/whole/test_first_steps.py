"""The notebook in examples/ runs from its first cell to its last, and its model finds something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT

_NOTEBOOK = ROOT / "examples" / "first_steps.ipynb"


def test_the_stored_notebook_has_no_output() -> None:
    cells = json.loads(_NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_notebook_runs_to_its_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[dev]' installs it")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book: Any = nbformat.read(_NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(book, timeout=800, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    printed = "".join(
        output.get("text", "") for cell in book.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert "recall 0." in printed
    assert "Jasmine Hernandez" in printed
    assert list((tmp_path / "first-steps" / "results" / "first").glob("report.html"))
