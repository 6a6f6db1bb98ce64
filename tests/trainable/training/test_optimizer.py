"""The optimizer of a config and its learning-rate schedule."""

from __future__ import annotations

import pytest
import torch

from trainable.config import TrialConfig
from trainable.training.optimizer import learning_rate_factor, make_optimizer, warmup_steps


@pytest.mark.parametrize("total_steps", [1, 7, 40, 1000, 3000])
def test_the_learning_rate_follows_the_cosine_schedule_of_transformers(total_steps: int) -> None:
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, warmup_steps(total_steps), total_steps)
    for step in range(total_steps):
        assert learning_rate_factor(step, total_steps) == pytest.approx(
            optimizer.param_groups[0]["lr"], abs=1e-12
        )
        optimizer.step()
        schedule.step()


def test_a_step_is_that_of_adamw_with_the_rate_and_the_decay_of_the_config() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    weight.grad = torch.tensor([0.3, -0.1])
    make_optimizer(TrialConfig("small-2m", learning_rate=0.01, weight_decay=0.1), [weight]).step()
    # AdamW's first step is one rate against the gradient's sign, after the decay by rate x weight decay
    expected = torch.tensor([1.0, -2.0]) * (1 - 0.01 * 0.1) - 0.01 * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_the_8bit_variant_is_bitsandbytes_own() -> None:
    import bitsandbytes

    config = TrialConfig("small-2m", optimizer="adamw_8bit", learning_rate=0.01, weight_decay=0.1)
    optimizer = make_optimizer(config, [torch.nn.Parameter(torch.zeros(4))])
    assert isinstance(optimizer, bitsandbytes.optim.AdamW8bit)
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.01, 0.1)


@pytest.mark.parametrize(("total", "warmup"), [(1, 1), (9, 1), (100, 10), (999, 99), (5000, 100)])
def test_warm_up_is_a_tenth_of_the_run_and_at_most_100_steps(total: int, warmup: int) -> None:
    assert warmup_steps(total) == warmup
