"""Exchanged values and joined texts: labels stay right, nothing is invented, nothing is lost."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from data.corpus import SAMPLE_DIR
from data.entities import Entity, Example, locate
from data.files.jsonl import guess_language, read_examples
from data.texts.augment import augment, exchange_values, join, value_pools

SAMPLE = read_examples(SAMPLE_DIR / "train.jsonl")[:400]


def labels_fit(example: Example) -> bool:
    return all(example.text[entity.start : entity.end] == entity.text for entity in example.entities)


def outside(example: Example) -> list[str]:
    """The text between the entities."""
    cuts = [0, *(cut for entity in example.entities for cut in (entity.start, entity.end)), len(example.text)]
    return [example.text[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)]


@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 99))
def test_an_exchange_changes_values_and_nothing_else(index: int, seed: int) -> None:
    before = SAMPLE[index]
    after = exchange_values(before, value_pools(SAMPLE), random.Random(seed))
    assert labels_fit(after)
    assert outside(after) == outside(before)
    pairs = list(zip(before.entities, after.entities, strict=True))
    for old, new in pairs:
        assert (new.type, guess_language(new.text)) == (old.type, guess_language(old.text))
    new_of = {(old.type, old.text): new.text for old, new in pairs}
    assert all(new_of[old.type, old.text] == new.text for old, new in pairs)  # a repeat stays a repeat


def test_entities_inside_of_each_other_are_left_alone() -> None:
    nested = Example("1", "北京大学", (Entity("ORG", "北京大学", 0, 4), Entity("CITY", "北京", 0, 2)))
    assert exchange_values(nested, {}, random.Random(0)) is nested


def test_two_texts_become_two_lines_of_one() -> None:
    first, second = (
        Example(str(n), t, locate(t, [("P", "Ann")])[0]) for n, t in enumerate(("hi Ann", "Ann"))
    )
    both = join(first, second)
    assert both.text == "hi Ann\nAnn"
    assert labels_fit(both)
    assert [entity.start for entity in both.entities] == [3, 7]


def test_augmented_texts_hold_every_text_as_often_as_asked_and_each_once_as_it_is() -> None:
    examples = SAMPLE[:60]
    order = [index for _ in range(3) for index in range(60) for _ in range(1 + examples[index].has_entities)]
    made = augment(examples, order, joined_share=0.5, seed=7)
    assert made.joined > 20
    assert len(made.examples) == len(order) - made.joined
    assert made.exchanged == 5 * sum(example.has_entities for example in examples)
    assert all(map(labels_fit, made.examples))
    assert max(len(example.text) for example in made.examples) <= max(len(e.text) for e in examples)
    assert len({example.id for example in made.examples}) == len(made.examples)
    found = "\n".join(example.text for example in made.examples)
    assert all(example.text in found for example in examples)
    types = Counter(entity.type for example in made.examples for entity in example.entities)
    assert types == Counter(entity.type for index in order for entity in examples[index].entities)
    known = {entity.text for example in examples for entity in example.entities}
    assert {entity.text for example in made.examples for entity in example.entities} <= known


def test_equal_seeds_give_equal_texts_and_others_do_not() -> None:
    order = list(range(60)) * 2
    made = [augment(SAMPLE[:60], order, 0.5, seed).examples for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert augment([], [], 0.5, 1).examples == []
