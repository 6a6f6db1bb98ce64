"""Matching within one document: worked examples and an independent oracle."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.entities import Entity, Example, locate
from data.prompt import Parsed, parse
from trainable.scoring.counts import Prediction, document_counts

KNOWN = frozenset("AB")
Items = tuple[tuple[str, str], ...]


def make_example(items: Items, text: str = "x y x z", language: str = "en") -> Example:
    return Example("id", text, locate(text, items)[0], language=language)


def make_prediction(items: Items, *, valid: bool = True, malformed: int = 0) -> Prediction:
    return Prediction(Parsed(items, valid, malformed), truncated=False)


item_lists = st.lists(
    st.tuples(st.sampled_from("AB"), st.sampled_from(["x", "y", "x y", "q"])), max_size=5
).map(tuple)


@pytest.mark.parametrize(
    ("gold", "output", "expected"),
    [
        ((("A", "x"), ("A", "x")), '{"entities":[{"type":"A","text":"x"}]}', (1, 0, 1)),
        ((("A", "x"),), '{"entities":[{"type":"A","text":"x"},{"type":"A","text":"x"}]}', (1, 1, 0)),
        ((("A", "x"),), '{"entities":[{"type":"B","text":"x"}]}', (0, 1, 1)),
        ((("A", "x"),), "not JSON", (0, 0, 1)),
        ((), '{"entities":[{"type":"A","text":"x"}]}', (0, 1, 0)),
        ((), '{"entities":[]}', (0, 0, 0)),
        ((("A", "x"),), '{"entities":[{"type":"A","text":" x "}]}', (1, 0, 0)),
        ((("A", "x"),), '{"entities":[{"type":"A","text":"x-x"}]}', (0, 1, 1)),
        ((), '{"entities":[{"type":"A"}]}', (0, 1, 0)),
    ],
)
def test_worked_examples_give_the_documented_tp_fp_fn(
    gold: Items, output: str, expected: tuple[int, int, int]
) -> None:
    counts = document_counts(make_example(gold), Prediction(parse(output), truncated=False))
    assert (counts.tp, counts.fp, counts.fn) == expected


def test_edges_are_stripped_on_both_sides() -> None:
    example = Example("id", "a 张三 b", (Entity("A", " 张三\u3000", 1, 4),))
    counts = document_counts(example, make_prediction((("A", "\n张三 "),)))
    assert (counts.tp, counts.fp, counts.fn) == (1, 0, 0)


def test_hallucinated_unknown_and_malformed_items_are_false_positives_with_their_own_counters() -> None:
    predicted = (("A", "absent"), ("SECRET 138", "y"), ("A", "x"))
    counts = document_counts(
        make_example((("A", "x"),)), make_prediction(predicted, malformed=2), known_types=KNOWN
    )
    assert (counts.tp, counts.fp, counts.fn) == (1, 4, 0)
    assert (counts.hallucinated, counts.unknown_type, counts.malformed) == (1, 1, 2)
    assert counts.fp_by_type == (("(unknown)", 1), ("A", 1))
    assert not counts.false_alarm


@pytest.mark.parametrize(
    ("text", "predicted", "leaked"),
    [
        ("张三和张三丰", (("B", "张三"),), 0),  # the type does not matter for masking
        ("张三和张三丰", (("A", "张三丰"),), 1),  # the first 张三 stays readable
        ("张三和张三丰", (("A", "张"), ("A", "三")), 0),  # the union covers it
        ("张三和张三丰", (), 1),
        ("三张三张三", (("A", "三张三"),), 0),  # predictions may overlap themselves
        ("张三", (("A", "absent"), ("A", "")), 1),
    ],
)
def test_an_entity_leaks_if_any_occurrence_is_not_fully_covered(
    text: str, predicted: Items, leaked: int
) -> None:
    assert document_counts(make_example((("A", "张三"),), text), make_prediction(predicted)).leaked == leaked


def oracle_counts(gold: Items, predicted: Items) -> tuple[int, int, int]:
    """Maximum bipartite matching by augmenting paths; an edge joins equal items."""
    partner: dict[int, int] = {}

    def augment(left: int, seen: set[int]) -> bool:
        for right, item in enumerate(predicted):
            if item == gold[left] and right not in seen:
                seen.add(right)
                if right not in partner or augment(partner[right], seen):
                    partner[right] = left
                    return True
        return False

    tp = sum(augment(left, set()) for left in range(len(gold)))
    return tp, len(predicted) - tp, len(gold) - tp


def oracle_leaked(text: str, gold: Items, predicted: Items) -> int:
    """Character by character: does any copy of the value keep a character outside every predicted copy?"""
    covered = {
        start + offset
        for _, value in predicted
        for start in range(len(text))
        if text[start:].startswith(value)
        for offset in range(len(value))
    }
    return sum(
        any(
            text[start:].startswith(value) and not set(range(start, start + len(value))) <= covered
            for start in range(len(text))
        )
        for _, value in gold
    )


@settings(max_examples=150, deadline=None)
@given(gold=item_lists, predicted=item_lists)
def test_counts_equal_a_maximum_matching_of_equal_items(gold: Items, predicted: Items) -> None:
    text = "x y x y"
    example = Example("id", text, tuple(Entity(kind, value, 0, len(value)) for kind, value in gold))
    counts = document_counts(example, make_prediction(predicted), known_types=frozenset("A"))
    assert (counts.tp, counts.fp, counts.fn) == oracle_counts(gold, predicted)
    assert counts.leaked == oracle_leaked(text, gold, predicted)
    unmatched = list(predicted)
    for item in gold:
        if item in unmatched:
            unmatched.remove(item)
    assert counts.hallucinated == sum(value == "q" for _, value in unmatched)
    assert counts.unknown_type == sum(kind == "B" for kind, _ in unmatched)


@settings(max_examples=50, deadline=None)
@given(gold=item_lists, predicted=item_lists, seed=st.integers(0, 9))
def test_the_order_of_items_does_not_matter(gold: Items, predicted: Items, seed: int) -> None:
    shuffled = random.Random(seed).sample(predicted, len(predicted))
    example = make_example(gold)
    assert document_counts(example, make_prediction(predicted)) == document_counts(
        example, make_prediction(tuple(shuffled))
    )


def test_spellings_of_one_value_are_one_value() -> None:
    text = "刘\uf9f4和Jose\u0301"
    example = Example("id", text, (Entity("A", text[:2], 0, 2), Entity("B", text[3:], 3, 8)))
    counts = document_counts(example, make_prediction((("A", "刘林"), ("B", "José"))))
    assert (counts.tp, counts.fp, counts.fn, counts.leaked, counts.hallucinated) == (2, 0, 0, 0, 0)
    wrong = document_counts(example, make_prediction((("B", "刘林"),)))
    assert (wrong.fp, wrong.leaked, wrong.hallucinated) == (1, 1, 0)
