"""The forward pass of LoRA training as one function of fixed shape that the host never waits for: it can be captured.

Logits are computed only for label tokens, a few hundred at a time. Projections that share an input share a dropout
mask.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import cast

import torch
from torch.nn.functional import cross_entropy, embedding, linear, rms_norm

from trainable.model.batch import IGNORED
from trainable.model.parts import ADAPTER, AdaptedLinear, CausalModel, DecoderLayer, adapter_of, is_packed
from trainable.model.rotation import rotation_table
from trainable.model.tag_head import head_of
from trainable.model.weights import (
    ATTENTION,
    MLP,
    base_layer,
    plain_weight,
    projection,
    read_shape,
)
from trainable.passes.autograd import ChunkedCrossEntropy, Gated, Turned, TurnedHeads, gated
from trainable.passes.kernels.choice import kernels_for
from trainable.passes.projections import Projection, Projections

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes queries, keys and values, each (tokens..., heads, head_dim); returns the attention output, like the queries."""
Turn = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines of each token's RoPE angles, (tokens..., 1, head_dim / 2)."""
THIN_RANK = 16
"""Highest rank at which low-rank products are cheaper for a small layer than merging its weight and adapter."""


class LoraForward:
    """Loss of a batch as a function of copies of the adapter's matrices in the compute dtype.

    Args:
        model: Model whose layers carry one adapter.
        dtype: Compute dtype.
        longest: Tokens of the longest sample; the RoPE table cannot be made during a capture.
        small: Whether layers are small: a 4-bit base is then dequantised once, and above `THIN_RANK` one product with
            W + s·B·A replaces three.

    Attributes:
        parameters: The adapter's matrices and, where tokens are tagged, weight and bias of the head, in the order of
            `working`. Those of another adapter of the same `kind` may take their place.
        rank: Largest rank of the adapter.
        dropout: Its probability.
        working: Copies of `parameters` in the compute dtype, the leaves of the backward pass.

    Raises:
        ValueError: If other weights are trained too.
    """

    def __init__(self, model: CausalModel, dtype: torch.dtype, longest: int, small: bool = False) -> None:
        self.shape, self.dtype, self._small = read_shape(model.config), dtype, small
        self.parameters: list[torch.Tensor] = []
        self._layers: list[dict[str, Projection]] = [
            {name: self._read(projection(layer, name)) for name in (*ATTENTION, *MLP)}
            for layer in model.model.layers
        ]
        self.rank = max(min(p.shape) for p in self.parameters)
        head = head_of(model)
        self._tags = head is not None
        if head is not None:
            self.parameters += [head.weight, head.bias]
        trained = {id(p) for p in model.parameters() if p.requires_grad}
        if trained != {id(p) for p in self.parameters}:
            raise ValueError("there are trained weights that are no LoRA matrices of the seven projections")
        self._merged = small and self.rank > THIN_RANK
        self.working = [parameter.detach().to(dtype).requires_grad_() for parameter in self.parameters]
        self.dropout = _dropout_of(model.model.layers[0])
        self._norms = [
            [getattr(layer, name).weight.detach().to(dtype) for name in ("input_layernorm", "post_attention_layernorm")]
            for layer in model.model.layers
        ]  # fmt: skip
        self._head_norms: list[list[torch.Tensor | None]] = [
            [norm.weight.detach().to(dtype) for norm in (layer.self_attn.q_norm, layer.self_attn.k_norm)]
            if hasattr(layer.self_attn, "q_norm")
            else [None, None]
            for layer in model.model.layers
        ]
        self._final_norm = model.model.norm.weight.detach().to(dtype)
        self._head = model.lm_head.weight.detach().to(dtype)
        self._embedding = model.model.embed_tokens.weight.detach()
        self._table = rotation_table(self.shape.rotation, longest, self._embedding.device, dtype)
        weights = [
            base_layer(projection(layer, name)).weight
            for layer in model.model.layers
            for name in (*ATTENTION, *MLP)
        ]
        self._base = tuple(weight.data_ptr() for weight in (*weights, self._embedding))

    @property
    def kind(self) -> Hashable:
        """Everything that a captured pass depends on beside the values of `parameters`: base, adapted layers, ranks, scaling."""
        adapters = tuple((part.places, part.scaling) for layer in self._layers for part in layer.values())
        shapes = tuple(parameter.shape for parameter in self.parameters)
        return self._base, adapters, shapes, self.dtype, self.dropout, self._tags, self._table.shape

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the current adapter into `working`."""
        torch._foreach_copy_(self.working, self.parameters)

    def loss(
        self,
        ids: torch.Tensor,
        places: torch.Tensor | slice,
        attend: Attend,
        where: torch.Tensor,
        targets: torch.Tensor,
        share: torch.Tensor,
    ) -> torch.Tensor:
        """Return the summed cross-entropy times `share`.

        Args:
            ids: Token ids, (tokens,) or (rows, width).
            places: Position of each token in its sample, along the last dimension of `ids`.
            attend: Attention; see `trainable.passes.attention`.
            where: Index in the flattened `ids` of the token that each label is read from, (slots,): the one before an
                answer's token, the tagged token itself.
            targets: Label tokens or tags, -100 for an unused slot, (slots,).
            share: 1 / label tokens of the effective batch, a scalar tensor.
        """
        turn = (self._table[0, places, None], self._table[1, places, None])
        x = embedding(ids, self._embedding).to(self.dtype)
        seeds = self._seeds(x)
        for number, layer in enumerate(self._layers):
            norms = self._norms[number], self._head_norms[number]
            x = self._block(x, layer, *norms, turn, attend, seeds[4 * number : 4 * number + 4])
        hidden = x.view(-1, x.shape[-1]).index_select(0, where)
        hidden = rms_norm(hidden, hidden.shape[-1:], self._final_norm, self.shape.eps)
        if self._tags:
            logits = linear(hidden, self.working[-2], self.working[-1]).float()
            return share * cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
        total: torch.Tensor = ChunkedCrossEntropy.apply(hidden, self._head, targets, share)
        return total

    def _block(
        self,
        x: torch.Tensor,
        layer: dict[str, Projection],
        norms: Sequence[torch.Tensor],
        head_norms: Sequence[torch.Tensor | None],
        turn: Turn,
        attend: Attend,
        seeds: Sequence[torch.Tensor | None],
    ) -> torch.Tensor:
        shape, eps = self.shape, self.shape.eps

        def normalised(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return rms_norm(x, x.shape[-1:], weight, eps)

        h = self._apply(layer, ATTENTION[:3], seeds[0], normalised, x, norms[0])
        q, k, v = (y.unflatten(-1, (-1, shape.head_dim)) for y in h)
        q, k = _turned(q, head_norms[0], eps, *turn), _turned(k, head_norms[1], eps, *turn)
        (x,) = self._apply(layer, ATTENTION[3:], seeds[1], _itself, attend(q, k, v).flatten(-2), plus=x)
        gate, up = self._apply(layer, MLP[:2], seeds[2], normalised, x, norms[1])
        (x,) = self._apply(layer, MLP[2:], seeds[3], gated, gate, up, plus=x)
        return x

    def _seeds(self, x: torch.Tensor) -> Sequence[torch.Tensor | None]:
        """Return a dropout seed for each group of projections; None without kernels that need it."""
        n = 4 * len(self._layers)
        if kernels := self.dropout and kernels_for(x):
            return cast("torch.Tensor", kernels.draw_seeds(n, x.device)).unbind()
        return [None] * n

    def _apply(
        self, layer: dict[str, Projection], names: tuple[str, ...], seed: torch.Tensor | None,
        make: Callable[..., torch.Tensor], *sources: torch.Tensor, plus: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:  # fmt: skip
        """Apply projections of x = make(*sources): W·x + s·B·A·dropout(x); `plus` is added to a single one."""
        parts = [layer[name] for name in names]
        x = Gated.apply(*sources) if make is gated else make(*sources)
        if self._merged:
            merged = [linear(x, self._merged_weight(part), part.bias) for part in parts]
            return merged if plus is None else [plus + y for y in merged]
        both_sides = zip(*(part.places for part in parts if part.rank), strict=True)
        matrices = [self.working[place] for side in both_sides for place in side]
        return list(Projections.apply(x, plus, make, sources, self.dropout, seed, parts, *matrices))

    def _merged_weight(self, part: Projection) -> torch.Tensor:
        if not part.rank:
            return part.weight
        a, b = (self.working[place] for place in part.places)
        return torch.addmm(part.weight, b, a, alpha=part.scaling)

    def _read(self, module: AdaptedLinear) -> Projection:
        base, adapted = base_layer(module), adapter_of(module)
        quantised = is_packed(base.weight) and not self._small
        weight = base.weight if quantised else plain_weight(base.weight).to(self.dtype)
        bias = None if base.bias is None else base.bias.detach().to(self.dtype)
        if adapted is None:
            return Projection(weight, bias)
        a, b = adapted.lora_A[ADAPTER].weight, adapted.lora_B[ADAPTER].weight
        place = len(self.parameters)
        self.parameters += [a, b]
        return Projection(weight, bias, (place, place + 1), len(a), float(adapted.scaling[ADAPTER]))


def _dropout_of(layer: DecoderLayer) -> float:
    """Return the dropout probability of a layer's adapters, which is the same for all."""
    modules = [adapter_of(projection(layer, name)) for name in (*ATTENTION, *MLP)]
    dropouts = [module.lora_dropout[ADAPTER] for module in modules if module is not None]
    return float(getattr(dropouts[0], "p", 0.0)) if dropouts else 0.0


def _turned(
    x: torch.Tensor, norm: torch.Tensor | None, eps: float, cosine: torch.Tensor, sine: torch.Tensor
) -> torch.Tensor:
    """Normalise each head if the model does, and apply RoPE."""
    if TurnedHeads.can_take(x, cosine):
        both: torch.Tensor = TurnedHeads.apply(x, norm, eps, cosine, sine)
        return both
    if norm is not None:
        x = rms_norm(x, x.shape[-1:], norm, eps)
    turned: torch.Tensor = Turned.apply(x, cosine, sine)
    return turned


def _itself(x: torch.Tensor) -> torch.Tensor:
    return x
