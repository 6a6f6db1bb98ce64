# ruff: noqa: E402, I001
"""The Unsloth backend: its fused kernels on CUDA, its own plain path on a CPU.

It must never share a process with a plain model: importing unsloth patches transformers for good.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path

from data.files.private import own_folder, temporary_folder
from trainable.imports import trl_left_as_it_is

_CACHE = own_folder(temporary_folder()) / "unsloth"  # code is loaded from there
os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(_CACHE))  # its default lies in the working directory
os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
os.environ.setdefault("UNSLOTH_LOCK_TIMEOUT", "60")

with trl_left_as_it_is():
    import unsloth  # before transformers, peft and trl, which it patches
import torch

from trainable.backends.fresh_adapter import attach_fresh, continue_from
from trainable.model.adapters import (
    check_init_adapter,
    read_facts,
    without_adapter,
)
from trainable.model.backend import Batch, LanguageModel, LiveFacts, compute_dtype
from trainable.config import TrialConfig
from trainable.decoding.plain import in_batches, left_padded
from trainable.decoding.generator import Generator
from trainable.model.description import adapter_targets, check_stored
from trainable.model.tag_head import head_of, remove_head, tag_loss
from trainable.model.weights import compute_4bit_in, keep_unpacked
from trainable.passes.kept import KeptPasses
from trainable.tokens.chat import ChatFormat, read_chat_format
from trainable.tokens.tagset import TagSet

DECODE_ROWS = 256
DECODE_ROOM_TOKENS = 512
"""Room beyond the training window: Unsloth cuts a prompt that is longer than the model's limit."""


class UnslothBackend:
    """See `trainable.model.backend.Backend`."""

    name = "unsloth"

    def __init__(self) -> None:
        if torch.cuda.is_available() and unsloth.DEVICE_TYPE != "cuda":
            raise RuntimeError(f"unsloth runs on {unsloth.DEVICE_TYPE!r} although torch sees a CUDA device")
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.dtype = compute_dtype(self.device)
        self.model: LanguageModel = None
        self.chat: ChatFormat
        self.generator = Generator()
        self.ran_shapes: set[Hashable] = set()
        self.passes = KeptPasses()

    def load_base(self, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> None:
        """Load the base in `self.dtype`, or NF4 with double quantisation; one that is stored in 4-bit as it is."""
        check_stored(base_dir, load_in_4bit)
        self.model, _ = unsloth.FastLanguageModel.from_pretrained(
            str(base_dir),
            max_seq_length=window_tokens + DECODE_ROOM_TOKENS,
            dtype=self.dtype,
            load_in_4bit=load_in_4bit,
            use_gradient_checkpointing=False,
            local_files_only=True,
            use_exact_model_name=True,
        )
        compute_4bit_in(self.model, self.dtype)
        keep_unpacked(self.model)
        self.chat = read_chat_format(
            base_dir
        )  # with a tokenizer of ours: generate flips the padding side of Unsloth's

    def attach_adapter(self, config: TrialConfig, tag_set: TagSet | None = None) -> None:
        """Put a fresh adapter (seeded by the config), or the weights of `config.init_adapter`, on the base.

        Unsloth has nothing for tags: only our own passes train them, which read the weights of its modules.
        """
        if tag_set is not None:
            self.model = attach_fresh(self.model, config, tag_set)
            return
        self.model = unsloth.FastLanguageModel.get_peft_model(
            self.model,
            r=config.lora_rank,
            lora_alpha=config.alpha,
            lora_dropout=config.lora_dropout,
            target_modules=list(config.target_modules or adapter_targets(self.model)),
            bias="none",
            use_rslora=config.use_rslora,
            use_gradient_checkpointing="unsloth" if config.gradient_checkpointing else False,
            random_state=config.seed,
        )
        if config.init_adapter is not None:
            continue_from(self.model, check_init_adapter(config), None)

    def detach_adapter(self) -> None:
        """Take the adapter off, if there is one; the base stays."""
        if hasattr(self.model, "unload"):
            self.model = self.model.unload()
            remove_head(self.model)

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass from now on, until the adapter is detached."""
        unsloth.FastLanguageModel.for_training(self.model, use_gradient_checkpointing=True)

    def unload_base(self) -> None:
        """Let go of the base model."""
        self.model = None
        self.generator.forget()
        self.passes.forget()

    def loss(self, batch: Batch, n_label_tokens: int) -> torch.Tensor:
        """Return the batch's share of the mean cross-entropy (Unsloth's chunked one on CUDA).

        Raises:
            RuntimeError: If texts are tagged on CUDA, where Unsloth's forward pass looks to the left only.
        """
        base = without_adapter(self.model)
        if head_of(base) is not None:
            if self.device.type == "cuda":
                raise RuntimeError("Unsloth cannot train tags by its own forward pass; use --backend peft")
            return tag_loss(base, batch) / n_label_tokens
        with torch.autocast(self.device.type, self.dtype, enabled=self.device.type == "cuda"):
            return self.model(
                input_ids=batch.input_ids,
                labels=batch.labels,
                num_items_in_batch=n_label_tokens,
                use_cache=False,
            ).loss

    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode greedily with dropout off."""
        return self.generator.answers(self, prompts, max_new_tokens)

    def generate_plain(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode with Unsloth in large left-padded batches of similar length."""
        unsloth.FastLanguageModel.for_inference(self.model)
        outputs = in_batches(prompts, DECODE_ROWS, lambda batch: self._decode(batch, max_new_tokens))
        unsloth.FastLanguageModel.for_training(self.model)  # keeps the recorded checkpointing
        return outputs

    def facts(self) -> LiveFacts:
        """Read the loaded model's properties."""
        return read_facts(self.model, self.name, self.dtype)

    def _decode(self, prompts: list[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        end = self.chat.end_of_turn_id
        ids, mask = left_padded(prompts, self.device)
        bias = self.generator.bias(self.chat)
        lowered = {} if bias is None else {"sequence_bias": [[[token], -bias.nats] for token in bias.tokens]}
        with torch.inference_mode():
            sequences = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=max_new_tokens, do_sample=False,
                eos_token_id=end, pad_token_id=end, use_cache=True, **lowered,
            )  # fmt: skip
        answers = sequences[:, ids.shape[1] :].tolist()
        return [answer[: answer.index(end) + 1] if end in answer else answer for answer in answers]
