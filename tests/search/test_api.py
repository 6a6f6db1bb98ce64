"""The search from Python: what it returns, what it refuses, and that the process is left as it was found."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from search.api import SearchOptions, load_study, resume, run_search


def state_of_this_process() -> dict[str, object]:
    mask = os.umask(0o022)
    os.umask(mask)
    handlers = {kind.name: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    return {"umask": mask, "environment": dict(os.environ), **handlers}


def test_problems_are_all_listed_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`--trials` is 0[\s\S]*`--seed` is -1"):
        run_search(SearchOptions(trials=0, seed=-1, results_dir=tmp_path / "results"))
    assert list(tmp_path.glob("results/*")) == []


def test_only_a_study_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config.json cannot be read"):
        resume(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_search_returns_its_study_and_leaves_the_process_as_it_was(
    tmp_path: Path, sample_head: Callable[[str, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), tmp_path / "data" / f"merged_pii_dataset_{split}.jsonl")
    (tmp_path / "space.toml").write_text(
        "[space]\nmodel = 'small-2m'\nload_in_4bit = false\n", encoding="utf-8"
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("TUNE_MAX_PENDING_TRIALS_PG", "7")
    before, announced = state_of_this_process(), []
    options = SearchOptions(
        trials=1, results_dir=tmp_path / "results", data_dir=tmp_path / "data", space=tmp_path / "space.toml",
        preset="cpu", horizon_steps=9, evaluation_documents=8, concurrent_trials=1, dashboard=False, confirm="0",
    )  # fmt: skip
    found = run_search(options, announced.append)
    assert state_of_this_process() == before
    assert [text.splitlines()[0].split() for text in announced] == [["study", str(found.path)]]
    assert (found.total, found.interrupted) == (1, False)
    assert found.path.stat().st_mode & 0o077 == 0  # for this user alone, all the same
    more = resume(found.path, trials=2)
    assert state_of_this_process() == before
    assert load_study(found.path).total == more.total == 2
