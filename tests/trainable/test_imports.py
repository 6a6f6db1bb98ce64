"""What large libraries load in vain is hidden from them, and from nobody else."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import sys
from pathlib import Path

import pytest

from trainable.imports import (
    hidden,
    transformers_imported_fast,
    trl_left_as_it_is,
    unsloth_shall_patch_trl,
)

VARIABLE = "UNSLOTH_ALLOW_CPU"


def value_inside() -> str | None:
    """The variable while Unsloth is imported."""
    with trl_left_as_it_is():
        return os.environ.get(VARIABLE)


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


def test_what_is_installed_is_looked_through_once_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(
        importlib.metadata, "packages_distributions", lambda: calls.append("") or {"a": ["b"]}
    )
    before = importlib.metadata.packages_distributions
    with transformers_imported_fast():
        found = [importlib.metadata.packages_distributions() for _ in range(3)]
    assert (found, len(calls)) == ([{"a": ["b"]}] * 3, 1)
    assert importlib.metadata.packages_distributions is before


def test_unsloth_leaves_trl_as_it_is_where_there_is_a_gpu_and_no_other_process_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.delenv(VARIABLE, raising=False)
    for gpu, expected in ((True, "1"), (False, None)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert value_inside() == expected
        assert VARIABLE not in os.environ


def test_what_was_chosen_before_unsloth_is_imported_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for chosen in ("0", "1"):
        monkeypatch.setenv(VARIABLE, chosen)
        unsloth_shall_patch_trl()
        assert value_inside() == os.environ[VARIABLE] == chosen
    monkeypatch.delenv(VARIABLE)
    unsloth_shall_patch_trl()
    assert value_inside() == os.environ[VARIABLE] == "0"
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("UNSLOTH_FORCE_CPU", "1")  # which Unsloth does not read if it leaves TRL as it is
    assert value_inside() is None
