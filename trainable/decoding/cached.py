"""Greedy decoding of a list of documents with merged weights, a static KV cache and, on a GPU, CUDA graphs.

Batching is continuous: a row that finishes makes room for a waiting document. Towards the end the batch shrinks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from trainable.decoding.cached_forward import StaticCache
from trainable.decoding.list_bias import ListBias
from trainable.model.gpu_memory import allowed_bytes, available_bytes, captured
from trainable.model.parts import CausalModel
from trainable.model.rotation import rotation_table
from trainable.model.weights import MergedWeights

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

GPU_ROWS = (256, 192, 128, 96, 64, 48, 32, 24, 16, 8, 4, 2, 1)
"""Batch sizes for which graphs are captured. In larger batches more rows would be padded to the longest prompt."""
CPU_ROWS = 64
SLOT_STEP = 64
"""Attention reads the KV cache in multiples of this many slots; each multiple has a graph of its own."""
STEPS_BETWEEN_LOOKS = 8
"""Decoding steps between two checks for finished rows; a check waits for the device."""
PREFILL_TOKENS = 1 << 15
"""Most prompt tokens of one prefill."""
MEMORY_SHARE = 0.8
"""Share of the available memory for the KV cache, and then of what is left for prefill."""
WORTH_SHRINKING = 0.7
"""A smaller batch needs graphs of its own, so its size must be at most this share of the current one."""
KEPT_SHARE = 0.2
"""Share of a process's memory that the decoder may keep between evaluations."""


