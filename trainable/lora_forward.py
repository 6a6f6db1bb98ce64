"""The training pass of a LoRA fine-tune as one function of fixed shape: no host reads, so it can be captured.

Logits exist only where labels are, a few hundred rows at a time. One dropout mask serves the projections that
share an input.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import embedding, linear, rms_norm, scaled_dot_product_attention

from trainable.lean_autograd import ChunkedCrossEntropy, Dequantised, Gated, ThinInputs, gated
from trainable.qwen import ATTENTION, MLP, base_layer, projection, read_shape, rotate, rotation_table


class LoraForward:
    """Loss of a batch as a function of copies of the adapter's matrices in the compute dtype.

    Args:
        model: Causal language model without PEFT's wrapper whose layers carry one adapter.
        dtype: To compute in.
        longest: Width of the widest batch; the table of rotations must not be made inside of a capture.

    Attributes:
        parameters: The adapter's matrices, in the order of `working`.
        working: Their copies in the compute dtype, the leaves of the backward pass.
    """

    def __init__(self, model: Any, dtype: torch.dtype, longest: int) -> None:
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
        self._table = rotation_table(self.shape, longest, self._embedding.device, dtype)

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

        def normalised(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return rms_norm(x, x.shape[-1:], weight, eps)

        h = self._apply(layer, ATTENTION[:3], normalised, x, norms[0])
        q, k, v = (y.unflatten(-1, (-1, shape.head_dim)) for y in h)
        q = _turned(q, head_norms[0], eps, *turn).transpose(1, 2)
        k = _turned(k, head_norms[1], eps, *turn).transpose(1, 2)
        read = _attend(q, k, v.transpose(1, 2), shape.group).transpose(1, 2).flatten(2)
        (out,) = self._apply(layer, ATTENTION[3:], _itself, read)
        x = x + out
        gate, up = self._apply(layer, MLP[:2], normalised, x, norms[1])
        (out,) = self._apply(layer, MLP[2:], gated, gate, up)
        return x + out

    def _apply(
        self, layer: dict[str, Any], names: tuple[str, ...], make: Any, *sources: Any
    ) -> list[torch.Tensor]:
        """Apply projections of one input x = make(*sources): W·x + s·B·A·dropout(x)."""
        parts = [layer[name] for name in names]
        x = Gated.apply(*sources) if make is gated else make(*sources)
        trained = [part["lora"] for part in parts if part["lora"]]
        thin = iter(
            ThinInputs.apply(x, make, self._dropout, sources, *(self.working[a] for a, _ in trained))
            if trained
            else ()
        )
        outputs = []
        for part in parts:
            weight = part["weight"]
            y = Dequantised.apply(x, weight) if part["quantised"] else linear(x, weight, part["bias"])
            if part["quantised"] and part["bias"] is not None:
                y = y + part["bias"]
            if part["lora"]:
                b = self.working[part["lora"][1]]
                y = torch.addmm(y.flatten(0, -2), next(thin), b.mT, alpha=part["scaling"]).view(y.shape)
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


def _itself(x: torch.Tensor) -> torch.Tensor:
    return x


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, group: int) -> torch.Tensor:
    """Let each token read itself and those before it; right padding needs no mask."""
    if q.is_cuda and q.dtype in (torch.bfloat16, torch.float16):  # the flash kernel shares keys by itself
        return scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=group > 1)
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    return scaled_dot_product_attention(q, k, v, is_causal=True)
