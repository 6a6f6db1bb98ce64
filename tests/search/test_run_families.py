"""`python search/run.py --plan --space FILE` describes a base model of every family that is served."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from search.run import main
from tests.families import FAMILIES, save_family

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_plan_describes_the_model_and_forecasts_its_search(
    name: str,
    small_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    family = FAMILIES[name]
    save_family(name, tmp_path / name)
    space = tmp_path / "space.toml"
    bits = "" if family.four_bit else "load_in_4bit = false\n"
    space.write_text(f'[space]\nmodel = "{name}"\n{bits}', encoding="utf-8")
    monkeypatch.setenv("PII_TUNER_MODELS", str(tmp_path))
    flags = [
        "--plan",
        "--space",
        str(space),
        "--data-dir",
        str(small_corpus),
        "--results-dir",
        str(tmp_path / "results"),
    ]
    monkeypatch.setattr(sys, "argv", ["search/run.py", "--preset", "cpu", *flags])
    capsys.readouterr()
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    (place,) = [number for number, line in enumerate(lines) if line.startswith("models     ")]
    what, how = lines[place : place + 2]
    assert what.startswith(f"models     {name}: {family.model_type}, ")
    assert "M parameters, " in what
    assert "GiB in 16-bit, " in what
    source = "generation config" if name == "unclosed" else "template"
    assert f"answers end with {family.end} (from the {source})" in what
    assert ("in the user's turn" in what) == (family.system == "folded")
    told, _, turn = what.partition(", tagged texts stand behind ")
    assert told.endswith(", date fixed") == family.dated
    assert turn
    assert "% of the weights between embedding and head (" in how
    assert how.endswith(
        "; our own passes" if family.fast else f"; the library's own passes (model type {family.model_type})"
    )
    assert json.loads(lines[-1])
    assert not (tmp_path / "results" / "study-001").exists()
