"""The certainty of written entities: the probability of their own tokens, and of the whole answer where these are not clear."""

from __future__ import annotations

from math import exp
from typing import Any

import pytest

from data.entities import Entity
from data.prompt import completion, parse
from trainable.decoding.item_certainty import item_certainties
from trainable.model.bases import locate_base
from trainable.tokens.tokenizer import load_tokenizer

_ANSWER = completion([Entity("PERSON", "李雷𠮷", 0, 3), Entity("PHONE", "139", 4, 7)])


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return load_tokenizer(locate_base("small-2m"))


def certainties(tokenizer: Any, output: str, told: dict[str, float]) -> tuple[float, ...]:
    """Of an answer in which tokens with these texts have these log-probabilities, and all others -0.01."""
    ids = tokenizer(output, add_special_tokens=False)["input_ids"]
    values = [told.get(tokenizer.decode([token]), -0.01) for token in ids]
    return item_certainties(tokenizer, ids, values, output, parse(output))


def test_each_entity_has_the_probability_of_its_tokens_and_borders(tokenizer: Any) -> None:
    ids = tokenizer(_ANSWER, add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([token]) for token in ids]
    border = pieces.index('"},{"type":"')
    first, second = certainties(tokenizer, _ANSWER, {})
    assert first == pytest.approx(exp(-0.01 * (border + 1)))
    assert second == pytest.approx(exp(-0.01 * (len(ids) - border)))
    unsure = certainties(tokenizer, _ANSWER, {"9": -2.0})
    assert unsure == (pytest.approx(first), pytest.approx(second * exp(-1.99)))
    both = certainties(tokenizer, _ANSWER, {'"},{"type":"': -1.0})
    assert both == (pytest.approx(first * exp(-0.99)), pytest.approx(second * exp(-0.99)))


def test_an_answer_whose_tokens_are_not_clear_gives_all_its_entities_its_own_probability(
    tokenizer: Any,
) -> None:
    twice = (
        '{"entities":[{"type":"A","text":"x"}],"entities":[{"type":"B","text":"y"}],"note":{"entities":[]}}'
    )
    ids = tokenizer(twice, add_special_tokens=False)["input_ids"]
    [whole] = certainties(tokenizer, twice, {})
    assert whole == pytest.approx(exp(-0.01 * len(ids)))


def test_no_entities_have_no_certainties(tokenizer: Any) -> None:
    assert certainties(tokenizer, completion([]), {}) == ()
    assert certainties(tokenizer, "no JSON", {}) == ()


def test_special_tokens_are_no_part_of_the_text(tokenizer: Any) -> None:
    ids = [*tokenizer(_ANSWER, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    assert tokenizer.decode(ids, skip_special_tokens=True) == _ANSWER
    values = [-0.01] * (len(ids) - 1) + [-9.0]
    found = item_certainties(tokenizer, ids, values, _ANSWER, parse(_ANSWER))
    assert found == certainties(tokenizer, _ANSWER, {})
