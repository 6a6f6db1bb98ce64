"""A knob's rule, kind and range, and how the knobs of a config class are found."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import pytest

from trainable.config import KNOBS, TrialConfig
from trainable.knob import Choice, Knob, KnobValue, Range, base_name, bits, is_whole, kind_of, knobs_of


@dataclass(frozen=True, slots=True)
class BiggerConfig(TrialConfig):
    """A config class with one hyperparameter more."""

    label_smoothing: Annotated[float, Knob("label smoothing", at_least=0, below=0.5)] = 0.0
    notes: str = ""


@pytest.mark.parametrize(
    ("knob", "allowed", "refused", "rule"),
    [
        (Knob("rate", above=0), 1e-9, 0, "must be above 0"),
        (Knob("factor", at_least=1), 1, 0.99, "must be at least 1"),
        (Knob("factor", at_least=1), 1, float("nan"), "must be at least 1"),
        (Knob("dropout", at_least=0, below=1), 0.0, 1.0, "must be in [0, 1)"),
        (Knob("optimizer", one_of=("adamw", "lion")), "lion", "sgd", "must be adamw or lion"),
    ],
)
def test_a_rule_tells_what_a_value_must_be(
    knob: Knob, allowed: KnobValue, refused: KnobValue, rule: str
) -> None:
    assert knob.broken_rule(allowed) == ""
    assert knob.broken_rule(refused) == rule


def test_a_value_that_is_not_given_breaks_no_rule() -> None:
    assert Knob("alpha", above=0).broken_rule(None) == ""
    assert Knob("anything").broken_rule(-1) == ""


def test_every_field_with_a_knob_is_found_in_the_order_of_the_fields() -> None:
    found = knobs_of(BiggerConfig)
    assert list(found) == [*KNOBS, "label_smoothing"]
    assert found["label_smoothing"].words == "label smoothing"
    names = [field.name for field in fields(TrialConfig)]
    assert list(KNOBS) == [name for name in names if name not in ("target_modules", "init_adapter", "seed")]


def test_the_kind_of_a_field_is_a_truth_value_a_text_or_a_number() -> None:
    kinds = {name: kind_of(BiggerConfig, name) for name in knobs_of(BiggerConfig)}
    assert {name for name, kind in kinds.items() if kind is bool} == {
        "load_in_4bit", "use_rslora", "gradient_checkpointing",
    }  # fmt: skip
    assert {name for name, kind in kinds.items() if kind is str} == {"model", "answers", "optimizer"}
    assert kinds["lora_alpha"] is kinds["label_smoothing"] is float
    whole = {name for name in kinds if is_whole(BiggerConfig, name)}
    assert whole == {"lora_rank", "lora_alpha", "effective_batch", "micro_batch"}


def test_the_ends_of_a_range_belong_to_it_and_whole_ends_mean_whole_numbers() -> None:
    assert 1 in Range(1, 4)
    assert 4 in Range(1, 4)
    assert 4.5 not in Range(1, 4)
    assert "small" not in Range(1, 4)
    assert Range(1, 4).whole
    assert not Range(1.0, 4.0).whole
    assert str(Range(1e-4, 0.5)) == "[0.0001 .. 0.5]"


def test_a_choice_has_its_values() -> None:
    assert "a" in Choice(("a", "b"))
    assert "c" not in Choice(("a", "b"))
    assert str(Choice((8, 16))) == "{8, 16}"


def test_values_are_told_in_the_short_name_of_a_config() -> None:
    assert Knob("rank", brief="r={}".format).told("lora_rank", 16) == "r=16"
    assert Knob("weight decay").told("weight_decay", 0.012345) == "weight_decay=0.0123"
    assert Knob("alpha").told("lora_alpha", None) == "lora_alpha=None"
    assert (base_name("/models/Qwen3-0.6B"), bits(True), bits(False)) == ("Qwen3-0.6B", "4-bit", "16-bit")
