"""How much GPU memory a config will take: an estimate from the model's shape, corrected by what trials measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from data.files.own_json import read_own
from trainable.config import TrialConfig
from trainable.model.bases import PLAIN_FAMILIES, locate_base
from trainable.model.description import Linear, default_targets, read_base

GIB = 2**30
LABEL_SHARE = 0.3
"""Share of a sequence's tokens that are answer; only they get logits."""
RUNTIME_GIB = 0.1
"""What the libraries keep allocated (workspaces), the CUDA context aside."""
START_MARGIN = 0.3
"""Relative error of the estimate before any trial has been measured."""
LEAST_MARGIN = 0.08
NF4_BYTES = 0.516
"""A weight in NF4: half a byte, and its share of the quantised scales."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions of a decoder that its memory depends on."""

    hidden: int
    layers: int
    vocabulary: int
    embeddings: int
    """Weights of embedding and output head, tied ones once."""
    others: int
    """Weights that NF4 leaves as they are besides those: fused experts, norms, convolutions."""
    linears: tuple[Linear, ...]
    """Every linear layer but the head."""

    @classmethod
    def read(cls, base_dir: Path) -> ModelShape:
        """Read them from a base model: of plain decoders from config.json alone, of others from the empty model.

        Raises:
            ValueError: If a dimension is missing, or it is no causal language model.
        """
        values = read_own(base_dir / "config.json", dict, "copy or download the model again")
        if values.get("model_type", PLAIN_FAMILIES[0]) not in PLAIN_FAMILIES:
            base = read_base(base_dir)
            linear = sum(layer.weights for layer in base.linears)
            others = base.parameters - base.embeddings - linear
            return cls(base.hidden, base.layers, base.vocabulary, base.embeddings, others, base.linears)
        try:
            return cls._plain(values)
        except KeyError as error:
            raise ValueError(
                f"{base_dir / 'config.json'} lacks {error}, so memory cannot be predicted"
            ) from error

    @classmethod
    def _plain(cls, values: dict[str, int]) -> ModelShape:
        heads, hidden, wide = (
            values["num_attention_heads"],
            values["hidden_size"],
            values["intermediate_size"],
        )
        layers, vocabulary = values["num_hidden_layers"], values["vocab_size"]
        head = values.get("head_dim") or hidden // heads
        query, key_value = heads * head, (values.get("num_key_value_heads") or heads) * head
        sizes = {
            "q_proj": (hidden, query), "k_proj": (hidden, key_value), "v_proj": (hidden, key_value), "o_proj": (query, hidden),
            "gate_proj": (hidden, wide), "up_proj": (hidden, wide), "down_proj": (wide, hidden),
        }  # fmt: skip
        embeddings = vocabulary * hidden * (1 if values.get("tie_word_embeddings", False) else 2)
        linears = tuple(Linear(name, *size, layers) for name, size in sizes.items())
        return cls(hidden, layers, vocabulary, embeddings, 0, linears)

    def adapted(self, targets: Sequence[str] | None) -> tuple[Linear, ...]:
        """Return the layers that get an adapter; None means all by default."""
        chosen = default_targets(self.linears) if targets is None else targets
        return tuple(linear for linear in self.linears if linear.name in chosen)

    def adapter_weights(self, rank: int, targets: Sequence[str] | None = None) -> int:
        """Return the weights of an adapter: rank x (inputs + outputs) of each layer."""
        return sum(rank * (layer.inputs + layer.outputs) * layer.count for layer in self.adapted(targets))


def estimate_gib(
    config: TrialConfig, base_dir: Path | None = None, micro_batch: int = 1, window_tokens: int = 512
) -> float:
    """Return the predicted peak of allocated memory while training, in GiB.

    weights + 16 bytes an adapter parameter (weight, gradient and AdamW's moments in float32; 10 with 8-bit
    moments) + what the backward pass keeps of each token + logits of the answer's tokens.

    Args:
        config: Hyperparameters.
        base_dir: Directory of the base model (None: found by the config's model).
        micro_batch: Sequences in one forward pass. A trial takes what fits, so 1 says whether it runs at all.
        window_tokens: Tokens of the longest sequence.
    """
    shape = _shape(base_dir or locate_base(config.model))
    linear = sum(layer.weights for layer in shape.linears)
    whole = 2 * (shape.embeddings + shape.others)
    # NF4: half a byte, 1/64 of a byte of quantised scales, and one layer at a time unpacked
    weights = linear * (NF4_BYTES if config.load_in_4bit else 2.0)
    unpacked = 2 * max(layer.inputs * layer.outputs for layer in shape.linears) if config.load_in_4bit else 0
    adapter = shape.adapter_weights(config.lora_rank, config.target_modules)
    tokens = micro_batch * window_tokens
    block = tokens * _block_bytes_per_token(shape, config)
    kept = (
        block + shape.layers * tokens * shape.hidden * 2
        if config.gradient_checkpointing
        else shape.layers * block
    )
    logits = tokens * LABEL_SHARE * shape.vocabulary * (2 + 4 + 4)
    optimizer = adapter * (10 if config.optimizer == "adamw_8bit" else 16)
    return RUNTIME_GIB + (weights + unpacked + whole + optimizer + kept + logits) / GIB


