"""The Presidio recogniser in Presidio's own analyzer and anonymizer; skipped where the `presidio` extra is not installed."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from data.entities import Entity
from data.paths import ROOT
from data.prompt import completion
from tests.adapters import backend_with
from tests.tagging import CONFIG, TAGS, save_tagging_adapter
from trainable.predicting.predictor import find_model, load_predictor

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_TEXT = "😀 Call Orla Quist, 王小明, at 0711 555 0199."
_WHY = "needs the `presidio` extra: pip install -e '.[presidio]'"


@pytest.fixture(scope="module")
def tagging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tagging_adapter(tmp_path_factory.mktemp("tagging") / "adapter")


@pytest.fixture(scope="module")
def writing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from trainable.model.adapters import save_adapter
    from trainable.model.prediction_settings import PredictionSettings

    folder = tmp_path_factory.mktemp("writing") / "adapter"
    save_adapter(backend_with(CONFIG.with_changes(answers="json")).model, folder, CONFIG.model)
    PredictionSettings(max_new_tokens=40, types=("NAME", "PHONE")).save(folder)
    return folder


def recognizer(model: Path, **flags: Any) -> Any:
    pytest.importorskip("presidio_analyzer", reason=_WHY)
    from trainable.presidio import PiiTunerRecognizer

    return PiiTunerRecognizer(str(model), **flags)


def analyzer(*recognizers: Any) -> Any:
    """Presidio's engine with these recognisers alone, and no model of spaCy."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NoOpNlpEngine

    languages = [one.supported_language for one in recognizers]
    registry = RecognizerRegistry(list(recognizers), supported_languages=languages)
    models = [{"lang_code": language, "model_name": "none"} for language in languages]
    return AnalyzerEngine(registry=registry, nlp_engine=NoOpNlpEngine(models), supported_languages=languages)


def test_presidio_reports_what_the_model_finds_with_places_and_certainties(tagging: Path) -> None:
    engine = analyzer(recognizer(tagging, supported_language="zh"))
    place = find_model(str(tagging))
    [(expected, _)] = load_predictor(place, place.settings).predict([_TEXT])
    found = engine.analyze(_TEXT, language="zh")
    assert len(expected.entities) > 3
    assert {(one.entity_type, one.start, one.end, one.score) for one in found} == {
        (entity.type, entity.start, entity.end, certainty)
        for entity, certainty in zip(expected.entities, expected.certainties, strict=True)
    }
    assert set(engine.get_supported_entities("zh")) == set(TAGS.types)
    one = expected.entities[0].type
    some = engine.analyze(_TEXT, language="zh", entities=[one])
    assert {result.entity_type for result in some} == {one}
    assert len(some) == sum(entity.type == one for entity in expected.entities)


def test_thresholds_of_ours_and_of_presidio_leave_out_the_same(tagging: Path) -> None:
    every = analyzer(recognizer(tagging)).analyze(_TEXT, language="en")
    middle = sorted(one.score for one in every)[len(every) // 2]
    ours = analyzer(recognizer(tagging, min_confidence=middle)).analyze(_TEXT, language="en")
    theirs = analyzer(recognizer(tagging)).analyze(_TEXT, language="en", score_threshold=middle)
    assert 0 < len(ours) < len(every)
    assert set(map(str, ours)) == set(map(str, theirs))


def test_the_anonymizer_replaces_exactly_the_places(tagging: Path) -> None:
    engine = analyzer(recognizer(tagging, names={kind: f"OUR_{kind}" for kind in TAGS.types}))
    anonymizer = pytest.importorskip("presidio_anonymizer", reason=_WHY).AnonymizerEngine()
    found = engine.analyze(_TEXT, language="en")
    shown = anonymizer.anonymize(_TEXT, found).text
    covered = {at for one in found for at in range(one.start, one.end)}
    kept = "".join(char for at, char in enumerate(_TEXT) if at not in covered)
    for kind in TAGS.types:
        shown = shown.replace(f"<OUR_{kind}>", "")
    assert shown.replace(" ", "") == kept.replace(" ", "")


def test_long_texts_are_read_to_their_end(tagging: Path) -> None:
    text = "Nothing here. " * 400 + _TEXT
    found = analyzer(recognizer(tagging)).analyze(text, language="en")
    assert max(one.end for one in found) > len(text) - len(_TEXT)


def test_a_model_that_writes_scores_by_its_tokens_and_its_failures_are_logged_without_text(
    writing: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = recognizer(writing, names={"PHONE": "PHONE_NUMBER"}, supported_entities=["NAME", "PHONE_NUMBER"])
    chat = made._predictor.backend.chat
    answer = completion([Entity("NAME", "Orla Quist", 0, 0), Entity("PHONE", "0711 555 0199", 0, 0)])

    def generate(prompts: Sequence[Sequence[int]], limit: int) -> list[list[int]]:
        ids = chat.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return [[*ids, chat.end_of_turn_id] for _ in prompts]

    monkeypatch.setattr(made._predictor.backend, "generate", generate)
    found = sorted(analyzer(made).analyze(_TEXT, language="en"), key=lambda one: one.start)
    assert [(one.entity_type, _TEXT[one.start : one.end]) for one in found] == [
        ("NAME", "Orla Quist"), ("PHONE_NUMBER", "0711 555 0199"),
    ]  # fmt: skip
    [(expected, _)] = made._predictor.predict([_TEXT])
    assert tuple(one.score for one in found) == expected.certainties
    assert all(0 < one.score < 1 for one in found)
    assert caplog.records == []
    answer = "no JSON"
    with caplog.at_level(logging.WARNING, logger="trainable.presidio"):
        assert analyzer(made).analyze(_TEXT, language="en") == []
    assert [record.getMessage()[:11] for record in caplog.records] == ["INCOMPLETE:"]
    assert "Orla" not in caplog.text


def test_wrong_names_and_thresholds_are_refused_together(writing: Path) -> None:
    with pytest.raises(ValueError) as caught:
        recognizer(writing, names={"FONE": "X"}, supported_entities=["PHONE_NUMBER"], min_confidence=5)
    assert "`names` has FONE, but must be among NAME, PHONE" in str(caught.value)
    assert "`supported_entities` has PHONE_NUMBER, but must be among NAME, PHONE" in str(caught.value)
    assert "is 5, but must be a probability from 0 to 1" in str(caught.value)
    with pytest.raises(ValueError, match="small-2m has no prediction.json with the types"):
        recognizer(Path("small-2m"))


def test_without_presidio_the_import_says_what_to_install() -> None:
    script = "import sys; sys.modules['presidio_analyzer'] = None; import trainable.presidio"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "install it with: pip install -e '.[presidio]'" in done.stderr
