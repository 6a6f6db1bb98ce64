"""What the sampler sees of a config: choices of numbers in their order, and the learning rate by what the rule expects of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from search.planning.rates import Expectation

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

SPREAD = 0.7
"""Standard deviation of ln(rate) around what the rule expects: measured optima lie within a factor of 2.5 of it."""
IGNORED = 0.2
"""Share of the draws that the rule has no say in, so that a wrong one costs little (replayed in results/LOG.md)."""
RATE = "learning_rate"


@dataclass(frozen=True, slots=True)
class RatePrior:
    """Where the best learning rate is believed to be: around what the rule expects, with a share spread evenly on a log scale."""

    low: float
    """Lower end of the searched range."""
    high: float
    """Upper end."""
    expected: float | None
    """None: no rule, evenly on a log scale."""

    def quantile(self, rate: float) -> float:
        """Return how much of the belief lies below a rate, from 0 to 1."""
        low, high = self._mass(math.log(self.low)), self._mass(math.log(self.high))
        return min(max((self._mass(math.log(rate)) - low) / (high - low), 0.0), 1.0)

    def rate(self, quantile: float) -> float:
        """Return the learning rate below which so much of the belief lies."""
        low, high = math.log(self.low), math.log(self.high)
        wanted = self._mass(low) + quantile * (self._mass(high) - self._mass(low))
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self._mass(middle) < wanted else (low, middle)
        return min(max(math.exp((low + high) / 2), self.low), self.high)

    def _mass(self, log_rate: float) -> float:
        even = (log_rate - math.log(self.low)) / math.log(self.high / self.low)
        if self.expected is None:
            return even
        return IGNORED * even + (1 - IGNORED) * NormalDist(math.log(self.expected), SPREAD).cdf(log_rate)


@dataclass(frozen=True)
class Coordinates:
    """Turns configs into what the sampler sees, and back; the study keeps the real values.

    Equal steps between ranks, and rates that mean the same at each rank and for each base model: what is learnt at one rank
    then serves at the others. Most draws lie near the rate that the rule expects, until trials say otherwise.
    """

    expectation: Expectation = field(default_factory=Expectation)
    """What the rule expects of each config."""

    def distributions(self, real: Mapping[str, BaseDistribution]) -> dict[str, BaseDistribution]:
        """Return the distributions that the sampler sees."""
        from optuna.distributions import FloatDistribution, IntDistribution

        seen: dict[str, BaseDistribution] = dict(real)
        for name, distribution in real.items():
            if order := _ordered(distribution):
                seen[name] = IntDistribution(0, len(order) - 1)
            elif _is_rate_range(name, distribution):
                seen[name] = FloatDistribution(0.0, 1.0)
        return seen

    def seen(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial as the sampler sees it."""
        shown = copy.copy(trial)
        shown.params = {
            name: self._seen(name, value, trial.params, trial.distributions[name])
            for name, value in trial.params.items()
        }
        shown.distributions = self.distributions(trial.distributions)
        return shown

    def real(
        self, seen: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], known: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the values that a trial gets.

        Args:
            seen: What the sampler chose.
            distributions: The real ones.
            known: What is known of the config already.
        """
        values = dict(seen)
        for name, value in seen.items():
            if order := _ordered(distributions[name]):
                values[name] = order[value]
        if RATE in values and _is_rate_range(RATE, distributions[RATE]):
            values[RATE] = self._prior({**known, **values}, distributions[RATE]).rate(values[RATE])
        return values

    def _seen(self, name: str, value: Any, params: Mapping[str, Any], distribution: BaseDistribution) -> Any:
        if order := _ordered(distribution):
            return order.index(value)
        if _is_rate_range(name, distribution):
            return self._prior(params, distribution).quantile(value)
        return value

    def _prior(self, params: Mapping[str, Any], distribution: Any) -> RatePrior:
        return RatePrior(distribution.low, distribution.high, self.expectation.rate(params))


def _ordered(distribution: BaseDistribution) -> list[Any]:
    """Return the values of a choice of three numbers or more in their order; empty for any other distribution."""
    choices = getattr(distribution, "choices", ())
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in choices)
    return sorted(choices) if numbers and len(choices) > 2 else []


def _is_rate_range(name: str, distribution: BaseDistribution) -> bool:
    return name == RATE and bool(getattr(distribution, "log", False)) and not distribution.single()
