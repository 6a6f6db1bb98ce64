"""What the counts of many documents add up to, checked by hand and against two published scorers."""

from __future__ import annotations

import json
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.entities import Example, locate
from data.prompt import Parsed
from trainable.scoring.metrics import Evaluation, Prediction, evaluate_predictions

KNOWN = frozenset("AB")
Items = tuple[tuple[str, str], ...]
Pairs = list[tuple[Items, Items]]


def make_example(items: Items, text: str = "x y x z", language: str = "en") -> Example:
    return Example("id", text, locate(text, items)[0], language=language)


def make_prediction(items: Items, *, valid: bool = True, malformed: int = 0) -> Prediction:
    return Prediction(Parsed(items, valid, malformed), truncated=False)


def evaluate(pairs: Pairs, text: str = "x y x z", min_precision: float = 0.0) -> Evaluation:
    examples = [make_example(gold, text) for gold, _ in pairs]
    predictions = [make_prediction(predicted) for _, predicted in pairs]
    return evaluate_predictions(examples, predictions, known_types=KNOWN, min_precision=min_precision)


item_lists = st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("xyq")), max_size=5).map(tuple)


def test_invalid_and_truncated_completions_stay_in_the_denominator_and_are_counted() -> None:
    examples = [make_example((("A", "x"),)), make_example((("A", "y"),))]
    cut = Prediction(Parsed((), valid=False), truncated=True)
    result = evaluate_predictions(examples, [cut, make_prediction((("A", "y"),))], known_types=KNOWN)
    assert (result.micro_recall, result.micro_precision) == (0.5, 1.0)
    assert (result.json_valid_rate, result.truncated_rate) == (0.5, 0.5)


def test_a_pii_free_document_raises_a_false_alarm_with_any_prediction() -> None:
    examples = [make_example(())] * 4 + [make_example((("A", "x"),))]
    wrong = make_prediction((("A", "y"),))
    predictions = [
        make_prediction(()),
        wrong,
        make_prediction((), malformed=1),
        make_prediction((), valid=False),
        wrong,
    ]
    result = evaluate_predictions(examples, predictions, known_types=KNOWN)
    assert result.pii_free_fpr == 0.5
    assert (result.micro_recall, result.micro_precision) == (0.0, 0.0)


def test_undefined_ratios_are_none_and_count_as_zero_in_the_score() -> None:
    result = evaluate([], min_precision=0.5)
    assert all(getattr(result, f"micro_{name}") is None for name in ("recall", "precision", "f1", "f2"))
    assert (result.macro_recall, result.macro_f1, result.leak_rate, result.pii_free_fpr) == (None,) * 4
    assert result.score == -0.5


def test_the_score_loses_exactly_the_lacking_precision() -> None:
    pairs: Pairs = [((("A", "x"),), (("A", "x"), ("A", "y"), ("A", "z"), ("B", "x")))]
    assert evaluate(pairs).score == 1.0
    assert evaluate(pairs, min_precision=0.25).score == 1.0
    assert evaluate(pairs, min_precision=0.9).score == pytest.approx(1.0 - 0.65)


def test_f2_weighs_recall_four_times() -> None:
    result = evaluate([((("A", "x"), ("A", "y")), (("A", "x"),))])
    assert result.micro_f2 == pytest.approx(5 * 1.0 * 0.5 / (4 * 1.0 + 0.5))
    assert result.micro_f1 == pytest.approx(2 / 3)


def test_macro_means_run_over_types_with_gold_entities_only() -> None:
    result = evaluate([((("A", "x"), ("A", "y"), ("A", "x")), (("A", "x"), ("B", "z")))])
    assert [(row.type, row.support, row.predicted) for row in result.per_type] == [("A", 3, 1), ("B", 0, 1)]
    assert result.macro_recall == pytest.approx(1 / 3)
    assert result.per_type[1].recall is None
    assert result.per_type[1].precision == 0.0


def test_slices_split_by_language_length_and_pii_and_lengths_are_in_order() -> None:
    lengths = (1, 127, 128, 600, 5000)
    examples = [
        make_example((("A", "x"),), "x" * n, language) for n, language in zip(lengths, "zzeee", strict=True)
    ]
    predictions = [make_prediction((("A", "x"),))] * 4 + [make_prediction(())]
    slices = evaluate_predictions(examples, predictions, known_types=KNOWN).slices
    found = [(row.slice, row.value, row.n_documents, row.tp, row.fn) for row in slices]
    assert found == [
        ("language", "e", 3, 2, 1),
        ("language", "z", 2, 2, 0),
        ("length", "0-127", 2, 2, 0),
        ("length", "128-511", 1, 1, 0),
        ("length", "512-2047", 1, 1, 0),
        ("length", "2048+", 1, 0, 1),
        ("pii_free", "no", 5, 4, 1),
    ]


