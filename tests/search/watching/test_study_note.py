"""The note on the study page: the best trial in words, and what became of the starting configs."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from search.study.confirmation import Confirmation, Contender
from search.watching.study_note import save_study_note, study_note
from trainable.knob import KnobValue

FIXED: dict[str, KnobValue] = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}
RANKS = optuna.distributions.CategoricalDistribution((8, 16))


def add_trial(study: optuna.Study, recall: float, **attributes: object) -> None:
    name = f"t{len(study.trials)}"
    told = {"ray_trial_id": name, "outcome": "completed", "micro_recall": recall, "micro_precision": 0.9}
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.COMPLETE, value=recall, params={"lora_rank": 8}, distributions={"lora_rank": RANKS},
            intermediate_values={9: recall}, user_attrs={**told, **attributes},
        )
    )  # fmt: skip


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    add_trial(study, 0.5, starting_config="conservative")
    return study


def test_a_study_without_a_score_has_a_note_too() -> None:
    assert study_note(optuna.create_study(), FIXED, 9).startswith("## No trial has a score yet")


def test_the_note_names_the_confirmed_winner(study: optuna.Study) -> None:
    add_trial(study, 0.75)
    note = study_note(
        study, FIXED, 9, Confirmation((Contender("t1", 0.75, (0.25,)), Contender("t0", 0.7, (0.68,))))
    )
    assert "Trial 0 (`t0`" in note
    assert "Trained again with fresh seeds: confirmed t1: score 0.750 with its own seed, 0.250" in note


def test_the_best_trial_is_named_with_its_interval_and_config(study: optuna.Study) -> None:
    add_trial(study, 0.75, micro_recall_low=0.7, micro_recall_high=0.8)
    assert study_note(study, FIXED, 9).startswith(
        "## Best so far: recall 0.750 (95 % interval 0.700 to 0.800), precision 0.900\n\n"
        "Trial 1 (`t1`) after 9 of 9 steps: small-2m 16-bit r=8"
    )


def test_the_starting_configs_are_listed_with_how_they_ended(study: optuna.Study) -> None:
    old_name = {"plan": "bigger model"}  # in studies made before
    add_trial(study, 0.3, outcome="stopped", micro_precision=None, **old_name)
    rows = [line for line in study_note(study, FIXED, 9).splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        "| conservative | 0 | completed | 0.500 | 0.900 |",
        "| bigger model | 1 | stopped | 0.300 | - |",
    ]


def test_a_saved_note_can_be_read_back_and_the_score_has_its_name(study: optuna.Study) -> None:
    from optuna_dashboard import get_note

    save_study_note(study, FIXED, 9)
    assert study.metric_names == ["score"]
    save_study_note(study, FIXED, 9)  # again after each trial
    assert get_note(study) == study_note(study, FIXED, 9)
