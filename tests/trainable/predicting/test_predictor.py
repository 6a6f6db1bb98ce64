"""A text whose answer is cut off or broken is answered in smaller pieces, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from data.entities import Entity
from data.prompt import completion
from trainable.predicting.predictor import AnswerPredictor, find_model, load_predictor

NAMES = [f"P{number:03d}" for number in range(120)]
TEXT = "".join(f"{name} said that it was late. " for name in NAMES)


@pytest.fixture(scope="module")
def predictor() -> AnswerPredictor:
    place = find_model("small-2m")
    made = load_predictor(place, place.settings.changed(max_new_tokens=60, overlap_tokens=12))
    assert isinstance(made, AnswerPredictor)
    return made


def answering(predictor: AnswerPredictor, monkeypatch: pytest.MonkeyPatch, broken: str = "") -> list[int]:
    """Let the model know every name of TEXT, as far as the limit reaches; return the answers' limits."""
    limits: list[int] = []
    chat = predictor.backend.chat
    tokenizer = chat.tokenizer

    def generate(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        limits.append(limit)
        answers = []
        for prompt in prompts:
            asked = tokenizer.decode(list(prompt))
            found = [Entity("NAME", name, 0, len(name)) for name in NAMES if name in asked]
            answer = "no JSON" if broken and broken in asked else completion(found)
            ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
            answers.append([*ids, chat.end_of_turn_id][:limit])
        return answers

    monkeypatch.setattr(predictor.backend, "generate", generate)
    return limits


def test_an_answer_that_is_cut_off_is_asked_for_in_smaller_pieces(
    predictor: AnswerPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = answering(predictor, monkeypatch)
    [(prediction, n_windows)] = predictor.predict([TEXT])
    assert [entity.text for entity in prediction.entities or ()] == NAMES
    assert [TEXT[entity.start : entity.end] for entity in prediction.entities or ()] == NAMES
    assert prediction.parsed.valid
    assert not prediction.truncated
    assert n_windows == len(predictor.windowing.cut(TEXT))
    assert limits[0] == 60 < limits[1]


def test_what_stays_broken_in_the_smallest_piece_is_said(
    predictor: AnswerPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(predictor, monkeypatch, broken="P077")
    [(prediction, _), (other, _)] = predictor.predict([TEXT, "P001 said."])
    assert not prediction.parsed.valid
    found = [entity.text for entity in prediction.entities or ()]
    assert "P077" not in found
    assert set(NAMES[:70] + NAMES[84:]) <= set(found)
    assert other.parsed.valid


def test_asked_once_a_failed_window_finds_nothing(
    predictor: AnswerPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = answering(predictor, monkeypatch)
    monkeypatch.setattr(predictor, "once", True)
    [(prediction, _)] = predictor.predict([TEXT])
    assert prediction.truncated
    assert limits == [60]
