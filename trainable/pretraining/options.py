"""The options of pretraining: the two models, their data and the length of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Size:
    """Hidden width, decoder layers and feed-forward width of one model; widths are multiples of 64 for NF4."""

    name: str
    hidden: int
    layers: int
    feed_forward: int


SIZES = (Size("small-2m", 192, 3, 512), Size("small-4m", 256, 4, 768))


@dataclass(frozen=True, slots=True)
class Options:
    """Data and length of pretraining."""

    carrier_zh: Path
    """Chinese sentences (UNER Chinese-GSDSIMP train, .iob2)."""
    carrier_en: Path
    """English sentences (WNUT17 train, .conll)."""
    out: Path = Path("trainable/bases")
    """Output folder, with one folder for each model."""
    steps_2m: int = 5000
    """Optimizer steps of small-2m; 0 leaves it out."""
    steps_4m: int = 4500
    """Optimizer steps of small-4m; 0 leaves it out."""
    start_from: Path | None = None
    """Folder of models with the same names, and their tokenizer, to continue from; random weights if not given."""
    samples: int = 800_000
    """Synthetic tasks to draw."""
    batch_tokens: int = 65_536
    """Tokens of one batch, padding included."""
    learning_rate: float = 2e-3
    """Peak learning rate of AdamW."""
    eval_samples: int = 512
    """Held-out synthetic tasks, and documents of `zero_shot`, to generate for."""
    zero_shot: Path | None = None
    """JSONL of {"input", "output": {"entities"}} with personal data, to measure the base without fine-tuning."""
    limit_s: float = float("inf")
    """Most seconds of training per model; the schedule is shortened to fit, and the card names the steps done."""
    workers: int = 16
    """Processes that draw and tokenise."""
    seed: int = 0
    """Seed of the data, the initial weights and the order of batches."""
    device: str = "cuda"
    """cuda or cpu."""
