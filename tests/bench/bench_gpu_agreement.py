"""Do the fast paths compute what the slow ones do? Both backends, float32, on a small base model.

python tests/bench/bench_gpu_agreement.py --work /tmp/gpu --out /tmp/gpu --backend peft
python tests/bench/bench_gpu_agreement.py --work /tmp/gpu --out /tmp/gpu --backend unsloth --after agreement_peft

The first tunes a small model and answers documents with it; the second repeats losses and answers through Unsloth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from tests.bench.gpu_common import SEED, BenchOptions, wait_turn, write_row


@dataclass(frozen=True, slots=True)
class AgreementOptions(BenchOptions):
    """Flags."""

    backend: Literal["peft", "unsloth"] = "peft"
    """Whose losses and answers; peft goes first."""
    model: str = "small-2m"
    """Base model."""
    steps: int = 20
    """Steps whose losses are compared."""
    tuning_steps: int = 150
    """Steps of the adapter whose answers are compared."""
    documents: int = 300
    """Documents."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """What to compute in."""


def make_backend(options: AgreementOptions) -> Any:
    """Return the backend with the base loaded in the wanted dtype."""
    import torch

    from trainable.backends.create import create_backend
    from trainable.model.bases import locate_base

    backend = create_backend(options.backend)
    torch.set_float32_matmul_precision("highest")
    backend.dtype = getattr(torch, options.dtype)  # type: ignore[attr-defined]
    backend.load_base(locate_base(options.model), False, 512)
    return backend


def losses_of(options: AgreementOptions, backend: Any, steps: int, slow: bool) -> list[float]:
    """Train a fresh adapter and return the losses of its steps."""
    from data.corpus import SAMPLE_DIR
    from trainable.config import TrialConfig
    from trainable.model.bases import locate_base
    from trainable.tokens.corpus import tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    config = TrialConfig(options.model, False, 16, 3e-3, lora_dropout=0.0, seed=SEED)
    backend.detach_adapter()
    backend.attach_adapter(config)
    cache = options.work / f"tokens-agreement-{options.backend}"
    corpus = tokenized(locate_base(options.model), SAMPLE_DIR / "train.jsonl", 512, cache)
    run = TrainingRun(
        config, backend, corpus, schedule_batches(config, corpus), total_steps=options.tuning_steps
    )
    if slow:
        run.slow_reason = "asked for"
    losses: list[float] = []
    run.train_to(steps, on_step=lambda _, loss: losses.append(loss))
    print(
        f"{options.backend}: {run.slow_reason or 'captured passes'}, losses {losses[:3]} ... {losses[-1]}",
        flush=True,
    )
    return losses


def worst(one: list[float], other: list[float]) -> float:
    """Return the largest relative difference."""
    return max(abs(a - b) / abs(b) for a, b in zip(one, other, strict=True))


def main() -> None:
    """Measure one backend; the second one compares."""
    from data.corpus import SAMPLE_DIR
    from data.files.jsonl import read_examples
    from trainable.model.adapters import load_weights, save_adapter, set_adapter_weights

    options = tyro.cli(AgreementOptions)
    if options.backend == "unsloth":
        import trainable.backends.unsloth_backend  # noqa: F401  (imports before the turn)
    else:
        import trainable.backends.peft_backend  # noqa: F401
    wait_turn(options)
    backend = make_backend(options)
    slow = losses_of(options, backend, options.steps, slow=True)
    adapter: Path = options.work / f"agreement-{options.dtype}"
    if options.backend == "peft":
        fast = losses_of(options, backend, options.tuning_steps, slow=False)[: options.steps]
        save_adapter(backend.model, adapter, options.model)
    else:
        fast = losses_of(options, backend, options.steps, slow=False)
        set_adapter_weights(backend.model, load_weights(adapter))
    texts = [example.text for example in read_examples(SAMPLE_DIR / "validation.jsonl")][: options.documents]
    prompts = backend.chat.prompt_ids(texts)
    answers, plain = backend.generate(prompts, 96), backend.generate_plain(prompts, 96)
    row = {
        "backend": options.backend, "dtype": options.dtype, "fast_vs_slow_loss": worst(fast, slow),
        "fast_vs_slow_answers": share(answers, plain), "generation": backend.generator.path, "documents": len(prompts),
    }  # fmt: skip
    found = options.work / f"agreement-{options.dtype}.json"
    if options.backend == "peft":
        found.write_text(json.dumps({"losses": slow, "answers": plain}), encoding="utf-8")
    else:
        reference = json.loads(found.read_text(encoding="utf-8"))
        row |= {
            "loss_vs_peft": worst(slow, reference["losses"]), "fast_loss_vs_peft": worst(fast, reference["losses"]),
            "answers_vs_peft": share(plain, reference["answers"]), "fast_answers_vs_peft": share(answers, reference["answers"]),
        }  # fmt: skip
    write_row(options, "agreement", **row)


def share(one: list[list[int]], other: list[list[int]]) -> float:
    """Return the share of documents with equal answers."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


if __name__ == "__main__":
    main()
