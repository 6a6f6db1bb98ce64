"""What large libraries load in vain is hidden from them, and from nobody else."""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path

import pytest

from trainable.imports import hidden, transformers_imported_fast


def test_a_package_that_is_not_loaded_can_be_hidden_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seldom_needed.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with hidden("seldom_needed"):
        assert importlib.util.find_spec("seldom_needed") is None
        with pytest.raises(ImportError):
            importlib.import_module("seldom_needed")
    assert importlib.import_module("seldom_needed").__file__ == str(tmp_path / "seldom_needed.py")


def test_a_package_that_is_loaded_stays() -> None:
    with hidden("json"):
        assert importlib.import_module("json") is sys.modules["json"]
    assert "json" in sys.modules


def test_inside_no_garbage_is_collected_and_afterwards_it_is_again() -> None:
    with transformers_imported_fast():
        assert not gc.isenabled()
    assert gc.isenabled()
