"""The bootstrap against a slow one in plain Python, and its edges."""

from __future__ import annotations

import random

import pytest

from data.entities import Example, locate
from data.prompt import Parsed
from trainable.scoring.counts import DocumentCounts, Prediction, document_counts
from trainable.scoring.intervals import Statistic, bootstrap_interval, paired_difference

Items = tuple[tuple[str, str], ...]


def evaluated(pairs: list[tuple[Items, Items]]) -> tuple[DocumentCounts, ...]:
    """Return the counts of (gold, predicted) pairs over one short text."""
    return tuple(
        document_counts(
            Example("id", "x y x z", locate("x y x z", gold)[0]), Prediction(Parsed(predicted, True), False)
        )
        for gold, predicted in pairs
    )


def random_documents(seed: int, n: int = 80) -> tuple[DocumentCounts, ...]:
    rng = random.Random(seed)
    items: Items = (("A", "x"), ("A", "y"), ("B", "x"), ("B", "z"))
    gold_rng = random.Random(7)
    pairs = []
    for _ in range(n):
        gold = tuple(item for item in items if gold_rng.random() < 0.5)
        hits = tuple(item for item in gold if rng.random() < 0.7)
        pairs.append((gold, hits + tuple(item for item in items if rng.random() < 0.1)))
    return evaluated(pairs)


def slow_statistic(documents: list[DocumentCounts], name: Statistic) -> float:
    tp, fp, fn = (sum(getattr(document, part) for document in documents) for part in ("tp", "fp", "fn"))
    recall, precision = tp / (tp + fn), tp / (tp + fp)
    harmonic = 2 * precision * recall / (precision + recall)
    return {"micro_recall": recall, "micro_precision": precision, "micro_f1": harmonic}[name]


STATISTICS: tuple[Statistic, ...] = ("micro_recall", "micro_precision", "micro_f1")


@pytest.mark.parametrize("name", STATISTICS)
def test_the_interval_contains_the_point_and_repeats_by_seed(name: Statistic) -> None:
    documents = random_documents(1)
    low, high = bootstrap_interval(documents, name, seed=3)
    assert low < slow_statistic(list(documents), name) < high
    assert (low, high) == bootstrap_interval(documents, name, seed=3)
    assert (low, high) != bootstrap_interval(documents, name, seed=4)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_interval_agrees_with_a_bootstrap_in_plain_python(name: Statistic) -> None:
    documents, rng = random_documents(2), random.Random(0)
    values = sorted(slow_statistic(rng.choices(documents, k=len(documents)), name) for _ in range(1500))
    low, high = bootstrap_interval(documents, name, resamples=1500)
    assert low == pytest.approx(values[37], abs=0.012)
    assert high == pytest.approx(values[-38], abs=0.012)


def test_a_wider_level_gives_a_wider_interval_and_more_documents_a_narrower_one() -> None:
    narrow, wide = (bootstrap_interval(random_documents(1), level=level) for level in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    few, many = (bootstrap_interval(random_documents(1, n)) for n in (40, 640))
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_perfect_recall_gets_the_rule_of_three_as_its_lower_end() -> None:
    pairs: list[tuple[Items, Items]] = [((("A", "x"), ("A", "y")), (("A", "x"), ("A", "y"), ("B", "z")))] * 50
    documents = evaluated(pairs)
    assert bootstrap_interval(documents) == pytest.approx((1 - 3 / 100, 1.0))
    assert bootstrap_interval(documents[:1]) == (0.0, 1.0)


def test_an_undefined_statistic_has_the_widest_interval() -> None:
    silent = evaluated([((("A", "x"),), ())] * 3)
    assert bootstrap_interval(silent, "micro_precision") == (0.0, 1.0)
    assert bootstrap_interval(()) == (0.0, 1.0)
    assert paired_difference(silent, silent, "micro_precision") == (0.0, -1.0, 1.0)


@pytest.mark.parametrize("name", STATISTICS)
def test_identical_systems_differ_by_exactly_zero(name: Statistic) -> None:
    documents = random_documents(5)
    assert paired_difference(documents, documents, name) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_paired_difference_is_antisymmetric_and_agrees_with_plain_python(name: Statistic) -> None:
    a, b = random_documents(1), random_documents(2)
    point, low, high = paired_difference(a, b, name, resamples=1500)
    assert point == pytest.approx(slow_statistic(list(a), name) - slow_statistic(list(b), name))
    assert paired_difference(b, a, name, resamples=1500) == pytest.approx((-point, -high, -low))
    rng, values = random.Random(0), []
    for _ in range(1500):
        chosen = rng.choices(range(len(a)), k=len(a))
        values.append(
            slow_statistic([a[i] for i in chosen], name) - slow_statistic([b[i] for i in chosen], name)
        )
    values.sort()
    assert (low, high) == pytest.approx((values[37], values[-38]), abs=0.015)


def test_pairing_different_documents_is_refused() -> None:
    a = evaluated([((("A", "x"),), ())])
    b = evaluated([((), ())])
    with pytest.raises(ValueError, match="must have the 1 of `a` in the same order"):
        paired_difference(a, b)


def test_every_bad_argument_is_named_at_once() -> None:
    with pytest.raises(ValueError) as error:
        bootstrap_interval((), "recall", resamples=0, level=95)  # type: ignore[arg-type]
    assert all(
        name in str(error.value) for name in ("`statistic` is 'recall'", "`resamples` is 0", "`level` is 95")
    )
