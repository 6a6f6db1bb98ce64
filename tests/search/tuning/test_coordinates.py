"""Configs as the sampler sees them: ranks in order, rates by what is expected of them, and every value back as it was."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from search.planning.rates import expectation_of, expected_rate
from search.planning.space import SpaceSampler, default_space, fix
from search.tuning.coordinates import IGNORED, Coordinates, RatePrior
from search.tuning.sampler import make_sampler
from trainable.knob import Range

LOW, HIGH = 1e-4, 1e-2
PRIOR = RatePrior(LOW, HIGH, 1e-3)
RATES = {"learning_rate": FloatDistribution(LOW, HIGH, log=True)}


@pytest.mark.parametrize("prior", [PRIOR, RatePrior(LOW, HIGH, None), RatePrior(LOW, HIGH, 1e-7)])
def test_a_rate_comes_back_from_its_quantile(prior: RatePrior) -> None:
    for rate in (LOW, 3e-4, 1e-3, 5e-3, HIGH):
        assert prior.rate(prior.quantile(rate)) == pytest.approx(rate, rel=1e-6)
    assert [prior.quantile(LOW), prior.quantile(HIGH)] == [0.0, 1.0]
    assert LOW <= prior.rate(0.0) < prior.rate(0.5) < prior.rate(1.0) <= HIGH


def test_half_of_the_belief_lies_within_a_factor_of_two_of_what_is_expected() -> None:
    near = PRIOR.quantile(2e-3) - PRIOR.quantile(5e-4)
    even = math.log(4) / math.log(HIGH / LOW)
    assert 0.5 < near < 0.8
    assert near > 2 * even


def test_no_rate_is_ruled_out_however_wrong_the_rule() -> None:
    far = RatePrior(LOW, HIGH, 1e-4)
    even = math.log(2) / math.log(HIGH / LOW)
    assert far.quantile(HIGH) - far.quantile(HIGH / 2) > IGNORED * even


def test_without_a_rule_rates_are_even_on_a_log_scale() -> None:
    assert RatePrior(LOW, HIGH, None).quantile(1e-3) == pytest.approx(0.5)


def test_a_range_far_from_the_rule_is_searched_evenly() -> None:
    prior = RatePrior(1e-6, 1e-5, 3e-3)
    assert prior.quantile(math.sqrt(1e-6 * 1e-5)) == pytest.approx(0.5, abs=0.01)


def test_numbers_to_choose_from_are_seen_in_their_order_and_other_choices_as_they_are() -> None:
    real = {
        "lora_rank": CategoricalDistribution((64, 8, 16)),
        "load_in_4bit": CategoricalDistribution((False, True)),
        "model": CategoricalDistribution(("a", "b", "c")),
        "oversampling": IntDistribution(1, 4),
    }
    coordinates = Coordinates()
    seen = coordinates.distributions(real)
    assert seen == {**real, "lora_rank": IntDistribution(0, 2)}
    assert coordinates.real({"lora_rank": 2, "model": "b"}, real, {}) == {"lora_rank": 64, "model": "b"}


def test_every_value_of_a_trial_comes_back() -> None:
    space = default_space("cpu", 42)
    coordinates = Coordinates(expectation_of(space, 153))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        trial = study.ask()
        SpaceSampler(space, {})(trial)
        frozen = study.get_trials()[trial.number]
        seen = coordinates.seen(frozen)
        assert seen.distributions == coordinates.distributions(frozen.distributions)
        assert all(
            seen.distributions[name]._contains(seen.distributions[name].to_internal_repr(value))
            for name, value in seen.params.items()
        )
        back = coordinates.real(seen.params, frozen.distributions, {})
        assert back.pop("learning_rate") == pytest.approx(frozen.params["learning_rate"])
        assert back == {name: value for name, value in frozen.params.items() if name != "learning_rate"}


def test_equal_quantiles_are_equally_far_from_what_each_rank_and_model_expects() -> None:
    space = default_space("cpu", 42)
    space.parameters["learning_rate"] = Range(1e-9, 1e3, log=True)  # its ends are out of the way
    coordinates = Coordinates(expectation_of(space, 153))
    distribution = {"learning_rate": FloatDistribution(1e-9, 1e3, log=True)}
    for model, width in (("small-2m", 192), ("small-4m", 256)):
        for rank in (8, 64):
            config = {"model": model, "lora_rank": rank}
            assert coordinates.expectation.rate(config) == expected_rate(width, rank, 16, 153)
            high = coordinates.real({"learning_rate": 0.8}, distribution, config)["learning_rate"]
            low = coordinates.real({"learning_rate": 0.3}, distribution, config)["learning_rate"]
            assert 1 < high / low < 4


def good_trials(coordinates: Coordinates, off: float) -> int:
    """How many trials of six searches have good rates and ranks; the best rate lies off the expected one by a factor."""
    space = fix(default_space("cpu", 42), {"answers": "json"})
    expected, found = expectation_of(space, 153).rate, 0
    for seed in range(6):
        study = optuna.create_study(direction="maximize")
        for number in range(20):
            study.sampler = make_sampler(seed, number, coordinates=coordinates)
            trial = study.ask()
            SpaceSampler(space, {})(trial)
            missed = abs(
                math.log(trial.params["learning_rate"] / (off * (expected(trial.params) or math.nan)))
            )
            study.tell(trial, -missed + math.log2(trial.params["lora_rank"]) / 2)
            found += missed < math.log(2) and trial.params["lora_rank"] in (32, 64)
    return found


def test_where_the_rule_is_right_more_trials_are_good_and_where_it_is_wrong_few_are_lost() -> None:
    with_rule, without = Coordinates(expectation_of(default_space("cpu", 42), 153)), Coordinates()
    assert good_trials(with_rule, 1.0) > 1.3 * good_trials(without, 1.0)
    for off in (4.0, 0.25):
        assert good_trials(with_rule, off) > 0.6 * good_trials(without, off)


def test_a_choice_of_rates_is_a_choice_in_order() -> None:
    real = {"learning_rate": CategoricalDistribution((1e-3, 1e-4, 3e-4))}
    coordinates = Coordinates()
    assert coordinates.distributions(real) == {"learning_rate": IntDistribution(0, 2)}
    assert coordinates.real({"learning_rate": 0}, real, {}) == {"learning_rate": 1e-4}
