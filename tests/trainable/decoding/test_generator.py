"""Which way documents are answered: the fast decoder where it can, the library's own way and the reason elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.trainable.decoding.conftest import LIMIT

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
Ids = list[list[int]]


@pytest.fixture(autouse=True)
def fresh_generator(backend: Any) -> Iterator[None]:
    """The shared base with nothing kept from another test."""
    backend.generator.forget()
    backend.generator.path = ""
    yield
    backend.generator.forget()


def test_a_known_architecture_is_answered_fast_and_the_decoder_is_kept(
    backend: Any, prompts: Ids, answers: Ids, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backend.generator.kept_bytes() == 0
    assert backend.generate(prompts, LIMIT) == answers
    assert backend.generator.path == "fast"
    assert capsys.readouterr().out == ""
    assert backend.generator.kept_bytes() > 0
    backend.generator.forget()
    assert backend.generator.kept_bytes() == 0


def test_an_unknown_architecture_is_decoded_the_slow_way(
    backend: Any,
    prompts: Ids,
    answers: Ids,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(backend.model.get_base_model().config, "hidden_act", "gelu")
    for _ in range(2):
        assert backend.generate(prompts[:2], 4) == [answer[:4] for answer in answers[:2]]
    assert capsys.readouterr().out == "generation is slow: activation gelu\n"  # said once
    assert backend.generator.path == "slow: activation gelu"


def test_too_little_memory_falls_back_and_says_so(
    backend: Any,
    prompts: Ids,
    answers: Ids,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import torch

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr("trainable.model.weights.MergedWeights.refill", full)
    assert backend.generate(prompts[:2], 4) == [answer[:4] for answer in answers[:2]]
    assert "too little memory" in capsys.readouterr().out
    assert backend.generator.kept_bytes() == 0


@pytest.mark.parametrize("had", [True, False])
def test_memory_that_is_lent_is_asked_for_before_answers_are_made_the_slow_way(
    had: bool, backend: Any, prompts: Ids, answers: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from trainable.decoding.cached import FastDecoder

    free: list[bool] = []
    decode = FastDecoder.decode

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
        assert backend.generate(prompts[:4], 8) == [answer[:8] for answer in answers[:4]]
    assert (backend.generator.path == "fast") == had
    free.clear()
    backend.generate(prompts[:1], 1)
    assert backend.generator.path.startswith("slow")
