"""Choices of the tagger that are no knobs: what each would bring, on one config trained at full length with several seeds.

PII_TUNER_MODELS=FOLDER python tests/bench/bench_tag_choices.py --work WORK [--model MODEL] [--data-dir DIR]

Each choice is made by replacing one part of the product for the run. Rows are on the validation set; what has run is
not repeated.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tyro

HEAD_RATES = (0.3, 3.0, 10.0)
OUTSIDE_WEIGHTS = (0.2, 0.5)


@dataclass(frozen=True, slots=True)
class ChoiceOptions:
    """Which config, on which data."""

    work: Path
    """Where rows.jsonl and the token cache go."""
    model: str = "small-4m"
    """Base model."""
    data_dir: Path | None = None
    """Train and validation files (none: the sample corpus)."""
    rate: float = 3e-3
    """Peak learning rate of the adapter."""
    rank: int = 16
    """LoRA rank."""
    oversampling: float = 2.0
    """Of documents with entities."""
    epochs: float = 3.0
    """Length."""
    seeds: tuple[int, ...] = (42, 1, 2)
    """One run each."""
    only: tuple[str, ...] = ()
    """Names of choices (none: all)."""
    backend: str = "peft"
    """peft or unsloth."""
    max_grad_norm: float | None = None
    """Gradients are clipped at it (none: as the product does)."""


@contextmanager
def as_it_is() -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def head_rate(factor: float) -> Iterator[None]:
    """Let the head learn at a multiple of the adapter's rate."""
    from trainable.training.optimizer import make_optimizer

    class Multiplied(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, value * factor if key == "lr" else value)

    def in_two_groups(config: Any, parameters: list[Any]) -> Any:
        optimizer = make_optimizer(config, parameters)
        (whole,) = optimizer.param_groups
        adapter, head = {**whole, "params": parameters[:-2]}, {**whole, "params": parameters[-2:]}
        assert [parameter.ndim for parameter in parameters[-2:]] == [2, 1]  # the head's weight and bias
        optimizer.param_groups[:] = [adapter, Multiplied(head)]
        return optimizer

    with patch("trainable.training.loop.make_optimizer", in_two_groups):
        yield


@contextmanager
def outside_weight(weight: float) -> Iterator[None]:
    """Let a token outside of all entities count less in the loss."""
    import torch
    from torch.nn.functional import cross_entropy

    def weighted(logits: Any, targets: Any, **settings: Any) -> Any:
        weights = torch.ones(logits.shape[-1], device=logits.device)
        weights[:1].fill_(weight)  # no copy from the host, which a capture forbids
        return cross_entropy(logits, targets, weight=weights, **settings)

    with patch("trainable.passes.forward.cross_entropy", weighted):
        yield


@contextmanager
def opened_from(model: str, share: float) -> Iterator[None]:
    """Let tokens see what follows them only in the layers above a share of all; 1: in none."""
    from torch.nn.functional import scaled_dot_product_attention
    from transformers import AutoConfig

    from trainable.model.bases import locate_base
    from trainable.passes.attention import both_sides, within_rows

    layers = AutoConfig.from_pretrained(locate_base(model)).num_hidden_layers
    first_open, calls = round(share * layers), iter(range(10**12))

    def partly(real: Any, group: int) -> Callable[..., Any]:
        opened, closed, layer = both_sides(real, group), within_rows(group), iter(range(10**6))
        return lambda q, k, v: (opened if next(layer) % layers >= first_open else closed)(q, k, v)

    def partly_read(q: Any, k: Any, v: Any, attn_mask: Any) -> Any:
        if next(calls) % layers >= first_open:
            return scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        return scaled_dot_product_attention(q, k, v, is_causal=True)  # padding is to the right

    with (
        patch("trainable.passes.tagged.both_sides", partly),
        patch("trainable.decoding.tagger.scaled_dot_product_attention", partly_read),
    ):
        yield


@contextmanager
def behind(opening: Callable[[Any], list[int]]) -> Iterator[None]:
    """Put tokens before each window."""
    from trainable.tokens.tagging import TagWindows

    plain = TagWindows.__init__

    def opened(self: Any, chat: Any, window_tokens: int, *rest: Any, **named: Any) -> None:
        plain(self, chat, window_tokens, *rest, **named)
        self.opening = opening(chat)
        self.room_tokens = window_tokens - len(self.opening)

    with patch.object(TagWindows, "__init__", opened):
        yield


