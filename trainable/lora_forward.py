"""The training pass of a LoRA fine-tune as one function of fixed shape: no host reads, so it can be captured.

Logits exist only where labels are, a few hundred rows at a time. One dropout mask serves the projections that
share an input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import dropout, embedding, linear, rms_norm, scaled_dot_product_attention, silu

from trainable.qwen import (
    ATTENTION,
    MLP,
    base_layer,
    plain_weight,
    projection,
    read_shape,
    rotate,
    rotation_table,
)

LOSS_ROWS = 512
"""Label tokens whose logits exist at one time."""


class LoraForward:
    """Loss of a batch as a function of copies of the adapter's matrices in the compute dtype.

    Args:
        model: Causal language model without PEFT's wrapper whose layers carry one adapter.
        dtype: To compute in.
        compiled: Fuse the elementwise parts with torch.compile; a few seconds once a process.

    Attributes:
        parameters: The adapter's matrices, in the order of `working`.
        working: Their copies in the compute dtype, the leaves of the backward pass.
    """

    def __init__(self, model: Any, dtype: torch.dtype, compiled: bool = False) -> None:
        self.shape, self.dtype, self._model = read_shape(model.config), dtype, model
        self.parameters: list[torch.Tensor] = []
        self._layers = [
            {name: self._read(projection(layer, name)) for name in (*ATTENTION, *MLP)}
            for layer in model.model.layers
        ]
        self.working = [parameter.detach().to(dtype).requires_grad_() for parameter in self.parameters]
        self._dropout = next(
            (float(getattr(p["module"].lora_dropout["default"], "p", 0.0)) for p in self._layers[0].values() if p["lora"]),
            0.0,
        )  # fmt: skip
        self._norms = [
            [getattr(layer, name).weight.detach().to(dtype) for name in ("input_layernorm", "post_attention_layernorm")]
            for layer in model.model.layers
        ]  # fmt: skip
        self._head_norms = [
            [norm.weight.detach().to(dtype) for norm in (layer.self_attn.q_norm, layer.self_attn.k_norm)]
            if hasattr(layer.self_attn, "q_norm")
            else [None, None]
            for layer in model.model.layers
        ]
        self._final_norm = model.model.norm.weight.detach().to(dtype)
        self._head = model.lm_head.weight.detach().to(dtype)
        self._embedding = model.model.embed_tokens.weight.detach()
        self._table: torch.Tensor | None = None
        self._turned = torch.compile(_turned, dynamic=True) if compiled else _turned
        self._gated = torch.compile(_gated, dynamic=True) if compiled else Gated.apply

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the adapter as it is now into `working`."""
        torch._foreach_copy_(self.working, self.parameters)

    def loss(
        self, ids: torch.Tensor, where: torch.Tensor, targets: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        """Return summed cross-entropy times `share`.

        Args:
            ids: Right-padded token ids, (rows, width).
            where: Place in the flattened `ids` before each label token, (slots,).
            targets: Label tokens; -100 for an unused slot, (slots,).
            share: 1 / label tokens of the effective batch, a scalar tensor.
        """
        width = ids.shape[1]
        if self._table is None or self._table.shape[1] < width:
            self._table = rotation_table(self.shape, max(width, 512), ids.device, self.dtype)
        turn = (self._table[0, :width, None], self._table[1, :width, None])
        x = embedding(ids, self._embedding).to(self.dtype)
        for number, layer in enumerate(self._layers):
            x = self._block(x, layer, self._norms[number], self._head_norms[number], turn)
        hidden = x.flatten(0, 1).index_select(0, where)
        hidden = rms_norm(hidden, hidden.shape[-1:], self._final_norm, self.shape.eps)
        total: torch.Tensor = ChunkedCrossEntropy.apply(hidden, self._head, targets, share)
        return total

    def _block(
        self, x: torch.Tensor, layer: dict[str, Any], norms: list[Any], head_norms: list[Any], turn: Any
    ) -> torch.Tensor:
        shape, eps = self.shape, self.shape.eps
        h = rms_norm(x, x.shape[-1:], norms[0], eps)
        q, k, v = (y.unflatten(-1, (-1, shape.head_dim)) for y in self._apply(h, layer, ATTENTION[:3]))
        q = self._turned(q, head_norms[0], eps, *turn).transpose(1, 2)
        k = self._turned(k, head_norms[1], eps, *turn).transpose(1, 2)
        read = _attend(q, k, v.transpose(1, 2), shape.group)
        (out,) = self._apply(read.transpose(1, 2).flatten(2), layer, ATTENTION[3:])
        x = x + out
        h = rms_norm(x, x.shape[-1:], norms[1], eps)
        gate, up = self._apply(h, layer, MLP[:2])
        (out,) = self._apply(self._gated(gate, up), layer, MLP[2:])
        return x + out

    def _apply(self, x: torch.Tensor, layer: dict[str, Any], names: tuple[str, ...]) -> list[torch.Tensor]:
        """Apply projections of one input: W·x + s·B·A·dropout(x)."""
        parts = [layer[name] for name in names]
        dropped = dropout(x, self._dropout) if self._dropout and any(part["lora"] for part in parts) else x
        outputs = []
        for part in parts:
            weight = part["weight"]
            y = Dequantised.apply(x, weight) if part["quantised"] else linear(x, weight, part["bias"])
            if part["quantised"] and part["bias"] is not None:
                y = y + part["bias"]
            if part["lora"]:
                a, b = self.working[part["lora"][0]], self.working[part["lora"][1]]
                thin = linear(dropped, a).flatten(0, -2)
                y = torch.addmm(y.flatten(0, -2), thin, b.mT, alpha=part["scaling"]).view(y.shape)
            outputs.append(y)
        return outputs

    def _read(self, module: Any) -> dict[str, Any]:
        base = base_layer(module)
        quantised = type(base.weight).__name__ == "Params4bit"
        part = {
            "module": module, "quantised": quantised, "lora": (), "scaling": 0.0,
            "weight": base.weight if quantised else base.weight.detach().to(self.dtype),
            "bias": None if base.bias is None else base.bias.detach().to(self.dtype),
        }  # fmt: skip
        if getattr(module, "lora_A", None):
            place = len(self.parameters)
            self.parameters += [module.lora_A["default"].weight, module.lora_B["default"].weight]
            part |= {"lora": (place, place + 1), "scaling": float(module.scaling["default"])}
        return part


def _turned(x: torch.Tensor, norm: Any, eps: float, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Normalise each head, where the model does, and turn it to its position."""
    if norm is not None:
        x = rms_norm(x, x.shape[-1:], norm, eps)
    return rotate(x, cosine, sine)


def _gated(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    return silu(gate) * up


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, group: int) -> torch.Tensor:
    """Let each token read itself and those before it; right padding needs no mask."""
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):  # the flash kernel shares keys by itself
        return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=group > 1)
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    return scaled_dot_product_attention(q, k, v, is_causal=True)


class Gated(torch.autograd.Function):
    """silu(gate) · up that keeps only its two inputs for the backward pass."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        """Return the product."""
        ctx.save_for_backward(gate, up)
        return silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of gate and up."""
        gate, up = ctx.saved_tensors
        (grad,) = grads
        return torch.ops.aten.silu_backward(grad * up, gate), grad * silu(gate)


class Dequantised(torch.autograd.Function):
    """x · Wᵀ with a frozen 4-bit W that is dequantised again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: Any) -> torch.Tensor:
        """Return the product, (..., out)."""
        ctx.weight = weight
        return linear(x, plain_weight(weight).to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient of x."""
        (grad,) = grads
        return grad @ plain_weight(ctx.weight).to(grad.dtype), None


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy over a large vocabulary that makes its gradient in the forward pass, chunk by chunk."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, share: torch.Tensor
    ) -> torch.Tensor:
        """Return the sum over targets that are not -100, times `share`."""
        total = torch.zeros((), device=hidden.device)
        grad = torch.empty_like(hidden)
        for start in range(0, len(hidden), LOSS_ROWS):
            rows = slice(start, start + LOSS_ROWS)
            used = (targets[rows] >= 0).float()[:, None]
            place = targets[rows].clamp(min=0)[:, None]
            log_share = torch.log_softmax(linear(hidden[rows], head), -1, dtype=torch.float32)
            own = log_share.gather(1, place)
            total -= (own * used).sum()
            likely = torch.exp(log_share).to(hidden.dtype)
            likely.scatter_(1, place, torch.expm1(own).to(hidden.dtype))  # p - 1, without cancellation
            grad[rows] = (likely @ head) * (used * share).to(hidden.dtype)
        ctx.save_for_backward(grad)
        return total * share

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """Return the gradient of the hidden states."""
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None
