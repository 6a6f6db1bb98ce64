"""Many LoRA fine-tunes of one small base at once: one frozen base, one batched product a layer for all adapters.

Each adapter sees exactly the batches, learning rates, clipping and initial weights that `TrainingRun` would
give it alone (without dropout). A GPU that is nearly idle with one model of 4 million parameters trains forty
in the same time; tests/bench/record_curves.py records its table of learning curves this way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, rms_norm, scaled_dot_product_attention, silu

from trainable.backends.peft_backend import PeftBackend
from trainable.config import ALL_PROJECTIONS, TrialConfig
from trainable.model.adapters import read_facts
from trainable.model.weights import plain_weight

Weights = list[dict[str, torch.Tensor]]
"""For each layer the effective weight of each projection, (adapters, out, in)."""


class StackedAdapters:
    """N adapters, of any ranks, on one base; `weights()` and the layers are differentiable in them.

    Args:
        base_dir: A Qwen3 model small enough to hold N times.
        configs: One an adapter; model and quantisation must be equal, dropout 0.
        window_tokens: Longest sample.
        device: Where to compute; float32 everywhere.
    """

    def __init__(
        self, base_dir: Path, configs: Sequence[TrialConfig], window_tokens: int, device: str
    ) -> None:
        kinds = {(config.model, config.load_in_4bit, config.lora_dropout) for config in configs}
        if len(kinds) != 1 or configs[0].lora_dropout:
            raise ValueError(
                f"`configs` mix {sorted(map(str, kinds))}, but must share model and bits, without dropout"
            )
        backend = PeftBackend()
        backend.device = torch.device("cpu")
        backend.dtype = torch.float32
        backend.load_base(base_dir, configs[0].load_in_4bit, window_tokens)
        self.chat, self.device, self.configs = backend.chat, torch.device(device), list(configs)
        self.shape = backend.model.config
        drawn = [self._initial(backend, config) for config in configs]
        rank = max(config.lora_rank for config in configs)
        self.a = [self._stacked([d[0][i] for d in drawn], rank, 0) for i in range(len(drawn[0][0]))]
        self.b = [self._stacked([d[1][i] for d in drawn], rank, 1) for i in range(len(drawn[0][1]))]
        self.scaling = torch.tensor([d[2] for d in drawn], device=self.device).view(-1, 1, 1)
        self._read_base(backend.model)

    def weights(self) -> Weights:
        """Return W + s·B·A of every adapter and projection."""
        updates = iter(zip(self.a, self.b, strict=True))
        return [
            {
                name: torch.baddbmm(layer[name].expand(len(self.scaling), -1, -1), b * self.scaling, a)
                for name, (a, b) in zip(ALL_PROJECTIONS, updates, strict=False)
            }
            for layer in self.layers
        ]

    def hidden(
        self, weights: Weights, ids: torch.Tensor, positions: torch.Tensor, attend: Any
    ) -> torch.Tensor:
        """Return the last hidden states, (adapters, rows, tokens, width).

        Args:
            weights: See `weights`.
            ids: Token ids, (adapters, rows, tokens).
            positions: Of each token in its row, same shape.
            attend: Called with layer number, queries, keys and values, each (adapters, rows, tokens, heads,
                head width); returns what the queries read, in the shape of the queries.
        """
        x = self.embedding[ids]
        turn = self._rotation(positions)
        width, eps = self.shape.head_dim, self.shape.rms_norm_eps
        for number, (layer, weight) in enumerate(zip(self.layers, weights, strict=True)):
            h = rms_norm(x, x.shape[-1:], layer["input_layernorm"], eps)
            q, k, v = (
                _linear(h, weight[f"{name}_proj"]).unflatten(-1, (-1, width)) for name in ("q", "k", "v")
            )
            q = _rotated(rms_norm(q, (width,), layer["q_norm"], eps), *turn)
            k = _rotated(rms_norm(k, (width,), layer["k_norm"], eps), *turn)
            x = x + _linear(attend(number, q, k, v).flatten(-2), weight["o_proj"])
            h = rms_norm(x, x.shape[-1:], layer["post_attention_layernorm"], eps)
            h = silu(_linear(h, weight["gate_proj"])) * _linear(h, weight["up_proj"])
            x = x + _linear(h, weight["down_proj"])
        return rms_norm(x, x.shape[-1:], self.final_norm, eps)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of hidden states, (..., vocabulary); embeddings are tied."""
        return hidden @ self.head.T

    def losses(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return each adapter's mean cross-entropy over its labels, (adapters,); arguments as for `row_losses`."""
        return self.row_losses(ids, labels).sum(1) / (labels[:, :, 1:] != -100).sum((1, 2))

    def row_losses(self, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the summed cross-entropy of each row's labels, (adapters, rows).

        Args:
            ids: Right-padded token ids, (adapters, rows, tokens).
            labels: The same shape, -100 outside of the answers.
        """
        positions = torch.arange(ids.shape[-1], device=ids.device).expand_as(ids)
        hidden = self.hidden(self.weights(), ids, positions, _causal)[:, :, :-1]
        learnt = labels[:, :, 1:] != -100
        each = cross_entropy(self.logits(hidden[learnt]), labels[:, :, 1:][learnt], reduction="none")
        adapter, row, _ = learnt.nonzero(as_tuple=True)
        n_rows = ids.shape[1]
        sums = torch.zeros(len(ids) * n_rows, device=ids.device)
        return sums.index_add(0, adapter * n_rows + row, each).view(len(ids), n_rows)

    def _initial(self, backend: PeftBackend, config: TrialConfig) -> tuple[list[Any], list[Any], float]:
        """Return the A and B that a trial of this config starts with, layer by layer, and its scale."""
        backend.attach_adapter(config)
        layers = backend.model.get_base_model().model.layers
        modules = [_projection(layer, name) for layer in layers for name in ALL_PROJECTIONS]
        a = [module.lora_A["default"].weight.detach().clone() for module in modules]
        b = [module.lora_B["default"].weight.detach().clone() for module in modules]
        scaling = read_facts(backend.model, "peft", torch.float32).lora_scaling
        backend.detach_adapter()
        return a, b, scaling

    def _stacked(self, matrices: list[torch.Tensor], rank: int, dim: int) -> torch.Tensor:
        """Stack matrices padded to one rank with zeros, which stay zero: their gradients are."""
        shape = list(matrices[0].shape)
        shape[dim] = rank
        out = torch.zeros(len(matrices), *shape)
        for target, matrix in zip(out, matrices, strict=True):
            target.narrow(dim, 0, matrix.shape[dim]).copy_(matrix)
        return out.to(self.device).requires_grad_()

    def _read_base(self, model: Any) -> None:
        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.detach().float().to(self.device)

        self.embedding, self.final_norm = (
            moved(model.model.embed_tokens.weight),
            moved(model.model.norm.weight),
        )
        self.head = moved(model.lm_head.weight)
        self.layers = [
            {name: moved(plain_weight(_projection(layer, name).weight)) for name in ALL_PROJECTIONS}
            | {
                name: moved(getattr(layer, name).weight)
                for name in ("input_layernorm", "post_attention_layernorm")
            }
            | {name: moved(getattr(layer.self_attn, name).weight) for name in ("q_norm", "k_norm")}
            for layer in model.model.layers
        ]

    def _rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        width = self.shape.head_dim
        theta = self.shape.rope_parameters["rope_theta"]
        powers = torch.arange(0, width, 2, device=self.device) / width
        angles = (positions[..., None] / theta**powers).repeat(1, 1, 1, 2)[..., None, :]
        return angles.cos(), angles.sin()


def _linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Apply each adapter's own weight: (adapters, rows, tokens, in) to (adapters, rows, tokens, out)."""
    return torch.bmm(x.flatten(1, 2), weight.mT).view(*x.shape[:3], -1)


def _rotated(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    left, right = x.chunk(2, -1)
    return x * cosine + torch.cat([-right, left], -1) * sine


def _causal(layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Let each token read itself and those before it."""
    repeat = q.shape[3] // k.shape[3]
    k, v = k.repeat_interleave(repeat, 3), v.repeat_interleave(repeat, 3)
    q_rows, k_rows, v_rows = (
        x.flatten(0, 1).transpose(1, 2) for x in (q, k, v)
    )  # (rows, heads, tokens, width)
    read = scaled_dot_product_attention(q_rows, k_rows, v_rows, is_causal=True)
    return read.transpose(1, 2).unflatten(0, q.shape[:2])


def _projection(layer: Any, name: str) -> Any:
    return getattr(layer.self_attn if hasattr(layer.self_attn, name) else layer.mlp, name)
