"""The quality section: numbers of the metric itself, intervals that hold, and no text of any document."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.entities import Entity, Example
from data.prompt import Parsed
from search.reporting.document import Report, Table, Text
from search.reporting.html import to_html
from search.reporting.markdown import to_markdown
from search.reporting.sections.quality import quality, type_intervals
from search.reporting.view import StudyView, read_study
from trainable.scoring.counts import Prediction
from trainable.scoring.evaluation import evaluate_predictions
from trainable.scoring.record import load_record, make_record, save_record

NAME, PHONE = "欧阳青云", "13800138000"

pytestmark = pytest.mark.timeout(300)  # the first one imports scikit-learn and Optuna


def documents() -> list[Example]:
    """Forty documents with a name and a telephone number each, then ten without any."""
    texts = [f"{NAME}{n}的电话是{PHONE}{n}。" for n in range(40)]
    labelled = []
    for n, text in enumerate(texts):
        name, phone = f"{NAME}{n}", f"{PHONE}{n}"
        at = text.index(phone)
        entities = (Entity("PERSON", name, 0, len(name)), Entity("PHONE", phone, at, at + len(phone)))
        labelled.append(Example(f"private-id-{n}", text, entities, "g", "zh", "test"))
    return [
        *labelled,
        *(Example(f"none-{n}", "会议改到下午三点。", (), "g", "zh", "test") for n in range(10)),
    ]


def write(path: Path, found_names: int) -> None:
    """Predict every telephone number, the first names, and something in the first empty document."""
    examples = documents()
    predictions = []
    for n, example in enumerate(examples):
        items = [(e.type, e.text) for e in example.entities if e.type == "PHONE" or n < found_names]
        predictions.append(
            Prediction(Parsed(tuple(items or [("PERSON", "会议")] * (n == 40)), valid=True), False)
        )
    types = frozenset({"PERSON", "PHONE"})
    evaluation = evaluate_predictions(examples, predictions, known_types=types, min_precision=0.85)
    path.parent.mkdir(parents=True, exist_ok=True)
    record = make_record(examples, predictions, evaluation, known_types=types, step=153, min_precision=0.85)
    save_record(path, record)


@pytest.fixture
def view(reference_study: Path) -> StudyView:
    first, second = read_study(reference_study).ranking[:2]
    write(reference_study / "adapters" / first / "evaluation.json", 30)
    write(reference_study / "adapters" / second / "evaluation.json", 10)
    return read_study(reference_study)


def test_types_are_listed_with_support_recall_and_an_interval_around_it(view: StudyView) -> None:
    table = next(b for b in quality(view).blocks if isinstance(b, Table) and b.header[0] == "type")
    weakest, strongest = table.rows
    assert weakest[:5] == ("PERSON", 40, 31, 30, "75.0 %")
    assert strongest[:5] == ("PHONE", 40, 40, 40, "100.0 %")
    low, high = type_intervals(load_record(view.records[view.ranking[0]]))["PERSON"]
    all_found = type_intervals(load_record(view.records[view.ranking[0]]))["PHONE"]
    assert all_found == (1 - 3 / 40, 1.0)  # the rule of three
    # a binomial of 40 at 0.75 has a standard deviation of 0.068
    assert 0.58 < low < 0.66
    assert 0.84 < high < 0.92


def test_winner_and_runner_up_are_compared_on_the_same_documents(view: StudyView) -> None:
    text = next(b.text for b in quality(view).blocks if isinstance(b, Text) and "runner-up" in b.text)
    assert "recall +25.0 points" in text  # 20 of 80 entities
    assert "more in 20 documents, less in 0" in text
    assert "more than chance" in text


def test_false_alarms_are_counted_among_the_kinds_of_error(view: StudyView) -> None:
    table = next(b for b in quality(view).blocks if isinstance(b, Table) and b.caption == "Kinds of error.")
    assert ("answer", "false alarm", 1, "of 10 documents without personal data") in table.rows
    assert sum(row[2] for row in table.rows if row[0] == "missed") == 10


def test_no_text_id_or_value_of_a_document_gets_into_the_report(view: StudyView) -> None:
    report = Report("r", "", (quality(view),))
    for content in (to_html(report), to_markdown(report)):
        assert "字字字字9" in content
        assert not [secret for secret in (NAME, PHONE, "private-id", "会议") if secret in content]


def test_the_text_is_shown_only_when_asked_for(view: StudyView, tmp_path: Path) -> None:
    import json

    lines = [
        json.dumps({"input": e.text, "output": {"entities": [{"type": x.type, "text": x.text} for x in e.entities]}}, ensure_ascii=False)
        for e in documents()
    ]  # fmt: skip
    file = tmp_path / "validation.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    from data.files.jsonl import read_examples

    ids = {example.id for example in read_examples(file)}
    record = view.root / "adapters" / view.ranking[0] / "evaluation.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    for document, name in zip(
        content["documents"],
        sorted(ids, key=lambda i: [e.id for e in read_examples(file)].index(i)),
        strict=True,
    ):
        document["id"] = name
    record.write_text(json.dumps(content), encoding="utf-8")
    view.config_json["trial_settings"]["validation_file"] = str(file)
    assert NAME in to_markdown(Report("r", "", (quality(view, show_text=True),)))
    assert NAME not in to_markdown(Report("r", "", (quality(view),)))


def test_validation_documents_without_a_single_entity_have_a_section_too(view: StudyView) -> None:
    empty = [example for example in documents() if not example.entities]
    nothing = [Prediction(Parsed((), valid=True), False) for _ in empty]
    evaluation = evaluate_predictions(empty, nothing, known_types=frozenset({"PHONE"}), min_precision=0.85)
    record = make_record(
        empty, nothing, evaluation, known_types=frozenset({"PHONE"}), step=153, min_precision=0.85
    )
    assert type_intervals(record) == {}
    save_record(view.records[view.ranking[0]], record)
    assert quality(view).title == "Quality"