def test_no_result_holds_text_of_a_document_or_a_prediction() -> None:
    example = make_example((("A", "13800138000"),), "call 13800138000")
    prediction = make_prediction((("13800138000", "13800138000"), ("A", "secret")))
    result = evaluate_predictions([example], [prediction], known_types=KNOWN)
    assert "13800138000" not in repr(result)
    assert "secret" not in repr(result)


def test_the_headline_is_flat_and_serialisable() -> None:
    headline = evaluate([((("A", "x"),), (("A", "x"),))]).headline()
    assert json.loads(json.dumps(headline)) == headline
    assert all(value is None or isinstance(value, int | float) for value in headline.values())
    assert not {"per_type", "slices", "documents"} & set(headline)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`predictions` has 0 items, but must have one per document \(1\)"):
        evaluate_predictions([make_example(())], [], known_types=KNOWN)


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(item_lists, item_lists), max_size=6), cut=st.integers(0, 6))
def test_counts_over_two_parts_add_up_to_the_whole(pairs: Pairs, cut: int) -> None:
    whole, first, second = evaluate(pairs), evaluate(pairs[:cut]), evaluate(pairs[cut:])
    assert whole.documents == first.documents + second.documents
    for name in ("n_gold", "n_documents", "hallucinated", "unknown_type", "malformed"):
        assert getattr(whole, name) == getattr(first, name) + getattr(second, name)
    sums: dict[str, list[int]] = {}
    for row in first.per_type + second.per_type:
        sums[row.type] = [
            a + b for a, b in zip(sums.get(row.type, [0] * 3), (row.tp, row.fp, row.fn), strict=True)
        ]
    assert {row.type: [row.tp, row.fp, row.fn] for row in whole.per_type} == sums


# Distinct one-token values: each occurs once, so multisets of (type, text) and sets of spans mean the same.
TOKENS = ["张", "李", "王", "赵", "钱", "孙"]
tag_rows = st.lists(st.sampled_from(["O", "A", "B"]), min_size=len(TOKENS), max_size=len(TOKENS))
corpora = st.lists(st.tuples(tag_rows, tag_rows), min_size=1, max_size=4)


def from_tags(tags: list[str]) -> Items:
    return tuple((tag, token) for tag, token in zip(tags, TOKENS, strict=True) if tag != "O")


def as_spans(items: Items) -> list[dict[str, str | int]]:
    # Inclusive ends, as nervaluate wants them; sorted, since it matches greedily in order.
    return [
        {"label": kind, "start": TOKENS.index(value), "end": TOKENS.index(value)} for kind, value in items
    ]


@settings(max_examples=40, deadline=None)
@given(corpus=corpora)
def test_distinct_values_agree_with_nervaluate_strict(corpus: list[tuple[list[str], list[str]]]) -> None:
    from nervaluate import Evaluator

    pairs = [(from_tags(gold), from_tags(predicted)) for gold, predicted in corpus]
    ours = evaluate(pairs, text="".join(TOKENS))
    gold, predicted = ([as_spans(side) for side in sides] for sides in zip(*pairs, strict=True))
    # tags: the union of both sides, or labels only predicted would be dropped in silence.
    theirs = Evaluator(gold, predicted, tags=["A", "B"], loader="dict").evaluate()["overall"]["strict"]
    assert theirs.recall == pytest.approx(ours.micro_recall or 0.0)
    assert theirs.precision == pytest.approx(ours.micro_precision or 0.0)
    assert theirs.correct == sum(document.tp for document in ours.documents)
    assert theirs.possible == ours.n_gold


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None)
@given(corpus=corpora)
def test_distinct_values_agree_with_seqeval_strict_iob2(corpus: list[tuple[list[str], list[str]]]) -> None:
    from seqeval.metrics import f1_score, precision_score, recall_score
    from seqeval.scheme import IOB2

    ours = evaluate(
        [(from_tags(gold), from_tags(predicted)) for gold, predicted in corpus], text="".join(TOKENS)
    )
    sides = [
        [["O" if tag == "O" else f"B-{tag}" for tag in row] for row in side]
        for side in zip(*corpus, strict=True)
    ]
    # The default mode accepts an I- tag as a start; strict IOB2 does not.
    strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    assert recall_score(*sides, **strict) == pytest.approx(ours.micro_recall or 0.0)
    assert precision_score(*sides, **strict) == pytest.approx(ours.micro_precision or 0.0)
    assert f1_score(*sides, **strict) == pytest.approx(ours.micro_f1 or 0.0)
    if ours.n_gold:
        supported = {row.type for row in ours.per_type if row.support}
        recalls = recall_score(*sides, average=None, **strict)
        names = sorted({tag[2:] for side in sides for row in side for tag in row if tag != "O"})
        expected = [recall for name, recall in zip(names, recalls, strict=True) if name in supported]
        assert statistics.mean(expected) == pytest.approx(ours.macro_recall)
