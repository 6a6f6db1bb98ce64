"""Every format that data can come in: an excerpt of each becomes the same kind of example, or says what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from data.entities import Entity, Example
from data.files.lines import DataError
from data.formats.importer import ImportOptions, ImportReport, import_examples
from data.formats.registry import FORMATS


def imported(source: Path, **options: object) -> tuple[list[Example], ImportReport]:
    report = ImportReport()
    examples = list(import_examples(source, ImportOptions(**options), report))  # type: ignore[arg-type]
    return examples, report


def saved(folder: Path, name: str, content: object) -> Path:
    """Write records as a JSON array or as JSON Lines by the name's ending, text as it is."""
    if not isinstance(content, str):
        lines = [json.dumps(record, ensure_ascii=False) for record in content]  # type: ignore[attr-defined]
        content = f"[{','.join(lines)}]" if name.endswith(".json") else "\n".join(lines) + "\n"
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


SPANS = [("NAME", "张三"), ("PHONE", "13800138000")]
TEXT = "联系人张三，电话13800138000。"
EMOJI = "😀联系人张三，电话13800138000。"

# The first records of presidio-research's synth_dataset_v2 (MIT, Microsoft) and of WNUT 2017 (CC BY 4.0), shortened;
# of CLUENER 2020 one published sentence; the others are written by hand in the published shapes.
PRESIDIO = {
    "full_text": "The address of Persint is 6750 Koskikatu 25 Apt. 864\nArtilleros\n, CO\n Uruguay 64677",
    "masked": "The address of {{ORGANIZATION}} is {{STREET_ADDRESS}}",
    "spans": [
        {
            "entity_type": "STREET_ADDRESS",
            "entity_value": "6750 Koskikatu 25 Apt. 864\nArtilleros\n, CO\n Uruguay 64677",
            "start_position": 26,
            "end_position": 83,
        },
        {"entity_type": "ORGANIZATION", "entity_value": "Persint", "start_position": 15, "end_position": 22},
    ],
    "template_id": 87,
    "metadata": None,
}
WNUT = "Pxleyes\tB-corporation\n:\tO\nFrom\tO\nGreen\tB-location\nNewsfeed\tI-location\n\t\nAHFA\tB-group\nextends\tO\n"
REGION = {"value": {"start": 3, "end": 5, "text": "张三", "labels": ["NAME"]}, "type": "labels"}
PHONE_REGION = {"value": {"start": 8, "end": 19, "labels": ["PHONE"]}, "type": "labels"}

