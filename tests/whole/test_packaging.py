"""The install: our packages win over folders of the same name in the user's working directory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from data.paths import ROOT


def test_a_users_own_data_folder_does_not_shadow_ours(tmp_path: Path) -> None:
    for name in ("data", "search", "trainable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "merged_pii_dataset_train.jsonl").write_text("", encoding="utf-8")
    code = (
        "import data.entities, trainable, search; "
        "print(data.__file__, trainable.__file__, search.__file__, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [Path(line) for line in done.stdout.splitlines()]
    assert found == [ROOT / name / "__init__.py" for name in ("data", "trainable", "search")]


@pytest.mark.slow
def test_the_scripts_find_our_packages_from_any_working_directory(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    script = ROOT / "search" / "run.py"
    flags = ["--plan", "--preset", "cpu", "--results-dir", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, str(script), *flags], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"study      {tmp_path / 'results' / 'study-001'}")
    assert not list((tmp_path / "results").iterdir())
