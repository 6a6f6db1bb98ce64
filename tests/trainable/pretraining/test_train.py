"""A tiny pretraining run: the loss falls, the schedule ends in time, and a model can be gone on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainable.pretraining.card import save
from trainable.pretraining.carriers import Carriers
from trainable.pretraining.options import Size
from trainable.pretraining.tokens import Corpus, batches, encode_shard
from trainable.pretraining.train import new_model, train

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
TINY = Size("tiny", 64, 1, 64)


@pytest.mark.slow
def test_twenty_steps_lower_the_loss_of_a_tiny_model(tokenizer: Any, carriers: Carriers) -> None:
    import numpy as np
    import torch

    json_text = tokenizer.backend_tokenizer.to_str()
    tokens, prompts, lengths = encode_shard(0, carriers, 0, 200, json_text)
    assert len(tokens) == int(lengths.astype(np.int64).sum())
    whole = torch.from_numpy(lengths).long()
    corpus = Corpus(
        torch.from_numpy(tokens), whole.cumsum(0) - whole, torch.from_numpy(prompts).long(), whole
    )
    model = new_model(TINY, seed=0)
    losses = train(model, batches(corpus, 2048, seed=0), steps=20, peak=1e-2)
    assert losses[-1] < losses[0] - 1


def stream(seed: int = 0) -> Any:
    """The same random batch again and again."""
    import torch

    ids = torch.randint(3, 4096, (4, 12), generator=torch.Generator().manual_seed(seed))
    labels = torch.where(torch.arange(12) < 6, -100, ids)
    while True:
        yield ids, labels


def test_the_loss_is_that_of_transformers_and_falls() -> None:
    import torch

    model = new_model(TINY, seed=0)
    ids, labels = next(stream())
    with torch.no_grad():
        expected = float(model(input_ids=ids, labels=labels).loss)
    losses = train(model, stream(), steps=6, peak=1e-2)
    assert losses[0] == pytest.approx(expected, rel=1e-4)
    assert len(losses) == 6
    assert losses[-1] < losses[0]


def test_training_ends_when_its_time_is_over() -> None:
    assert len(train(new_model(TINY, seed=0), stream(), steps=1000, peak=1e-3, limit_s=0.0001)) <= 1


def test_equal_seeds_give_equal_weights_and_a_saved_model_is_gone_on_from(
    tmp_path: Path, tokenizer: Any
) -> None:
    first, same, other = (new_model(TINY, seed) for seed in (0, 0, 1))
    weights = [model.model.layers[0].mlp.up_proj.weight for model in (first, same, other)]
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])
    assert first.lm_head.weight is first.model.embed_tokens.weight
    save(other, tokenizer, tmp_path / "tiny", "card")
    loaded = new_model(TINY, seed=0, start_from=tmp_path)
    found = loaded.model.layers[0].mlp.up_proj.weight
    assert found.equal(weights[2].bfloat16().float())
