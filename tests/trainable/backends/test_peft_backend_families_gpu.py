"""Families with passes of our own on a real GPU, in float32, against transformers: pytest -m gpu on this file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.families import FAMILIES, save_family
from tests.family_fit import LIMIT, fit, loaded
from trainable.model.batch import collate
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
    torch.manual_seed(1)
    for key, parameter in backend.model.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.02)
    samples = corpus.samples()
    n_labels = sum(len(answer) for _, answer in samples)
    expected = backend.loss(collate(samples, backend.device), n_labels)
    expected.backward()
    parameters = [parameter for parameter in backend.model.parameters() if parameter.requires_grad]
    gradients = [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]
    assert len(gradients) == len(parameters) > 0
    passes = FastPasses(backend, layout_of(backend, samples, [samples], len(samples)))
    loss = passes.run([samples], n_labels)
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", FAST)
def test_a_small_fit_is_learnt_and_both_decoders_answer_alike(name: str, tmp_path: Path) -> None:
    fitted = fit(save_family(name, tmp_path / "base"), tmp_path)
    assert fitted.loss < 0.05
    assert fitted.backend.generate(fitted.prompts, LIMIT) == fitted.answers
    assert fitted.backend.generate_plain(fitted.prompts, LIMIT) == fitted.answers
