"""What folding an adapter into bfloat16 weights changes: answers and recall, against PEFT's own unmerged forward pass.

python tests/bench/bench_merged_answers.py --adapter results/study-001/retrain/adapter --documents data/test.jsonl

Runs on a GPU or, where torch computes bfloat16 there, on a CPU. Rounding alone changes answers too, so the unmerged
pass is repeated in float32: what bfloat16 costs without merging is the yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from data.corpus import SAMPLE_DIR
from tests.bench.bench_gpu_agreement import share

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


def answered(
    base: Path, adapter: Path, dtype: str, prompts: Answers, end: int, new_tokens: int
) -> dict[str, Answers]:
    """Answer with the adapter beside the weights, then folded into them."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from trainable.decoding.cached import FastDecoder
    from trainable.decoding.plain import greedy_decode

    device = "cuda" if torch.cuda.is_available() else "cpu"
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, dtype)).to(device)
    model = PeftModel.from_pretrained(plain, adapter).eval()
    with torch.inference_mode(), torch.autocast(device, plain.dtype, enabled=dtype != "float32"):
        unmerged = greedy_decode(model, prompts, new_tokens, end, ROWS)
    merged = FastDecoder(model.get_base_model(), plain.dtype, end).decode(prompts, new_tokens)
    return {f"{dtype} unmerged": unmerged, f"{dtype} merged": merged}


def main() -> None:
    """Answer four times and compare."""
    options = tyro.cli(MergedOptions)
    from data.entities import entity_types
    from data.files.jsonl import read_examples
    from data.prompt import parse
    from trainable.model.adapters import read_adapter_config
    from trainable.model.bases import locate_base
    from trainable.scoring.metrics import Prediction, evaluate_predictions
    from trainable.tokens.chat import read_chat_format

    base = locate_base(read_adapter_config(options.adapter)["base_model_name_or_path"])
    chat = read_chat_format(base)
    end, examples = chat.end_of_turn_id, read_examples(options.documents)
    prompts = chat.prompt_ids([example.text for example in examples])
    found: dict[str, Answers] = {}
    for dtype in ("float32", "bfloat16"):
        found |= answered(base, options.adapter, dtype, prompts, end, options.new_tokens)
    for name, answers in found.items():
        texts = chat.tokenizer.batch_decode(answers, skip_special_tokens=True)
        predictions = [
            Prediction(parse(text), truncated=ids[-1:] != [end])
            for ids, text in zip(answers, texts, strict=True)
        ]
        result = evaluate_predictions(examples, predictions, known_types=entity_types(examples))
        same = {other: round(share(answers, found[other]), 4) for other in found if other != name}
        print(f"{name}: recall {result.micro_recall:.4f} precision {result.micro_precision or 0:.4f} "
              f"F1 {result.micro_f1 or 0:.4f}; same answers as {same}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
