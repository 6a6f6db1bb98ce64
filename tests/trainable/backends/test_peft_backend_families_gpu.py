"""Families with passes of our own on a real GPU, in float32, against transformers: pytest -m gpu on this file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.families import FAMILIES, save_family
from tests.family_fit import LIMIT, fit, librarys_pass, loaded
from trainable.passes.captured import FastPasses, layout_of

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]
FAST = [name for name, family in FAMILIES.items() if family.fast]


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute in float32; torch multiplies in all of its bits unless told otherwise."""
    monkeypatch.setattr("trainable.backends.peft_backend.compute_dtype", lambda device: torch.float32)


@pytest.mark.parametrize("name", FAST)
def test_captured_passes_have_the_losses_and_gradients_of_transformers(name: str, tmp_path: Path) -> None:
    _, backend, corpus = loaded(save_family(name, tmp_path / "base"), tmp_path)
    expected = librarys_pass(backend, corpus)
    samples = expected.samples
    passes = FastPasses(backend, layout_of(backend, samples, [samples], len(samples)))
    expected.check(passes.run([samples], expected.n_labels))


@pytest.mark.parametrize("name", FAST)
def test_a_small_fit_is_learnt_and_both_decoders_answer_alike(name: str, tmp_path: Path) -> None:
    fitted = fit(save_family(name, tmp_path / "base"), tmp_path)
    assert fitted.loss < 0.05
    assert fitted.backend.generate(fitted.prompts, LIMIT) == fitted.answers
    assert fitted.backend.generate_plain(fitted.prompts, LIMIT) == fitted.answers