def whole_prompt(chat: Any) -> list[int]:
    """Return the prompt of the other way to answer, up to the text."""
    prompts = chat.prompt_ids(["a", "7", "请"])
    n = next(i for i, tokens in enumerate(zip(*prompts, strict=False)) if len(set(tokens)) > 1)
    return list(prompts[0][:n])


def in_no_turn(chat: Any) -> list[int]:
    """Return what stands before a text that is in no turn."""
    return list(replace(chat, user_turn="").opening())


def first_token(chat: Any) -> list[int]:
    """Return the first token of a prompt, what every sequence began with that the model learnt from."""
    return whole_prompt(chat)[:1]


def choices(model: str) -> dict[str, Callable[[], Any]]:
    """Return what replaces the product's part, by name."""
    return {
        "as it is": as_it_is,
        **{f"head's rate x {factor:g}": lambda factor=factor: head_rate(factor) for factor in HEAD_RATES},
        **{
            f"O counts {weight:g}": lambda weight=weight: outside_weight(weight) for weight in OUTSIDE_WEIGHTS
        },
        "upper half opened": lambda: opened_from(model, 0.5),
        "causal": lambda: opened_from(model, 1.0),
        "in no turn": lambda: behind(in_no_turn),
        "behind the first token": lambda: behind(first_token),
        "behind the whole prompt": lambda: behind(whole_prompt),
    }


def run(options: ChoiceOptions, name: str, seed: int) -> dict[str, Any]:
    """Train once and return the row; the choice is in force."""
    from data.corpus import find_corpus
    from trainable.config import TrialConfig
    from trainable.predicting.evaluator import shuffled_documents
    from trainable.training.loop import TrainingRun, schedule_batches
    from trainable.training.parts import Parts, PartsSettings

    started, corpus = time.monotonic(), find_corpus(options.data_dir)
    cache = options.work / f"tokens-{name if name.startswith(('behind', 'in')) else ''}"
    settings = PartsSettings(options.backend, corpus.train, cache, 512, None, 0.85)
    config = TrialConfig(
        options.model, False, options.rank, options.rate, options.oversampling, "tags", lora_dropout=0.0, seed=seed,
        max_grad_norm=options.max_grad_norm,
    )  # fmt: skip
    parts = Parts(config, settings)
    schedule = schedule_batches(config, parts.corpus)
    steps = round(options.epochs * schedule.steps_per_epoch)
    training = TrainingRun(config, parts.backend, parts.corpus, schedule, steps)
    training.train_to(steps)
    evaluator = parts.evaluator(shuffled_documents(corpus.validation))
    evaluation = evaluator.score(evaluator.predict())
    assert training.slow_reason == "", training.slow_reason
    return {
        "choice": name, "seed": seed, "recall": evaluation.micro_recall, "precision": evaluation.micro_precision,
        "f1": evaluation.micro_f1, "steps": steps, "seconds": round(time.monotonic() - started, 1), "model": options.model,
        "rate": options.rate, "rank": options.rank,
    }  # fmt: skip


def main() -> None:
    """Run what is missing and print the means."""
    options = tyro.cli(ChoiceOptions)
    options.work.mkdir(parents=True, exist_ok=True)
    file = options.work / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    had = {(row["choice"], row["seed"]) for row in rows}
    wanted = {name: way for name, way in choices(options.model).items() if name in (options.only or [name])}
    for seed in options.seeds:
        for name, way in wanted.items():
            if (name, seed) not in had:
                with way():
                    rows.append(run(options, name, seed))
                print(json.dumps(rows[-1]), flush=True)
                with file.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(rows[-1]) + "\n")
    for name in wanted:
        found = [row for row in rows if row["choice"] == name]
        means = {
            key: statistics.mean(row[key] or 0.0 for row in found) for key in ("recall", "precision", "f1")
        }
        print(f"{name:24} {len(found)} seeds  " + "  ".join(f"{k} {v:.3f}" for k, v in means.items()))


if __name__ == "__main__":
    main()
