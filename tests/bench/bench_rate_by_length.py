"""How the best learning rate moves with the length of a fine-tune, and how alike our decoder and transformers answer.

PII_TUNER_MODELS=FOLDER python tests/bench/bench_rate_by_length.py --data-dir DIR --out rows.jsonl

One H200 needs about four minutes. The last row compares the answers of the last model, tuned longest, document by document.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from trainable.model.backend import Backend


@dataclass(frozen=True, slots=True)
class RateOptions:
    """Which lengths and rates."""

    data_dir: Path
    """Folder with merged_pii_dataset_{train,validation}.jsonl."""
    out: Path
    """JSON Lines, one row a run; appended to."""
    model: str = "SmolLM2-135M-Instruct"
    """Base model."""
    lengths: tuple[float, ...] = (0.5, 1.0, 3.0)
    """Lengths in epochs."""
    rates: tuple[float, ...] = (4e-4, 8e-4, 1.6e-3, 3.2e-3, 6.4e-3)
    """Peak learning rates, rising."""
    rank: int = 16
    """LoRA rank."""
    answers: str = "json"
    """json, or tags: these are not generated, so that there is nothing to compare with transformers."""
    documents: int = 300
    """Validation documents that are answered after each run."""
    agreement: int = 500
    """Documents whose answers are compared."""
    backend: str = "unsloth"
    """unsloth or peft."""
    seed: int = 42
    """Of every run."""


def main() -> None:
    """Train every rate at every length, then compare answers."""
    from data.files.jsonl import read_examples
    from trainable.backends.resident import ResidentBase
    from trainable.config import TrialConfig
    from trainable.predicting.evaluator import shuffled_documents
    from trainable.training.loop import TrainingRun, schedule_batches
    from trainable.training.parts import Parts, PartsSettings

    options = tyro.cli(RateOptions)
    train, validation = (
        options.data_dir / f"merged_pii_dataset_{part}.jsonl" for part in ("train", "validation")
    )
    settings = PartsSettings(options.backend, train, options.out.parent / "tokens-rates", 512, None, 0.85)
    resident = ResidentBase()
    resident.start(options.backend)
    documents = shuffled_documents(validation)
    found: dict[int, dict[float, float]] = {}
    for epochs in options.lengths:
        for rate in options.rates:
            started = time.monotonic()
            config = TrialConfig(
                options.model,
                False,
                options.rank,
                rate,
                1.0,
                options.answers,
                lora_dropout=0.1,
                seed=options.seed,
            )
            parts = Parts(config, settings, resident)
            schedule = schedule_batches(config, parts.corpus)
            steps = max(1, round(epochs * schedule.steps_per_epoch))
            run = TrainingRun(config, parts.backend, parts.corpus, schedule, steps)
            run.train_to(steps)
            evaluator = parts.evaluator(documents[: options.documents])
            predictions, loss = evaluator.predict_with_loss()
            evaluation = evaluator.score(predictions)
            begun = time.monotonic()
            evaluator.predict()
            a_second = len(predictions) / (time.monotonic() - begun)
            found.setdefault(steps, {})[rate] = loss
            row = {
                "steps": steps, "rate": rate, "validation_loss": loss, "micro_recall": evaluation.micro_recall,
                "micro_precision": evaluation.micro_precision, "slow": run.slow_reason, "seconds": time.monotonic() - started,
                "documents_a_second": a_second,
            }  # fmt: skip
            write(options, row)
    write(
        options,
        {
            "best_rates": {steps: optimum(losses) for steps, losses in found.items()},
            "exponent": exponent(found),
        },
    )
    if options.answers == "tags":
        return
    texts = [example.text for example in read_examples(validation) + read_examples(train)]
    compare_answers(options, parts.backend, texts[: options.agreement])


def compare_answers(options: RateOptions, backend: Backend, texts: list[str]) -> None:
    """Write how many texts our decoder and the library answer alike, and how close a call it was where they part.

    The library is compared with itself as well, in other batches: what rounding alone makes of equal weights.
    """
    import torch

    prompts = backend.chat.prompt_ids(texts)
    fast, plain = backend.generate(prompts, 128), backend.generate_plain(prompts, 128)
    again: list[list[int]] = [[]] * len(prompts)
    for part in (slice(0, None, 2), slice(1, None, 2)):
        again[part] = backend.generate_plain(prompts[part], 128)
    different = [place for place, (a, b) in enumerate(zip(fast, plain, strict=True)) if a != b]
    write(
        options,
        {
            "documents": len(prompts), "equal": 1 - len(different) / len(prompts), "path": backend.generator.path,
            "library_equals_itself": sum(a == b for a, b in zip(plain, again, strict=True)) / len(prompts),
            "dtype": str(backend.dtype), "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
            "nats_between_the_two": [
                round(parting(backend, prompts[place], fast[place], plain[place]), 3) for place in different
            ],
        },
    )  # fmt: skip


def parting(backend: Backend, prompt: list[int], ours: list[int], theirs: list[int]) -> float:
    """Return how much likelier, in nats, the library's token is than ours where two answers part."""
    import torch

    from trainable.model.batch import collate

    place = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    context = [*prompt, *theirs[:place]]
    backend.model.eval()
    with torch.no_grad():
        one, other = (
            float(backend.loss(collate([(context, [answer[place]])], backend.device), 1))
            for answer in (ours, theirs)
        )
    backend.model.train()
    return one - other


def write(options: RateOptions, row: dict[str, object]) -> None:
    """Append a row and show it."""
    print(json.dumps(row), flush=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def optimum(losses: dict[float, float]) -> float:
    """Return the rate at the lowest point of a parabola through the three points around the lowest loss, in log rate."""
    rates = sorted(rate for rate, loss in losses.items() if math.isfinite(loss))
    place = min(range(len(rates)), key=lambda index: losses[rates[index]])
    if place in (0, len(rates) - 1):
        return rates[place]
    x = [math.log(rates[place + shift]) for shift in (-1, 0, 1)]
    y = [losses[rates[place + shift]] for shift in (-1, 0, 1)]
    above, below = (y[0] - y[1]) / (x[0] - x[1]), (y[1] - y[2]) / (x[1] - x[2])
    curve = (above - below) / (x[0] - x[2])
    return math.exp((x[0] + x[1]) / 2 - above / (2 * curve))


def exponent(found: dict[int, dict[float, float]]) -> float:
    """Return the slope of the best rate over the length, both in logs, by least squares."""
    points = [(math.log(steps), math.log(optimum(losses))) for steps, losses in found.items()]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


if __name__ == "__main__":
    main()
