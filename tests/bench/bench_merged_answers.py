"""What folding an adapter into bfloat16 weights changes: answers and recall, against PEFT's own unmerged forward pass.

python tests/bench/bench_merged_answers.py --adapter results/study-001/retrain/adapter --documents data/test.jsonl

Runs on a GPU or, where torch computes bfloat16 there, on a CPU. Rounding alone changes answers too, so the unmerged
pass is repeated in float32: what bfloat16 costs without merging is the yardstick.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from data.corpus import SAMPLE_DIR

Answers = list[list[int]]
ROWS = 64
"""Documents that the unmerged pass answers together."""


@dataclass(frozen=True, slots=True)
class MergedOptions:
    """Flags."""

    adapter: Path
    """Adapter folder; its base is found by the name in it."""
    documents: Path = SAMPLE_DIR / "test.jsonl"
    """Labelled documents."""
    new_tokens: int = 256
    """Longest answer."""


def answered(options: MergedOptions, dtype: str, prompts: Answers, end: int, merged: bool) -> Answers:
    """Answer with a fresh copy of base and adapter."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from trainable.base_models import locate_base
    from trainable.decode import greedy_decode
    from trainable.fast_decode import FastDecoder

    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = locate_base(base_of(options.adapter))
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype)).to(device)
    model = PeftModel.from_pretrained(plain, options.adapter).eval()
    if merged:
        return FastDecoder(model.get_base_model(), plain.dtype, end).decode(prompts, options.new_tokens)
    with torch.inference_mode(), torch.autocast(device, plain.dtype, enabled=dtype != "float32"):
        return greedy_decode(model, prompts, options.new_tokens, end, ROWS)


def base_of(adapter: Path) -> str:
    """Return the name of an adapter's base."""
    return str(
        json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    )


def main() -> None:
    """Answer four times and compare."""
    options = tyro.cli(MergedOptions)
    from data.jsonl import read_examples
    from data.prompt import parse
    from trainable.base_models import locate_base
    from trainable.evaluation import entity_types
    from trainable.metrics import Prediction, evaluate_predictions
    from trainable.tokens import end_of_turn_id, load_tokenizer, prompt_ids

    tokenizer: Any = load_tokenizer(locate_base(base_of(options.adapter)))
    end, examples = end_of_turn_id(tokenizer), read_examples(options.documents)
    prompts = prompt_ids(tokenizer, [example.text for example in examples])
    found: dict[str, Answers] = {}
    for dtype in ("float32", "bfloat16"):
        for merged in (False, True):
            name = f"{dtype} {'merged' if merged else 'unmerged'}"
            found[name] = answers = answered(options, dtype, prompts, end, merged)
            texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
            predictions = [
                Prediction(parse(text), truncated=ids[-1:] != [end])
                for ids, text in zip(answers, texts, strict=True)
            ]
            result = evaluate_predictions(examples, predictions, known_types=entity_types(examples))
            same = {
                other: round(
                    sum(a == b for a, b in zip(answers, found[other], strict=True)) / len(answers), 4
                )
                for other in found
                if other != name
            }
            print(f"{name}: recall {result.micro_recall:.4f} precision {result.micro_precision or 0:.4f} "
                  f"F1 {result.micro_f1 or 0:.4f}; same answers as {same}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
