"""The study page beside a search: up from its start to its end, with a note that is written after each trial."""

from __future__ import annotations

import pickle
import urllib.error
import urllib.request
from pathlib import Path

import optuna
import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.tuning.assembly import make_searcher
from search.watching.study_page import StudyPage, update_study_note


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path, empty_study_db: bytes) -> SearchPlan:
    plan = make_plan(
        SearchOptions(study="s", results_dir=tmp_path, data_dir=small_corpus, preset="cpu", horizon_steps=9)
    )
    plan.files.root.mkdir()
    plan.files.database.write_bytes(empty_study_db)
    return plan


def test_the_page_answers_until_the_search_ends(plan: SearchPlan, capsys: pytest.CaptureFixture[str]) -> None:
    make_searcher(plan)
    page = pickle.loads(pickle.dumps(StudyPage(plan.files.database)))
    page.setup()
    word, url = capsys.readouterr().out.rsplit(maxsplit=1)
    assert word == "study page"
    with urllib.request.urlopen(f"{url}/api/studies") as answer:
        assert b'"study_name":"s"' in answer.read().replace(b": ", b":")
    page.on_experiment_end([])
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/api/studies", timeout=5)


def test_a_page_that_never_came_up_can_be_taken_down(plan: SearchPlan) -> None:
    StudyPage(plan.files.database).on_experiment_end([])


def test_the_note_follows_the_best_trial(plan: SearchPlan) -> None:
    searcher = make_searcher(plan)
    for score in (0.5, 0.75):
        trial, _ = searcher.next_trial()
        searcher.on_trial_complete(trial, {"step": 9, "score": score, "micro_recall": score, "outcome": "ok"})
        update_study_note(plan, trial)
        assert note_of(searcher.study).startswith(f"## Best so far: recall {score:.3f}")


def note_of(study: optuna.Study) -> str:
    from optuna_dashboard import get_note

    return str(get_note(study))
