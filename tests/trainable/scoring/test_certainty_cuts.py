"""Cuts by certainty: each one is what the metric says of what is kept, and none by type is beaten at its price."""

from __future__ import annotations

import random
from itertools import product

import pytest

from data.entities import Entity, Example
from data.prompt import Parsed
from trainable.scoring.certainty_cuts import all_cuts, cuts_by_type
from trainable.scoring.confidence import confident
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import Evaluation, evaluate_predictions

Case = tuple[list[Example], list[Prediction]]


def some_case(rng: random.Random, written: int = 0) -> Case:
    """A few short documents with random labels, predictions and certainties, some of them equal.

    Args:
        rng: Source of chance.
        written: Most values that are not in the text, and most malformed items, of a document.
    """
    examples, predictions = [], []
    for number in range(rng.randrange(1, 6)):
        text = "".join(rng.choice("ab") for _ in range(12))
        places = [(kind, at, at + size) for kind in "NM" for at in range(10) for size in (1, 2)]
        gold = [Entity(kind, text[a:b], a, b) for kind, a, b in rng.sample(places, rng.randrange(4))]
        found = tuple(Entity(kind, text[a:b], a, b) for kind, a, b in rng.sample(places, rng.randrange(5)))
        certainties = tuple(rng.choice((0.1, 0.4, 0.7, rng.random())) for _ in found)
        items = tuple((one.type, one.text) for one in found)
        nowhere: tuple[tuple[str, str], ...] = ()
        malformed = 0
        if written:
            nowhere = tuple((rng.choice("NM"), "c") for _ in range(rng.choice((0, 0, written))))
            malformed = rng.choice((0, written))
        parsed = Parsed((*items, *nowhere), valid=True, malformed=malformed)
        examples.append(Example(f"d{number}", text, tuple(gold)))
        predictions.append(Prediction(parsed, False, found, certainties))
    return examples, predictions


def measured(case: Case, least: float, by_type: tuple[tuple[str, float], ...] = ()) -> Evaluation:
    kept = [confident(one, least, by_type) for one in case[1]]
    return evaluate_predictions(case[0], kept, known_types=frozenset("NM"), min_precision=0.85)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("written", [0, 2])
def test_each_cut_is_what_the_metric_says_of_what_is_kept(seed: int, written: int) -> None:
    case = some_case(random.Random(seed), written)
    cuts = all_cuts(*case)
    nowhere = any(len(one.parsed.items) > len(one.entities) for one in case[1])
    assert len(cuts) == len({value for one in case[1] for value in one.certainties}) + nowhere
    for cut in (*cuts, *cuts_by_type(*case)):
        expected = measured(case, cut.least, cut.by_type)
        assert cut.recall == expected.micro_recall
        assert cut.precision == expected.micro_precision
        assert cut.false_alarm == expected.pii_free_fpr


@pytest.mark.parametrize("seed", range(40))
def test_no_other_thresholds_by_type_find_more_among_as_few_wrong_ones(seed: int) -> None:
    case = some_case(random.Random(seed))
    cuts = cuts_by_type(*case)
    values = sorted({value for one in case[1] for value in one.certainties})
    choices = [measured(case, 0.0, (("N", a), ("M", b))) for a, b in product(values, values)]
    for cut in cuts:
        chosen = measured(case, cut.least, cut.by_type)
        tp, fp = (sum(getattr(row, name) for row in chosen.per_type) for name in ("tp", "fp"))
        for other in choices:
            other_tp, other_fp = (sum(getattr(row, name) for row in other.per_type) for name in ("tp", "fp"))
            assert not (other_tp > tp and other_fp < fp)


def test_every_type_keeps_something_in_every_cut() -> None:
    for seed in range(40):
        case = some_case(random.Random(seed))
        kinds = {entity.type for one in case[1] for entity in one.entities}
        for cut in cuts_by_type(*case):
            kept = [confident(one, cut.least, cut.by_type) for one in case[1]]
            assert {entity.type for one in kept for entity in one.entities} == kinds


def test_a_type_that_the_model_made_up_has_no_threshold_and_its_entities_count() -> None:
    examples = [Example("d0", "Wei Li", (Entity("N", "Wei", 0, 3),))]
    found = (Entity("N", "Wei", 0, 3), Entity("N", "Li", 4, 6), Entity("secret", "Li", 4, 6))
    parsed = Parsed(tuple((one.type, one.text) for one in found), valid=True)
    predictions = [Prediction(parsed, False, found, (0.9, 0.2, 0.5))]
    cuts = cuts_by_type(examples, predictions, {"N"})
    assert [(cut.precision, dict(cut.by_type).keys()) for cut in cuts] == [(1 / 2, {"N"}), (1 / 3, set())]
    for cut in cuts:
        assert cut.precision == measured((examples, predictions), cut.least, cut.by_type).micro_precision


def test_certainties_that_differ_in_the_last_bit_are_told_apart() -> None:
    found = (Entity("N", "a", 0, 1), Entity("N", "d", 6, 7))
    parsed = Parsed((("N", "a"), ("N", "d")), valid=True)
    prediction = Prediction(parsed, False, found, (0.5000000000000001, 0.5))
    cuts = all_cuts([Example("d0", "a b c d", found[:1])], [prediction])
    assert [cut.precision for cut in cuts] == [1.0, 0.5]
    assert len(confident(prediction, cuts[0].least).entities) == 1
