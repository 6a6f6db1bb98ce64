"""Generation: documents a second on 512 validation documents, ours against HF generate at its best batch size.

python tests/bench/bench_gpu_generate.py --work /tmp/gpu --out /tmp/gpu

Random weights never end an answer, so every document gets all of its tokens on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tyro

from tests.bench.gpu_common import (
    SEED,
    BenchOptions,
    peak_gib,
    print_kernels,
    reset_peak,
    synchronise,
    wait_turn,
    write_row,
)


@dataclass(frozen=True, slots=True)
class GenerateOptions(BenchOptions):
    """Flags."""

    models: tuple[str, ...] = ("Qwen3-0.6B", "Qwen3-1.7B")
    """Models; HF is measured on the first one only."""
    documents: int = 512
    """Documents to answer."""
    new_tokens: int = 48
    """Tokens of each answer."""
    hf_batches: tuple[int, ...] = (512, 256)
    """Batch sizes of HF generate."""


def documents_of(options: GenerateOptions, chat: Any) -> list[list[int]]:
    """Return prompts of validation and test documents of the sample."""
    from data.corpus import SAMPLE_DIR
    from data.files.jsonl import read_examples

    examples = read_examples(SAMPLE_DIR / "validation.jsonl") + read_examples(SAMPLE_DIR / "test.jsonl")
    return chat.prompt_ids([example.text for example in examples][: options.documents])


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result."""
    synchronise()
    started = time.perf_counter()
    result = action()
    synchronise()
    return time.perf_counter() - started, result


def hf_generate(model: Any, prompts: list[list[int]], batch: int, new_tokens: int) -> list[list[int]]:
    """Answer with transformers' generate in left-padded batches of similar length."""
    import torch

    from trainable.decoding.plain import in_batches, left_padded

    def decode(rows: list[Any]) -> list[list[int]]:
        ids, mask = left_padded(rows, model.device)
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, do_sample=False, eos_token_id=2, pad_token_id=0
        )  # fmt: skip
        return out[:, ids.shape[1] :].tolist()

    with torch.inference_mode():
        return in_batches(prompts, batch, decode)


def measure(options: GenerateOptions, model: str, quantised: bool, with_hf: bool) -> None:
    """Measure one model with an adapter attached."""
    from trainable.backends.peft_backend import PeftBackend
    from trainable.config import TrialConfig

    backend = PeftBackend()
    path = options.work / "models" / model
    backend.load_base(path, quantised, 512)
    backend.attach_adapter(TrialConfig(str(path), quantised, 12, seed=SEED))
    prompts = documents_of(options, backend.chat)
    case = {"model": model, "bits": 4 if quantised else 16}
    ours = measure_ours(options, backend, prompts, case)
    if with_hf:
        measure_hf(options, backend.model.get_base_model().eval(), prompts, case, ours)
    else:  # the last case: should the profiler break the process, nothing is lost
        print_kernels(lambda: backend.generate(prompts, options.new_tokens))


def measure_ours(
    options: GenerateOptions, backend: Any, prompts: list[list[int]], case: dict[str, Any]
) -> list[list[int]]:
    """Measure the fast decoder and return its answers."""
    from trainable.decoding.cached import FastDecoder

    reset_peak()
    decoder = FastDecoder(backend.model.get_base_model(), backend.dtype, 2)
    decoder.end_id = -1  # nobody stops early, as on the other side
    first_s, _ = timed(lambda: decoder.decode(prompts, options.new_tokens))
    runs = [timed(lambda: decoder.decode(prompts, options.new_tokens)) for _ in range(3)]
    seconds, answers = sorted(runs, key=lambda run: run[0])[1]
    write_row(
        options, "generate", side="ours", **case, documents_per_s=len(prompts) / seconds, seconds=seconds,
        first_s=first_s, tokens=sum(map(len, answers)), peak_gib=peak_gib(),
    )  # fmt: skip
    return answers


def measure_hf(
    options: GenerateOptions,
    model: Any,
    prompts: list[list[int]],
    case: dict[str, Any],
    ours: list[list[int]],
) -> None:
    """Measure HF generate at each batch size, and how far random weights let both sides agree."""
    hf_generate(model, prompts[:8], 8, 4)
    for batch in options.hf_batches:
        reset_peak()
        seconds, theirs = timed(lambda b=batch: hf_generate(model, prompts, b, options.new_tokens))
        same = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
        first = sum(a[:1] == b[:1] for a, b in zip(ours, theirs, strict=True)) / len(ours)
        write_row(
            options, "generate", side="hf", **case, batch=batch, seconds=seconds, documents_per_s=len(prompts) / seconds,
            same_answers=same, same_first_token=first, peak_gib=peak_gib(),
        )  # fmt: skip


def main() -> None:
    """Measure all models."""
    import traceback

    options = tyro.cli(GenerateOptions)
    import trainable.backends.peft_backend  # noqa: F401  (imports before the turn)

    wait_turn(options)
    cases = [(options.models[0], False, True)] + [(model, True, False) for model in options.models[1:]]
    for model, quantised, with_hf in cases:
        try:
            measure(options, model, quantised, with_hf)
        except Exception:
            traceback.print_exc()


if __name__ == "__main__":
    main()
