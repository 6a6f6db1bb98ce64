"""The libraries of a trial are loaded at once, without what nobody needs and without useless collections."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
