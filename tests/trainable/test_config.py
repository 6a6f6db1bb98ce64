"""The rules of a trial's config: what is refused, what is derived, what survives a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.prompt import DEFAULT_PROMPT, PromptSettings
from trainable.config import TrialConfig, TrialSettings, split_ray_config
from trainable.trial.ray_trainable import SETTINGS_KEY


def test_all_problems_of_a_config_are_named_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        TrialConfig(
            "small-2m", lora_rank=0, oversampling=0.5, lora_dropout=1.0, optimizer="sgd", micro_batch=5
        )
    for name in ("lora_rank", "oversampling", "lora_dropout", "optimizer", "micro_batch"):
        assert f"`{name}` is " in str(caught.value)


@pytest.mark.parametrize("name", ["lora_rank", "effective_batch", "learning_rate", "max_grad_norm"])
def test_a_size_of_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is 0, but must be above 0"):
        TrialConfig("small-2m", **{name: 0})


def test_alpha_is_twice_the_rank_unless_given() -> None:
    assert TrialConfig("small-2m", lora_rank=12).alpha == 24
    assert TrialConfig("small-2m", lora_rank=12, lora_alpha=7).alpha == 7


def test_a_config_survives_plain_values_and_unknown_names_are_refused() -> None:
    config = TrialConfig("small-2m", True, 16, 2e-3, 2.5, target_modules=("q_proj", "v_proj"))
    values = config.to_dict()
    values["target_modules"] = list(values["target_modules"])  # as JSON has it
    assert TrialConfig.from_dict(values) == config
    with pytest.raises(ValueError, match="unknown hyperparameters: alpha, rank"):
        TrialConfig.from_dict({"model": "small-2m", "rank": 4, "alpha": 8})


def test_settings_survive_their_file(tmp_path: Path) -> None:
    settings = TrialSettings(
        backend="peft",
        train_file="训练.jsonl",
        validation_file="v.jsonl",
        token_cache=str(tmp_path / "tokens"),
        checkpoint_dir=str(tmp_path / "checkpoints"),
        rungs=(10, 30, 90),
        evaluation_documents=(20, 40, 80),
    )
    settings.save(tmp_path / "settings.json")
    assert TrialSettings.load(tmp_path / "settings.json") == settings
    assert settings.horizon_steps == 90
    assert str(tmp_path) not in (tmp_path / "settings.json").read_text(encoding="utf-8")


def test_gradients_of_a_tagger_are_clipped_lower_unless_a_norm_is_given() -> None:
    written, tagged = TrialConfig("small-2m"), TrialConfig("small-2m", answers="tags")
    assert (written.gradient_clip, tagged.gradient_clip) == (1.0, 0.3)
    assert {config.with_changes(max_grad_norm=2.0).gradient_clip for config in (written, tagged)} == {2.0}


def test_the_folders_of_a_study_are_where_its_settings_lie(tmp_path: Path) -> None:
    old = {
        "backend": "peft",
        "train_file": "t",
        "validation_file": "v",
        "rungs": [9],
        "evaluation_documents": [4],
    }
    stored = {**old, "token_cache": "/old/place/tokens", "checkpoint_dir": "/old/place/checkpoints"}
    (tmp_path / "trial_settings.json").write_text(json.dumps(stored), encoding="utf-8")
    settings = TrialSettings.load(tmp_path / "trial_settings.json")
    assert settings.token_cache == str(tmp_path / "tokens")
    assert settings.checkpoint_dir == str(tmp_path / "checkpoints")


def test_a_model_is_asked_with_what_was_stored_and_in_an_older_study_with_the_defaults(
    tmp_path: Path,
) -> None:
    settings = TrialSettings(
        "peft", "t", "v", str(tmp_path / "tokens"), str(tmp_path / "checkpoints"), (9,), (20,),
        system_prompt="Find names.", date="2026-05-01",
        ends_of_turn=(("llama", "<|eot_id|>"),), in_turn=True,
    )  # fmt: skip
    file = tmp_path / "settings.json"
    settings.save(file)
    assert TrialSettings.load(file) == settings
    assert settings.prompt("llama") == PromptSettings("Find names.", "2026-05-01", "<|eot_id|>")
    assert settings.prompt("small-2m") == PromptSettings("Find names.", "2026-05-01")
    older = json.loads(file.read_text(encoding="utf-8"))
    for name in ("system_prompt", "date", "ends_of_turn", "in_turn"):
        del older[name]
    file.write_text(json.dumps(older), encoding="utf-8")
    assert TrialSettings.load(file).prompt("llama") == replace(DEFAULT_PROMPT, in_turn=False)


def test_a_ray_config_is_the_hyperparameters_and_the_settings_file() -> None:
    config = TrialConfig("small-2m", True, 16, 2e-3, 3)
    assert split_ray_config({**config.to_dict(), SETTINGS_KEY: "/study/settings.json"}) == (
        config,
        Path("/study/settings.json"),
    )
