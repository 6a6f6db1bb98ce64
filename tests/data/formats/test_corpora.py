"""The traps of published corpora: numbered types, values without offsets, inclusive ends, templates as groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.claims import Mark
from data.formats.registry import FORMATS
from tests.data.formats.excerpts import PRESIDIO, imported, saved


def read(form: str, record: object) -> list[Mark]:
    return FORMATS[form].prepare([])(record).marks


def test_the_template_of_presidio_is_the_group(tmp_path: Path) -> None:
    assert imported(saved(tmp_path, "p.json", [PRESIDIO]))[0][0].group == "87"


def test_numbers_at_the_end_of_ai4privacys_types_are_removed_in_both_generations() -> None:
    mask = [{"value": "Ann", "start": 0, "end": 3, "label": "FIRSTNAME_1"}]
    assert read("ai4privacy", {"source_text": "Ann", "privacy_mask": mask}) == [
        Mark("FIRSTNAME", "Ann", (0, 3))
    ]
    older = {"unmasked_text": "Ann met", "privacy_mask": "{'[FIRSTNAME_2]': 'Ann'}"}
    spans = '[[0, 3, "FIRSTNAME_2"], [3, 7, "O"]]'
    assert read("ai4privacy", {**older, "span_labels": spans}) == [Mark("FIRSTNAME", None, (0, 3))]
    with pytest.raises(ValueError, match="`privacy_mask` is not a list and there is no `span_labels`"):
        read("ai4privacy", older)


def test_gretels_values_without_offsets_take_their_first_type() -> None:
    entities = (
        "[{'entity': '555-0100', 'types': ['phone_number', 'number']}, {'entity': 'Ann', 'types': ['name']}]"
    )
    draft = FORMATS["gretel"].prepare([])({"uid": "a", "text": "Ann: 555-0100", "entities": entities})
    assert draft.marks == [Mark("phone_number", "555-0100"), Mark("name", "Ann")]
    assert (draft.id, draft.dropped) == ("a", ["further types of an entity"])
    with pytest.raises(ValueError, match="entity 1: its type is null"):
        read("gretel", {"text": "Ann", "entities": "[{'entity': 'Ann', 'types': []}]"})


@pytest.mark.parametrize(
    ("record", "form"),
    [
        ({"generated_text": "a", "pii_spans": "[]"}, "gretel"),
        ({"text": "a", "entities": '[{"entity": \'a\', "types": []}]'}, "gretel"),
        ({"full_text": "a", "spans": []}, "presidio"),
        ({"uid": 1, "text": "a", "spans": "[]"}, "nemotron"),
        ({"text": "a", "label": {"name": {"a": [[0, 0]]}}}, "cluener"),
        ({"text": "a", "label": {}}, "cluener"),
        ({"privacy_mask": [], "source_text": "a"}, "ai4privacy"),
        ({"text": "a", "entities": []}, ""),
        ({"text": "a", "label": {"name": ["a"]}}, ""),
        ({"privacy_mask": []}, ""),
    ],
)
def test_a_corpus_is_told_by_the_keys_that_only_it_has(record: object, form: str) -> None:
    corpora = ("presidio", "ai4privacy", "gretel", "nemotron", "cluener")
    assert [name for name in corpora if FORMATS[name].claims(record)] == ([form] if form else [])


def test_clueners_ends_are_the_last_character_and_a_span_has_two_parts() -> None:
    form = FORMATS["cluener"]
    record = {"text": "彭小军说", "label": {"name": {"彭小军": [[0, 2]]}, "address": {}}}
    assert (form.units, form.prepare([])(record).marks) == ("inclusive", [Mark("name", "彭小军", (0, 2))])
    with pytest.raises(ValueError, match=r"a span must be \[start, end\]; correct the record"):
        read("cluener", {"text": "a", "label": {"name": {"a": [[0]]}}})


def test_spans_of_nemotron_may_be_written_as_python() -> None:
    record = {
        "uid": "a",
        "text": "Ann",
        "spans": "[{'start': 0, 'end': 3, 'text': 'Ann', 'label': 'first_name'}]",
    }
    assert read("nemotron", record) == [Mark("first_name", "Ann", (0, 3))]
