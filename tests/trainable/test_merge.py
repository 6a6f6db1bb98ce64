"""A merged model answers like the adapter on its base, 16-bit or 4-bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.files.jsonl import read_examples
from data.prompt import PromptSettings
from trainable.config import TrialConfig
from trainable.merge import MergeOptions, merge_adapter
from trainable.model.adapters import save_adapter
from trainable.model.bases import locate_base
from trainable.predicting.predictor import find_model, load_predictor
from trainable.tokens.chat import read_chat_format
from trainable.tokens.corpus import tokenized

_LIMIT = 96
Head = Callable[[str, int], Path]


def trained(config: TrialConfig, train_file: Path, steps: int) -> Any:
    from trainable.backends.peft_backend import PeftBackend
    from trainable.training.loop import TrainingRun, schedule_batches

    base_dir = locate_base(config.model)
    backend = PeftBackend()
    backend.load_base(base_dir, config.load_in_4bit, window_tokens=512)
    backend.attach_adapter(config)
    corpus = tokenized(base_dir, train_file, 512, train_file.parent / "tokens")
    TrainingRun(config, backend, corpus, schedule_batches(config, corpus), steps).train_to(steps)
    return backend


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("load_in_4bit", [False, True], ids=["16-bit", "4-bit"])
def test_the_merged_model_answers_like_the_adapter_on_its_base(
    load_in_4bit: bool, sample_head: Head, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from trainable.decoding.plain import greedy_decode

    config = TrialConfig(
        "small-2m",
        load_in_4bit=load_in_4bit,
        learning_rate=5e-3,
        oversampling=3.0,
        lora_dropout=0.0,
        effective_batch=8,
        micro_batch=8,
    )
    backend = trained(config, sample_head("train", 48), steps=20)
    prompts = backend.chat.prompt_ids(
        [example.text for example in read_examples(sample_head("validation", 32))]
    )
    expected = backend.generate(prompts, _LIMIT)
    save_adapter(backend.model, tmp_path / "adapter", config.model)
    merge_adapter(MergeOptions(tmp_path / "adapter", to=tmp_path / "merged", load_in_4bit=load_in_4bit))

    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype=torch.float32).eval()
    assert getattr(merged.config, "quantization_config", None) is None
    chat = read_chat_format(tmp_path / "merged")
    with torch.inference_mode():
        answers = greedy_decode(merged, prompts, _LIMIT, chat.end_of_turn_id, batch_size=32)
    assert answers == expected
    # The comparison means something: the fine-tune has changed what the base answers.
    base = AutoModelForCausalLM.from_pretrained(locate_base("small-2m"), dtype=torch.float32).eval()
    with torch.inference_mode():
        before = greedy_decode(base, prompts[:8], _LIMIT, chat.end_of_turn_id, batch_size=8)
    assert before != expected[:8]
    assert len({tuple(answer) for answer in expected}) > 16


@pytest.mark.slow
def test_a_merged_model_is_asked_and_stops_as_the_adapter_that_it_is_made_of(
    tmp_path: Path, sample_head: Head
) -> None:
    from transformers import GenerationConfig

    from trainable.training.parts import Parts, PartsSettings

    prompt = PromptSettings("Find names.", "2026-05-01", "<|endoftext|>")
    settings = PartsSettings("peft", sample_head("train", 8), tmp_path / "tokens", 512, None, 0.85, prompt)
    parts = Parts(TrialConfig("small-2m"), settings)
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    save_adapter(parts.backend.model, adapter, "small-2m")
    parts.prediction_settings(frozenset()).save(adapter)
    merge_adapter(MergeOptions(adapter, to=merged))
    ends = GenerationConfig.from_pretrained(merged).eos_token_id
    assert parts.backend.chat.tokenizer.convert_ids_to_tokens(ends[0]) == "<|endoftext|>"
    for folder in (adapter, merged):
        place = find_model(str(folder))
        assert place.settings.prompt == prompt
        chat = load_predictor(place, place.settings).backend.chat
        assert (chat.end_of_turn, chat.today) == ("<|endoftext|>", "2026-05-01")
        assert "Find names." in chat.prompts(["x"])[0]


@pytest.mark.slow
def test_a_merged_tagger_reads_a_text_in_plain_transformers_as_the_adapter_did(
    tmp_path: Path, sample_head: Head
) -> None:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    from trainable.decoding.tagger import tag_log_probabilities
    from trainable.training.parts import Parts, PartsSettings

    settings = PartsSettings("peft", sample_head("train", 8), tmp_path / "tokens", 512, None, 0.85)
    parts = Parts(TrialConfig("small-2m", answers="tags"), settings)
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    save_adapter(parts.backend.model, adapter, "small-2m")
    parts.prediction_settings(frozenset()).save(adapter)
    merge_adapter(MergeOptions(adapter, to=merged))
    text = "Call Orla Quist, 王小明, at 0711 555 0199."
    opening = parts.backend.chat.opening()
    ids = [*opening, *parts.backend.chat.tokenizer(text, add_special_tokens=False)["input_ids"]]
    [ours] = tag_log_probabilities(parts.backend, [ids])
    encoded = AutoTokenizer.from_pretrained(merged)(text, return_tensors="pt")
    assert (len(opening) > 1, encoded["input_ids"][0].tolist()) == (True, ids)
    model = AutoModelForTokenClassification.from_pretrained(merged, dtype=torch.float32).eval()
    with torch.no_grad():
        theirs = model(input_ids=encoded["input_ids"]).logits[0].log_softmax(-1)
    assert (theirs - torch.tensor(ours)).abs().max() < 1e-3
