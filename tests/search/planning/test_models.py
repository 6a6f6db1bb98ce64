"""What a plan says of its base models: size, end of turn, system message, adapters, path; and why one is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.entities import Entity, Example
from search.planning.models import check_answers, described, model_problems, with_possible_answers
from search.planning.space import SearchSpace, default_space, fix
from tests.families import save_family, save_in_4bit
from trainable.config import TrialSettings
from trainable.model.bases import BUNDLED_DIR

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine

SETTINGS = TrialSettings("peft", "t", "v", "c", "d", (9,), (20,))


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three families, and two folders that hold no model that can be tuned."""
    root = tmp_path_factory.mktemp("models")
    for name in ("llama3", "gemma2", "qwen3_moe"):
        save_family(name, root / name)
    (root / "empty").mkdir()
    (root / "empty" / "config.json").write_bytes((BUNDLED_DIR / "small-2m" / "config.json").read_bytes())
    save_family("qwen3", root / "silent")
    (root / "silent" / "chat_template.jinja").unlink()
    return root


@pytest.fixture(autouse=True)
def found(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PII_TUNER_MODELS", str(models))


def space_of(model: str, **fixed: bool | int | str) -> SearchSpace:
    return fix(default_space("cpu", 42), {"model": model, **fixed})


def test_a_plan_tells_family_end_of_turn_date_and_path() -> None:
    what, how = described(space_of("llama3"), SETTINGS)
    assert what.startswith("llama3: llama, ")
    assert "answers end with <|eot_id|> (from the template)" in what
    assert what.endswith("system message as the template has it, date fixed")
    assert how.endswith("; our own passes")
    assert "q_proj" in how


def test_a_plan_tells_where_the_system_message_goes_and_why_training_is_slow() -> None:
    what, how = described(space_of("gemma2"), SETTINGS)
    assert what.endswith("system message in the user's turn")
    assert how.endswith("the library's own passes (model type gemma2)")


def test_a_plan_tells_that_experts_are_left_alone() -> None:
    _, how = described(space_of("qwen3_moe", load_in_4bit=False), SETTINGS)
    assert "adapters on 25% of the weights" in how
    assert "the experts get none" in how


def test_a_study_that_goes_on_keeps_the_end_of_a_turn_that_it_was_started_with() -> None:
    settings = replace(SETTINGS, ends_of_turn=(("llama3", "<|end_of_text|>"),))
    what, _ = described(space_of("llama3"), settings)
    assert "answers end with <|end_of_text|> (as stored)" in what


def test_a_plan_tells_what_stands_before_a_text_that_is_tagged() -> None:
    what, _ = described(space_of("gemma2"), replace(SETTINGS, in_turn=True))
    assert what.endswith(", tagged texts stand behind <start_of_turn>user")


def test_every_model_of_a_space_is_described() -> None:
    assert [line.split(":")[0] for line in described(default_space("cpu", 42), SETTINGS)[::2]] == [
        "small-2m",
        "small-4m",
    ]


def test_a_model_that_can_be_tuned_has_no_problem() -> None:
    assert model_problems(space_of("llama3"), ["llama3", "gemma2"]) == []


def test_each_model_that_cannot_be_tuned_is_named_with_its_reason() -> None:
    without_weights, without_template = model_problems(space_of("llama3"), ["empty", "llama3", "silent"])
    assert without_weights.startswith("`model` empty: ")
    assert "holds no weights" in without_weights
    assert without_template.startswith("`model` silent: ")
    assert "no chat template" in without_template


def test_experts_are_refused_where_4_bit_is_searched_and_not_where_it_is_off(models: Path) -> None:
    (problem,) = model_problems(space_of("llama3"), ["qwen3_moe"])
    assert "fix `load_in_4bit` to false in --space" in problem
    assert model_problems(space_of("qwen3_moe", load_in_4bit=False), ["qwen3_moe"]) == []


def test_a_base_that_is_stored_in_another_quantisation_is_refused(models: Path) -> None:
    folder = save_family("qwen2.5", models / "awq")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "quantization_config": {"quant_method": "awq"}})
    )
    (problem,) = model_problems(space_of("awq"), ["awq"])
    assert "stored quantised by awq" in problem


def test_a_base_that_is_stored_in_4_bit_is_refused_where_16_bit_may_be_tried(models: Path) -> None:
    save_in_4bit(models / "llama3", models / "stored")
    (problem,) = model_problems(space_of("stored"), ["stored"])
    assert "stored is stored in 4-bit already, so `load_in_4bit` cannot be false" in problem
    fixed = space_of("stored", load_in_4bit=True)
    assert model_problems(fixed, ["stored"]) == []
    what, _ = described(fixed, SETTINGS)
    assert "stored in bitsandbytes-4bit" in what


NESTED = Example("1", "Anna Lee came", (Entity("NAME", "Anna Lee", 0, 8), Entity("FIRST", "Anna", 0, 4)))
PLAIN = Example("2", "Anna Lee came", (Entity("NAME", "Anna Lee", 0, 8),))


def test_a_few_overlaps_are_told_and_many_leave_tags_out() -> None:
    space = default_space("cpu", 42)
    assert with_possible_answers(space, [PLAIN] * 20, "peft") == (space, "")
    same, told = with_possible_answers(space, [PLAIN] * 30 + [NESTED], "peft")
    assert (same, told) == (space, "3.1% of the entities overlap a longer one; tags learn the longer")
    narrowed, told = with_possible_answers(space, [PLAIN, NESTED], "peft")
    assert "answers" not in narrowed.parameters
    assert narrowed.fixed["answers"] == "json"
    assert told == "json alone, no tags: 33.3% of the entities overlap a longer one and would be lost"


def test_tags_that_are_asked_for_and_cannot_serve_are_refused_with_every_reason(models: Path) -> None:
    save_family("lfm2", models / "lfm2")
    with pytest.raises(ValueError, match=r"`answers` cannot be tags: lfm2: layers of kind conv .*; 50.0% .*set it to json"):  # fmt: skip
        with_possible_answers(space_of("lfm2", answers="tags"), [NESTED], "peft")
    written = space_of("lfm2", answers="json")
    assert with_possible_answers(written, [NESTED], "peft") == (written, "")


def test_unsloth_tags_only_with_our_own_passes() -> None:
    assert with_possible_answers(space_of("llama3"), [PLAIN], "unsloth")[1] == ""
    narrowed, told = with_possible_answers(space_of("gemma2"), [PLAIN], "unsloth")
    assert narrowed.fixed["answers"] == "json"
    assert "look to the left only; --backend peft does not" in told
    assert with_possible_answers(space_of("gemma2"), [PLAIN], "peft")[1] == ""


def test_a_new_model_of_a_study_that_searches_tags_must_be_able_to_tag() -> None:
    check_answers(space_of("gemma2"), ["gemma2"], [PLAIN], "peft")
    check_answers(space_of("gemma2"), [], [PLAIN], "unsloth")
    with pytest.raises(ValueError, match="`model` has new values that cannot answer .*look to the left only"):
        check_answers(space_of("gemma2"), ["gemma2"], [PLAIN], "unsloth")
