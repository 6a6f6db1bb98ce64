"""Where the best learning rate of a LoRA fine-tune is expected: a rule from measured optima, and the range around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from data.files.own_json import read_own
from search.planning.space import SearchSpace
from trainable.config import KNOBS, TAGS
from trainable.knob import Choice, KnobValue, Range, base_name
from trainable.model.bases import BUNDLED, locate_base
from trainable.training.longer_run import RATE_EXPONENT

REFERENCE_RATE = 1e-3
"""Expected optimum at the reference below, with alpha = 2 r."""
REFERENCE_WIDTH, REFERENCE_RANK, REFERENCE_BATCH, REFERENCE_STEPS = 1024, 16, 32, 160
WIDTH_EXPONENT, RANK_EXPONENT, BATCH_EXPONENT = -0.7, -0.5, 0.5
"""Between hidden sizes of 192 and 2,048 the optimum falls with this power of the width: small-2m and small-4m (160
configs), SmolLM2-135M (curves of 13 configs), and a public sweep over Llama and Qwen models. With alpha = 2 r it falls
with the rank, and it rises with the root of the batch (results/LOG.md names the sources)."""
BELOW, ABOVE = 8.0, 4.0
"""The range reaches from the expected optimum of rank 16 down and up by these factors; missing it costs more below."""
BY_RULE = "by the rule"
"""The starting config whose learning rate is the expected one."""


def expected_rate(width: int, rank: int, effective_batch: int, steps: int) -> float:
    """Return the learning rate at which a fine-tune is expected to end best.

    Args:
        width: Hidden size of the base model.
        rank: LoRA rank, with alpha = 2 r.
        effective_batch: Sequences in one optimizer step.
        steps: Length of the run, in optimizer steps.

    Example:
        >>> [float(f"{expected_rate(width, 16, 32, 160):.1e}") for width in (576, 1024, 2048)]
        [0.0015, 0.001, 0.00062]
    """
    return (
        REFERENCE_RATE
        * (width / REFERENCE_WIDTH) ** WIDTH_EXPONENT
        * (rank / REFERENCE_RANK) ** RANK_EXPONENT
        * (effective_batch / REFERENCE_BATCH) ** BATCH_EXPONENT
        * (steps / REFERENCE_STEPS) ** RATE_EXPONENT
    )


def model_width(model: str) -> int | None:
    """Return the hidden size of a base model; None if its config.json does not tell."""
    content = read_own(locate_base(model) / "config.json", dict, "copy or download the model again")
    width = content.get("hidden_size") or (content.get("text_config") or {}).get("hidden_size")
    return int(width) if width else None


def with_expected_rates(space: SearchSpace, steps: int) -> SearchSpace:
    """Return a space whose learning rates lie around the expected ones, with a starting config by the rule.

    A space stays as it is where the user chose the rates, where all models are ours (their range was measured), and
    where no width is known. The range covers the rates of all starting configs; `tagging_at_expected_rates` tells
    which of these rates change.

    Args:
        space: The default space, or one that a file narrowed.
        steps: The horizon.
    """
    knob = KNOBS["learning_rate"]
    widths = [width for model in space.models() if model not in BUNDLED and (width := model_width(model))]
    if space.parameters.get("learning_rate") not in (knob.cpu, knob.gpu) or not widths:
        return space
    batch = int(space.fixed.get("effective_batch", REFERENCE_BATCH))
    expected = [expected_rate(width, REFERENCE_RANK, batch, steps) for width in widths]
    own = [float(config["learning_rate"]) for config in space.starting_configs.values()]
    low, high = min([min(expected) / BELOW, *own]), max([max(expected) * ABOVE, *own])
    rates = Range(to_one_digit(low, math.floor), to_one_digit(high, math.ceil), log=True)
    starting = tagging_at_expected_rates(space, expectation_of(space, steps))
    return replace(
        space,
        parameters={**space.parameters, "learning_rate": rates},
        starting_configs={**starting, BY_RULE: _by_rule(space, batch, steps)},
    )


@dataclass(frozen=True)
class Expectation:
    """What the rule expects of the configs of a search."""

    widths: Mapping[str, int] = field(default_factory=dict)
    """Hidden sizes of the base models; the rule says nothing about others."""
    fixed: Mapping[str, KnobValue] = field(default_factory=dict)
    """What is not searched."""
    steps: int = REFERENCE_STEPS
    """The horizon."""
    alpha_follows_rank: bool = True
    """Whether alpha is 2 r; only then the expected rate falls with the rank."""

    def rate(self, config: Mapping[str, Any]) -> float | None:
        """Return the learning rate that is expected to be best beside the other values; None if the rule does not know."""
        values = {**self.fixed, **config}
        width = self.widths.get(str(values.get("model", "")))
        if width is None:
            return None
        rank = int(values.get("lora_rank", REFERENCE_RANK)) if self.alpha_follows_rank else REFERENCE_RANK
        return expected_rate(width, rank, int(values.get("effective_batch", REFERENCE_BATCH)), self.steps)


def expectation_of(
    space: SearchSpace, steps: int, width: Callable[[str], int | None] = model_width
) -> Expectation:
    """Return what the rule expects of the configs of a space.

    Args:
        space: What is searched.
        steps: The horizon.
        width: Returns the hidden size of a base model.
    """
    widths = {}
    for model in space.models():
        with suppress(
            FileNotFoundError, ValueError
        ):  # neither a replayed search nor a report needs the weights
            if known := width(model):
                widths[model] = known
    own_scale = {"lora_alpha", "use_rslora"} & {*space.parameters, *space.fixed}
    return Expectation(widths, space.fixed, steps, not own_scale)


def tagging_at_expected_rates(
    space: SearchSpace, expectation: Expectation
) -> dict[str, dict[str, KnobValue]]:
    """Return the starting configs of a space; where both ways to answer are searched, those that tag have the expected rate.

    The plans behind them, and so their rates, were made for a model that writes.
    """
    if "answers" not in space.parameters:
        return space.starting_configs
    starting = dict(space.starting_configs)
    for name, config in starting.items():
        searched = {key: value for key, value in config.items() if key in space.parameters}
        if config["answers"] == TAGS and (rate := expectation.rate(searched)):
            starting[name] = {**config, "learning_rate": float(f"{rate:.2g}")}
    return starting


def told_rates(before: SearchSpace, space: SearchSpace, preset: str, steps: int) -> str:
    """Return in words where the learning rates of a new study come from, and near which most of them are drawn.

    Args:
        before: The space before `with_expected_rates`.
        space: The space after it.
        preset: Whose defaults were used.
        steps: The horizon.
    """
    rates, knob = space.parameters.get("learning_rate"), KNOBS["learning_rate"]
    if rates is None:
        return f"{space.fixed['learning_rate']} alone, as --space has it"
    if space != before:
        origin = f"{rates} by the rule of search/planning/rates.py"
    elif rates not in (knob.cpu, knob.gpu):
        origin = f"{rates} from --space"
    else:
        origin = f"{rates}, the default of preset {preset}"
    expectation = expectation_of(space, steps)
    rank = _nearest(space, "lora_rank", REFERENCE_RANK)
    expected = ", ".join(
        f"{expectation.rate({'model': model, 'lora_rank': rank}):.1e} for {base_name(model)}"
        for model in expectation.widths
    )
    if not expected or isinstance(rates, Choice):
        return origin
    return f"{origin}; most are drawn near what the rule expects, at rank {rank} {expected}"


def _by_rule(space: SearchSpace, batch: int, steps: int) -> dict[str, KnobValue]:
    """Return the conservative config with the middle rank, twofold oversampling and the expected rate."""
    start, models = space.starting_configs["conservative"], space.models()
    model = str(start["model"]) if start["model"] in models else next(m for m in models if m not in BUNDLED)
    width = model_width(model) or REFERENCE_WIDTH
    rank = _nearest(space, "lora_rank", REFERENCE_RANK)
    rate = float(f"{expected_rate(width, rank, batch, steps):.2g}")
    return {**start, "model": model, "lora_rank": rank, "learning_rate": rate, "oversampling": 2}


def _nearest(space: SearchSpace, name: str, wanted: int) -> int:
    """Return the value of a parameter that lies next to a wanted one."""
    parameter = space.parameters.get(name)
    values: Sequence[KnobValue] = (space.fixed.get(name, wanted),)
    if isinstance(parameter, Choice):
        values = parameter.values
    elif isinstance(parameter, Range):
        values = (min(max(wanted, int(parameter.low)), int(parameter.high)),)
    return min((int(value) for value in values), key=lambda value: abs(value - wanted))


def to_one_digit(value: float, to_whole: Callable[[float], int]) -> float:
    """Return a positive number rounded to one significant digit, down or up."""
    step = 10.0 ** math.floor(math.log10(value))
    return float(f"{to_whole(round(value / step, 6)) * step:.0e}")
