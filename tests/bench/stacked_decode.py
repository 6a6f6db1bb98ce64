"""Greedy answers of many stacked adapters to the same documents, with one cache for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tests.bench.stacked import StackedAdapters, Weights

COMPACT_EVERY = 16
"""Token steps between two looks at which rows have finished; dropping them copies the cache."""


@torch.no_grad()
def stacked_answers(
    model: StackedAdapters,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    end_id: int,
    rows_together: int = 100,
) -> torch.Tensor:
    """Return what each adapter answers, token ids of shape (adapters, prompts, max_new_tokens), on the CPU.

    An answer ends with `end_id`; what stands behind it is -1.

    Args:
        model: The adapters.
        prompts: Token ids of each document.
        max_new_tokens: Longest answer.
        end_id: Token that ends an answer.
        rows_together: Documents decoded together by every adapter, those of similar length.
    """
    weights = model.weights()
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    out = torch.full((len(model.configs), len(prompts), max_new_tokens), -1, dtype=torch.int16)
    for start in range(0, len(order), rows_together):
        rows = order[start : start + rows_together]
        answers = _Decoding(model, weights, [prompts[row] for row in rows], max_new_tokens).run(end_id)
        out[:, rows] = answers.cpu()
    return out


class _Decoding:
    """One batch: every adapter continues the same prompts, right-padded; new tokens follow the padding."""

    def __init__(
        self, model: StackedAdapters, weights: Weights, prompts: list[Sequence[int]], limit: int
    ) -> None:
        self.model, self.weights, self.limit = model, weights, limit
        device, n = model.device, len(model.configs)
        self.lengths = torch.tensor([len(prompt) for prompt in prompts], device=device).expand(n, -1)
        self.width = max(len(prompt) for prompt in prompts)
        ids = torch.zeros(len(prompts), self.width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        self.ids = ids.to(device).expand(n, -1, -1)
        room = (n, len(prompts), model.shape.num_key_value_heads, self.width + limit, model.shape.head_dim)
        layers = range(model.shape.num_hidden_layers)
        self.keys = [torch.zeros(room, device=device) for _ in layers]
        self.values = [torch.zeros(room, device=device) for _ in layers]
        self.filled = 0

    def run(self, end_id: int) -> torch.Tensor:
        """Return the answers, (adapters, prompts, limit), -1 behind their end."""
        n, rows = self.ids.shape[:2]
        device = self.ids.device
        answers = torch.full((n, rows, self.limit), -1, dtype=torch.int16, device=device)
        place = torch.arange(rows, device=device).expand(n, -1)  # batch row -> prompt
        done = torch.zeros(n, rows, dtype=torch.bool, device=device)
        adapters = torch.arange(n, device=device)[:, None]
        chosen = self._prefill()
        for step in range(self.limit):
            answers[adapters, place, step] = torch.where(done, -1, chosen).to(torch.int16)
            done = done | (chosen == end_id)
            if step + 1 == self.limit:
                break
            if step % COMPACT_EVERY == COMPACT_EVERY - 1:
                alive = int((~done).sum(1).max())
                if alive == 0:
                    break
                if alive < done.shape[1]:
                    keep = done.int().argsort(dim=1, stable=True)[:, :alive]
                    place, done, chosen = (x.gather(1, keep) for x in (place, done, chosen))
                    self._keep(keep)
            chosen = self._next(chosen, step)
        return answers

    def _prefill(self) -> torch.Tensor:
        positions = torch.arange(self.width, device=self.ids.device).expand_as(self.ids)
        causal = torch.ones(self.width, self.width, dtype=torch.bool, device=self.ids.device).tril()
        hidden = self.model.hidden(self.weights, self.ids, positions, self._attention(0, causal))
        self.filled = self.width
        last = (self.lengths - 1)[..., None, None].expand(-1, -1, 1, hidden.shape[-1])
        return self.model.logits(hidden.gather(2, last)[:, :, 0]).argmax(-1)

    def _next(self, chosen: torch.Tensor, step: int) -> torch.Tensor:
        end = self.filled + 1
        slots = torch.arange(end, device=chosen.device)
        seen = (slots < self.lengths[..., None]) | (slots >= self.width)  # (adapters, rows, slots)
        attend = self._attention(self.filled, seen[:, :, None, None, :])
        hidden = self.model.hidden(self.weights, chosen[..., None], (self.lengths + step)[..., None], attend)
        self.filled = end
        return self.model.logits(hidden[:, :, 0]).argmax(-1)

    def _attention(self, at: int, mask: torch.Tensor) -> object:
        """Return an `attend` that writes into the cache from slot `at` on and reads all of it so far."""

        def attend(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            end = at + k.shape[2]
            self.keys[layer][:, :, :, at:end] = k.transpose(2, 3)
            self.values[layer][:, :, :, at:end] = v.transpose(2, 3)
            keys, values = self.keys[layer][:, :, :, :end], self.values[layer][:, :, :, :end]
            heads, tokens = keys.shape[2], q.shape[2]
            # (adapters, rows, key-value heads, queries a head x tokens, width)
            grouped = q.unflatten(3, (heads, -1)).permute(0, 1, 3, 4, 2, 5)
            scores = grouped.flatten(3, 4) @ keys.mT / q.shape[-1] ** 0.5
            scores = scores.unflatten(3, (-1, tokens)).masked_fill(
                ~mask[..., None, :, :] if mask.ndim > 2 else ~mask, -torch.inf
            )
            read = scores.softmax(-1).flatten(3, 4) @ values
            return read.unflatten(3, (-1, tokens)).permute(0, 1, 4, 2, 3, 5).flatten(3, 4)

        return attend

    def _keep(self, rows: torch.Tensor) -> None:
        """Drop all rows but those of each adapter, (adapters, kept)."""
        self.lengths = self.lengths.gather(1, rows)
        adapters = torch.arange(len(rows), device=rows.device)[:, None]
        for cache in (self.keys, self.values):
            for layer, tensor in enumerate(cache):
                cache[layer] = tensor[adapters, rows]
