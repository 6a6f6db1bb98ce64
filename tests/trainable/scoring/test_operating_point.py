"""Operating points: each cut is what the metric says of what is kept, and of those that do, the best is taken."""

from __future__ import annotations

import pytest

from data.entities import Entity, Example
from data.prompt import Parsed
from trainable.scoring.counts import Prediction
from trainable.scoring.operating_point import Target, least_certainty


def prediction(text: str, *found: tuple[str, float]) -> Prediction:
    entities = tuple(
        Entity("N", value, text.index(value), text.index(value) + len(value)) for value, _ in found
    )
    parsed = Parsed(tuple((one.type, one.text) for one in entities), valid=True)
    return Prediction(parsed, False, entities, tuple(certainty for _, certainty in found))


def labelled(number: int, text: str, *gold: str) -> Example:
    entities = tuple(Entity("N", value, text.index(value), text.index(value) + len(value)) for value in gold)
    return Example(f"d{number}", text, entities)


EXAMPLES = [labelled(0, "a b c d", "a", "b", "c"), labelled(1, "e f"), labelled(2, "g h", "g", "h")]
PREDICTIONS = [
    prediction("a b c d", ("a", 0.9), ("b", 0.6), ("d", 0.5)),
    prediction("e f", ("e", 0.8)),
    prediction("g h", ("g", 0.7)),
]
# kept from: .85 a; .75 e wrong; .65 g; .55 b; 0 d wrong: precision 1, 1/2, 2/3, 3/4, 3/5 and recall 1 1 2 3 3 of 5


@pytest.mark.parametrize(
    ("target", "least", "recall", "precision"),
    [
        ("precision=0.7", 0.55, 3 / 5, 3 / 4),
        ("precision=0.8", 0.85, 1 / 5, 1.0),
        ("precision=0.6", 0.0, 3 / 5, 3 / 5),
        ("recall=0.6", 0.55, 3 / 5, 3 / 4),
        ("recall=0.2", 0.85, 1 / 5, 1.0),
        ("recall=0.3", 0.55, 3 / 5, 3 / 4),  # more certain ones would have less of both
        ("false-alarm=0", 0.85, 1 / 5, 1.0),
        ("false-alarm=1", 0.0, 3 / 5, 3 / 5),
    ],
)
def test_the_best_threshold_that_meets_the_target_is_taken(
    target: str, least: float, recall: float, precision: float
) -> None:
    cut = least_certainty(EXAMPLES, PREDICTIONS, Target.parse(target))
    assert cut.least == pytest.approx(least)
    assert (cut.recall, cut.precision) == (recall, precision)


def test_what_no_threshold_reaches_is_refused_with_what_can_be_reached() -> None:
    recall = (
        "recall=0.7 cannot be reached: recall is 0.600 with every entity kept, and a threshold can only leave"
    )
    with pytest.raises(ValueError, match=recall):
        least_certainty(EXAMPLES, PREDICTIONS, Target("recall", 0.7))
    alike = [prediction("a b c d", ("a", 0.5), ("b", 0.5), ("d", 0.5)), *PREDICTIONS[1:]]
    precision = (
        "precision=0.9 cannot be reached: the highest precision is 0.600, among entities at least 0 certain"
    )
    with pytest.raises(ValueError, match=precision):
        least_certainty(EXAMPLES, alike, Target("precision", 0.9))
    alarm = [PREDICTIONS[0], prediction("e f", ("e", 0.95)), PREDICTIONS[2]]
    with pytest.raises(ValueError, match="the most certain entities alone alarm in 1.000 of the texts"):
        least_certainty(EXAMPLES, alarm, Target("false-alarm", 0.1))


def test_without_entities_or_without_free_texts_nothing_is_chosen() -> None:
    with pytest.raises(ValueError, match="the model finds nothing"):
        least_certainty(EXAMPLES[:1], [prediction("a b c d")], Target.parse("precision=0.5"))
    with pytest.raises(ValueError, match="no document is without personal data"):
        least_certainty(EXAMPLES[:1], PREDICTIONS[:1], Target.parse("false-alarm=0.5"))


@pytest.mark.parametrize(
    "text", ["precision", "precision=", "f1=0.5", "recall=2", "recall=nan", "=0.5", "false_alarm=0.1"]
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be one of precision, recall, false-alarm with a share"):
        Target.parse(text)


def test_types_get_thresholds_of_their_own_where_that_is_better() -> None:
    text = "a b c d e f"
    gold = [Entity("SURE", "a", 0, 1), Entity("SURE", "b", 2, 3), Entity("VAGUE", "d", 6, 7)]
    found = (*gold, Entity("VAGUE", "c", 4, 5))
    items = tuple((one.type, one.text) for one in found)
    predicted = Prediction(Parsed(items, valid=True), False, found, (0.3, 0.2, 0.9, 0.6))
    cut = least_certainty([Example("d0", text, tuple(gold))], [predicted], Target("precision", 1.0))
    assert (cut.recall, cut.precision) == (1.0, 1.0)
    assert dict(cut.by_type) == {"VAGUE": pytest.approx(0.75)}
    alone = least_certainty([Example("d0", text, tuple(gold))], [predicted], Target("precision", 0.5))
    assert (alone.least, alone.by_type) == (0.0, ())  # nothing is left out: no thresholds
