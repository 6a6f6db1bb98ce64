"""The fast decoder against decoding with the library's forward pass, adapters and 4-bit bases included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainable.decoding.conftest import LIMIT

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
Ids = list[list[int]]


def decoder_of(backend: Any) -> Any:
    from trainable.decoding.cached import FastDecoder

    return FastDecoder(backend.model.get_base_model(), backend.dtype, backend.chat.end_of_turn_id)


def test_the_answers_are_those_of_the_unmerged_model(backend: Any, prompts: Ids, answers: Ids) -> None:
    assert decoder_of(backend).decode(prompts, LIMIT) == answers


def test_the_answers_of_a_4bit_base_are_those_of_the_unmerged_model(
    quantised_backend: Any, prompts: Ids
) -> None:
    expected = quantised_backend.generate_plain(prompts, LIMIT)
    assert decoder_of(quantised_backend).decode(prompts, LIMIT) == expected


def test_finished_rows_make_room_for_waiting_documents(
    backend: Any, prompts: Ids, answers: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainable.decoding.cached.CPU_ROWS", 3)
    assert decoder_of(backend).decode(prompts, LIMIT) == answers


def test_a_second_list_and_a_changed_adapter_reuse_the_buffers(
    backend: Any, prompts: Ids, answers: Ids
) -> None:
    import torch

    decoder = decoder_of(backend)
    assert decoder.decode(prompts, LIMIT) == answers
    place = decoder.weights.qkv[0].data_ptr()
    layer = backend.model.get_base_model().model.layers[1].self_attn.v_proj
    before = layer.lora_B["default"].weight.detach().clone()
    with torch.no_grad():
        layer.lora_B["default"].weight.mul_(-30)
    changed = decoder.decode(prompts[:5], LIMIT)
    expected = backend.generate_plain(prompts[:5], LIMIT)
    with torch.no_grad():
        layer.lora_B["default"].weight.copy_(before)
    assert changed == expected != answers[:5]
    assert decoder.decode(prompts, LIMIT) == answers
    assert decoder.weights.qkv[0].data_ptr() == place


def test_an_answer_ends_with_the_end_token_or_at_the_limit(backend: Any, prompts: Ids) -> None:
    decoder = decoder_of(backend)
    long, one = decoder.decode(prompts, 100), decoder.decode(prompts, 1)
    end = backend.chat.end_of_turn_id
    assert all(len(answer) == 100 or answer[-1] == end for answer in long)
    assert all(end not in answer[:-1] for answer in long)
    assert one == [answer[:1] for answer in long]
    assert decoder.decode([], 5) == []


def test_what_is_kept_are_the_copied_weights_and_the_cache(backend: Any, prompts: Ids) -> None:
    from trainable.model.weights import ATTENTION, MLP, base_layer, projection

    decoder = decoder_of(backend)
    weights = decoder.kept_bytes()
    layers = backend.model.get_base_model().model.layers
    linears = [base_layer(projection(layer, name)) for layer in layers for name in (*ATTENTION, *MLP)]
    assert weights == sum(4 * linear.weight.numel() for linear in linears)
    decoder.decode(prompts[:2], 5)
    shape = decoder.weights.shape
    slots = -(-(max(map(len, prompts[:2])) + 5) // 64) * 64
    tokens = 2 * slots * shape.layers * shape.kv_heads * shape.head_dim
    assert decoder.kept_bytes() - weights == 2 * 4 * tokens
    assert decoder.may_stay()