CASES: list[tuple[str, str, object, list[list[tuple[str, str]]]]] = [
    (
        "jsonl",
        "own.jsonl",
        [{"input": TEXT, "output": {"entities": [{"type": t, "text": v} for t, v in SPANS]}}],
        [SPANS],
    ),
    (
        "doccano",
        "doccano.jsonl",
        [{"id": 1, "text": TEXT, "label": [[3, 5, "NAME"], [8, 19, "PHONE"]]}, {"id": 2, "text": "无", "label": []}],
        [SPANS, []],
    ),
    (
        "doccano",
        "relations.jsonl",
        [
            {
                "text": TEXT,
                "entities": [
                    {"id": 1, "label": "NAME", "start_offset": 3, "end_offset": 5},
                    {"id": 2, "label": "PHONE", "start_offset": 8, "end_offset": 19},
                ],
                "relations": [{"id": 3, "from_id": 1, "to_id": 2, "type": "has"}],
            }
        ],
        [SPANS],
    ),
    (
        "label-studio",
        "studio.json",
        [
            {
                "id": 1,
                "data": {"dialog": TEXT},
                "annotations": [
                    {"was_cancelled": True, "result": []},
                    {"was_cancelled": False, "result": [REGION, PHONE_REGION, {"type": "choices", "value": {"choices": ["x"]}}]},
                ],
            }
        ],
        [SPANS],
    ),
    (
        "label-studio",
        "min.json",
        [
            {
                "id": 1,
                "text": TEXT,
                "tags": [REGION["value"], PHONE_REGION["value"]],
                "annotator": 1,
                "annotation_id": 7,
            }
        ],
        [SPANS],
    ),
    ("spacy", "spacy.json", [[TEXT, {"entities": [[3, 5, "NAME"], [8, 19, "PHONE"]]}]], [SPANS]),
    (
        "spacy",
        "prodigy.jsonl",
        [
            {"text": TEXT, "spans": [{"start": 3, "end": 5, "label": "NAME"}, {"start": 8, "end": 19, "label": "PHONE"}], "answer": "accept"},
            {"text": TEXT, "spans": [], "answer": "reject"},
        ],
        [SPANS],
    ),
    ("spacy", "ents.jsonl", [{"text": "Uber", "ents": [{"start": 0, "end": 4, "label": "ORG"}]}], [[("ORG", "Uber")]]),
    (
        "conll",
        "wnut.conll",
        WNUT,
        [[("corporation", "Pxleyes"), ("location", "Green Newsfeed")], [("group", "AHFA")]],
    ),
    ("conll", "bmes.txt", "吴 B-NAME\n重 M-NAME\n阳 E-NAME\n， O\n男 S-SEX\n", [[("NAME", "吴重阳"), ("SEX", "男")]]),
    ("conll", "weibo.conll", "科0\tO\n技1\tO\n张0\tB-PER.NAM\n三1\tI-PER.NAM\n", [[("PER.NAM", "张三")]]),
    ("conll", "iob1.txt", "Ann I-PER\nLee I-PER\nBob B-PER\nmet O\nIBM I-ORG\n", [[("PER", "Ann Lee"), ("PER", "Bob"), ("ORG", "IBM")]]),
    ("conll", "bioes.txt", "Ann S-PER\nof O\nNew B-LOC\nYork E-LOC\n", [[("PER", "Ann"), ("LOC", "New York")]]),
    ("presidio", "presidio.json", [PRESIDIO], [[("ORGANIZATION", "Persint"), ("STREET_ADDRESS", PRESIDIO["spans"][0]["entity_value"])]]),  # type: ignore[index]
    (
        "ai4privacy",
        "openpii.jsonl",
        [{"source_text": "mail a@b.co", "language": "en", "privacy_mask": [{"value": "a@b.co", "start": 5, "end": 11, "label": "EMAIL"}], "uid": 1}],
        [[("EMAIL", "a@b.co")]],
    ),
    (
        "ai4privacy",
        "pii200k.jsonl",
        [
            {
                "masked_text": "Mr [FIRSTNAME_1] at [EMAIL_1]",
                "unmasked_text": "Mr Ann at a@b.co",
                "privacy_mask": "{'[FIRSTNAME_1]': 'Ann', '[EMAIL_1]': 'a@b.co'}",
                "span_labels": '[[0, 3, "O"], [3, 6, "FIRSTNAME_1"], [6, 10, "O"], [10, 16, "EMAIL_1"]]',
            }
        ],
        [[("FIRSTNAME", "Ann"), ("EMAIL", "a@b.co")]],
    ),
    (
        "gretel",
        "finance.jsonl",
        [{"generated_text": "Ann paid", "pii_spans": '[{"start": 0, "end": 3, "label": "name"}]', "language": "English"}],
        [[("name", "Ann")]],
    ),
    (
        "gretel",
        "gretel.jsonl",
        [{"uid": "a", "text": "Call 555-0100", "entities": "[{'entity': '555-0100', 'types': ['phone_number', 'number']}]"}],
        [[("phone_number", "555-0100")]],
    ),
    (
        "nemotron",
        "nemotron.jsonl",
        [{"uid": "a", "text": "Ann met", "spans": "[{'start': 0, 'end': 3, 'text': 'Ann', 'label': 'first_name'}]"}],
        [[("first_name", "Ann")]],
    ),
    (
        "cluener",
        "cluener.json",
        [
            {"text": "彭小军认为，国内银行现在走的是台湾的发卡模式", "label": {"address": {"台湾": [[15, 16]]}, "name": {"彭小军": [[0, 2]]}}},
            {"text": "生生不息CSOL生化狂潮让你填弹狂扫", "label": {"game": {"CSOL": [[4, 7]]}}},
        ],
        [[("name", "彭小军"), ("address", "台湾")], [("game", "CSOL")]],
    ),
    (
        "piilo",
        "piilo.json",
        [
            {
                "document": 7,
                "full_text": "Ann Lee, here\n\n",
                "tokens": ["Ann", "Lee", ",", "here", "\n\n"],
                "trailing_whitespace": [True, False, True, False, False],
                "labels": ["B-NAME_STUDENT", "I-NAME_STUDENT", "O", "O", "O"],
            }
        ],
        [[("NAME_STUDENT", "Ann Lee")]],
    ),
    (
        "tab",
        "tab.json",
        [
            {
                "doc_id": "001-61807",
                "text": "The case (no. 36110/97) of Ann",
                "dataset_type": "test",
                "annotations": {
                    "annotator1": {
                        "entity_mentions": [
                            {"entity_type": "CODE", "start_offset": 14, "end_offset": 22, "span_text": "36110/97", "identifier_type": "DIRECT", "entity_id": "e1"},
                            {"entity_type": "PERSON", "start_offset": 27, "end_offset": 30, "span_text": "Ann", "identifier_type": "NO_MASK", "entity_id": "e2"},
                        ]
                    },
                    "annotator2": {"entity_mentions": []},
                },
            }
        ],
        [[("CODE", "36110/97")]],
    ),
    (
        "azure",
        "azure.json",
        [{"id": "1", "text": EMOJI, "entities": [{"category": "NAME", "offset": 5, "length": 2}, {"category": "PHONE", "offset": 10, "length": 11}]}],
        [SPANS],
    ),
    ("tokens", "hub.jsonl", [{"tokens": ["Ann", "met", "Bob"], "ner_tags": ["B-PER", "O", "B-PER"]}], [[("PER", "Ann"), ("PER", "Bob")]]),
    ("table", "table.csv", 'text,spans\n"Ann, met","[{""start"": 0, ""end"": 3, ""label"": ""PER""}]"\n"two\nlines",\n', [[("PER", "Ann")], []]),
    ("table", "table.tsv", "sentence\tentities\nAnn met\t[(0, 3, 'PER')]\n", [[("PER", "Ann")]]),
]  # fmt: skip


