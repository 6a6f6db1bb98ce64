"""What becomes of a search that breaks, and what stays as it was."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import make_plan
from search.running import driver
from search.running.breakage import SearchBroke
from search.running.driver import run_search
from search.study.lock import StudyInUse, StudyLock


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            (SearchBroke, "no space left for .+: make room, then repeat"),
        ),
        (RuntimeError("no trial got a score"), (RuntimeError, "^no trial got a score$")),
    ],
)
def test_a_disk_that_is_full_when_the_tables_are_written_is_told_like_one_before(
    error: Exception,
    told: tuple[type[Exception], str],
    tmp_path: Path,
    small_corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def written(*_: object) -> None:
        raise error

    monkeypatch.setattr(driver, "_run_trials", lambda _, finish, *__: (finish(), None))
    monkeypatch.setattr(driver, "finish_and_confirm", written)
    kind, text = told
    with pytest.raises(kind, match=text):
        run_search(
            make_plan(
                SearchOptions(
                    preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9
                )
            )
        )


def test_the_process_is_left_as_it_was_even_when_the_search_breaks(
    tmp_path: Path, small_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr(driver, "start_ray", lambda *_: 1 / 0)
    plan = make_plan(
        SearchOptions(preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9)
    )
    before, mask = dict(os.environ), os.umask(0o022)
    try:
        with pytest.raises(SearchBroke, match="the search broke: ZeroDivisionError"):
            run_search(plan)
        assert dict(os.environ) == before
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(mask)
    assert plan.files.root.stat().st_mode & 0o077 == 0


def test_a_study_that_is_being_run_is_left_alone(tmp_path: Path, small_corpus: Path) -> None:
    plan = make_plan(
        SearchOptions(preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9)
    )
    plan.files.root.mkdir()
    with StudyLock(plan.files.lock), pytest.raises(StudyInUse):
        run_search(plan)
    assert not plan.files.config.exists()
