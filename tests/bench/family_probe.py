"""Train and ask a checkpoint of each model family through one backend, and write what happened.

python -m tests.bench.family_probe --backend unsloth --models DIR --out families.json

`DIR` holds a folder a model. A model that breaks is noted with its error; the others go on. Each backend runs in a
process of its own: importing unsloth patches transformers for good.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

STEPS, NEW_TOKENS = 8, 6


@dataclass(frozen=True, slots=True)
class FamilyProbeOptions:
    """What to probe."""

    backend: Literal["peft", "unsloth"]
    """Backend to go through."""
    models: Path
    """Folder with a folder a model."""
    out: Path
    """JSON file that gets losses, answers and facts by model and bits."""
    bits: tuple[int, ...] = (16, 4)
    """Whole weights, NF4, or both."""


def probe(folder: Path, backend_name: str, load_in_4bit: bool) -> dict[str, Any]:
    """Load, take the loss, train a few steps, answer."""
    from tests.family_fit import loaded
    from trainable.model.batch import collate
    from trainable.training.loop import TrainingRun, schedule_batches

    with tempfile.TemporaryDirectory() as work:
        config, backend, corpus = loaded(folder, Path(work), load_in_4bit=load_in_4bit, name=backend_name)
        samples = corpus.samples()
        n_labels = sum(len(answer) for _, answer in samples)
        first = backend.loss(collate(samples, backend.device), n_labels).item()
        run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), STEPS)
        last = run.train_to(STEPS)
        facts = backend.facts()
        answers = backend.generate_plain([prompt for prompt, _ in samples[:3]], NEW_TOKENS)
    return {
        "first": first, "last": last, "lora_modules": facts.lora_modules, "adapted_share": facts.adapted_share,
        "quantised_layers": facts.quantised_layers, "answers": answers,
    }  # fmt: skip


def main() -> None:
    """Probe every model and write the file after each."""
    options = tyro.cli(FamilyProbeOptions)
    from trainable.backends.create import create_backend

    create_backend(options.backend)  # unsloth comes before transformers
    results: dict[str, Any] = {}
    for folder in sorted(options.models.iterdir()):
        for bits in options.bits:
            try:
                results[f"{folder.name} {bits}"] = probe(folder, options.backend, bits == 4)
            except Exception as error:
                results[f"{folder.name} {bits}"] = {"error": f"{type(error).__name__}: {error}"[:400]}
            options.out.write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
