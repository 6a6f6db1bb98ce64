"""The settings of pretraining: the two models, and what to train them on and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Size:
    """One model: hidden and feed-forward width, decoder layers. All widths are multiples of 64 for NF4."""

    name: str
    hidden: int
    layers: int
    feed_forward: int


SIZES = (Size("small-2m", 192, 3, 512), Size("small-4m", 256, 4, 768))


@dataclass(frozen=True, slots=True)
class Options:
    """What to pretrain on and for how long."""

    carrier_zh: Path
    """Chinese sentences (UNER Chinese-GSDSIMP train, .iob2)."""
    carrier_en: Path
    """English sentences (WNUT17 train, .conll)."""
    out: Path = Path("trainable/bases")
    """Folder that gets one folder for each model."""
    steps_2m: int = 5000
    """Optimizer steps of small-2m; 0 leaves it out."""
    steps_4m: int = 4500
    """Optimizer steps of small-4m; 0 leaves it out."""
    start_from: Path | None = None
    """Folder of models with the same names and their tokenizer to go on from (none: random weights)."""
    samples: int = 800_000
    """Synthetic tasks to draw."""
    batch_tokens: int = 65_536
    """Tokens of one batch, padding included."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    eval_samples: int = 512
    """Held-out synthetic tasks, and documents of `zero_shot`, to generate for."""
    zero_shot: Path | None = None
    """JSONL of {"input", "output": {"entities"}} with personal data, to show that the base knows nothing of it."""
    limit_s: float = float("inf")
    """Seconds of training for each model; the schedule shrinks to fit, the card names the steps done."""
    workers: int = 16
    """Processes that draw and tokenise."""
    seed: int = 0
    """Seed of the data, the initial weights and the order of batches."""
    device: str = "cuda"
    """cuda or cpu."""
