"""Prodigy's tasks and spaCy's documents: read if the answer is about the whole text, else left out with a count."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.claims import Mark
from data.files.lines import DataError
from data.formats.draft import NO_LABELS, Skip
from data.formats.registry import FORMATS
from tests.data.formats.excerpts import imported, saved

SPANS = [{"start": 0, "end": 3, "label": "PER", "text": "Ann", "token_start": 0, "token_end": 0}]
TASK = {"text": "Ann met", "spans": SPANS, "_task_hash": 1, "_input_hash": 2}
MANUAL = {**TASK, "answer": "accept", "_view_id": "ner_manual", "_is_binary": False}


@pytest.mark.parametrize(
    ("record", "claimed"),
    [
        (["a", {"entities": []}], True),
        (["a", {}], False),
        ({"text": "a", "ents": []}, True),
        ({"text": "a", "spans": [], "answer": "accept"}, True),
        ({"text": "a", "spans": [], "_task_hash": 1}, True),
        ({"text": "a", "spans": []}, False),
        ({"text": "a", "spans": [{"start": 0, "end": 1, "label": "X"}]}, True),
        ({"text": "a", "spans": [{"start": 0, "end": 1, "label": "X", "text": "a"}]}, False),
        (
            {"text": "a", "spans": [{"start": 0, "end": 1, "label": "X", "text": "a"}], "answer": "reject"},
            True,
        ),
        ({"text": "a", "answer": "accept"}, True),
        ({"text": "a", "spans": {"sc": [{"start": 0, "end": 1, "label": "X"}]}}, True),
        ({"text": "a", "spans": {"PER": ["a"]}}, False),
        (["a", {"entities": [], "spans": {"sc": [[0, 1, "X"]]}}], True),
    ],
)
def test_spacy_is_told_by_pairs_ents_or_spans_without_values(record: object, claimed: bool) -> None:
    assert FORMATS["spacy"].claims(record) is claimed


def test_a_pair_has_its_entities_in_the_second_part_and_a_rejected_answer_is_left_out() -> None:
    read = FORMATS["spacy"].prepare([])
    assert read(("Ann", {"entities": [(0, 3, "PER")]})).marks == [Mark("PER", None, (0, 3))]
    with pytest.raises(ValueError, match=r"the record must be \[text, \{entities\}\]"):
        read(["Ann"])
    with pytest.raises(Skip, match="answer is not accept"):
        read({"text": "Ann", "spans": [], "answer": "ignore"})


def test_only_accepted_answers_about_the_whole_text_become_documents(tmp_path: Path) -> None:
    rows = [
        MANUAL,
        {**MANUAL, "answer": "reject"},
        {**MANUAL, "answer": "ignore"},
        {**TASK, "answer": "accept", "_view_id": "ner"},
        {**MANUAL, "_is_binary": True},
        {**MANUAL, "spans": []},
        {**TASK, "answer": "accept"},
        TASK,
        {"text": "Ann met", "options": [], "accept": ["a"], "answer": "accept", "_view_id": "choice"},
        {"text": "Ann met", "label": "SPAM", "answer": "accept"},
        {**TASK, "answer": "accept", "_view_id": "classification", "label": "X"},
    ]
    examples, report = imported(saved(tmp_path, "p.jsonl", rows))
    assert [[entity.text for entity in example.entities] for example in examples] == [["Ann"], [], ["Ann"]]
    assert dict(report.dropped) == {
        "document: answer is not accept": 2,
        "document: binary answer, which says nothing about the rest of the text": 2,
        "document: task without an answer": 1,
        "document: answer about something else than spans": 3,
    }


def test_a_file_of_rejected_answers_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no document that can be used \(document: answer is not accept: 2\)"
    ):
        imported(saved(tmp_path, "p.jsonl", [{**MANUAL, "answer": "reject"}] * 2))


def test_an_accepted_task_without_spans_is_free_of_them_and_noted() -> None:
    draft = FORMATS["spacy"].prepare([])({"text": "met", "answer": "accept", "_view_id": "ner_manual"})
    assert (draft.marks, draft.dropped) == ([], [NO_LABELS])


@pytest.mark.parametrize(
    "record",
    [
        {"text": "Ann", "ents": [], "spans": {"sc": [{"start": 0, "end": 3, "label": "PER", "kb_id": ""}]}},
        {"text": "Ann", "ents": [], "spans": {"other": [], "sc": [{"start": 0, "end": 3, "label": "PER"}]}},
        {"text": "Ann", "spans": {"sc": [{"start": 0, "end": 3, "label": "PER"}]}},
        ["Ann", {"entities": [], "spans": {"sc": [[0, 3, "PER"]]}}],
    ],
)
def test_a_group_of_spans_beside_no_entities_is_read(tmp_path: Path, record: object) -> None:
    examples, report = imported(saved(tmp_path, "doc.jsonl", [record]))
    assert [(entity.type, entity.text) for entity in examples[0].entities] == [("PER", "Ann")]
    assert "`spans.sc`" in next(iter(report.mapping))


def test_labels_at_several_places_are_refused(tmp_path: Path) -> None:
    span = [{"start": 0, "end": 3, "label": "PER"}]
    rows = [
        {"text": "Ann", "ents": span, "spans": {"sc": span}},
        {"text": "Ann", "spans": {"a": span, "b": span}},
    ]
    with pytest.raises(DataError) as error:
        imported(saved(tmp_path, "doc.jsonl", rows))
    assert [problem.what.split(";")[0] for problem in error.value.problems] == [
        "has spans in `ents` and `spans.sc`",
        "has spans in `spans.a` and `spans.b`",
    ]
