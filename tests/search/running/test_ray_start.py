"""Starting Ray: workers get the environment, pages are told, a slow machine is waited for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan
from search.running.process_state import put_back_afterwards
from search.running.ray_start import RAY_STARTS, set_environment, start_ray


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path) -> SearchPlan:
    return make_plan(
        SearchOptions(
            preset="cpu",
            results_dir=tmp_path / "results",
            data_dir=small_corpus,
            study="s",
            horizon_steps=9,
            concurrent_trials=2,
        )
    )


def test_the_environment_hides_every_card_and_leaves_what_the_user_has_set(
    plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    with put_back_afterwards():
        set_environment(plan)
        names = (
            "CUDA_VISIBLE_DEVICES",
            "HF_HUB_OFFLINE",
            "TOKENIZERS_PARALLELISM",
            "TUNE_MAX_PENDING_TRIALS_PG",
        )
        assert [os.environ[name] for name in names] == ["", "0", "false", "4"]


@pytest.mark.parametrize(
    ("message", "starts"), [("The node timed out during startup", RAY_STARTS), ("port is taken", 1)]
)
def test_ray_is_started_again_only_when_it_was_too_slow(
    message: str, starts: int, plan: SearchPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    tried = []

    def init(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise RuntimeError(message)

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(RuntimeError, match=message):
        start_ray(plan)
    assert len(tried) == starts


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_get_the_environment_and_people_the_addresses(
    plan: SearchPlan, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    with put_back_afterwards():
        set_environment(plan)
        start_ray(plan)
        try:

            @ray.remote
            def environment() -> dict[str, str]:
                return dict(os.environ)

            found = ray.get(environment.remote())
            told = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
            resources = ray.cluster_resources()
        finally:
            ray.shutdown()
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert found["HF_HUB_OFFLINE"] == found["UNSLOTH_DISABLE_STATISTICS"] == "1"
    assert resources["CPU"] == 2
    assert resources["seat-0"] == resources["seat-1"] == 1
    assert "GPU" not in resources
    assert told["dashboard"].startswith("http://127.0.0.1:")
    config = Path(told["metrics"].partition("--config.file=")[2].split()[0])
    assert config.name == "prometheus.yml"
    assert config.parents[2].is_dir()
