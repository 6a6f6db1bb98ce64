"""The one path that all others start from."""

from __future__ import annotations

from pathlib import Path

import data
from data.paths import ROOT


def test_the_root_is_the_absolute_folder_of_the_three_packages() -> None:
    assert ROOT.is_absolute()
    assert Path(str(data.__file__)).resolve().parent == ROOT / "data"
    assert all((ROOT / package / "__init__.py").is_file() for package in ("data", "trainable", "search"))
    assert (ROOT / "pyproject.toml").is_file()
