"""The training loop: its labels, and that a stopped run goes on as if it had not stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainable.config import TrialConfig
from trainable.model.adapters import adapter_weights, save_adapter
from trainable.model.bases import locate_base
from trainable.tokens.corpus import tokenized

_CONFIG = TrialConfig(
    "small-2m", learning_rate=2e-3, oversampling=1.5, lora_dropout=0.1, effective_batch=8, micro_batch=4
)
Head = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def train_file(sample_head: Head) -> Path:
    return sample_head("train", 36)


def make_run(config: TrialConfig, data_file: Path, total_steps: int) -> Any:
    from trainable.backends.peft_backend import PeftBackend
    from trainable.training.loop import TrainingRun, schedule_batches

    base_dir = locate_base(config.model)
    backend = PeftBackend()
    backend.load_base(base_dir, config.load_in_4bit, window_tokens=512)
    backend.attach_adapter(config)
    corpus = tokenized(base_dir, data_file, 512, data_file.parent / "tokens")
    return TrainingRun(config, backend, corpus, schedule_batches(config, corpus), total_steps)


def batch_of(run: Any, rows: list[int]) -> Any:
    from trainable.training.loop import collate

    return collate([run._samples[row] for row in rows], run.backend.device)


def train(run: Any, to_step: int) -> list[float]:
    losses: list[float] = []
    run.train_to(to_step, lambda _, loss: losses.append(loss))
    return losses


def test_only_the_answer_and_its_end_of_turn_token_carry_loss(train_file: Path) -> None:
    run = make_run(_CONFIG, train_file, total_steps=1)
    rows = run.schedule.batch(0)
    batch = batch_of(run, rows)
    samples = tokenized(locate_base("small-2m"), train_file, 512, train_file.parent / "tokens").samples()
    end = run.backend.chat.end_of_turn_id
    for ids, labels, (prompt, answer) in zip(
        batch.input_ids.tolist(), batch.labels.tolist(), (samples[row] for row in rows), strict=True
    ):
        padding = len(ids) - len(prompt) - len(answer)
        assert ids == [*prompt, *answer] + [0] * padding
        assert labels == [-100] * len(prompt) + list(answer) + [-100] * padding
        assert answer[-1] == end


def test_the_loss_of_a_batch_does_not_depend_on_the_micro_batch(train_file: Path) -> None:
    import torch

    run = make_run(_CONFIG.with_changes(lora_dropout=0.0), train_file, total_steps=1)
    rows = run.schedule.batch(0)
    n_labels = sum(int((batch_of(run, [row]).labels != -100).sum()) for row in rows)
    with torch.no_grad():
        whole = run.backend.loss(batch_of(run, rows), n_labels)
        parts = sum(run.backend.loss(batch_of(run, [row]), n_labels) for row in rows)
    assert float(parts) == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.parametrize("norm", [None, 0.07])
def test_gradients_are_at_most_as_long_as_the_config_says(
    train_file: Path, monkeypatch: pytest.MonkeyPatch, norm: float | None
) -> None:
    import torch

    clip, lengths = torch.nn.utils.clip_grad_norm_, list[tuple[float, float]]()

    def watched(parameters: Any, most: float) -> torch.Tensor:
        before = clip(parameters, most)
        lengths.append((float(before), float(torch.nn.utils.get_total_norm([p.grad for p in parameters]))))
        return before

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", watched)
    train(make_run(_CONFIG.with_changes(max_grad_norm=norm), train_file, total_steps=3), 3)
    assert len(lengths) == 3
    for before, after in lengths:
        assert after == pytest.approx(min(before, norm or 1.0), rel=1e-3)
    assert any(before > (norm or 0) for before, _ in lengths)


def test_the_first_step_of_a_run_is_told_when_it_is_done(train_file: Path) -> None:
    run, told = make_run(_CONFIG, train_file, total_steps=3), list[int]()

    def note() -> None:
        told.append(run.step)
        run.after_first_step = None

    run.after_first_step = note
    run.train_to(2)
    run.train_to(3)
    assert told == [1]


@pytest.mark.slow
def test_a_run_saved_in_the_middle_of_an_epoch_goes_on_to_the_last_bit(
    train_file: Path, tmp_path: Path
) -> None:
    import torch

    whole = make_run(_CONFIG, train_file, total_steps=10)
    expected = train(whole, 10)
    assert whole.schedule.steps_per_epoch not in (5, 10)

    first = make_run(_CONFIG, train_file, total_steps=10)
    losses = train(first, 5)
    first.save(tmp_path / "state.pt", {"note": "paused"})
    second = make_run(_CONFIG, train_file, total_steps=10)
    assert second.restore(tmp_path / "state.pt") == {"note": "paused"}
    losses += train(second, 10)

    assert losses == expected
    weights, resumed = (adapter_weights(run.backend.model) for run in (whole, second))
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)
    assert second.tokens == whole.tokens


@pytest.mark.slow
def test_a_4bit_base_is_really_quantised_and_learns(sample_head: Head) -> None:
    config = _CONFIG.with_changes(load_in_4bit=True, lora_dropout=0.0, oversampling=1.0)
    run = make_run(config, sample_head("train", 8), total_steps=10)
    facts = run.backend.facts()
    assert facts.quantised_layers == facts.lora_modules == 21
    frozen = {
        name: parameter.detach().clone()
        for name, parameter in run.backend.model.named_parameters()
        if not parameter.requires_grad
    }
    losses = train(run, 10)  # the same eight documents in each step
    assert losses[-1] < 0.7 * losses[0]
    after = dict(run.backend.model.named_parameters())
    assert all(frozen[name].equal(after[name].detach()) for name in frozen)


@pytest.mark.slow
def test_an_earlier_adapter_is_continued_where_it_ended(sample_head: Head, tmp_path: Path) -> None:
    file = sample_head("train", 8)
    config = _CONFIG.with_changes(lora_dropout=0.0, oversampling=1.0)
    run = make_run(config, file, total_steps=10)
    losses = train(run, 10)
    save_adapter(run.backend.model, tmp_path / "adapter", config.model)
    again = make_run(config.with_changes(init_adapter=str(tmp_path / "adapter")), file, total_steps=10)
    first = train(again, 1)[0]
    assert first < 0.7 * losses[0]
    assert first == pytest.approx(losses[-1], rel=0.05)


def test_an_adapter_of_another_rank_is_refused(tmp_path: Path, train_file: Path) -> None:
    run = make_run(_CONFIG, train_file, total_steps=1)
    save_adapter(run.backend.model, tmp_path, "small-2m")
    other = _CONFIG.with_changes(init_adapter=str(tmp_path), lora_rank=8)
    with pytest.raises(ValueError, match=r"has \{'r': 12, 'lora_alpha': 24\}, but the config asks for"):
        make_run(other, train_file, total_steps=1)
    with pytest.raises(FileNotFoundError, match="must hold adapter_config.json"):
        make_run(other.with_changes(init_adapter=str(tmp_path / "none")), train_file, total_steps=1)


def test_memory_that_runs_out_while_the_optimizer_makes_its_state_changes_no_result(
    train_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    config = _CONFIG.with_changes(lora_dropout=0.0)
    expected, run = (make_run(config, train_file, total_steps=3) for _ in range(2))
    expected.train_to(2)
    zeros, left = torch.zeros_like, [5]

    def few_zeros(*arguments: Any, **options: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise torch.OutOfMemoryError("full")
        return zeros(*arguments, **options)

    monkeypatch.setattr(torch, "zeros_like", few_zeros)
    run.train_to(2)
    assert left[0] < 0
    assert run.micro_batch == expected.micro_batch // 2
    for ours, right in zip(run.parameters, expected.parameters, strict=True):
        torch.testing.assert_close(ours, right, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_micro_batch_then_recomputes_then_gives_up(
    train_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    from trainable.training.loop import OutOfMemoryAtOne

    run = make_run(_CONFIG, train_file, total_steps=2)
    real, tried = run._step, []

    def hungry(fits: tuple[int, bool]) -> Any:
        tried.append((run.micro_batch, run.checkpointing))
        if tried[-1] != fits:
            raise torch.OutOfMemoryError("full")
        return real()

    monkeypatch.setattr(run, "_step", lambda: hungry((1, True)))
    run.train_to(1)
    assert tried == [(4, False), (2, False), (1, False), (1, True)]
    assert run.backend.model.is_gradient_checkpointing
    assert "activations are recomputed" in capsys.readouterr().out
    run.backend.generate([[1, 2, 3]], 2)
    assert run.backend.generator.kept_bytes() > 0
    tried.clear()
    monkeypatch.setattr(run, "_step", lambda: hungry((0, True)))
    with pytest.raises(OutOfMemoryAtOne, match="no memory for one sequence"):
        run.train_to(2)
    assert tried == [(1, True), (1, True)]  # once more without what generation keeps
    assert run.backend.generator.kept_bytes() == 0
