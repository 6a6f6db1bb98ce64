"""Walk one backend through a trial's life and write what it did, so that two backends can be compared.

python tests/bench/backend_probe.py --backend unsloth --out probe.json

Each backend runs in a process of its own: importing unsloth patches transformers for good.
"""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import tyro


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """What to probe."""

    backend: Literal["peft", "unsloth"]
    """Backend to walk through."""
    out: Path
    """JSON file that gets losses, answers and facts."""
    model: str = "small-2m"
    """Base model."""
    load_in_4bit: bool = False
    """Quantise the base to NF4."""
    steps: int = 20
    """Optimizer steps whose losses are written."""
    effective_batch: int = 32
    """Sequences of a step."""
    train_documents: int | None = None
    """Learn from this many documents of the sample (none: all)."""
    documents: int = 32
    """Validation documents to answer."""
    adapter: Path | None = None
    """Answer with this tuned adapter instead of the one just trained."""
    save_to: Path | None = None
    """Keep the trained adapter here."""
    learning_rate: float = 3e-3
    """Peak learning rate of the steps."""


def probe(options: ProbeOptions) -> dict[str, Any]:
    """Load, attach, train, generate, save, detach, attach another rank; return what happened."""
    from data.corpus import SAMPLE_DIR
    from data.files.jsonl import read_examples, write_examples
    from trainable.backends.create import create_backend
    from trainable.config import TrialConfig
    from trainable.model.adapters import WEIGHTS_FILE, save_adapter
    from trainable.model.bases import locate_base
    from trainable.tokens.corpus import answer_limit, tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    started = time.perf_counter()
    base_dir = locate_base(options.model)
    config = TrialConfig(
        options.model, options.load_in_4bit, 16, options.learning_rate, lora_dropout=0.0, seed=7,
        effective_batch=options.effective_batch,
    )  # fmt: skip
    backend = create_backend(options.backend)
    backend.load_base(base_dir, options.load_in_4bit, window_tokens=512)
    backend.attach_adapter(config)
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        train_file = Path(scratch) / "train.jsonl"
        write_examples(train_file, read_examples(SAMPLE_DIR / "train.jsonl")[: options.train_documents])
        corpus = tokenized(base_dir, train_file, 512, Path(scratch) / "tokens")
        run = TrainingRun(
            config, backend, corpus, schedule_batches(config, corpus), total_steps=options.steps
        )
        run.train_to(options.steps, on_step=lambda _, loss: losses.append(loss))
        facts = asdict(backend.facts())
        saved = options.save_to or Path(scratch) / "adapter"
        save_adapter(backend.model, saved, options.model)
        saved_files = sorted(path.name for path in saved.iterdir())
        limit = answer_limit(corpus)
    if options.adapter is not None:
        backend.detach_adapter()
        backend.attach_adapter(config.with_changes(init_adapter=str(options.adapter)))
    texts = [example.text for example in read_examples(SAMPLE_DIR / "validation.jsonl")]
    answers = backend.generate(backend.chat.prompt_ids(texts[: options.documents]), limit)
    backend.detach_adapter()
    second = config.with_changes(lora_rank=8)
    backend.attach_adapter(second)
    return {
        "losses": losses,
        "answers": answers,
        "facts": facts,
        "rank_after_swap": backend.facts().lora_rank,
        "saved": saved_files,
        "has_weights": WEIGHTS_FILE in saved_files,
        "tokens_per_s": run.tokens / run.train_s,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    """Probe and write the file."""
    options = tyro.cli(ProbeOptions)
    result = probe(options)
    options.out.write_text(json.dumps(result), encoding="utf-8")
    print(json.dumps({key: value for key, value in result.items() if key != "answers"}))


if __name__ == "__main__":
    main()
