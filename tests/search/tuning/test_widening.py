"""Trials in a space that became wider: they keep their values, and the sampler goes on learning from them."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest

from search.planning.space import SearchSpace, SpaceSampler, suggest
from search.study.storage import open_storage, open_study
from search.tuning.searcher import TruthfulOptunaSearch
from search.tuning.widening import distribution_of, widen_trials
from trainable.knob import Choice, Range

NARROW: dict[str, Choice | Range] = {
    "model": Choice(("small-2m", "small-4m")), "lora_rank": Choice((8, 16)), "oversampling": Range(1, 4),
    "learning_rate": Range(1e-3, 1e-2, log=True), "lora_dropout": Range(0.0, 0.1),
}  # fmt: skip
WIDE: dict[str, Choice | Range] = {
    **NARROW, "lora_rank": Choice((4, 8, 12, 16)), "oversampling": Range(1, 8),
    "learning_rate": Range(1e-3, 1.0, log=True),
}  # fmt: skip


def searcher(root: Path, parameters: dict[str, Choice | Range]) -> TruthfulOptunaSearch:
    """The searcher of a study on disk, as a session makes it."""
    root.mkdir(exist_ok=True)
    space = SearchSpace(parameters, {"answers": "json"}, {})
    if (root / "study.db").is_file():
        widen_trials(root / "study.db", space)
    storage = open_storage(str(root / "study.db"), durable=False)
    return TruthfulOptunaSearch(SpaceSampler(space, {}), 9, storage, "s", {}, 42)


def run(search: TruthfulOptunaSearch, trials: int) -> list[dict[str, object]]:
    """End trials whose score rises with the learning rate; return their configs."""
    configs: list[dict[str, object]] = []
    for _ in range(trials):
        trial_id, config = search.next_trial()
        score = math.log(float(config["learning_rate"])) / 10
        search.on_trial_complete(trial_id, {"step": 9, "score": score, "outcome": "ok"})
        configs.append(config)
    return configs


@pytest.mark.parametrize("parameter", [*NARROW.values(), *WIDE.values(), Range(1, 64, log=True)], ids=str)
def test_a_distribution_is_the_one_that_optuna_notes_of_a_suggestion(parameter: Choice | Range) -> None:
    trial = optuna.create_study().ask()
    suggest(trial, "x", parameter)
    assert trial.distributions["x"] == distribution_of(parameter)


def test_values_and_scores_of_all_trials_stay_and_only_their_distributions_change(tmp_path: Path) -> None:
    run(searcher(tmp_path / "s", NARROW), 8)
    before = open_study(tmp_path / "s").trials
    space = SearchSpace(WIDE, {}, {})
    assert widen_trials(tmp_path / "s" / "study.db", space) == 3 * 8
    after = open_study(tmp_path / "s").trials
    assert [(trial.params, trial.values, trial.state, trial.user_attrs) for trial in after] == [
        (trial.params, trial.values, trial.state, trial.user_attrs) for trial in before
    ]
    assert all(
        trial.distributions == {name: distribution_of(parameter) for name, parameter in WIDE.items()}
        for trial in after
    )
    assert widen_trials(tmp_path / "s" / "study.db", space) == 0


def test_the_search_goes_on_beyond_the_old_end_and_learns_from_the_old_trials(tmp_path: Path) -> None:
    old = run(searcher(tmp_path / "s", NARROW), 12)
    search = searcher(tmp_path / "s", WIDE)
    assert search.ended() == 12
    new = run(search, 8)
    assert max(float(str(config["learning_rate"])) for config in old) <= 1e-2
    rates = [float(str(config["learning_rate"])) for config in new]
    assert sum(rate > 1e-2 for rate in rates) >= 4  # the best old ones lay at the end
    assert sum(rate < 3e-3 for rate in rates) <= 1  # drawn evenly, one in six
    trials = open_study(tmp_path / "s").trials
    common = optuna.search_space.intersection_search_space(trials)
    assert set(common) == set(WIDE)  # all are still sampled together


def test_a_trial_that_was_interrupted_keeps_its_config_in_the_wider_space(tmp_path: Path) -> None:
    _, config = searcher(tmp_path / "s", NARROW).next_trial()
    _, again = searcher(tmp_path / "s", WIDE).next_trial()
    assert again == config


def test_without_widening_optuna_refuses_other_values_of_a_choice(tmp_path: Path) -> None:
    run(searcher(tmp_path / "s", NARROW), 1)
    storage = open_storage(str(tmp_path / "s" / "study.db"))
    search = TruthfulOptunaSearch(
        SpaceSampler(SearchSpace(WIDE, {"answers": "json"}, {}), {}), 9, storage, "s", {}, 42
    )
    with pytest.raises(ValueError, match="does not support dynamic value space"):
        search.next_trial()


def test_a_database_without_trials_is_left_as_it_is(tmp_path: Path, empty_study_db: bytes) -> None:
    import sqlite3

    space = SearchSpace(WIDE, {}, {})
    (tmp_path / "study.db").write_bytes(empty_study_db)
    assert widen_trials(tmp_path / "study.db", space) == 0
    sqlite3.connect(tmp_path / "bare.db").close()
    assert widen_trials(tmp_path / "bare.db", space) == 0
