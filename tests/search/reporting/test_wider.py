"""What lies beyond a searched range: outwards, within the rules, and as a file that a search can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.planning.space import default_space, read_space
from search.reporting.wider import end_of, is_ordered, space_line, wider
from trainable.knob import Choice, Range


@pytest.mark.parametrize(
    ("name", "searched", "upper", "beyond"),
    [
        ("learning_rate", Range(3e-4, 3e-2, log=True), True, Range(3e-4, 0.2, log=True)),
        ("learning_rate", Range(3e-4, 3e-2, log=True), False, Range(7e-5, 3e-2, log=True)),
        ("lora_rank", Choice((8, 12, 16, 32, 64)), True, Choice((8, 12, 16, 32, 64, 128))),
        ("lora_rank", Choice((8, 12, 16, 32, 64)), False, Choice((5, 8, 12, 16, 32, 64))),
        ("lora_rank", Choice((8, 16, 24)), True, Choice((8, 16, 24, 32))),
        ("lora_rank", Choice((64, 8, 16)), True, Choice((64, 8, 16, 256))),
        ("oversampling", Range(1, 4), True, Range(1, 6)),
        ("oversampling", Range(2, 4), False, Range(1, 4)),
        ("oversampling", Range(1.0, 4.0), True, Range(1.0, 5.5)),
        ("weight_decay", Range(0.02, 0.1), False, Range(0.0, 0.1)),
        ("lora_dropout", Range(0.1, 0.3), False, Range(0.0, 0.3)),
    ],
)
def test_the_end_moves_outwards(
    name: str, searched: Choice | Range, upper: bool, beyond: Choice | Range
) -> None:
    found = wider(name, searched, upper)
    assert found is not None
    assert str(found) == str(beyond)
    assert [type(end_of(found, end)) for end in (False, True)] == [
        type(end_of(beyond, end)) for end in (False, True)
    ]


@pytest.mark.parametrize(
    ("name", "searched", "upper"),
    [
        ("oversampling", Range(1, 4), False),  # must be at least 1
        ("lora_rank", Choice((1, 2)), False),  # must be above 0
        ("lora_dropout", Range(0.0, 0.3), False),
        ("lora_dropout", Range(0.0, 0.7), True),  # must be below 1
        ("weight_decay", Range(0.0, 0.1), False),  # has no rule, but is never negative
    ],
)
def test_nothing_lies_beyond_what_a_rule_forbids(name: str, searched: Choice | Range, upper: bool) -> None:
    assert wider(name, searched, upper) is None


def test_names_and_truth_values_have_no_ends() -> None:
    assert not any(map(is_ordered, (Choice((False, True)), Choice(("a", "b")), Choice((8,)))))
    assert is_ordered(Choice((8, 16)))


def test_the_lines_are_read_back_as_what_they_were_made_from(tmp_path: Path) -> None:
    parameters: dict[str, Choice | Range] = {
        "learning_rate": Range(1e-5, 0.2, log=True), "lora_rank": Choice((5, 8)), "oversampling": Range(1.0, 4.0),
        "effective_batch": Range(8, 64),
    }  # fmt: skip
    file = tmp_path / "wider.toml"
    lines = [space_line(name, parameter) for name, parameter in parameters.items()]
    file.write_text("\n".join(["[space]", *lines]), encoding="utf-8")
    read = read_space(file, default_space("cpu", 42)).parameters
    assert {name: read[name] for name in parameters} == parameters
    assert isinstance(read["oversampling"], Range)
    assert not read["oversampling"].whole
