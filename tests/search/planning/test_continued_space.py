"""A study goes on in its own space or in one that holds it, and in no other."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from search.planning.continued_space import as_json, narrower, parameter_of, widened
from search.planning.space import SearchSpace
from trainable.config import KNOBS
from trainable.knob import Choice, KnobValue, Range

STORED = SearchSpace(
    {
        "lora_rank": Choice((8, 16)), "load_in_4bit": Choice((False,)), "learning_rate": Range(1e-3, 1e-2, log=True),
        "oversampling": Range(1, 4),
    },
    {"effective_batch": 8, "target_modules": ("q_proj",)},
    {"conservative": {"lora_rank": 12}},
)  # fmt: skip


def wanted(name: str, entry: Choice | Range | KnobValue) -> SearchSpace:
    """The space with one other entry, as `--space` gives it: behind the others, fixed or searched."""
    parameters = {key: value for key, value in STORED.parameters.items() if key != name}
    fixed = {key: value for key, value in STORED.fixed.items() if key != name}
    if isinstance(entry, Choice | Range):
        return replace(STORED, parameters={**parameters, name: entry}, fixed=fixed)
    return replace(STORED, parameters=parameters, fixed={**fixed, name: entry})


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("lora_rank", Choice((4, 8, 16))), ("lora_rank", Choice((16, 64, 8))), ("load_in_4bit", Choice((False, True))),
        ("learning_rate", Range(1e-4, 1.0, log=True)), ("learning_rate", Range(1e-3, 1e-1, log=True)),
        ("oversampling", Range(1, 8)),
    ],
)  # fmt: skip
def test_more_values_and_wider_ranges_are_taken_in_the_order_of_before(
    name: str, entry: Choice | Range
) -> None:
    space = widened(STORED, wanted(name, entry))
    assert space.parameters == {**STORED.parameters, name: entry}
    assert list(space.parameters) == list(STORED.parameters)
    assert (space.fixed, space.starting_configs) == (STORED.fixed, STORED.starting_configs)
    assert narrower(STORED, space) == {name: STORED.parameters[name]}


def test_the_same_space_is_the_same_and_nothing_is_wider() -> None:
    assert widened(STORED, STORED) == STORED
    assert narrower(STORED, STORED) == {}


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("lora_rank", Choice((8, 32))), ("lora_rank", 8), ("lora_rank", Range(8, 16)), ("load_in_4bit", Choice((0, 1))),
        ("learning_rate", Range(2e-3, 1.0, log=True)), ("learning_rate", Range(1e-3, 5e-3, log=True)),
        ("learning_rate", Range(1e-3, 1e-2)), ("oversampling", Range(1.0, 4.0)), ("effective_batch", 16),
        ("effective_batch", Choice((8, 16))), ("target_modules", "all"), ("weight_decay", 0.1),
        ("weight_decay", Range(0.0, 0.1)),
    ],
)  # fmt: skip
def test_what_lacks_a_value_or_is_of_another_kind_is_refused(
    name: str, entry: Choice | Range | KnobValue
) -> None:
    with pytest.raises(ValueError, match="so far; a study can go on with a wider range") as error:
        widened(STORED, wanted(name, entry))
    assert str(error.value).startswith(f"`--space`: `{name}` is {entry}, but was ")
    assert len(str(error.value).splitlines()) == 1


def test_all_differences_are_told_at_once() -> None:
    both = replace(STORED, parameters={**STORED.parameters, "lora_rank": Choice((8,))}, fixed={})
    with pytest.raises(ValueError, match="`effective_batch` is not given") as error:
        widened(STORED, both)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize("parameter", STORED.parameters.values(), ids=str)
def test_a_parameter_is_read_from_json_as_it_was_written(parameter: Choice | Range) -> None:
    read = parameter_of(json.loads(json.dumps(as_json(parameter))))
    assert read == parameter
    assert not isinstance(parameter, Range) or parameter.whole == parameter_of(as_json(parameter)).whole  # type: ignore[union-attr]


def test_what_is_searched_by_default_since_a_later_version_does_not_count_for_an_older_study() -> None:
    later = KNOBS["answers"].cpu
    assert isinstance(later, Choice)
    assert widened(STORED, wanted("answers", later)) == STORED
    with pytest.raises(ValueError, match="`answers` is tags, but was not given so far"):
        widened(STORED, wanted("answers", "tags"))
