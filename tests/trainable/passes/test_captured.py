"""The own training pass against the library's: the same losses and the same gradients."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters import backend_with
from trainable.config import TrialConfig
from trainable.model.bases import locate_base

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
_CONFIG = TrialConfig("small-2m", lora_rank=8, lora_dropout=0.0)


def random_samples(n: int, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    import random

    rng = random.Random(seed)
    return [
        ([rng.randrange(3, 4000) for _ in range(rng.randrange(20, 90))],
         [rng.randrange(3, 4000) for _ in range(rng.randrange(1, 30))])
        for _ in range(n)
    ]  # fmt: skip


def library_pass(backend: Any, samples: Any, n_labels: int) -> tuple[float, dict[str, Any]]:
    import torch

    from trainable.model.backend import Batch

    backend.model.zero_grad(set_to_none=True)
    width = max(len(p) + len(a) for p, a in samples)
    ids = torch.zeros(len(samples), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (prompt, answer) in enumerate(samples):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        labels[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    loss = backend.loss(Batch(ids, labels), n_labels)
    loss.backward()
    return float(loss.detach()), gradients(backend)


def worst_difference(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """Largest norm of a difference over that of the expected gradient."""
    assert found.keys() == expected.keys()
    return max(float((found[name] - wanted).norm() / wanted.norm()) for name, wanted in expected.items())


def gradients(backend: Any) -> dict[str, Any]:
    return {n: p.grad.clone() for n, p in backend.model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    "config",
    [
        _CONFIG,
        _CONFIG.with_changes(load_in_4bit=True),
        _CONFIG.with_changes(use_rslora=True, target_modules=("q_proj", "o_proj", "down_proj")),
    ],
    ids=["16-bit", "4-bit", "three projections"],
)
def test_loss_and_gradients_equal_the_librarys(config: TrialConfig) -> None:
    from trainable.passes.captured import FastPasses, layout_of
    from trainable.passes.padded import PaddedLayout

    backend, samples = backend_with(config), random_samples(5)
    n_labels = 200
    expected_loss, expected = library_pass(backend, samples, n_labels)
    backend.model.zero_grad(set_to_none=True)
    layout = layout_of(backend, samples, [samples[:3], samples[3:]], rows=3)
    assert isinstance(layout, PaddedLayout)
    passes = FastPasses(backend, layout)
    loss = float(passes.run([samples[:3], samples[3:]], n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < (5e-3 if config.load_in_4bit else 1e-4)


def test_dropout_leaves_the_mean_of_the_loss_and_follows_the_seed() -> None:
    import torch

    from trainable.passes.captured import FastPasses
    from trainable.passes.padded import PaddedLayout

    samples = random_samples(3)
    losses = []
    backend = backend_with(_CONFIG.with_changes(lora_dropout=0.3))
    passes = FastPasses(backend, PaddedLayout([samples], rows=3))
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(float(passes.run([samples], 100)))
    assert losses[0] == losses[1] != losses[2]
    without = FastPasses(backend_with(_CONFIG), PaddedLayout([samples], rows=3))
    assert losses[2] == pytest.approx(float(without.run([samples], 100)), rel=0.05)


def test_a_shape_has_room_for_every_pass_of_its_width() -> None:
    from trainable.passes.padded import PaddedLayout, PaddedShape

    passes = [[([1] * 30, [2] * 10), ([1] * 5, [2] * 5)], [([1] * 20, [2] * 300)], [([1] * 60, [2] * 4)]]
    layout = PaddedLayout(passes, 2)
    assert layout.shapes == [PaddedShape(2, 320, 512), PaddedShape(2, 64, 256)]
    assert layout.shape_of(passes[2]) == PaddedShape(2, 64, 256)


def dense_segments(q_ends: Any, k_ends: Any, longest_q: int, longest_k: int, take: Any) -> Any:
    """What the flash kernel does, segment by segment with a mask; checks what the kernel takes for granted."""
    import torch

    from trainable.passes.attention import causal

    def attend(q: Any, k: Any, v: Any) -> Any:
        keys, values = take(k), take(v)
        assert int(q_ends[-1]) == len(q)
        assert int(k_ends[-1]) == len(keys)
        group, read = q.shape[1] // k.shape[1], []
        for i in range(len(q_ends) - 1):
            own, seen = slice(q_ends[i], q_ends[i + 1]), slice(k_ends[i], k_ends[i + 1])
            part, n_q, n_k = q[own], int(q_ends[i + 1] - q_ends[i]), int(k_ends[i + 1] - k_ends[i])
            assert n_q <= longest_q
            assert n_k <= longest_k
            if n_q:  # queries before the segment's own make the mask the usual triangle
                part = torch.cat([torch.zeros(n_k - n_q, *q.shape[1:]), part])
                rows = (x.transpose(0, 1)[None] for x in (part, keys[seen], values[seen]))
                read.append(causal(*rows, group)[0].transpose(0, 1)[n_k - n_q :])
        return torch.cat(read)

    return attend


@pytest.mark.parametrize("opening", [[], [7, 8, 9, 10, 11]], ids=["no prefix", "a prefix"])
def test_rows_without_padding_change_neither_loss_nor_gradients(
    opening: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainable.passes.captured import FastPasses
    from trainable.passes.packed import PackedLayout

    monkeypatch.setattr("trainable.passes.packed.in_segments", dense_segments)
    samples = [(opening + prompt, answer) for prompt, answer in random_samples(5)]
    backend, n_labels = backend_with(_CONFIG), 200
    expected_loss, expected = library_pass(backend, samples, n_labels)
    backend.model.zero_grad(set_to_none=True)
    parts = (samples[:3], samples[3:])  # the second has a row less than the shape
    passes = FastPasses(backend, PackedLayout(parts, 3, opening))
    loss = float(passes.run(parts, n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < 1e-4


def test_an_empty_pass_has_no_segment_longer_than_the_longest() -> None:
    from trainable.passes.packed import PackedLayout

    samples = [([5, 6, *([1] * 300)], [2] * 40)] * 3
    layout = PackedLayout([samples, samples[:1]], 3, [5, 6])
    assert [(shape.tokens, shape.slots) for shape in layout.shapes] == [(1024, 128), (512, 64)]
    for shape in layout.shapes:
        ends = layout.pack([], shape).q_ends.tolist()
        assert ends[-1] == 2 + shape.tokens
        assert max(b - a for a, b in zip(ends, ends[1:], strict=False)) <= layout.longest


def test_the_chunked_cross_entropy_equals_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from trainable.passes.autograd import ChunkedCrossEntropy

    monkeypatch.setattr("trainable.passes.autograd.LOSS_ROWS", 4)
    torch.manual_seed(0)
    hidden, head = (
        torch.randn(11, 6, dtype=torch.float64, requires_grad=True),
        torch.randn(9, 6, dtype=torch.float64),
    )
    targets = torch.tensor([0, 1, -100, 3, 8, 5, 6, -100, 2, 2, 7])
    expected = torch.nn.functional.cross_entropy(hidden @ head.T, targets, reduction="sum") / 7
    (gradient,) = torch.autograd.grad(expected, hidden)
    loss = ChunkedCrossEntropy.apply(hidden, head, targets, torch.tensor(1 / 7, dtype=torch.float64))
    (found,) = torch.autograd.grad(loss, hidden)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(found, gradient, rtol=1e-4, atol=1e-6)


def losses_of_a_run(sample_head: Any, fast: bool) -> tuple[list[float], Any]:
    from trainable.tokens.corpus import tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    config = _CONFIG.with_changes(learning_rate=3e-3, effective_batch=6, micro_batch=3)
    backend = backend_with(config)
    file = sample_head("train", 16)  # three steps an epoch, the last one with four documents
    corpus = tokenized(locate_base(config.model), file, 512, file.parent / "tokens")
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps=8)
    if not fast:
        run.slow_reason = "asked for"
    losses: list[float] = []
    run.train_to(7, lambda _, loss: losses.append(loss))
    assert (run._fast is not None) == fast
    return losses, backend.model.state_dict()


def test_a_run_that_trains_another_weight_too_takes_the_librarys_passes_and_says_why(
    sample_head: Any,
) -> None:
    from trainable.tokens.corpus import tokenized
    from trainable.training.loop import TrainingRun, schedule_batches

    config = _CONFIG.with_changes(effective_batch=2)
    backend = backend_with(config)
    backend.model.get_base_model().model.norm.weight.requires_grad_()
    file = sample_head("train", 4)
    corpus = tokenized(locate_base(config.model), file, 512, file.parent / "tokens")
    run = TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps=2)
    assert run.train_to(1) > 0
    assert "no LoRA matrices" in run.slow_reason


@pytest.mark.slow
def test_a_run_with_its_own_passes_learns_as_one_without(sample_head: Any) -> None:
    import torch

    slow, weights = losses_of_a_run(sample_head, False)
    fast, found = losses_of_a_run(sample_head, True)
    assert fast == pytest.approx(slow, rel=1e-4)
    for name, weight in weights.items():
        if "lora_" in name:
            assert torch.allclose(found[name], weight, atol=2e-4), name


@pytest.mark.parametrize(
    "config",
    [
        _CONFIG,
        _CONFIG.with_changes(load_in_4bit=True, lora_rank=64),
        _CONFIG.with_changes(use_rslora=True, target_modules=("q_proj", "o_proj", "down_proj"), lora_rank=32),
    ],
    ids=["thin", "4-bit, merged", "three projections, merged"],
)
def test_a_prefix_computed_once_changes_neither_loss_nor_gradients(config: TrialConfig) -> None:
    from trainable.passes.shared_prefix import PrefixPasses, why_no_prefix

    opening = [7, 8, 9, 10, 11]
    samples = [(opening + prompt, answer) for prompt, answer in random_samples(5)]
    backend, n_labels = backend_with(config), 200
    assert why_no_prefix(backend, False, config.lora_dropout) == ""
    expected_loss, expected = library_pass(backend, samples, n_labels)
    passes = PrefixPasses(backend, samples)
    loss = float(passes.run([samples[:3], samples[3:]], n_labels))
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert worst_difference(gradients(backend), expected) < 1e-4


def test_threads_change_no_bit_of_a_step() -> None:
    import torch

    from trainable.passes.shared_prefix import PrefixPasses

    samples = [([7, 8, 9, *prompt], answer) for prompt, answer in random_samples(9)]
    backend, threads, found = backend_with(_CONFIG), torch.get_num_threads(), []
    passes = PrefixPasses(backend, samples)
    for wanted in (1, 3):
        torch.set_num_threads(wanted)
        try:
            loss = passes.run([samples[:3], samples[3:6], samples[6:]], 200)
        finally:
            torch.set_num_threads(threads)
        found.append((loss, gradients(backend)))
    assert passes._pool is not None
    assert found[0][0].equal(found[1][0])
    assert all(gradient.equal(found[1][1][name]) for name, gradient in found[0][1].items())


def test_a_prefix_is_what_all_prompts_share_and_leaves_each_a_token() -> None:
    from trainable.passes.shared_prefix import shared_prefix

    assert shared_prefix([([1, 2, 3, 4], [9]), ([1, 2, 5], [9]), ([1, 2, 3, 7], [9])]) == [1, 2]
    assert shared_prefix([([1, 2, 3], [9]), ([1, 2, 3], [8])]) == [1, 2]
    assert shared_prefix([([4, 2], [9]), ([1, 2], [8])]) == []
    assert shared_prefix([([4], [9]), ([4, 2], [8])]) == []
