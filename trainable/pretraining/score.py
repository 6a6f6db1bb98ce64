"""Measures a small base model: micro scores on held-out synthetic tasks and on documents of the real task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.entities import locate
from data.prompt import SYSTEM_PROMPT, parse
from trainable.pretraining.corpus import Sample
from trainable.pretraining.tokens import prompt_text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM


@dataclass(frozen=True, slots=True)
class Score:
    """Micro recall and precision over multisets of (type, text), and the share of valid completions."""

    micro_recall: float | None
    micro_precision: float | None
    json_valid_rate: float


def generate(
    model: Any, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str], batch_size: int = 256
) -> list[str]:
    """Return greedy completions of up to 256 tokens, in the order of the prompts."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    outputs = [""] * len(prompts)
    for at in range(0, len(order), batch_size):
        part = order[at : at + batch_size]
        inputs = tokenizer([prompts[index] for index in part], return_tensors="pt", padding=True).to(device)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"),
        ):
            ids = model.generate(
                **inputs, max_new_tokens=256, do_sample=False, eos_token_id=2, pad_token_id=0
            )
        texts = tokenizer.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for index, text in zip(part, texts, strict=True):
            outputs[index] = text
    return outputs


def score(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, samples: Sequence[Sample]) -> Score:
    """Generate an answer to each sample and compare it with the gold entities."""
    outputs = generate(model, tokenizer, [prompt_text(sample.system, sample.text) for sample in samples])
    parsed = [parse(output) for output in outputs]
    hits = gold = predicted = 0
    for sample, found in zip(samples, parsed, strict=True):
        wanted = Counter((entity.type, entity.text) for entity in sample.entities)
        hits += sum((wanted & Counter(found.items)).values())
        gold += wanted.total()
        predicted += len(found.items)
    valid = sum(found.valid for found in parsed) / len(parsed)
    return Score(hits / gold if gold else None, hits / predicted if predicted else None, valid)


def read_personal(path: Path, count: int) -> list[Sample]:
    """Read documents of the real task with its own system message; they are only used to measure the base.

    Raises:
        OSError: When the file cannot be read.
        ValueError: When a line is not JSON of the documented shape.
    """
    samples = []
    for number, line in enumerate(path.read_text("utf-8").splitlines()[:count], 1):
        try:
            row = json.loads(line)
            items = [(entity["type"], entity["text"]) for entity in row["output"]["entities"]]
            samples.append(Sample(SYSTEM_PROMPT, row["input"], locate(row["input"], items)[0]))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"`{path}` line {number} is not a labelled document, but must be: {error!r}"
            ) from error
    return samples
