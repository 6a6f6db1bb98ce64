"""What a training backend must do; `trainable/backends/` holds the two that exist."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from trainable.config import TrialConfig
from trainable.tokens.chat import ChatFormat
from trainable.tokens.tagset import TagSet

if TYPE_CHECKING:
    import torch

LanguageModel: TypeAlias = Any
"""A causal language model of transformers, in PEFT's wrapper or not; what it has depends on its architecture."""


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """What the loaded model really is, read from its modules and not from the config."""

    backend: str
    device: str
    compute_dtype: str
    lora_rank: int
    lora_scaling: float
    lora_modules: int
    trainable_parameters: int
    adapted_share: float
    """Of the weights between embedding and head: those in layers with an adapter."""
    total_parameters: int
    quantised_layers: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Right-padded training sequences, shape (sequences, tokens).

    Labels are -100 outside the answer; where texts are tagged they are tags, -100 on padding alone.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor


class AnswerGenerator(Protocol):
    """How a backend answers documents; `trainable.decoding.generator` is the one that exists."""

    path: str
    """How the last documents were answered: fast, or slow and why."""

    def lent(self, give_back: Callable[[], bool]) -> AbstractContextManager[None]:
        """Inside, `give_back` may be asked to free memory before answers are made the slow way."""

    def log_probabilities(
        self, backend: Backend, answered: Sequence[tuple[Sequence[int], Sequence[int]]]
    ) -> list[list[float]] | None:
        """Return how probable each token of given answers is, in nats; None where this cannot be told.

        Args:
            backend: Carries the model.
            answered: Token ids of prompts and of the answers to them.
        """

    def asked(self, list_bias: float, tells: bool = False) -> AbstractContextManager[None]:
        """Inside, tokens that end the list of entities are so many nats less likely; with `tells`, probabilities are kept."""

    def forget(self) -> None:
        """Drop everything that was derived from the base."""

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next documents."""


class PassesKeeper(Protocol):
    """What a backend keeps of the gradient passes of adapters before; `trainable.passes.kept` is the one that exists."""

    def let_go(self) -> None:
        """Forget the adapters, not the passes."""

    def forget(self) -> None:
        """Drop everything that was derived from the base."""

    def kept_bytes(self) -> int:
        """Return the memory that is kept for the next adapters."""

    def training_peak(self, measured_gib: float) -> float:
        """Return what the run that took passes last needs at its peak, in GiB.

        Args:
            measured_gib: The peak of this run so far, which lacks what was captured before it.
        """

    def __len__(self) -> int:
        """Return the number of kinds that are kept."""


class Backend(Protocol):
    """One resident base model that carries one LoRA adapter at a time."""

    name: str
    device: torch.device
    dtype: torch.dtype
    """What is computed in."""
    model: LanguageModel
    """None before a base is loaded and after it is unloaded."""
    chat: ChatFormat
    """Tokenizer and chat template of the loaded base."""
    ran_shapes: set[Hashable]
    """Shapes of gradient passes that have run, so that their kernels are loaded; it lives as long as they do."""

    @property
    def generator(self) -> AnswerGenerator:
        """Keeps what answering needs from one validation to the next."""
        ...

    @property
    def passes(self) -> PassesKeeper:
        """Keeps gradient passes from one adapter to the next."""
        ...

    def load_base(self, base_dir: Path, load_in_4bit: bool, window_tokens: int) -> None:
        """Load base weights and tokenizer onto the device."""

    def attach_adapter(self, config: TrialConfig, tag_set: TagSet | None = None) -> None:
        """Put a fresh adapter, or `config.init_adapter`, on the base; with a head for tags if a set is given."""

    def detach_adapter(self) -> None:
        """Take the adapter off again, if there is one; the base stays loaded and unchanged."""

    def checkpoint_gradients(self) -> None:
        """Recompute activations in the backward pass from now on, until the adapter is detached."""

    def unload_base(self) -> None:
        """Let go of the base model and everything derived from it."""

    def loss(self, batch: Batch, n_label_tokens: int) -> torch.Tensor:
        """Return summed cross-entropy over the labels of `batch`, divided by `n_label_tokens`."""

    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode greedily; each row ends with the end-of-turn token unless it hit the limit."""

    def generate_plain(self, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> list[list[int]]:
        """Decode as `generate` does, with the library's own forward pass."""

    def facts(self) -> LiveFacts:
        """Read the loaded model's properties."""


def compute_dtype(device: torch.device) -> torch.dtype:
    """Return float32 on a CPU, bfloat16 on a GPU that has it natively, else float16."""
    import torch

    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
