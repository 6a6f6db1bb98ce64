"""The rule for learning rates: near every measured optimum, and a range that holds all starting configs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.planning.rates import (
    BY_RULE,
    expectation_of,
    expected_rate,
    model_width,
    told_rates,
    with_expected_rates,
)
from search.planning.space import SearchSpace, default_space, fix
from trainable.knob import Choice, Range

MEASURED = [
    (192, 16, 16, 153, 2.4e-3), (192, 64, 16, 153, 1.9e-3), (256, 16, 16, 153, 2.7e-3), (256, 64, 16, 153, 1.5e-3),
    (576, 12, 32, 90, 2.8e-3), (576, 16, 32, 162, 2.1e-3), (576, 64, 32, 162, 1.0e-3), (2048, 16, 128, 1000, 1e-3),
]  # fmt: skip
"""Width, rank, batch, steps and the best rate: small-2m, small-4m, SmolLM2-135M, Llama-3.2-1B (results/LOG.md)."""


@pytest.mark.parametrize(("width", "rank", "batch", "steps", "best"), MEASURED)
def test_the_rule_is_within_a_factor_of_two_and_a_half_of_measured_optima(
    width: int, rank: int, batch: int, steps: int, best: float
) -> None:
    assert 1 / 2.5 < expected_rate(width, rank, batch, steps) / best < 2.5


def test_the_rate_falls_with_width_rank_and_length_and_rises_with_the_batch() -> None:
    here = expected_rate(1024, 16, 32, 160)
    assert expected_rate(2048, 16, 32, 160) < here
    assert expected_rate(1024, 64, 32, 160) < here
    assert expected_rate(1024, 16, 32, 1600) < here
    assert expected_rate(1024, 16, 64, 160) > here


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in {
        "Wide": {"hidden_size": 2048},
        "Narrow": {"text_config": {"hidden_size": 576}},
        "Odd": {},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(content))
    monkeypatch.setenv("PII_TUNER_MODELS", str(tmp_path))
    return tmp_path


def space_of(*names: str) -> SearchSpace:
    space = default_space("gpu", 42)
    if len(names) == 1:
        return fix(space, {"model": names[0]})
    space.parameters["model"] = Choice(names)
    return space


def test_the_width_is_read_from_nested_configs_too(models: Path) -> None:
    assert [model_width(name) for name in ("Wide", "Narrow", "Odd")] == [2048, 576, None]


@pytest.mark.parametrize("names", [("Wide",), ("Narrow",), ("Wide", "Narrow"), ("small-2m", "Narrow")])
def test_the_range_holds_the_rule_and_every_starting_config(models: Path, names: tuple[str, ...]) -> None:
    space = with_expected_rates(space_of(*names), 160)
    rates = space.parameters["learning_rate"]
    assert isinstance(rates, Range)
    assert rates.log
    for width in {"Wide": [2048], "Narrow": [576]}.get(names[0], [576]):
        assert expected_rate(width, 8, 32, 160) in rates
        assert expected_rate(width, 64, 32, 160) in rates
    assert all(config["learning_rate"] in rates for config in space.starting_configs.values())
    assert list(space.starting_configs)[:4] == ["conservative", "oversampling", "bigger model", "all of it"]


def test_a_fifth_starting_config_has_the_expected_rate(models: Path) -> None:
    config = with_expected_rates(space_of("Narrow"), 160).starting_configs[BY_RULE]
    assert config["lora_rank"] == 16
    assert config["oversampling"] == 2
    assert config["learning_rate"] == float(f"{expected_rate(576, 16, 32, 160):.2g}")


def test_configs_that_tag_have_the_expected_rate_and_configs_that_write_keep_their_own(models: Path) -> None:
    starting = with_expected_rates(space_of("Narrow"), 160).starting_configs
    rates = {name: config["learning_rate"] for name, config in starting.items()}
    written = ("conservative", "oversampling", "bigger model", "all of it")
    assert [rates[name] for name in written] == [1.5e-4] * 4
    ranks = [12, 12, 12, 16]
    assert [rates[f"{name} (tags)"] for name in written] == [
        float(f"{expected_rate(576, rank, 32, 160):.2g}") for rank in ranks
    ]
    assert list(rates) == [*default_space("gpu", 42).starting_configs, BY_RULE]
    assert starting[BY_RULE]["answers"] == "json"


@pytest.mark.parametrize("answers", ["json", "tags"])
def test_no_starting_config_changes_its_rate_where_one_way_to_answer_is_fixed(
    models: Path, answers: str
) -> None:
    space = with_expected_rates(fix(space_of("Narrow"), {"answers": answers}), 160)
    fitting = space.fitting_starting_configs()
    assert len(fitting) == 5
    assert {config["learning_rate"] for name, config in fitting.items() if name != BY_RULE} == {1.5e-4}


def test_the_rank_of_the_rule_follows_a_narrowed_space(models: Path) -> None:
    space = space_of("Narrow")
    space.parameters["lora_rank"] = Choice((32, 64))
    assert with_expected_rates(space, 160).starting_configs[BY_RULE]["lora_rank"] == 32
    fixed = fix(space_of("Narrow"), {"lora_rank": 8})
    assert with_expected_rates(fixed, 160).starting_configs[BY_RULE]["lora_rank"] == 8


def test_rates_that_the_user_chose_stay(models: Path) -> None:
    space = space_of("Narrow")
    space.parameters["learning_rate"] = Range(1e-5, 1e-4, log=True)
    assert with_expected_rates(space, 160) == space


def test_our_own_models_keep_their_measured_range() -> None:
    space = default_space("cpu", 42)
    assert with_expected_rates(space, 160) == space


def test_a_model_without_a_width_keeps_the_default_range(models: Path) -> None:
    space = space_of("Odd")
    assert with_expected_rates(space, 160) == space


def told(space: SearchSpace) -> str:
    return told_rates(space, with_expected_rates(space, 160), "gpu", 160)


def test_the_plan_tells_where_the_rates_come_from(models: Path) -> None:
    by_rule = told(space_of("Wide", "Narrow"))
    assert "by the rule of search/planning/rates.py" in by_rule
    assert by_rule.endswith(
        "; most are drawn near what the rule expects, at rank 16 6.2e-04 for Wide, 1.5e-03 for Narrow"
    )
    assert told(space_of("Odd")) == "[5e-05 .. 0.0005], the default of preset gpu"
    ours = "; most are drawn near what the rule expects, at rank 16 3.2e-03 for small-2m"
    assert told(space_of("small-2m")) == "[5e-05 .. 0.0005], the default of preset gpu" + ours
    chosen = space_of("Narrow")
    chosen.parameters["learning_rate"] = Range(1e-5, 1e-4, log=True)
    assert told(chosen).startswith("[1e-05 .. 0.0001] from --space; most are drawn near")
    chosen.parameters["learning_rate"] = Choice((1e-5, 1e-4))
    assert told(chosen) == "{1e-05, 0.0001} from --space"
    assert told(fix(space_of("Narrow"), {"learning_rate": 3e-4})) == "0.0003 alone, as --space has it"


def test_the_expected_rate_falls_with_the_rank_only_if_alpha_rises_with_it() -> None:
    space = default_space("cpu", 42)
    for own in (fix(space, {"lora_alpha": 32}), fix(space, {"use_rslora": True})):
        expected = expectation_of(own, 153)
        assert expected.rate({"model": "small-2m", "lora_rank": 8}) == expected.rate(
            {"model": "small-2m", "lora_rank": 64}
        )


def test_the_rule_says_nothing_of_a_model_that_is_not_here() -> None:
    space = fix(default_space("gpu", 42), {"model": "no such model"})
    assert expectation_of(space, 153).rate({"lora_rank": 8}) is None
    known = expectation_of(space, 153, width=lambda model: 576)
    assert known.rate({"lora_rank": 8}) == expected_rate(576, 8, 32, 153)