@pytest.mark.parametrize(("form", "name", "content", "expected"), CASES, ids=[case[1] for case in CASES])
def test_a_format_is_detected_and_read(
    tmp_path: Path, form: str, name: str, content: object, expected: list[list[tuple[str, str]]]
) -> None:
    examples, report = imported(saved(tmp_path, name, content))
    assert report.format == form
    assert [[(entity.type, entity.text) for entity in example.entities] for example in examples] == expected
    for example in examples:
        assert all(example.text[entity.start : entity.end] == entity.text for entity in example.entities)
    assert sum(report.mapping.values()) == report.documents == len(expected)
    assert imported(tmp_path / name, format=form)[0] == examples


def test_every_format_has_a_case() -> None:
    assert {case[0] for case in CASES} == set(FORMATS)


@pytest.mark.parametrize(("form", "name", "content", "expected"), CASES, ids=[case[1] for case in CASES])
def test_a_format_reads_the_same_from_gzip_with_crlf_and_a_byte_order_mark(
    tmp_path: Path, form: str, name: str, content: object, expected: list[list[tuple[str, str]]]
) -> None:
    plain = saved(tmp_path, name, content)
    before = [(example.text, example.entities) for example in imported(plain)[0]]
    text = plain.read_text(encoding="utf-8")
    if not name.endswith((".csv", ".tsv")):  # a line end may be part of a quoted cell
        text = text.replace("\n", "\r\n")
    for number, content_bytes in enumerate((text.encode("utf-8-sig"), text.encode("utf-16"))):
        packed = tmp_path / f"{number}-{name}"
        packed.write_bytes(gzip.compress(content_bytes))
        examples, report = imported(packed)
        assert report.format == form
        assert [(example.text, example.entities) for example in examples] == before


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    by_name = {case[1]: case for case in CASES}
    reasons = {
        "relations.jsonl": {"relations between entities": 1},
        "studio.json": {"results that are not labelled regions": 1},
        "prodigy.jsonl": {"document: answer is not accept": 1},
        "gretel.jsonl": {"further types of an entity": 1},
        "tab.json": {"mentions marked NO_MASK": 1, "annotations of further annotators": 1},
    }
    for name, dropped in reasons.items():
        assert imported(saved(tmp_path, name, by_name[name][2]))[1].dropped == dropped


