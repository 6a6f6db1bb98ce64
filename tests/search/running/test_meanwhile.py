"""What no trial waits for: the audit is noted, a GPU finds its token ids, and whatever fails loses nothing and tells no text."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from search.planning.plan import SearchPlan
from search.running import meanwhile
from search.running.meanwhile import Meanwhile
from search.running.settings_files import write_settings
from search.study.config_file import read_config
from trainable.model.bases import locate_base
from trainable.timeline import Timeline
from trainable.tokens import corpus


@pytest.fixture
def plan(plan: SearchPlan) -> SearchPlan:
    """A search that has begun."""
    write_settings(plan)
    return plan


def done(plan: SearchPlan) -> Timeline:
    start = Timeline()
    Meanwhile(plan, plan.documents.handed_over(), start).wait()
    return start


def on_a_gpu(plan: SearchPlan) -> SearchPlan:
    return replace(plan, preset=replace(plan.preset, name="gpu"))


def test_the_audit_is_noted_in_another_thread(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, tell = list[threading.Thread](), meanwhile.tell_audit
    monkeypatch.setattr(
        meanwhile, "tell_audit", lambda *given: threads.append(threading.current_thread()) or tell(*given)
    )
    start = done(plan)
    assert "audit" in start.parts
    assert capsys.readouterr().out == f"audit      {read_config(plan.files)['audit']['verdict']}\n"
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon  # or a search that was stopped would wait for it


def test_a_trial_on_a_gpu_finds_its_token_ids_for_every_model_and_way_to_answer(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(on_a_gpu(plan))
    assert len(list(plan.files.token_cache.iterdir())) == 2  # both models have one tokenizer
    monkeypatch.setattr(corpus, "_write", None)  # what would be made anew
    settings = plan.settings
    for tagged in (False, True):
        found = corpus.tokenized(
            locate_base("small-4m"), Path(settings.train_file), settings.window_tokens, plan.files.token_cache,
            settings.overlap_tokens, None, settings.prompt("small-4m"), tagged,
        )  # fmt: skip
        assert len(found.dataset) >= 120


def test_on_a_cpu_the_time_is_left_to_the_worker(plan: SearchPlan) -> None:
    done(plan)
    assert not plan.files.token_cache.exists()


def test_what_fails_is_told_without_its_message_and_the_rest_is_done(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*given: object) -> None:
        raise RuntimeError("Ada Lovelace")

    monkeypatch.setattr(meanwhile, "tell_audit", broken)
    done(on_a_gpu(plan))
    assert capsys.readouterr().out == "audit failed, the search goes on: RuntimeError\n"
    assert "audit" not in read_config(plan.files)
    assert len(list(plan.files.token_cache.iterdir())) == 2  # both models have one tokenizer