class FastDecoder:
    """Decodes for one base model; keeps its buffers and graphs from trial to trial if memory allows.

    Args:
        model: One that `trainable.model.weights.why_unsupported` has nothing against.
        dtype: Of weights and cache.
        end_id: Token that ends an answer; it is kept.
    """

    def __init__(self, model: CausalModel, dtype: torch.dtype, end_id: int) -> None:
        self.weights = MergedWeights(model, dtype)
        self.device, self.end_id = self.weights.embedding.device, end_id
        self._batch: _Batch | None = None

    @torch.inference_mode()
    def decode(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, bias: ListBias | None = None
    ) -> list[list[int]]:
        """Return the most likely continuation of each prompt, token by token.

        Args:
            prompts: Token ids.
            max_new_tokens: Most tokens of a continuation.
            bias: Makes some tokens less likely.

        Raises:
            torch.OutOfMemoryError: If not even one row fits.
        """
        if not prompts:
            return []
        self.weights.refill()
        slots = -(-(max(map(len, prompts)) + max_new_tokens) // SLOT_STEP) * SLOT_STEP
        batch = self._batch
        fits = batch is not None and (batch.limit, batch.bias) == (max_new_tokens, bias)
        if batch is None or not fits or batch.cache.slots < slots:
            self._batch = batch = None
            rows = self._rows(len(prompts), slots)
            self._batch = batch = _Batch(self.weights, rows, slots, max_new_tokens, self.end_id, bias)
        return batch.run(prompts)

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


class _Batch:
    """The state of the rows that are decoded together, on the device at fixed addresses."""

    def __init__(
        self, weights: MergedWeights, rows: int, slots: int, limit: int, end_id: int, bias: ListBias | None
    ) -> None:
        self.cache, self.limit, self.end_id = StaticCache(weights, rows, slots), limit, end_id
        self.bias = bias
        self.weights, self.device = weights, weights.embedding.device
        self.table = rotation_table(weights.shape.rotation, slots, self.device, weights.dtype)
        self.tokens, self.positions, self.made = (
            torch.zeros(rows, dtype=torch.long, device=self.device) for _ in range(3)
        )
        self.done = torch.ones(rows, dtype=torch.bool, device=self.device)
        self.answers = torch.zeros(rows, limit, dtype=torch.int32, device=self.device)
        self._row_numbers = torch.arange(rows, device=self.device)
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph | None] = {}
        self._pool: _POOL_HANDLE | None = None
        self._prefill_tokens = 0

    def run(self, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
        """Decode all prompts, the shortest first."""
        outputs: list[list[int]] = [[] for _ in prompts]
        waiting = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        owners = [-1] * min(self.cache.rows, len(prompts))  # batch row -> prompt; -1: none
        self.done.fill_(True)
        reach = 0  # highest position of any row
        look_every = STEPS_BETWEEN_LOOKS if self.device.type == "cuda" else 1
        self._prefill_tokens = 0  # determined at the first prefill
        while True:
            free = [row for row, owner in enumerate(owners) if owner < 0]
            taken, waiting = waiting[: len(free)], waiting[len(free) :]
            for row, prompt in zip(free, taken, strict=False):
                owners[row] = prompt
            if taken:
                self._admit(free[: len(taken)], [prompts[index] for index in taken])
                reach = max(reach, max(len(prompts[index]) for index in taken))
            owners = self._collect(owners, outputs)
            alive = sum(owner >= 0 for owner in owners)
            if not alive and not waiting:
                return outputs
            if not waiting:
                owners = self._shrink(owners, alive)
            seen = min(self.cache.slots, -(-(reach + look_every) // SLOT_STEP) * SLOT_STEP)
            for _ in range(look_every):
                self._advance(len(owners), seen)
            reach += look_every

    def _admit(self, rows: list[int], prompts: list[Sequence[int]]) -> None:
        """Prefill rows with prompts and choose their first token."""
        width = max(map(len, prompts))
        if self._prefill_tokens < PREFILL_TOKENS:  # each time anew: graphs may have taken memory since
            self._prefill_tokens = self._most_prefilled()
        chunk = max(1, self._prefill_tokens // width)
        for start in range(0, len(rows), chunk):
            part = prompts[start : start + chunk]
            ids = torch.zeros(len(part), max(map(len, part)), dtype=torch.long)
            for row, prompt in enumerate(part):
                ids[row, : len(prompt)] = torch.as_tensor(list(prompt), dtype=torch.long)
            lengths = torch.tensor([len(prompt) for prompt in part]).to(self.device)
            where = torch.tensor(rows[start : start + chunk]).to(self.device)
            hidden = self.cache.prefill(ids.to(self.device), lengths, where, self.table)
            chosen = self._most_likely(hidden)
            self.tokens[where], self.positions[where], self.made[where] = chosen, lengths, 1
            self.answers[where, 0] = chosen.int()
            self.done[where] = (chosen == self.end_id) | (self.limit == 1)

    def _most_likely(self, hidden: torch.Tensor) -> torch.Tensor:
        logits = self.weights.logits(hidden)
        return (logits if self.bias is None else self.bias.apply(logits)).argmax(-1)

    def _most_prefilled(self) -> int:
        if self.device.type != "cuda":
            return PREFILL_TOKENS
        room = MEMORY_SHARE * available_bytes() / StaticCache.bytes_per_prefilled(self.weights)
        return min(PREFILL_TOKENS, int(room))

    def _advance(self, rows: int, seen: int) -> None:
        """Do one decoding step; on a GPU it is captured at the second step of a shape, and replayed from then on."""
        shape = (rows, seen)
        if shape not in self._graphs:
            self._step(rows, seen)
            if self.device.type == "cuda":
                self._graphs[shape] = None  # ran once, so its kernels are loaded
            return
        graph = self._graphs[shape]
        if graph is None:
            graph = torch.cuda.CUDAGraph()
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            with captured(graph, self._pool):
                self._step(rows, seen)
            self._graphs[shape] = graph
        graph.replay()

    def _step(self, rows: int, seen: int) -> None:
        tokens, positions, made = (x[:rows] for x in (self.tokens, self.positions, self.made))
        done, answers = self.done[:rows], self.answers[:rows]
        hidden = self.cache.step(tokens, positions, seen, self.table)
        chosen = self._most_likely(hidden)
        going = ~done
        place = made.clamp(max=self.limit - 1)
        numbers = self._row_numbers[:rows]
        answers[numbers, place] = torch.where(going, chosen.int(), answers[numbers, place])
        tokens.copy_(torch.where(going, chosen, tokens))
        positions.add_(going)
        positions.clamp_(max=self.cache.slots - 1)
        made.add_(going)
        done.logical_or_((chosen == self.end_id) & going).logical_or_(made >= self.limit)

    def _collect(self, owners: list[int], outputs: list[list[int]]) -> list[int]:
        """Store the answers of finished rows and free these rows."""
        rows = len(owners)
        done = self.done[:rows].tolist()
        ended = [row for row, owner in enumerate(owners) if owner >= 0 and done[row]]
        if ended:
            where = torch.tensor(ended).to(self.device)
            answers, made = self.answers[where].tolist(), self.made[where].tolist()
            for row, ids, length in zip(ended, answers, made, strict=True):
                outputs[owners[row]] = ids[:length]
        return [-1 if done[row] else owner for row, owner in enumerate(owners)]

    def _shrink(self, owners: list[int], alive: int) -> list[int]:
        """Move unfinished rows to the front if a smaller batch can hold them."""
        on_gpu = self.device.type == "cuda"
        size = min(rows for rows in GPU_ROWS if rows >= alive) if on_gpu else alive
        if size >= len(owners) or (on_gpu and size > WORTH_SHRINKING * len(owners)):
            return owners
        kept = [row for row, owner in enumerate(owners) if owner >= 0]
        kept += [row for row, owner in enumerate(owners) if owner < 0][: size - alive]
        kept.sort()
        where = torch.tensor(kept).to(self.device)
        self.cache.move_to_front(where)
        for state in (self.tokens, self.positions, self.made, self.done, self.answers):
            state[: len(kept)] = state[where]
        return [owners[row] for row in kept]
