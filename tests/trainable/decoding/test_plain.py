"""Our greedy decoding against transformers' generate, on the small base model."""

from __future__ import annotations

from typing import Any

import pytest

from trainable.decoding.plain import greedy_decode, left_padded
from trainable.model.bases import locate_base
from trainable.tokens.chat import read_chat_format

_TEXTS = [
    "订单 {0} 已发出。",
    "单号：{0}，品牌瑞丰旗舰店，放在东仓三区。" * 2,
    "《{0}》一书售价 ¥12.50，" * 4,
    "see https://abc.cn/x?id={0}",
]
_LIMIT = 40


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForCausalLM

    folder = locate_base("small-2m")
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), read_chat_format(folder)


@pytest.fixture(scope="module")
def prompts(base: tuple[Any, Any]) -> list[list[int]]:
    system_free = [f"抽取编号。{text.format(number * 37)}" for number in range(3) for text in _TEXTS]
    ids = base[1].prompt_ids(system_free)
    assert len(ids) == 12
    assert len({len(row) for row in ids}) > 4
    return ids


@pytest.fixture(scope="module")
def answers(base: tuple[Any, Any], prompts: list[list[int]]) -> list[list[int]]:
    """All prompts answered in one batch."""
    import torch

    with torch.inference_mode():
        return greedy_decode(base[0], prompts, _LIMIT, base[1].end_of_turn_id, batch_size=12)


def test_ragged_prompts_give_the_tokens_of_transformers_generate(
    base: tuple[Any, Any], prompts: list[list[int]], answers: list[list[int]]
) -> None:
    import torch

    model, chat = base
    end = chat.end_of_turn_id
    with torch.inference_mode():
        expected = []
        for prompt in prompts[:6]:
            ids = model.generate(
                torch.tensor([prompt]),
                max_new_tokens=_LIMIT,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=0,
            )
            expected.append(ids[0, len(prompt) :].tolist())
    assert answers[:6] == expected


def test_the_batch_size_does_not_change_the_answers(
    base: tuple[Any, Any], prompts: list[list[int]], answers: list[list[int]]
) -> None:
    import torch

    model, chat = base
    end = chat.end_of_turn_id
    with torch.inference_mode():
        apart = greedy_decode(model, prompts[-5:], _LIMIT, end, batch_size=1)
    assert answers[-5:] == apart


def test_a_row_ends_with_the_end_token_or_at_the_limit(
    base: tuple[Any, Any], prompts: list[list[int]], answers: list[list[int]]
) -> None:
    import torch

    model, chat = base
    end = chat.end_of_turn_id
    with torch.inference_mode():
        short = greedy_decode(model, prompts, 5, end, batch_size=5)
    assert all(len(row) == 5 or row[-1] == end for row in short)
    assert [row[:5] for row in answers] == short
    assert all(end not in row[:-1] for row in answers)
    assert any(row[-1] == end for row in answers)


def test_padding_stands_on_the_left_and_is_masked() -> None:
    import torch

    ids, mask = left_padded([[5, 6, 7], [8]], torch.device("cpu"))
    assert ids.tolist() == [[5, 6, 7], [0, 0, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_no_prompt_gives_no_answer(base: tuple[Any, Any]) -> None:
    assert greedy_decode(base[0], [], 5, 2, batch_size=4) == []
