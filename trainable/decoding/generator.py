"""How a backend generates answers: by the fast decoder if possible, otherwise by the library's own forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from trainable.model.adapters import without_adapter
from trainable.model.backend import Backend, LanguageModel
from trainable.model.gpu_memory import collect_garbage
from trainable.model.weights import why_unsupported

if TYPE_CHECKING:
    from trainable.decoding.cached import FastDecoder

Answers = list[list[int]]


class Generator:
    """Keeps one decoder for the loaded base, as long as memory allows.

    Attributes:
        path: How the last answers were generated: fast, or slow and why.
    """

    def __init__(self) -> None:
        self._decoder: FastDecoder | None = None
        self._give_back: Callable[[], bool] | None = None
        self.path = ""

    def answers(self, backend: Backend, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> Answers:
        """Continue each prompt greedily, with dropout off.

        Args:
            backend: Carries the model, with or without an adapter; its `generate_plain` is the fallback.
            prompts: Token ids.
            max_new_tokens: Most tokens of an answer.
        """
        model = without_adapter(backend.model)
        reason = why_unsupported(model)
        if not reason:
            end = backend.chat.end_of_turn_id
            answers = self._fast(model, backend.dtype, end, prompts, max_new_tokens)
            if answers is None and self._give_back is not None and self._give_back():
                answers = self._fast(model, backend.dtype, end, prompts, max_new_tokens)
            if answers is not None:
                self._say("fast")
                return answers
            collect_garbage()
            reason = "too little memory for a merged copy of the weights"
        self._say(f"slow: {reason}")
        return backend.generate_plain(prompts, max_new_tokens)

    @contextmanager
    def lent(self, give_back: Callable[[], bool]) -> Iterator[None]:
        """Inside, `give_back` is called for more memory before the fallback is used.

        Args:
            give_back: Frees memory; returns whether there was any to free.
        """
        self._give_back = give_back
        try:
            yield
        finally:
            self._give_back = None

    def forget(self) -> None:
        """Drop the decoder with its merged weights and KV cache."""
        self._decoder = None

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next documents, in bytes."""
        return self._decoder.kept_bytes() if self._decoder is not None else 0

    def _fast(
        self,
        model: LanguageModel,
        dtype: torch.dtype,
        end_id: int,
        prompts: Sequence[Sequence[int]],
        limit: int,
    ) -> Answers | None:
        """Return the answers of the fast decoder, None if memory does not suffice."""
        from trainable.decoding.cached import FastDecoder

        try:
            if self._decoder is None:
                self._decoder = FastDecoder(model, dtype, end_id)
            answers = self._decoder.decode(prompts, limit)
            if not self._decoder.may_stay():
                self.forget()
                collect_garbage()
            return answers
        except torch.OutOfMemoryError:
            self._decoder = None
            return None

    def _say(self, path: str) -> None:
        if path != self.path and path != "fast":
            print(f"generation is {path}", flush=True)
        self.path = path
