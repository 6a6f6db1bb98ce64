"""How a backend answers documents: the fast decoder where it can, the library's own way where it cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from trainable.qwen import why_unsupported
from trainable.resident import collect_garbage

if TYPE_CHECKING:
    from trainable.fast_decode import FastDecoder

Answers = list[list[int]]


class Generator:
    """Keeps one decoder for the loaded base, as long as memory allows.

    Attributes:
        path: How the last documents were answered: fast, or slow and why.
    """

    def __init__(self) -> None:
        self._decoder: FastDecoder | None = None
        self.path = ""

    def answers(
        self,
        model: Any,
        dtype: torch.dtype,
        end_id: int,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        slow: Callable[[], Answers],
    ) -> Answers:
        """Continue each prompt greedily.

        Args:
            model: Causal language model without PEFT's wrapper; its layers may carry an adapter.
            dtype: To compute in.
            end_id: Token that ends an answer.
            prompts: Token ids.
            max_new_tokens: Longest answer.
            slow: Answers the same prompts with the library's forward pass.
        """
        reason = why_unsupported(model)
        if not reason:
            answers = self._fast(model, dtype, end_id, prompts, max_new_tokens)
            if answers is not None:
                self._say("fast")
                return answers
            collect_garbage()
            reason = "too little memory for a merged copy of the weights"
        self._say(f"slow: {reason}")
        return slow()

    def forget(self) -> None:
        """Drop everything that was derived from the base."""
        self._decoder = None

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next documents."""
        return self._decoder.kept_bytes() if self._decoder is not None else 0

    def _fast(
        self, model: Any, dtype: torch.dtype, end_id: int, prompts: Sequence[Sequence[int]], limit: int
    ) -> Answers | None:
        """Return None when memory does not suffice."""
        from trainable.fast_decode import FastDecoder

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
