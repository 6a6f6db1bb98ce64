"""The libraries of a trial are loaded at once, without what nobody needs and without useless collections."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from trainable.trial.libraries import hidden


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


@pytest.mark.slow
def test_all_that_a_trial_needs_is_loaded_once_and_kept_out_of_collections() -> None:
    code = """
import gc, sys
from trainable.trial.libraries import load_libraries
load_libraries("peft")
frozen = gc.get_freeze_count()
loaded = {"torch", "transformers", "peft", "datasets", "trainable.trial.trial"} - set(sys.modules)
kept = [object() for _ in range(1000)]
load_libraries("peft")
print(gc.isenabled(), loaded, "sklearn" in sys.modules, frozen > 100_000, gc.get_freeze_count() == frozen)
import sklearn.metrics
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set() False True True\n"
