"""The synthetic tasks: offsets that fit, nothing of the later task, the same for the same seed."""

from __future__ import annotations

from data.prompt import SYSTEM_PROMPT, completion
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.corpus import Sample, draw
from trainable.pretraining.kinds import TASK_LABELS
from trainable.pretraining.values import is_personal


def test_every_target_stands_at_its_offsets_in_order_of_appearance(samples: list[Sample]) -> None:
    for sample in samples:
        starts = [entity.start for entity in sample.entities]
        assert starts == sorted(starts)
        for entity in sample.entities:
            assert sample.text[entity.start : entity.end] == entity.text == entity.text.strip() != ""


def test_the_corpus_holds_no_label_and_no_prompt_of_the_task(samples: list[Sample]) -> None:
    for sample in samples:
        everything = " ".join((sample.system, sample.text, completion(sample.entities)))
        assert not any(label in everything for label in TASK_LABELS if "_" in label)
        assert not {entity.type.upper() for entity in sample.entities} & set(TASK_LABELS)
        assert not any(label in sample.system for label in TASK_LABELS)
        assert SYSTEM_PROMPT not in everything
        assert "PII" not in sample.system


def test_no_target_looks_like_a_phone_number_or_an_email_address(samples: list[Sample]) -> None:
    values = [entity.text for sample in samples for entity in sample.entities]
    assert not [value for value in values if is_personal(value)]


def test_about_a_fifth_of_the_tasks_is_empty_and_some_list_many_targets(samples: list[Sample]) -> None:
    empty = sum(not sample.entities for sample in samples) / len(samples)
    assert 0.15 < empty < 0.3
    assert max(len(sample.entities) for sample in samples) >= 8


def test_the_same_seed_draws_the_same_tasks_and_shards_differ(carriers: Carriers) -> None:
    first = draw(3, carriers, seed=1, count=50)
    assert first == draw(3, carriers, seed=1, count=50)
    assert first != draw(4, carriers, seed=1, count=50)
    assert first != draw(3, carriers, seed=2, count=50)