def _block_bytes_per_token(shape: ModelShape, config: TrialConfig) -> float:
    """Return what one block keeps of one token for the backward pass: 2 bytes a number, 4 in the norms."""
    norms = 2 * shape.hidden * 4 + 4 * shape.hidden
    outputs = {layer.name: layer.outputs for layer in shape.linears}
    if {"q_proj", "k_proj", "gate_proj"} <= outputs.keys():
        kept = 2 * (3 * outputs["q_proj"] + 4 * outputs["k_proj"] + 4 * outputs["gate_proj"])
    else:  # what each layer makes, and about as much between them
        kept = 4 * sum(layer.outputs * layer.count for layer in shape.linears) // shape.layers
    adapted = shape.adapted(config.target_modules)
    inputs = sum(layer.inputs * layer.count for layer in adapted) / shape.layers
    dropped = 3 * inputs if config.lora_dropout else 0  # the dropped input and its mask, for each module
    return norms + kept + dropped + 4 * config.lora_rank * len(adapted)


@lru_cache(maxsize=32)
def _shape(base_dir: Path) -> ModelShape:
    return ModelShape.read(base_dir)


class MemoryModel:
    """Estimates, corrected by the ratio of measured to predicted peaks of the trials so far.

    Args:
        budget_gib: What a trial may use; None refuses nothing.
        window_tokens: Tokens of the longest sequence.
    """

    def __init__(self, budget_gib: float | None, window_tokens: int = 512) -> None:
        self.budget_gib, self.window_tokens = budget_gib, window_tokens
        self._log_ratios: dict[tuple[str, bool], list[float]] = {}

    def observe(self, config: TrialConfig, micro_batch: int, measured_gib: float) -> None:
        """Learn from a trial's measured peak while training."""
        if measured_gib > 0:
            ratio = measured_gib / estimate_gib(config, None, micro_batch, self.window_tokens)
            self._log_ratios.setdefault((config.model, config.load_in_4bit), []).append(math.log(ratio))

    def predict(self, config: TrialConfig, micro_batch: int = 1) -> tuple[float, float]:
        """Return the corrected estimate in GiB and its relative margin of error."""
        estimate = estimate_gib(config, None, micro_batch, self.window_tokens)
        own = self._log_ratios.get((config.model, config.load_in_4bit), [])
        every = [ratio for ratios in self._log_ratios.values() for ratio in ratios]
        known = own or every
        if not known:
            return estimate, START_MARGIN
        spread = statistics.pstdev(known) if len(known) > 1 else START_MARGIN / 2
        margin = max(LEAST_MARGIN, 2 * spread) if own else max(START_MARGIN / 2, 2 * spread)
        return estimate * math.exp(statistics.median(known)), margin

    def needs_gib(self, config: Mapping[str, object]) -> float:
        """Return the corrected estimate for one sequence at a time, in GiB; other values of a Ray config are passed over."""
        names = TrialConfig.__dataclass_fields__
        return self.predict(TrialConfig.from_dict({name: config[name] for name in names if name in config}))[
            0
        ]

    def refusal(self, config: TrialConfig) -> str:
        """Say why a config cannot run; empty if it may.

        It is refused only if one sequence at a time is predicted above the budget by more than the margin.
        """
        if self.budget_gib is None:
            return ""
        predicted, margin = self.predict(config)
        if predicted * (1 - margin) <= self.budget_gib:
            return ""
        return (
            f"refused before launch: predicted {predicted:.1f} GiB (margin {margin:.0%}) with one sequence a pass, "
            f"but `--vram-gb` is {self.budget_gib:g}"
        )
