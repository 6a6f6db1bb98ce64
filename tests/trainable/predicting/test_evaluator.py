"""Validation by generation: prefixes of one order, windows of long documents, and what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data.corpus import SAMPLE_DIR
from data.entities import Entity, Example
from data.files.jsonl import read_examples, write_examples
from data.prompt import completion
from trainable.model.bases import locate_base
from trainable.predicting.answers import AnswerReader
from trainable.predicting.evaluator import Evaluator, document_order, shuffled_documents
from trainable.tokens.windowing import Windowing

if TYPE_CHECKING:
    from trainable.backends.peft_backend import PeftBackend

_NAMES = [f"P{number:02d}x" for number in range(40)]
_LONG = "".join(f"{name} said that it was late. " for name in _NAMES)


def document(text: str, names: Sequence[str]) -> Example:
    entities = tuple(Entity("NAME", name, text.index(name), text.index(name) + len(name)) for name in names)
    return Example(text[:8], text, entities, language="en")


_DOCUMENTS = [
    document("P01x came.", ["P01x"]),
    document(_LONG, _NAMES),
    document("Nobody came, they said.", []),
    document("P07x and P08x left.", ["P07x", "P08x"]),
]


@pytest.fixture(scope="module")
def backend() -> PeftBackend:
    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    backend.load_base(locate_base("small-2m"), load_in_4bit=False, window_tokens=256)
    return backend


@pytest.fixture
def evaluator(backend: PeftBackend, monkeypatch: pytest.MonkeyPatch) -> Evaluator:
    """A model that finds every name but P07x, and takes `they` for one."""

    def generate(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        answers = []
        for prompt in prompts:
            asked = backend.chat.tokenizer.decode(list(prompt))
            found = [Entity("NAME", name, 0, 4) for name in _NAMES if name in asked and name != "P07x"]
            found += [Entity("PRONOUN", "they", 0, 4)] if "they" in asked else []
            ids = backend.chat.tokenizer(completion(found), add_special_tokens=False)["input_ids"]
            answers.append([*ids, backend.chat.end_of_turn_id])
        return answers

    monkeypatch.setattr(backend, "generate", generate)
    windowing = Windowing(backend.chat, 256, 24)
    reader = AnswerReader(backend, _DOCUMENTS, 100, windowing)
    return Evaluator(_DOCUMENTS, reader, frozenset({"NAME"}), 0.9)


def test_the_order_is_the_same_for_everyone_and_mixes_the_file(tmp_path: Path) -> None:
    examples = list(read_examples(SAMPLE_DIR / "validation.jsonl"))[:50]
    write_examples(tmp_path / "file.jsonl", examples)
    shuffled = shuffled_documents(tmp_path / "file.jsonl")
    assert shuffled == shuffled_documents(tmp_path / "file.jsonl")
    assert [example.text for example in shuffled] == [examples[place].text for place in document_order(50)]
    assert document_order(50)[:3] == [43, 1, 28]  # studies of every version share it
    assert sorted(document_order(50)) == list(range(50)) != document_order(50)


def test_a_long_document_is_answered_in_windows_and_counted_once(evaluator: Evaluator) -> None:
    predictions = evaluator.predict()
    assert len(predictions) == len(_DOCUMENTS)
    assert [text for _, text in predictions[1].parsed.items] == [n for n in _NAMES if n != "P07x"]


def test_a_prefix_is_scored_as_the_whole_list_is_so_far(evaluator: Evaluator) -> None:
    whole, prefix = evaluator.evaluate(), evaluator.evaluate(2)
    assert (prefix.n_documents, whole.n_documents) == (2, 4)
    assert whole.documents[:2] == prefix.documents
    assert (whole.micro_recall, whole.micro_precision) == (41 / 43, 41 / 42)
    assert prefix.micro_precision == 1.0


def test_a_type_that_nobody_knows_is_counted_and_precision_enters_the_score(
    evaluator: Evaluator, backend: PeftBackend
) -> None:
    evaluation = evaluator.evaluate(3)
    assert evaluation.unknown_type == 1
    assert evaluation.score == pytest.approx(40 / 41)
    reader = AnswerReader(backend, _DOCUMENTS[2:3], 100, Windowing(backend.chat, 256, 24))
    strict = Evaluator(_DOCUMENTS[2:3], reader, frozenset({"NAME"}), 0.9)
    assert strict.evaluate().score == -0.9


def test_what_may_be_kept_holds_counts_and_shapes_but_no_text(evaluator: Evaluator) -> None:
    predictions = evaluator.predict(3)
    record = evaluator.record(predictions, evaluator.score(predictions), step=34)
    assert (record.step, record.min_precision, len(record.documents)) == (34, 0.9, 3)
    assert record.evaluation().micro_recall == evaluator.score(predictions).micro_recall
    shown = [item.shape for row in record.documents for item in row.items]
    assert "x99x" in shown or "X99x" in shown
    assert not [shape for shape in shown if "P0" in shape or "they" in shape]
