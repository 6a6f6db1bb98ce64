"""The rows that are decoded together: tokens, KV cache and CUDA graphs at fixed addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from trainable.decoding.answer_probabilities import of_tokens
from trainable.decoding.cached_forward import StaticCache
from trainable.decoding.list_bias import ListBias
from trainable.model.gpu_memory import available_bytes, captured
from trainable.model.rotation import rotation_table
from trainable.model.weights import MergedWeights

if TYPE_CHECKING:
    from torch.cuda import _POOL_HANDLE

GPU_ROWS = (256, 192, 128, 96, 64, 48, 32, 24, 16, 8, 4, 2, 1)
"""Batch sizes for which graphs are captured. In larger batches more rows would be padded to the longest prompt."""
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


class DecodingBatch:
    """The state of the rows that are decoded together, on the device at fixed addresses."""

    def __init__(
        self,
        weights: MergedWeights,
        rows: int,
        slots: int,
        limit: int,
        end_id: int,
        bias: ListBias | None,
        tell: bool,
    ) -> None:
        self.cache, self.limit, self.end_id = StaticCache(weights, rows, slots), limit, end_id
        self.bias, self.tell = bias, tell
        self.weights, self.device = weights, weights.embedding.device
        self.table = rotation_table(weights.shape.rotation, slots, self.device, weights.dtype)
        self.tokens, self.positions, self.made = (
            torch.zeros(rows, dtype=torch.long, device=self.device) for _ in range(3)
        )
        self.done = torch.ones(rows, dtype=torch.bool, device=self.device)
        self.answers = torch.zeros(rows, limit, dtype=torch.int32, device=self.device)
        self.told = torch.zeros(rows, limit if tell else 0, device=self.device)
        self._row_numbers = torch.arange(rows, device=self.device)
        self._graphs: dict[tuple[int, int], torch.cuda.CUDAGraph | None] = {}
        self._pool: _POOL_HANDLE | None = None
        self._prefill_tokens = 0

    def run(self, prompts: Sequence[Sequence[int]], told: list[list[float]]) -> list[list[int]]:
        """Decode all prompts, the shortest first; fill `told` if that was asked."""
        outputs: list[list[int]] = [[] for _ in prompts]
        told += [[] for _ in prompts if self.tell]
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
            owners = self._collect(owners, outputs, told)
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
            chosen, probable = self._most_likely(hidden)
            if self.tell:
                self.told[where, 0] = probable
            self.tokens[where], self.positions[where], self.made[where] = chosen, lengths, 1
            self.answers[where, 0] = chosen.int()
            self.done[where] = (chosen == self.end_id) | (self.limit == 1)

    def _most_likely(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return tokens, (rows,), and how probable the model alone holds them: (rows,), or none if that was not asked."""
        logits = self.weights.logits(hidden)
        plain = logits.float() if self.tell else logits[:0]
        if self.bias is not None:
            logits = self.bias.apply(logits.clone() if self.tell else logits)
        chosen = logits.argmax(-1)
        return chosen, of_tokens(plain, chosen) if self.tell else plain

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
        chosen, probable = self._most_likely(hidden)
        going = ~done
        place = made.clamp(max=self.limit - 1)
        numbers = self._row_numbers[:rows]
        answers[numbers, place] = torch.where(going, chosen.int(), answers[numbers, place])
        if self.tell:
            told = self.told[:rows]
            told[numbers, place] = torch.where(going, probable, told[numbers, place])
        tokens.copy_(torch.where(going, chosen, tokens))
        positions.add_(going)
        positions.clamp_(max=self.cache.slots - 1)
        made.add_(going)
        done.logical_or_((chosen == self.end_id) & going).logical_or_(made >= self.limit)

    def _collect(self, owners: list[int], outputs: list[list[int]], told: list[list[float]]) -> list[int]:
        """Store the answers of finished rows and free these rows."""
        rows = len(owners)
        done = self.done[:rows].tolist()
        ended = [row for row, owner in enumerate(owners) if owner >= 0 and done[row]]
        if ended:
            where = torch.tensor(ended).to(self.device)
            answers, made = self.answers[where].tolist(), self.made[where].tolist()
            for row, ids, length in zip(ended, answers, made, strict=True):
                outputs[owners[row]] = ids[:length]
            for row, values, length in zip(ended, self.told[where].tolist(), made, strict=True):
                if self.tell:
                    told[owners[row]] = values[:length]
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
        for state in (self.tokens, self.positions, self.made, self.done, self.answers, self.told):
            state[: len(kept)] = state[where]
        return [owners[row] for row in kept]
