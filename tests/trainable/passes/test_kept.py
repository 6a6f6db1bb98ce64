"""Passes that serve one adapter after another: each gets the gradients that passes of its own would give it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from tests.adapters import backend_with
from tests.trainable.passes.reference import CONFIG, gradients, random_samples, worst_difference
from trainable.config import TrialConfig
from trainable.tokens.tagset import TagSet

pytestmark = pytest.mark.timeout(300)  # the first import on a busy machine
SAMPLES = random_samples(5)


def layout_for(backend: Any, passes: Any = (SAMPLES[:3], SAMPLES[3:])) -> Any:
    from trainable.passes.captured import layout_of

    return layout_of(backend, SAMPLES, passes, rows=max(map(len, passes)))


def with_another(backend: Any, config: TrialConfig) -> Any:
    """The next trial's adapter, whose weights are not those of the one before."""
    import torch

    backend.detach_adapter()
    backend.passes.let_go()
    backend.attach_adapter(config, TagSet(("NAME",)) if config.tagged else None)
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in backend.model.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.03)
    return backend


def loss_and_gradients(passes: Any, backend: Any) -> tuple[float, Any]:
    return float(passes.run([SAMPLES[:3], SAMPLES[3:]], 200)), gradients(backend)


def test_the_next_adapter_of_a_kind_gets_the_gradients_of_passes_of_its_own() -> None:
    from trainable.passes.captured import FastPasses

    backend = backend_with(CONFIG)
    first = backend.passes.take(backend, layout_for(backend))
    before, _ = loss_and_gradients(first, backend)
    with_another(backend, CONFIG.with_changes(learning_rate=1e-2, seed=5))
    second = backend.passes.take(backend, layout_for(backend))
    assert second is first
    loss, ours = loss_and_gradients(second, backend)
    expected_loss, expected = loss_and_gradients(FastPasses(backend, layout_for(backend)), backend)
    assert loss == expected_loss != before
    assert worst_difference(ours, expected) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"lora_rank": 16},
        {"use_rslora": True},
        {"lora_dropout": 0.2},
        {"target_modules": ("q_proj", "o_proj")},
        {"answers": "tags"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_adapter_of_another_kind_gets_passes_of_its_own(changes: dict[str, Any]) -> None:
    backend = backend_with(CONFIG)
    first = backend.passes.take(backend, layout_for(backend))
    with_another(backend, CONFIG.with_changes(**changes))
    assert backend.passes.take(backend, layout_for(backend)) is not first
    with_another(backend, CONFIG)
    assert backend.passes.take(backend, layout_for(backend)) is first
    assert len(backend.passes) == 2


def test_taggers_whose_heads_lie_elsewhere_are_of_one_kind() -> None:
    tagging = CONFIG.with_changes(answers="tags")
    backend = with_another(backend_with(CONFIG), tagging)
    first = backend.passes.take(backend, layout_for(backend))
    heads = [parameter for name, parameter in backend.model.named_parameters() if "lora" not in name]
    with_another(backend, tagging)  # while the head before, its frozen copy too, still takes its place
    assert heads
    assert backend.passes.take(backend, layout_for(backend)) is first


def test_a_run_with_larger_passes_gets_the_same_loss() -> None:
    backend = backend_with(CONFIG)
    first, _ = loss_and_gradients(backend.passes.take(backend, layout_for(backend)), backend)
    other = backend.passes.take(backend, layout_for(backend, [SAMPLES]))
    assert float(other.run([SAMPLES], 200)) == pytest.approx(first, rel=1e-6)


def test_another_bases_weights_make_another_kind() -> None:
    from trainable.passes.captured import forward_of

    backends = [backend_with(CONFIG) for _ in range(2)]
    kinds = {forward_of(backend, layout_for(backend)).kind for backend in backends}
    assert len(kinds) == 2


def test_a_detached_adapter_is_not_kept_alive() -> None:
    backend = backend_with(CONFIG)
    loss_and_gradients(backend.passes.take(backend, layout_for(backend)), backend)
    of_adapter = [weakref.ref(p) for p in backend.model.parameters() if p.requires_grad]
    backend.detach_adapter()
    backend.passes.let_go()
    gc.collect()
    assert of_adapter
    assert not any(parameter() is not None for parameter in of_adapter)
    assert len(backend.passes) == 1


def test_a_run_that_captures_nothing_needs_what_the_one_did_that_captured() -> None:
    backend = backend_with(CONFIG)
    assert backend.passes.training_peak(0.5) == 0.5
    backend.passes.take(backend, layout_for(backend))
    assert backend.passes.training_peak(3.0) == pytest.approx(3.0)
    with_another(backend, CONFIG)
    assert backend.passes.training_peak(0.5) == pytest.approx(0.5)  # before, or without, passes of its own
    backend.passes.take(backend, layout_for(backend))
    assert backend.passes.training_peak(1.0) == pytest.approx(3.0)
    with_another(backend, CONFIG.with_changes(lora_rank=16))
    backend.passes.take(backend, layout_for(backend))
    assert backend.passes.training_peak(2.0) == pytest.approx(2.0)


def test_inputs_of_shapes_that_come_later_count_as_kept() -> None:
    backend = backend_with(CONFIG)
    backend.passes.take(backend, layout_for(backend)).run([SAMPLES[:3]], 200)
    before = backend.passes.kept_bytes()
    backend.passes.take(backend, layout_for(backend, [SAMPLES])).run([SAMPLES], 200)
    ids = sum(len(prompt) + len(answer) for prompt, answer in SAMPLES)
    assert backend.passes.kept_bytes() - before >= 8 * ids


def test_the_kind_that_waited_longest_goes_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from trainable.passes import kept

    monkeypatch.setattr(kept, "MOST_KINDS", 2)
    backend = backend_with(CONFIG)
    first = backend.passes.take(backend, layout_for(backend))
    with_another(backend, CONFIG.with_changes(lora_rank=12))
    second = backend.passes.take(backend, layout_for(backend))
    with_another(backend, CONFIG)
    assert backend.passes.take(backend, layout_for(backend)) is first
    with_another(backend, CONFIG.with_changes(lora_rank=16))
    backend.passes.take(backend, layout_for(backend))
    with_another(backend, CONFIG)
    assert backend.passes.take(backend, layout_for(backend)) is first
    with_another(backend, CONFIG.with_changes(lora_rank=12))
    assert backend.passes.take(backend, layout_for(backend)) is not second


def test_unloading_the_base_forgets_the_passes() -> None:
    backend = backend_with(CONFIG)
    backend.passes.take(backend, layout_for(backend))
    backend.unload_base()
    assert len(backend.passes) == 0
