"""The short string of a config: what a search tries by default, and whatever is unusual."""

from __future__ import annotations

import pytest

from trainable.config import TrialConfig
from trainable.config_words import knobs, unusual_knobs


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TrialConfig("/models/small-2m", True, 16, 2e-3, 3), "small-2m 4-bit r=16 lr=2.0e-03 x3 json"),
        (TrialConfig("a/b", answers="tags", lora_dropout=0.0), "b 16-bit r=12 lr=1.5e-04 x1 tags"),
        (TrialConfig("b", weight_decay=0.05, lora_alpha=8), "b 16-bit r=12 lr=1.5e-04 x1 json lora_alpha=8 weight_decay=0.05"),
    ],
)  # fmt: skip
def test_a_config_is_told_by_what_is_searched_and_what_is_unusual(config: TrialConfig, words: str) -> None:
    assert knobs(config) == words


def test_values_that_a_search_or_the_class_gives_are_usual() -> None:
    assert unusual_knobs(TrialConfig("b", lora_dropout=0.0, effective_batch=16)) == {}
    assert unusual_knobs(TrialConfig("b", lora_dropout=0.2)) == {"lora_dropout": 0.2}
    assert unusual_knobs(TrialConfig("b", max_grad_norm=1.0)) == {}
    assert unusual_knobs(TrialConfig("b", max_grad_norm=1.0, answers="tags")) == {"max_grad_norm": 1.0}
