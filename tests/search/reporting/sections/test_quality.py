"""The quality section: the winner's errors, against the runner-up, and no text unless it is asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from data.files.jsonl import read_examples
from search.reporting.document import Report, Table, Text
from search.reporting.html import to_html
from search.reporting.markdown import to_markdown
from search.reporting.sections.quality import paired_words, quality
from search.study.view import StudyView
from tests.search.reporting.invented import NAME, PHONE, documents, record_of
from trainable.scoring.record import save_record


def texts(view: StudyView) -> list[str]:
    return [block.text for block in quality(view).blocks if isinstance(block, Text)]


def test_the_extremes_are_named_with_their_support(judged: StudyView) -> None:
    text = texts(judged)[0]
    assert text.startswith("Lowest recall: PERSON (75.0 % of 40 entities); highest: PHONE (100.0 % of 40).")
    assert "Most missed entities are of type PERSON (10 of 10)." in text
    assert "12.5 % of the entities would still be readable" in text


def test_winner_and_runner_up_are_compared_on_the_same_documents(judged: StudyView) -> None:
    text = texts(judged)[1]
    assert text.startswith("Winner minus runner-up (t019, step 153) on the same 50 documents")
    assert "recall +25.0 (" in text  # 20 of 80 entities
    assert "more entities in 20 documents and fewer in 0" in text
    assert text.endswith("The difference in recall is significant.")


def test_a_difference_that_chance_explains_is_not_called_significant() -> None:
    text = paired_words(record_of(documents(), 20), record_of(documents(), 19))
    assert "It finds more entities in 1 document and fewer in 0." in text
    assert text.endswith("is not significant; prefer the cheaper config.")


def test_the_slices_add_up_to_all_documents(judged: StudyView) -> None:
    table = next(b for b in quality(judged).blocks if isinstance(b, Table) and b.header[0] == "slice")
    assert {row[0] for row in table.rows} == {"language", "length", "pii free"}
    for name in ("language", "length", "pii free"):
        assert sum(int(row[2] or 0) for row in table.rows if row[0] == name) == 50
    assert ("pii free", "yes", 10, 0) in [row[:4] for row in table.rows]


def test_no_text_id_or_value_of_a_document_gets_into_the_report(judged: StudyView) -> None:
    report = Report("r", "", (quality(judged),))
    for content in (to_html(report), to_markdown(report)):
        assert "字字字字9" in content
        assert not [secret for secret in (NAME, PHONE, "private-id", "会议") if secret in content]


def test_the_text_is_shown_only_when_asked_for(judged: StudyView, tmp_path: Path) -> None:
    file, record = tmp_path / "validation.jsonl", tmp_path / "evaluation.json"
    lines = [
        {"input": e.text, "output": {"entities": [{"type": x.type, "text": x.text} for x in e.entities]}}
        for e in documents()
    ]
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    save_record(record, record_of(read_examples(file), 30))
    settings = {**judged.config_json["trial_settings"], "validation_file": str(file)}
    config = {**judged.config_json, "trial_settings": settings}
    view = replace(judged, config_json=config, records={judged.ranking[0]: record})  # type: ignore[arg-type]
    assert NAME in to_markdown(Report("r", "", (quality(view, show_text=True),)))
    assert NAME not in to_markdown(Report("r", "", (quality(view),)))


def test_validation_documents_without_a_single_entity_have_a_section_too(
    judged: StudyView, tmp_path: Path
) -> None:
    save_record(tmp_path / "evaluation.json", record_of(documents()[41:], 0))
    view = replace(judged, records={judged.ranking[0]: tmp_path / "evaluation.json"})
    assert texts(view) == ["The validation documents contain no entities."]


def test_a_winner_without_a_record_has_no_errors_to_show(view: StudyView) -> None:
    assert texts(view) == [
        "The winner has no evaluation.json of its last step, so its errors cannot be shown. A search writes one at each rung."
    ]