def test_the_template_of_presidio_and_the_document_of_conll_are_the_group(tmp_path: Path) -> None:
    assert imported(saved(tmp_path, "p.json", [PRESIDIO]))[0][0].group == "87"
    text = "-DOCSTART- O\n\nAnn B-PER\n\nBob B-PER\n\n-DOCSTART- O\n\nEve B-PER\n"
    groups = [example.group for example in imported(saved(tmp_path, "c.txt", text))[0]]
    assert groups == ["document at line 1", "document at line 1", "document at line 7"]


def test_offsets_that_do_not_fit_are_errors_that_name_the_unit_that_would(tmp_path: Path) -> None:
    rows = [{"text": EMOJI, "spans": [{"start": start, "end": end, "text": "张三", "label": "NAME"}], "uid": str(start)} for start, end in ((5, 7), (4, 5), (13, 19), (1, 3))]  # fmt: skip
    source = saved(tmp_path, "wrong.jsonl", rows)
    with pytest.raises(DataError) as error:
        imported(source)
    assert [problem.line for problem in error.value.problems] == [1, 2, 3, 4]
    for problem, hint in zip(
        error.value.problems,
        ("--offsets utf-16", "--offsets inclusive", "--offsets utf-8", "correct the offsets"),
        strict=True,
    ):
        assert hint in problem.what
        assert "张三" not in problem.what
    for number, units in enumerate(("utf-16", "inclusive", "utf-8")):
        one = saved(tmp_path, "one.jsonl", [rows[number]])
        assert imported(one, offsets=units)[0][0].entities == (Entity("NAME", "张三", 4, 6),)


def test_bad_records_can_be_left_out_by_request_and_are_still_listed(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "Ann", "label": [[0, 3, "PER"]]},
        {"id": 2, "text": "Bob", "label": [[0, 9, "PER"]]},
    ]
    source = saved(tmp_path, "d.jsonl", rows)
    examples, report = imported(source, drop_bad=True)
    assert [example.id for example in examples] == ["1"]
    assert report.dropped == {"document: has problems": 1}
    assert [problem.line for problem in report.problems] == [2]


def test_types_are_renamed_before_they_are_chosen(tmp_path: Path) -> None:
    source = saved(
        tmp_path, "d.jsonl", [{"text": "Ann IBM", "label": [[0, 3, "PER"], [4, 7, "ORG"], [0, 3, "PER"]]}]
    )
    (example,), report = imported(source, map_types={"PER": "姓名"}, keep_types=frozenset({"姓名"}))
    assert example.entities == (Entity("姓名", "Ann", 0, 3),)
    assert report.dropped == {
        "entity: type ORG is not in --keep-types": 1,
        "entity: listed twice at the same place": 1,
    }


def test_records_of_two_formats_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "Ann", "label": [[0, 3, "PER"]]}, {"text": "Ann", "label": {"name": {"Ann": [[0, 2]]}}}]
    with pytest.raises(ValueError, match=r"may be doccano \(1 of 2 records\), cluener \(1 of 2 records\)"):
        imported(saved(tmp_path, "two.jsonl", rows))


def test_a_file_without_any_known_entity_is_not_taken_for_free_of_personal_data(tmp_path: Path) -> None:
    source = saved(tmp_path, "x.jsonl", [{"text": "Ann", "pii_values": ["Ann"]}])
    with pytest.raises(ValueError, match="has no entity under any known key"):
        imported(source)
    assert len(imported(source, format="jsonl")[0]) == 1


def test_repeated_ids_are_named_and_can_be_numbered_anew(tmp_path: Path) -> None:
    source = saved(tmp_path, "d.jsonl", [{"id": 5, "text": "Ann", "label": [[0, 3, "PER"]]}] * 3)
    with pytest.raises(DataError) as error:
        imported(source)
    assert [problem.line for problem in error.value.problems] == [2, 3]
    assert [example.id for example in imported(source, new_ids=True)[0]] == ["d:1", "d:2", "d:3"]
