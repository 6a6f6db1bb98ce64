"""Tests of pretraining: the synthetic tasks, the tokenizer, a tiny training run and the shipped models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from data.prompt import SYSTEM_PROMPT, chat_messages, completion
from trainable.model.bases import BUNDLED_DIR
from trainable.pretraining import card, train
from trainable.pretraining import corpus as task_corpus
from trainable.pretraining import tokens as task_tokens
from trainable.pretraining.carriers import Carriers, read_carriers
from trainable.pretraining.corpus import Sample
from trainable.pretraining.kinds import TASK_LABELS
from trainable.pretraining.options import Size
from trainable.pretraining.score import Score
from trainable.pretraining.values import is_personal

_SENTENCES_ZH = [f"看似简单，只是{word}选一做决定，但最后还是自己负责。" for word in "二三四五六七八九十百"]
_SENTENCES_EN = [f"The {word} day was long , and nobody asked why ." for word in ("first", "second", "third")]


@pytest.fixture(scope="module")
def carriers(tmp_path_factory: pytest.TempPathFactory) -> Carriers:
    folder = tmp_path_factory.mktemp("carriers")
    zh = [f"# sent_id = {i}\n# text = {i % 10}{_SENTENCES_ZH[i % 10]}\n1\t看\tO\n" for i in range(120)]
    zh.append("# text = 她读完了《红楼梦》才睡着。\n")
    en = ["\n".join(f"{word}\tO" for word in _SENTENCES_EN[i % 3].split()) + "\n" for i in range(120)]
    en.append("My\tO\nPHONE\tO\nis\tO\nbroken\tO\nagain\tO\n")
    (folder / "zh.iob2").write_text("\n".join(zh), "utf-8")
    (folder / "en.conll").write_text("\n".join(en), "utf-8")
    return read_carriers(folder / "zh.iob2", folder / "en.conll")


@pytest.fixture(scope="module")
def samples(carriers: Carriers) -> list[Sample]:
    return task_corpus.draw(0, carriers, seed=0, count=3000)


@pytest.fixture(scope="module")
def tokenizer(carriers: Carriers) -> Any:
    return task_tokens.train_tokenizer(carriers)


def test_carriers_leave_out_sentences_with_a_kind_or_a_label_of_the_task(carriers: Carriers) -> None:
    assert len(carriers.zh) == len(carriers.en) == 120
    assert not any("红楼梦" in line for line in carriers.zh)
    assert not any("PHONE" in line for line in carriers.en)


def test_too_few_carrier_sentences_are_refused(tmp_path: Path) -> None:
    for name in ("zh", "en"):
        (tmp_path / name).write_text("# text = 看似简单，只是二选一做决定。\n", "utf-8")
    with pytest.raises(ValueError, match="at least 100"):
        read_carriers(tmp_path / "zh", tmp_path / "en")


def test_every_target_stands_at_its_offsets_in_order_of_appearance(samples: list[Sample]) -> None:
    for sample in samples:
        starts = [entity.start for entity in sample.entities]
        assert starts == sorted(starts)
        for entity in sample.entities:
            assert sample.text[entity.start : entity.end] == entity.text == entity.text.strip() != ""


def test_the_corpus_holds_no_label_and_no_prompt_of_the_task(samples: list[Sample]) -> None:
    for sample in samples:
        everything = " ".join((sample.system, sample.text, completion(sample.entities)))
        assert not any(label in everything for label in TASK_LABELS if "_" in label)
        assert not {entity.type.upper() for entity in sample.entities} & set(TASK_LABELS)
        assert not any(label in sample.system for label in TASK_LABELS)
        assert SYSTEM_PROMPT not in everything
        assert "PII" not in sample.system


def test_no_target_looks_like_a_phone_number_or_an_email_address(samples: list[Sample]) -> None:
    values = [entity.text for sample in samples for entity in sample.entities]
    assert not [value for value in values if is_personal(value)]
    for personal in ("13800138000", "138 0013 8000", "a.b@c.com", "京A12345", "010-12345678"):
        assert is_personal(personal)


def test_about_a_fifth_of_the_tasks_is_empty_and_some_list_many_targets(samples: list[Sample]) -> None:
    empty = sum(not sample.entities for sample in samples) / len(samples)
    assert 0.15 < empty < 0.3
    assert max(len(sample.entities) for sample in samples) >= 8


def test_the_same_seed_draws_the_same_tasks_and_shards_differ(carriers: Carriers) -> None:
    first = task_corpus.draw(3, carriers, seed=1, count=50)
    assert first == task_corpus.draw(3, carriers, seed=1, count=50)
    assert first != task_corpus.draw(4, carriers, seed=1, count=50)
    assert first != task_corpus.draw(3, carriers, seed=2, count=50)


@pytest.mark.parametrize("text", ["黄芳的单号是 1234-5678。", "龘𠮷 José 😀👍🏽\n\tx_y@z", '{"a":"\\\\"}'])
def test_the_tokenizer_gives_every_text_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_and_common_han_characters_stand_alone(tokenizer: Any) -> None:
    assert tokenizer.tokenize("20260") == list("20260")
    assert len(tokenizer.tokenize("简单")) == 2
    assert len(tokenizer) == 4096


def test_a_saved_tokenizer_loads_as_fast_and_renders_the_same_prompt(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    card.save(train.new_model(Size("tiny", 64, 1, 64), 0), tokenizer, tmp_path, "card")
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.is_fast
    assert loaded.eos_token == "<|im_end|>"
    assert loaded.pad_token == "<|endoftext|>"
    text = "订单 2024 已确认 PLAN_b。"
    assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    rendered = loaded.apply_chat_template(
        chat_messages(text), tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    assert rendered == task_tokens.prompt_text(SYSTEM_PROMPT, text)


@pytest.mark.slow
def test_twenty_steps_lower_the_loss_of_a_tiny_model(tokenizer: Any, carriers: Carriers) -> None:
    import numpy as np
    import torch

    json_text = tokenizer.backend_tokenizer.to_str()
    tokens, prompts, lengths = task_tokens.encode_shard(0, carriers, 0, 200, json_text)
    assert len(tokens) == int(lengths.astype(np.int64).sum())
    whole = torch.from_numpy(lengths).long()
    corpus = task_tokens.Corpus(
        torch.from_numpy(tokens), whole.cumsum(0) - whole, torch.from_numpy(prompts).long(), whole
    )
    model = train.new_model(Size("tiny", 64, 1, 64), seed=0)
    losses = train.train(model, task_tokens.batches(corpus, 2048, seed=0), steps=20, peak=1e-2)
    assert losses[-1] < losses[0] - 1


def test_figures_of_one_model_leave_those_of_the_other(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    for name, steps in (("small-4m", 1), ("small-2m", 2), ("small-4m", 3)):
        score = Score(0.5, None, 1.0)
        card.write_figures(file, [card.Figures(name, 1, steps, 2.0, 1.0, 1.0, score, None)])
    rows = json.loads(file.read_text("utf-8"))
    assert [(row["name"], row["steps"]) for row in rows] == [("small-2m", 2), ("small-4m", 3)]


def test_the_shipped_models_match_their_checksums_sizes_and_cards() -> None:
    from transformers import AutoModelForCausalLM

    total_bytes = 0
    figures = {row["name"]: row for row in json.loads((BUNDLED_DIR / "figures.json").read_text("utf-8"))}
    assert sorted(figures) == ["small-2m", "small-4m"]
    for name, low, high in (("small-2m", 2.0e6, 2.4e6), ("small-4m", 4.0e6, 4.3e6)):
        folder = BUNDLED_DIR / name
        for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines():
            digest, file = line.split()
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        total_bytes += sum(path.stat().st_size for path in folder.iterdir())
        model = AutoModelForCausalLM.from_pretrained(folder)
        assert low <= model.num_parameters() <= high
        linears = [p for key, p in model.named_parameters() if p.ndim == 2 and "embed" not in key]
        assert all(p.numel() % 64 == 0 and p.shape[1] % 64 == 0 for p in linears)
        card = (folder / "README.md").read_text("utf-8")
        row = figures[name]
        assert f"{row['steps']} steps" in card
        assert f"| {row['own_task']['micro_recall']:.3f} |" in card
        assert row["parameters"] == model.num_parameters()
        assert "--out trainable/bases " in card
    assert total_bytes <= 14e6
