"""A merged tagging model in plain transformers: the same tags, by its own class or by the script in the folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.families import save_family
from tests.tagging import CONFIG, TAGS, tagging_backend
from trainable.decoding.tagger import tag_log_probabilities
from trainable.model.prediction_settings import PredictionSettings
from trainable.model.token_classifier import SCRIPT, save_tagger
from trainable.predicting.predictor import TagPredictor, find_model, load_predictor

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
TEXT = "Call Orla Quist, 王小明, at 0711 555 0199."


def saved(family: str, folder: Path) -> tuple[object, bool]:
    """Write a merged model of a family and what prediction needs; return the probabilities before, and whether it has a class."""
    base = save_family(family, folder / "base")
    backend = tagging_backend(CONFIG.with_changes(model=str(base)), base)
    ids = backend.chat.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    [before] = tag_log_probabilities(backend, [ids])
    merged = backend.model.merge_and_unload()
    has_class = save_tagger(merged, TAGS, folder / "merged")
    backend.chat.tokenizer.save_pretrained(folder / "merged")
    PredictionSettings(types=TAGS.types, tag_types=TAGS.types).save(folder / "merged")
    return before, has_class


@pytest.mark.parametrize("family", ["qwen3", "llama3", "gemma2", "granite", "olmo2"])
def test_the_folder_gives_the_same_probabilities_and_predict_reads_it(family: str, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    before, has_class = saved(family, tmp_path)
    place = find_model(str(tmp_path / "merged"))
    predictor = load_predictor(place, place.settings)
    assert isinstance(predictor, TagPredictor)
    ids = predictor.backend.chat.tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    [after] = tag_log_probabilities(predictor.backend, [ids])
    assert abs(after - before).max() < 1e-3
    if has_class:
        plain = AutoModelForTokenClassification.from_pretrained(
            tmp_path / "merged", dtype=torch.float32
        ).eval()
        assert plain.config.id2label == dict(enumerate(TAGS.names))
        with torch.no_grad():
            logits = plain(input_ids=torch.tensor([ids])).logits[0]
        assert (logits.log_softmax(-1) - torch.tensor(before)).abs().max() < 1e-3
    assert has_class != (tmp_path / "merged" / SCRIPT).is_file()


def test_the_script_prints_the_tag_of_each_token(tmp_path: Path) -> None:
    before, has_class = saved("granite", tmp_path)
    assert not has_class
    command = [sys.executable, str(tmp_path / "merged" / SCRIPT), TEXT]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    tags = [line.split("\t")[2] for line in printed]
    assert tags == [TAGS.names[tag] for tag in before.argmax(-1)]  # type: ignore[attr-defined]
    assert "".join(line.split("\t")[1] for line in printed).replace(" ", "") == TEXT.replace(" ", "")
