"""The fast decoder against decoding with the library's forward pass, adapters and 4-bit bases included."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters import backend_with
from trainable.config import TrialConfig
from trainable.tokens.chat import end_of_turn_id, prompt_ids

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_LIMIT = 24
_TEXTS = [
    f"单号{number * 37}，联系人王小明，电话1380013{number:04d}，" + "货已送到三号仓库。" * (number % 4)
    for number in range(9)
]


def tuned_backend(quantised: bool) -> Any:
    """A base whose adapter is as large as a trained one's."""
    config = TrialConfig("small-2m", quantised, 8, target_modules=("q_proj", "v_proj", "down_proj"))
    return backend_with(config, std=0.2, seed=5)


@pytest.fixture(scope="module")
def backend() -> Any:
    return tuned_backend(quantised=False)


def prompts_of(backend: Any) -> list[list[int]]:
    return prompt_ids(backend.tokenizer, _TEXTS)


def decoder_of(backend: Any) -> Any:
    from trainable.decoding.cached import FastDecoder

    return FastDecoder(backend.model.get_base_model(), backend.dtype, end_of_turn_id(backend.tokenizer))


def test_the_answers_are_those_of_the_unmerged_model(backend: Any) -> None:
    prompts = prompts_of(backend)
    assert len({len(prompt) for prompt in prompts}) > 3
    expected = backend.generate_plain(prompts, _LIMIT)
    assert backend.generate(prompts, _LIMIT) == expected
    assert backend.generator.path == "fast"
    assert len({tuple(answer) for answer in expected}) > 3


def test_the_answers_of_a_4bit_base_are_those_of_the_unmerged_model() -> None:
    backend = tuned_backend(quantised=True)
    prompts = prompts_of(backend)
    assert decoder_of(backend).decode(prompts, _LIMIT) == backend.generate_plain(prompts, _LIMIT)


def test_finished_rows_make_room_for_waiting_documents(backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = prompts_of(backend)
    expected = decoder_of(backend).decode(prompts, _LIMIT)
    monkeypatch.setattr("trainable.decoding.cached.CPU_ROWS", 3)
    assert decoder_of(backend).decode(prompts, _LIMIT) == expected


def test_a_second_list_and_a_changed_adapter_reuse_the_buffers(backend: Any) -> None:
    import torch

    prompts, decoder = prompts_of(backend), decoder_of(backend)
    first = decoder.decode(prompts, _LIMIT)
    place = decoder.weights.qkv[0].data_ptr()
    layer = backend.model.get_base_model().model.layers[1].self_attn.v_proj
    before = layer.lora_B["default"].weight.detach().clone()
    with torch.no_grad():
        layer.lora_B["default"].weight.mul_(-30)
    changed = decoder.decode(prompts[:5], _LIMIT)
    assert changed == backend.generate_plain(prompts[:5], _LIMIT)
    assert changed != first[:5]
    with torch.no_grad():
        layer.lora_B["default"].weight.copy_(before)
    assert decoder.decode(prompts, _LIMIT) == first
    assert decoder.weights.qkv[0].data_ptr() == place


def test_an_answer_ends_with_the_end_token_or_at_the_limit(backend: Any) -> None:
    prompts, decoder = prompts_of(backend), decoder_of(backend)
    long, one = decoder.decode(prompts, 100), decoder.decode(prompts, 1)
    end = end_of_turn_id(backend.tokenizer)
    assert all(len(answer) == 100 or answer[-1] == end for answer in long)
    assert all(end not in answer[:-1] for answer in long)
    assert one == [answer[:1] for answer in long]
    assert decoder.decode([], 5) == []


def test_an_unknown_architecture_is_decoded_the_slow_way(
    backend: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = prompts_of(backend)[:2]
    expected = backend.generate(prompts, 4)
    monkeypatch.setattr(backend.model.get_base_model().config, "hidden_act", "gelu")
    assert backend.generate(prompts, 4) == expected
    assert "generation is slow: activation gelu" in capsys.readouterr().out


def test_too_little_memory_falls_back_and_says_so(
    backend: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("full")

    prompts = prompts_of(backend)[:2]
    expected = backend.generate(prompts, 4)
    backend.generator.forget()
    monkeypatch.setattr("trainable.model.qwen.MergedWeights.refill", full)
    assert backend.generate(prompts, 4) == expected
    assert "too little memory" in capsys.readouterr().out


def test_answering_leaves_the_weights_of_a_4bit_base_readable() -> None:
    from trainable.model.qwen import plain_weight

    backend = tuned_backend(quantised=True)
    weight = backend.model.get_base_model().model.layers[0].mlp.up_proj.weight
    before = plain_weight(weight).clone()
    backend.generate_plain(prompts_of(backend)[:2], 4)
    assert plain_weight(weight).equal(before)


@pytest.mark.parametrize("had", [True, False])
def test_memory_that_is_lent_is_asked_for_before_answers_are_made_the_slow_way(
    had: bool, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from trainable.decoding.cached import FastDecoder

    prompts, free, decode = prompts_of(backend), [], FastDecoder.decode
    expected = backend.generate(prompts, _LIMIT)

    def decode_where_there_is_room(self: Any, *arguments: Any) -> Any:
        if not free:
            raise torch.OutOfMemoryError
        return decode(self, *arguments)

    def give_back() -> bool:
        if had:
            free.append(True)
        return had

    monkeypatch.setattr(FastDecoder, "decode", decode_where_there_is_room)
    with backend.generator.lent(give_back):
        assert backend.generate(prompts, _LIMIT) == expected
    assert (backend.generator.path == "fast") == had
    free.clear()
    backend.generate(prompts[:1], 1)
    assert backend.generator.path.startswith("slow")
