"""How much GPU memory a config will take: an estimate from the model's shape, corrected by what trials measured."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from trainable.config import TrialConfig
from trainable.model.bases import locate_base

GIB = 2**30
LABEL_SHARE = 0.3
"""Share of a sequence's tokens that are answer; only they get logits."""
RUNTIME_GIB = 0.1
"""What the libraries keep allocated (workspaces), the CUDA context aside."""
START_MARGIN = 0.3
"""Relative error of the estimate before any trial has been measured."""
LEAST_MARGIN = 0.08


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions of a decoder that its memory depends on."""

    hidden: int
    layers: int
    intermediate: int
    query: int
    key_value: int
    vocabulary: int
    tied: bool

    @classmethod
    def read(cls, base_dir: Path) -> ModelShape:
        """Read them from config.json of a base model.

        Raises:
            ValueError: If a dimension is missing.
        """
        values = json.loads((base_dir / "config.json").read_text(encoding="utf-8"))
        try:
            heads, hidden = values["num_attention_heads"], values["hidden_size"]
            head = values.get("head_dim") or hidden // heads
            return cls(
                hidden=hidden,
                layers=values["num_hidden_layers"],
                intermediate=values["intermediate_size"],
                query=heads * head,
                key_value=values.get("num_key_value_heads", heads) * head,
                vocabulary=values["vocab_size"],
                tied=bool(values.get("tie_word_embeddings", False)),
            )
        except KeyError as error:
            raise ValueError(
                f"{base_dir / 'config.json'} lacks {error}, so memory cannot be predicted"
            ) from error

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of each linear layer of one block."""
        hidden, wide = self.hidden, self.intermediate
        return {
            "q_proj": (hidden, self.query), "k_proj": (hidden, self.key_value), "v_proj": (hidden, self.key_value),
            "o_proj": (self.query, hidden), "gate_proj": (hidden, wide), "up_proj": (hidden, wide),
            "down_proj": (wide, hidden),
        }  # fmt: skip


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
    per_block = sum(inputs * outputs for inputs, outputs in shape.linears.values())
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied else 2) * 2
    # NF4: half a byte, 1/64 of a byte of quantised scales, and one layer at a time unpacked
    weights = shape.layers * per_block * (0.516 if config.load_in_4bit else 2.0)
    unpacked = 2 * max(i * o for i, o in shape.linears.values()) if config.load_in_4bit else 0
    adapter = shape.layers * sum(
        config.lora_rank * sum(shape.linears[name]) for name in config.target_modules if name in shape.linears
    )
    tokens = micro_batch * window_tokens
    block = tokens * _block_bytes_per_token(shape, config)
    kept = (
        block + shape.layers * tokens * shape.hidden * 2
        if config.gradient_checkpointing
        else shape.layers * block
    )
    logits = tokens * LABEL_SHARE * shape.vocabulary * (2 + 4 + 4)
    optimizer = adapter * (10 if config.optimizer == "adamw_8bit" else 16)
    return RUNTIME_GIB + (weights + unpacked + embeddings + optimizer + kept + logits) / GIB


def _block_bytes_per_token(shape: ModelShape, config: TrialConfig) -> float:
    """Return what one block keeps of one token for the backward pass: 2 bytes a number, 4 in the norms."""
    norms = 2 * shape.hidden * 4 + 4 * shape.hidden
    attention = 2 * (3 * shape.query + 4 * shape.key_value)
    feed_forward = 2 * 4 * shape.intermediate
    inputs = sum(shape.linears[name][0] for name in config.target_modules if name in shape.linears)
    dropped = 3 * inputs if config.lora_dropout else 0  # the dropped input and its mask, for each module
    return norms + attention + feed_forward + dropped + 4 * config.lora_rank * len(config.target_modules)


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
