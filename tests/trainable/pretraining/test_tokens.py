"""The tokenizer of the small bases, and tasks as batches: what is learnt, in every epoch anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from data.prompt import completion
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.corpus import draw
from trainable.pretraining.options import Options
from trainable.pretraining.tokens import Corpus, batches, build_corpus, encode_shard, prompt_text

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine


class OneProcess:
    """A pool that works in this process."""

    def map(self, job: Any, items: Iterable[int], chunksize: int) -> list[Any]:
        return [job(item) for item in items]


@pytest.fixture(scope="module")
def corpus(carriers: Carriers, tokenizer: Any) -> Corpus:
    options = Options(carrier_zh=None, carrier_en=None, samples=1, device="cpu")  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainable.pretraining.tokens.SHARD", 60)
        return build_corpus(options, carriers, tokenizer.backend_tokenizer.to_str(), OneProcess())


@pytest.mark.parametrize("text", ["黄芳的单号是 1234-5678。", "龘𠮷 José 😀👍🏽\n\tx_y@z", '{"a":"\\\\"}'])
def test_the_tokenizer_gives_every_text_back(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_and_common_han_characters_stand_alone(tokenizer: Any) -> None:
    assert tokenizer.tokenize("20260") == list("20260")
    assert len(tokenizer.tokenize("简单")) == 2
    assert len(tokenizer) == 4096


def test_a_shard_is_its_tasks_end_to_end(carriers: Carriers, tokenizer: Any) -> None:
    tokens, prompts, lengths = encode_shard(3, carriers, 5, 20, tokenizer.backend_tokenizer.to_str())
    at = 0
    for sample, prompt, length in zip(draw(3, carriers, 5, 20), prompts, lengths, strict=True):
        ids = tokens[at : at + length].tolist()
        assert tokenizer.decode(ids[:prompt]) == prompt_text(sample.system, sample.text)
        assert tokenizer.decode(ids[prompt:]) == completion(sample.entities) + "<|im_end|>"
        at += length
    assert at == len(tokens)


def test_a_task_that_is_too_long_is_left_out(
    carriers: Carriers, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tokenizer.backend_tokenizer.to_str()
    lengths = encode_shard(0, carriers, 0, 30, text)[2]
    limit = sorted(lengths.tolist())[15]
    monkeypatch.setattr("trainable.pretraining.tokens.MAX_TOKENS", limit)
    assert encode_shard(0, carriers, 0, 30, text)[2].tolist() == [n for n in lengths.tolist() if n <= limit]


def test_an_epoch_has_every_task_once_and_learns_its_completion(corpus: Corpus, tokenizer: Any) -> None:
    seen: list[tuple[int, ...]] = []
    whole = 0
    for ids, labels in batches(corpus, 4096, seed=0):
        assert ids.shape == labels.shape
        for row, learnt in zip(ids, labels, strict=True):
            length = int((row != 0).nonzero().max()) + 1
            seen.append(tuple(row[:length].tolist()))
            assert set(learnt[length:].tolist()) <= {-100}
            target = row[:length][learnt[:length] != -100]
            whole += len(target) == length
            text = tokenizer.decode(target)
            assert text.endswith("]}<|im_end|>")
            assert len(target) == length or text.startswith('{"entities":[')
        if len(seen) >= len(corpus.lengths):
            break
    ends = (corpus.starts + corpus.lengths).tolist()
    tasks = [tuple(corpus.tokens[a:b].tolist()) for a, b in zip(corpus.starts.tolist(), ends, strict=True)]
    assert sorted(seen) == sorted(tasks)
    assert 0 < whole < 0.5 * len(seen)  # 15 % of the rows learn their prompt too


def test_equal_seeds_give_equal_batches_of_about_the_size_asked_for(corpus: Corpus) -> None:
    first, same, other = (next(batches(corpus, 4096, seed)) for seed in (1, 1, 2))
    assert first[0].equal(same[0])
    assert first[1].equal(same[1])
    assert first[0].shape != other[0].shape or not first[0].equal(other[0])
    assert all(next(batches(corpus, 4096, seed))[0].numel() <= 4096 for seed in range(5))
