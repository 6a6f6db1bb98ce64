"""The Tuner of a search: it hands out what is left, under our names, and keeps no checkpoints of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.options import SearchOptions
from search.planning.plan import make_plan
from search.running.settings_files import write_settings
from search.running.tuner import EXPERIMENT, make_tuner
from search.tuning.assembly import make_placement, make_searcher
from trainable.timeline import Timeline


def test_the_tuner_runs_what_is_left_and_what_an_earlier_session_left_is_gone(
    tmp_path: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(
        SearchOptions(preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9)
    )
    left_over = plan.files.ray / EXPERIMENT / "old.json"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    write_settings(plan)
    searcher, given = make_searcher(plan), dict[str, Any]()
    monkeypatch.setattr("ray.tune.Tuner", lambda trainable, **settings: given.update(settings))
    _, display = make_tuner(plan, searcher, 3, make_placement(plan, searcher), Timeline())
    display.close()
    assert not left_over.exists()
    run, tune = given["run_config"], given["tune_config"]
    assert (run.name, run.storage_path) == (EXPERIMENT, str(plan.files.ray))
    assert not run.checkpoint_config.checkpoint_at_end
    assert (tune.num_samples, tune.reuse_actors) == (3, True)
