"""A search without a storage sends nothing; what could not be brought home is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running import shipments
from search.running.shipments import bring_home, shipped_trainable
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.ray_trainable import TunerTrial


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path) -> SearchPlan:
    options = SearchOptions(trials=2, results_dir=tmp_path / "results", data_dir=small_corpus, preset="cpu")
    return make_plan(options)


def test_a_search_on_a_shared_disk_sends_nothing(plan: SearchPlan) -> None:
    assert shipped_trainable(plan) is TunerTrial
    bring_home(plan)
    assert not plan.files.root.exists()


def test_tracebacks_come_home_and_what_went_wrong_is_told(
    plan: SearchPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        shipments, "delete_copies", lambda folder: [f"node a: {folder} is left"]
    )  # needs a cluster
    (tmp_path / "storage").mkdir()
    away = replace(plan, store=CheckpointStore((tmp_path / "storage").as_uri(), "s-1"))
    assert away.store is not None
    away.store.write("errors/t001.txt", b"Traceback")
    bring_home(away)
    assert (plan.files.errors / "t001.txt").read_text(encoding="utf-8") == "Traceback"
    assert capsys.readouterr().err == "node a: s-1 is left\n"
    lost = replace(plan, store=CheckpointStore("ftp://nowhere", "s-1"))
    bring_home(lost)
    assert capsys.readouterr().err.startswith("tracebacks of trials were not fetched: ")
