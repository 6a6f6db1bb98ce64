"""Captured passes and the graph decoder on a real GPU: python -m pytest -m gpu tests/trainable/passes/test_captured_gpu.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainable.config import TrialConfig
from trainable.model.bases import locate_base
from trainable.tokens.corpus import tokenized
from trainable.tokens.tagset import TagSet

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]

_CONFIG = TrialConfig("small-2m", lora_rank=16, learning_rate=3e-3, lora_dropout=0.0)


def backend_in(dtype: str, config: TrialConfig = _CONFIG) -> Any:
    """A plain backend on the GPU; unsloth would have to be alone in the process."""
    import torch

    from trainable.backends.peft_backend import PeftBackend

    backend = PeftBackend()
    assert backend.device.type == "cuda"
    backend.dtype = getattr(torch, dtype)
    backend.load_base(locate_base(config.model), config.load_in_4bit, 512)
    if not config.tagged:  # otherwise with the corpus, which has the tags
        backend.attach_adapter(config)
    return backend


def again(backend: Any, config: TrialConfig) -> Any:
    """The same backend with the next trial's adapter, as a worker makes it."""
    backend.detach_adapter()
    backend.passes.let_go()
    if not config.tagged:
        backend.attach_adapter(config)
    return backend


def train(backend: Any, config: TrialConfig, folder: Path, steps: int, slow: bool) -> tuple[Any, list[float]]:
    from data.corpus import SAMPLE_DIR
    from trainable.training.loop import TrainingRun, schedule_batches

    corpus = tokenized(
        locate_base(config.model), SAMPLE_DIR / "train.jsonl", 512, folder / "tokens", tagged=config.tagged
    )
    if config.tagged:
        backend.attach_adapter(config, TagSet(corpus.types))
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps=max(steps, 40))
    if slow:
        run.slow_reason = "asked for"
    losses: list[float] = []
    run.train_to(steps, lambda _, loss: losses.append(loss))
    return run, losses


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 3e-2)])
@pytest.mark.parametrize("quantised", [False, True], ids=["16-bit", "4-bit"])
@pytest.mark.parametrize("answers", ["json", "tags"])
def test_captured_passes_learn_as_the_library_does(
    dtype: str, tolerance: float, answers: str, quantised: bool, tmp_path: Path
) -> None:
    config = _CONFIG.with_changes(load_in_4bit=quantised, answers=answers)
    _, expected = train(backend_in(dtype, config), config, tmp_path, 20, slow=True)
    run, losses = train(backend_in(dtype, config), config, tmp_path, 20, slow=False)
    assert run.slow_reason == ""
    assert len(run._fast._graphs) > 1
    assert losses == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("quantised", [False, True], ids=["16-bit", "4-bit"])
@pytest.mark.parametrize("answers", ["json", "tags"])
def test_a_second_trial_of_a_kind_captures_nothing_and_learns_as_in_a_process_of_its_own(
    answers: str, quantised: bool, tmp_path: Path
) -> None:
    config = _CONFIG.with_changes(answers=answers, load_in_4bit=quantised, lora_dropout=0.1)
    other = config.with_changes(learning_rate=1e-2)
    _, expected = train(backend_in("bfloat16", other), other, tmp_path, 12, slow=False)
    backend = backend_in("bfloat16", config)
    first, _ = train(backend, config, tmp_path, 12, slow=False)
    passes, graphs = first._fast, dict(first._fast._graphs)
    larger = config.with_changes(lora_rank=64)
    assert train(again(backend, larger), larger, tmp_path, 2, slow=False)[0]._fast is not passes
    second, losses = train(again(backend, other), other, tmp_path, 12, slow=False)
    assert second._fast is passes
    assert second._fast._graphs == graphs
    assert losses == pytest.approx(expected, rel=2e-2)  # the flash kernel may sum in any order


def test_a_second_trial_of_a_kind_tells_the_peak_of_the_first(tmp_path: Path) -> None:
    from trainable.trial.trial import peak_memory_gib, reset_peak_memory

    backend, peaks = backend_in("bfloat16"), []
    for rank in (16, 64, 16):
        config = _CONFIG.with_changes(lora_rank=rank)
        reset_peak_memory()
        train(again(backend, config), config, tmp_path, 12, slow=False)
        peaks.append(backend.passes.training_peak(peak_memory_gib()))
    first, larger, second = peaks
    assert second == pytest.approx(first, rel=0.1)
    assert larger > first


def test_memory_of_kept_passes_is_accounted_for(tmp_path: Path) -> None:
    from trainable.model.gpu_memory import allocated_bytes, collect_garbage

    backend = backend_in("bfloat16")
    for rank in (16, 64, 16, 32):
        config = _CONFIG.with_changes(lora_rank=rank)
        train(again(backend, config), config, tmp_path, 12, slow=False)
    kinds = len(backend.passes)
    backend.detach_adapter()
    backend.passes.let_go()
    collect_garbage()
    with_passes, kept = allocated_bytes(), backend.passes.kept_bytes()
    backend.passes.forget()
    collect_garbage()
    assert kinds == 3
    assert abs(with_passes - allocated_bytes() - kept) < 8 << 20


def test_the_graph_decoder_answers_as_the_unmerged_model(tmp_path: Path) -> None:
    from data.corpus import SAMPLE_DIR
    from data.files.jsonl import read_examples

    backend = backend_in("float32")
    train(backend, _CONFIG, tmp_path, 40, slow=False)
    texts = [example.text for example in read_examples(SAMPLE_DIR / "validation.jsonl")]
    prompts = backend.chat.prompt_ids(texts)
    answers, plain = backend.generate(prompts, 96), backend.generate_plain(prompts, 96)
    assert backend.generator.path == "fast"
    assert sum(a == b for a, b in zip(answers, plain, strict=True)) >= 0.995 * len(prompts)


def test_dropout_masks_follow_the_seed_in_captured_passes(tmp_path: Path) -> None:
    config = _CONFIG.with_changes(lora_dropout=0.3)
    losses = [train(backend_in("bfloat16", config), config, tmp_path, 6, slow=False)[1] for _ in range(2)]
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)  # the flash kernel may sum in any order
    other = config.with_changes(seed=config.seed + 1)
    assert train(backend_in("bfloat16", other), other, tmp_path, 6, slow=False)[1] != pytest.approx(
        losses[0], rel=2e-3
    )


def test_a_capped_process_halves_its_micro_batch_and_stays_below_the_cap(tmp_path: Path) -> None:
    import torch

    from trainable.model.gpu_memory import CONTEXT_GIB, cap_memory

    cap_memory(CONTEXT_GIB + 0.4)
    try:
        torch.cuda.reset_peak_memory_stats()
        run, losses = train(backend_in("float32"), _CONFIG, tmp_path, 3, slow=False)
        assert run.micro_batch < _CONFIG.effective_batch
        assert torch.cuda.max_memory_allocated() <= 0.4 * 2**30
        assert len(losses) == 3
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
