"""The parts of a fine-tune, the same for a trial and for a full-length run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.entities import Example, entity_types, locate
from data.files.jsonl import read_examples
from data.prompt import PromptSettings
from trainable.backends.resident import ResidentBase
from trainable.config import TrialConfig
from trainable.training.parts import Parts, PartsSettings

_CONFIG = TrialConfig("small-2m", lora_rank=8)
Head = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def settings(sample_head: Head, tmp_path_factory: pytest.TempPathFactory) -> PartsSettings:
    return PartsSettings(
        backend="peft",
        train_file=sample_head("train", 30),
        token_cache=tmp_path_factory.mktemp("tokens"),
        window_tokens=512,
        overlap_tokens=None,
        min_precision=0.8,
    )


@pytest.fixture(scope="module")
def parts(settings: PartsSettings) -> Parts:
    return Parts(_CONFIG, settings)


def test_the_base_carries_the_adapter_of_the_config(parts: Parts) -> None:
    facts = parts.backend.facts()
    assert (facts.lora_rank, facts.quantised_layers) == (8, 0)
    assert parts.base_dir.name == "small-2m"


def test_the_types_of_training_are_known_in_every_evaluation(parts: Parts, settings: PartsSettings) -> None:
    trained = entity_types(read_examples(settings.train_file))
    assert frozenset(parts.corpus.types) == trained
    text = "badge B-77"
    document = Example("d", text, locate(text, [("BADGE", "B-77")])[0])
    assert parts.evaluator([document]).known_types == trained | {"BADGE"}


def test_what_is_written_beside_the_adapter_is_what_evaluations_use(parts: Parts) -> None:
    written = parts.prediction_settings(frozenset({"PHONE", "EMAIL"}))
    assert (written.types, written.min_precision, written.load_in_4bit) == (("EMAIL", "PHONE"), 0.8, False)
    assert (written.window_tokens, written.overlap_tokens) == (512, parts.corpus.overlap_tokens)
    answers = [len(answer) for _, answer in parts.corpus.samples()]
    assert written.max_new_tokens == max(answers)


def test_the_stored_prompt_is_trained_with_and_written_beside_the_adapter(settings: PartsSettings) -> None:
    prompt = PromptSettings("Find names.", "2026-05-01", "<|endoftext|>")
    parts = Parts(_CONFIG, replace(settings, prompt=prompt))
    asked, answer = parts.corpus.samples()[0]
    tokenizer = parts.backend.chat.tokenizer
    assert "Find names." in tokenizer.decode(asked)
    assert tokenizer.convert_ids_to_tokens(answer[-1]) == "<|endoftext|>"
    assert parts.prediction_settings(frozenset()).prompt == prompt


def test_the_end_of_a_turn_that_the_template_tells_is_written_beside_the_adapter(parts: Parts) -> None:
    assert parts.prediction_settings(frozenset()).prompt == PromptSettings(end_of_turn="<|im_end|>")


def test_documents_that_were_read_already_are_tokenised_as_the_file_is(
    parts: Parts, settings: PartsSettings, tmp_path: Path
) -> None:
    examples = read_examples(settings.train_file)
    empty = tmp_path / "train.jsonl"
    empty.touch()
    assert parts.tokenized(empty, examples).samples() == parts.corpus.samples()


def test_texts_that_are_in_no_file_lie_on_disk_as_token_ids_alone_for_their_owner(
    parts: Parts, settings: PartsSettings
) -> None:
    examples = read_examples(settings.train_file)[:5]
    settings.token_cache.chmod(0o755)
    assert parts.tokenized(None, examples).samples() == parts.corpus.samples()[:5]
    assert settings.token_cache.stat().st_mode & 0o777 == 0o700
    stored = [path.read_bytes() for path in settings.token_cache.rglob("*") if path.is_file()]
    assert stored
    assert not any(example.text.encode() in content for example in examples for content in stored)


def test_trials_of_one_process_share_base_and_corpus(settings: PartsSettings) -> None:
    resident = ResidentBase()
    first = Parts(_CONFIG, settings, resident)
    second = Parts(_CONFIG.with_changes(lora_rank=16), settings, resident)
    assert second.backend is first.backend
    assert second.corpus is first.corpus
    assert (resident.loads, second.backend.facts().lora_rank) == (1, 16)
