"""The plain backend: transformers, PEFT and bitsandbytes on any device; also the honest baseline.

It must never share a process with backend_unsloth.py, which patches transformers for good.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from trainable.backends.fresh_adapter import attach_fresh
from trainable.config import TrialConfig
from trainable.decoding.generator import Generator
from trainable.decoding.plain import greedy_decode
from trainable.model import merged_layers
from trainable.model.adapters import (
    check_applied,
    check_sizes,
    read_facts,
    without_adapter,
)
from trainable.model.backend import Batch, LanguageModel, LiveFacts, compute_dtype
from trainable.model.description import check_stored, is_stored_in_4bit
from trainable.model.tag_head import add_head, head_of, remove_head, tag_loss
from trainable.model.weights import compute_4bit_in, keep_unpacked
from trainable.passes.kept import KeptPasses
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.tagset import TagSet

DECODE_ROWS = {"cuda": 256, "cpu": 64}
"""Documents decoded together: a GPU wants many, a CPU wants the cache to stay in its own caches."""


@contextmanager
def _logits_only(model: LanguageModel, where: torch.Tensor) -> Iterator[None]:
    """Inside, the output head sees only some tokens: hidden states become (chosen tokens, width).

    Args:
        model: Without PEFT's wrapper.
        where: Which tokens, (rows, width), bool.
    """
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _, inputs: (inputs[0][where], *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


class PeftBackend:
    """See `trainable.model.backend.Backend`."""

    name = "peft"

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = compute_dtype(self.device)
        self.model: LanguageModel = None
        self.chat: ChatFormat
        self.generator = Generator()
        self.ran_shapes: set[Hashable] = set()
        self.passes = KeptPasses()

    def load_base(self, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> None:
        """Load the base in `self.dtype`, or NF4 with double quantisation; one that is stored in 4-bit as it is."""
        from transformers import AutoModelForCausalLM, BitsAndBytesConfig

        check_stored(base_dir, load_in_4bit)
        quantisation = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=self.dtype,
        )
        wanted = (
            {"quantization_config": quantisation} if load_in_4bit and not is_stored_in_4bit(base_dir) else {}
        )
        self.model = AutoModelForCausalLM.from_pretrained(
            base_dir,
            dtype=self.dtype,
            device_map={"": self.device},
            local_files_only=True,
            attn_implementation="sdpa",
            **wanted,
        )
        compute_4bit_in(self.model, self.dtype)
        keep_unpacked(self.model)
        self.model.requires_grad_(False)
        self.chat = read_chat_format(base_dir)

    def attach_adapter(self, config: TrialConfig, tag_set: TagSet | None = None) -> None:
        """Put a fresh adapter (seeded by the config), or the weights of `config.init_adapter`, on the base."""
        self.model = attach_fresh(self.model, config, tag_set)
        if self.device.type == "cpu":
            merged_layers.install(self.model)
        if config.gradient_checkpointing:
            self.checkpoint_gradients()

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass from now on, until the adapter is detached."""
        self.model.enable_input_require_grads()
        self.model.gradient_checkpointing_enable({"use_reentrant": False})

    def load_adapter(self, directory: Path, tag_set: TagSet | None = None) -> None:
        """Put a trained adapter on the base, for prediction only.

        Raises:
            ValueError: If it does not fit the base.
        """
        from peft import PeftConfig, PeftModel

        if tag_set is not None:
            add_head(self.model, len(tag_set))
        check_sizes(self.model, directory)
        config = PeftConfig.from_pretrained(str(directory))
        config.lora_dropout = 0.0  # it never acts here, and a layer without it can be merged for speed
        self.model = PeftModel.from_pretrained(self.model, directory, config=config)
        check_applied(self.model, directory)
        if self.device.type == "cpu":
            merged_layers.install(self.model)

    def detach_adapter(self) -> None:
        """Take the adapter off, if there is one; the base stays."""
        if not hasattr(self.model, "peft_config"):
            return
        base = self.model.unload()
        if base.is_gradient_checkpointing:
            base.gradient_checkpointing_disable()
            base.disable_input_require_grads()
        remove_head(base)
        self.model = base

    def unload_base(self) -> None:
        """Let go of the base model."""
        self.model = None
        self.generator.forget()
        self.passes.forget()

    def loss(self, batch: Batch, n_label_tokens: int) -> torch.Tensor:
        """Return the batch's share of the mean cross-entropy; logits are made only where labels are.

        The model's own forward pass makes them, so that what it does to logits (scaling, soft caps) is trained on.
        Right padding needs no attention mask: no real token looks at a later one.
        """
        base = self.model.get_base_model()
        if head_of(base) is not None:
            with self._autocast():
                return tag_loss(base, batch) / n_label_tokens
        where = torch.zeros_like(batch.labels, dtype=torch.bool)
        where[:, :-1] = batch.labels[:, 1:] != -100
        with self._autocast(), _logits_only(base, where):
            logits = base(input_ids=batch.input_ids, use_cache=False).logits  # (label tokens, vocabulary)
        targets = batch.labels[:, 1:][where[:, :-1]]
        total = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")
        return total / n_label_tokens

    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode greedily with dropout off."""
        return self.generator.answers(self, prompts, max_new_tokens)

    def generate_plain(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode with the library's forward pass; training mode is restored."""
        self.model.eval()
        with torch.inference_mode(), self._autocast(), merged_layers.frozen(self.model):
            rows = DECODE_ROWS[self.device.type]
            base = without_adapter(self.model)
            bias = self.generator.bias(self.chat)
            outputs = greedy_decode(base, prompts, max_new_tokens, self.chat.end_of_turn_id, rows, bias)
        self.model.train()
        return outputs

    def facts(self) -> LiveFacts:
        """Read the loaded model's properties."""
        return read_facts(self.model, self.name, self.dtype)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.device.type == "cuda")
