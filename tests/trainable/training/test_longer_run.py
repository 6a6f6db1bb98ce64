"""A longer run than the search's: a lower learning rate, and texts that carry other values each time."""

from __future__ import annotations

import pytest

from data.corpus import SAMPLE_DIR
from data.entities import Example
from data.files.jsonl import read_examples
from trainable.config import TrialConfig
from trainable.training.longer_run import augmented, rate_for


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return list(read_examples(SAMPLE_DIR / "train.jsonl"))[:60]


def test_ten_times_the_steps_about_halve_the_rate_and_fewer_never_raise_it() -> None:
    assert rate_for(1e-3, 100, 1000) == pytest.approx(1e-3 * 10**-0.32)
    assert rate_for(1e-3, 100, 50) == rate_for(1e-3, 100, 100) == rate_for(1e-3, None, 10_000) == 1e-3


def test_every_epoch_comes_once_and_later_ones_carry_other_values(examples: list[Example]) -> None:
    texts = augmented(TrialConfig("small-2m", oversampling=1.0), examples, 3)
    facts, written = texts.facts(), texts.examples
    positives = sum(example.has_entities for example in examples)
    assert facts["exchanged_samples"] == 2 * positives
    assert 0 < facts["joined_samples"] == 3 * len(examples) - len(written)
    assert {example.text for example in written} > {e.text for e in examples if len(e.text) > 400}
    values = {entity.text for example in written for entity in example.entities}
    assert values == {entity.text for example in examples for entity in example.entities}


def test_oversampled_texts_come_as_often_as_the_config_says(examples: list[Example]) -> None:
    texts = augmented(TrialConfig("small-2m", oversampling=3.0), examples, 1)
    facts = texts.facts()
    n_entities = sum(len(example.entities) for example in examples)
    assert sum(len(example.entities) for example in texts.examples) == 3 * n_entities
    assert facts["exchanged_samples"] == 2 * sum(example.has_entities for example in examples)


def test_the_same_seed_gives_the_same_texts(examples: list[Example]) -> None:
    contents = [augmented(TrialConfig("small-2m", seed=seed), examples, 2).examples for seed in (1, 1, 2)]
    assert contents[0] == contents[1] != contents[2]
