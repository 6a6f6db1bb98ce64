"""An excerpt of each format that data can come in, with the entities that it holds; how tests save and read one."""

from __future__ import annotations

import json
from pathlib import Path

from data.entities import Example
from data.formats.importer import ImportOptions, import_examples
from data.formats.report import ImportReport


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

# Three sentences of UNER_Chinese-GSDSIMP (Universal NER v1, Mayhew et al. 2024, on the Universal Dependencies
# treebank Chinese-GSDSimp), CC BY-SA 4.0; shortened by a clause each, the annotator's column kept.
UNER = """\
# newdoc id = batch-0000
# sent_id = batch-0000-0001
# text = 然而，这样的处理也衍生了一些问题。
1	然而	O	-	-
2	，	O	-	-
3	这样	O	-	-
4	的	O	-	-
5	处理	O	-	-
6	也	O	-	-
7	衍生	O	-	-
8	了	O	-	-
9	一些	O	-	-
10	问题	O	-	-
11	。	O	-	-

# sent_id = batch-0000-0002
# text = 自从2004年提出了兴建人文大楼的构想
1	自从	O	-	-
2	2004	O	-	-
3	年	O	-	-
4	提出	O	-	-
5	了	O	-	-
6	兴建	O	-	-
7	人文	B-LOC	-	linpq
8	大楼	I-LOC	-	linpq
9	的	O	-	-
10	构想	O	-	-

# sent_id = batch-0000-0003
# text = 杜鹃花为温带植物，台北虽然在亚热带
1	杜鹃花	O	-	-
2	为	O	-	-
3	温带	B-LOC	-	linpq
4	植物	O	-	-
5	，	O	-	-
6	台北	B-LOC	-	linpq
7	虽然	O	-	-
8	在	O	-	-
9	亚	B-LOC	-	linpq
10	热带	I-LOC	-	linpq

"""
