"""Greedy decoding of a list of documents with merged weights, a static KV cache and, on a GPU, CUDA graphs.

Batching is continuous: a row that finishes makes room for a waiting document. Towards the end the batch shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainable.decoding.cached_forward import StaticCache
from trainable.decoding.decoding_batch import (
    GPU_ROWS,
    MEMORY_SHARE,
    SLOT_STEP,
    DecodingBatch,
)
from trainable.decoding.list_bias import ListBias
from trainable.model.gpu_memory import allowed_bytes, available_bytes
from trainable.model.parts import CausalModel
from trainable.model.weights import MergedWeights

CPU_ROWS = 64
KEPT_SHARE = 0.2
"""Share of a process's memory that the decoder may keep between evaluations."""


class FastDecoder:
    """Decodes for one base model; keeps its buffers and graphs from trial to trial if memory allows.

    Args:
        model: One that `trainable.model.weights.why_unsupported` has nothing against.
        dtype: Of weights and cache.
        end_id: Token that ends an answer; it is kept.

    Attributes:
        told: How probable each token of the last answers is, in nats, by the model alone; empty if that was not asked.
    """

    def __init__(self, model: CausalModel, dtype: torch.dtype, end_id: int) -> None:
        self.weights = MergedWeights(model, dtype)
        self.device, self.end_id = self.weights.embedding.device, end_id
        self._batch: DecodingBatch | None = None
        self.told: list[list[float]] = []

    @torch.inference_mode()
    def decode(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        bias: ListBias | None = None,
        tell: bool = False,
    ) -> list[list[int]]:
        """Return the most likely continuation of each prompt, token by token.

        Args:
            prompts: Token ids.
            max_new_tokens: Most tokens of a continuation.
            bias: Makes some tokens less likely.
            tell: Leave in `told` how probable the tokens are.

        Raises:
            torch.OutOfMemoryError: If not even one row fits.
        """
        self.told = []
        if not prompts:
            return []
        self.weights.refill()
        slots = -(-(max(map(len, prompts)) + max_new_tokens) // SLOT_STEP) * SLOT_STEP
        batch = self._batch
        fits = batch is not None and (batch.limit, batch.bias, batch.tell) == (max_new_tokens, bias, tell)
        if batch is None or not fits or batch.cache.slots < slots:
            self._batch = batch = None
            rows = self._rows(len(prompts), slots)
            self._batch = batch = DecodingBatch(
                self.weights, rows, slots, max_new_tokens, self.end_id, bias, tell
            )
        return batch.run(prompts, self.told)

    def kept_bytes(self) -> int:
        """Return the memory of the merged weights and of the KV cache, in bytes."""
        batch = self._batch
        return self.weights.nbytes() + (0 if batch is None else 2 * batch.cache.keys.nbytes)

    def may_stay(self) -> bool:
        """Return whether there is enough memory to keep everything until the next evaluation."""
        return self.device.type != "cuda" or self.kept_bytes() <= KEPT_SHARE * allowed_bytes()

    def _rows(self, n_prompts: int, slots: int) -> int:
        if self.device.type != "cuda":
            return min(n_prompts, CPU_ROWS)
        room = MEMORY_SHARE * available_bytes() / (slots * StaticCache.bytes_per_slot(self.weights))
        fitting = [rows for rows in GPU_ROWS if rows <= room]
        if not fitting:
            raise torch.OutOfMemoryError("no memory to answer one document")
        enough = [rows for rows in fitting if rows >= n_prompts]
        return min(enough) if enough else fitting[0]
