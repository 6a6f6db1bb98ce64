"""A base whose checkpoint is quantised to 4-bit already is loaded as it is, learns, and can be merged."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.families import save_family, save_in_4bit
from tests.family_fit import EXAMPLES, LIMIT, fit, loaded
from trainable.merge import MergeOptions, merge_adapter
from trainable.model.batch import collate
from trainable.model.description import UnusableBase
from trainable.model.parts import is_packed
from trainable.model.prediction_settings import SETTINGS_FILE, PredictionSettings
from trainable.predicting.predictor import find_model, load_predictor

pytestmark = pytest.mark.slow
PARTLY = {"llm_int8_skip_modules": ["lm_head", "model.layers.1.mlp"]}
"""Checkpoints that leave out of 4-bit what would lose most."""


@pytest.mark.parametrize(
    "changes", [{}, PARTLY, {"bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": False}]
)
def test_the_stored_values_are_loaded_without_another_quantisation(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    from safetensors.torch import load_file

    from trainable.backends.peft_backend import PeftBackend

    stored = save_in_4bit(save_family("qwen3", tmp_path / "whole"), tmp_path / "stored", **changes)
    backend = PeftBackend()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # transformers warns of a second quantisation
        backend.load_base(stored, True, 512)
    on_disk = load_file(stored / "model.safetensors")
    packed = {name: weight for name, weight in backend.model.named_parameters() if is_packed(weight)}
    assert len(packed) == (11 if changes == PARTLY else 14)
    for name, weight in packed.items():
        assert torch.equal(weight.data, on_disk[name])
        assert (
            weight.quant_state.dtype == torch.float32
        )  # as everything is computed here, not as it was stored


def test_whole_weights_of_it_are_refused(tmp_path: Path) -> None:
    from trainable.backends.peft_backend import PeftBackend

    stored = save_in_4bit(save_family("qwen3", tmp_path / "whole"), tmp_path / "stored")
    with pytest.raises(UnusableBase, match="is stored in 4-bit already"):
        PeftBackend().load_base(stored, False, 512)


@pytest.mark.parametrize("name", ["qwen3", "llama3", "gemma3", "phi3"])
def test_a_small_fit_on_it_is_learnt_predicted_and_merged(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    stored = save_in_4bit(save_family(name, tmp_path / "whole"), tmp_path / "stored")
    fitted = fit(stored, tmp_path, load_in_4bit=True)
    assert fitted.backend.facts().quantised_layers > 0
    assert fitted.backend.generate(fitted.prompts, LIMIT) == fitted.answers
    (
        fitted.adapter / SETTINGS_FILE
    ).unlink()  # as one from elsewhere, which does not say how its base was loaded
    place = find_model(str(fitted.adapter))
    results = load_predictor(place, PredictionSettings()).predict([example.text for example in EXAMPLES])
    assert [prediction.parsed.valid for prediction, _ in results] == [True] * len(EXAMPLES)
    assert [[entity.text for entity in prediction.entities] for prediction, _ in results] == [
        [entity.text for entity in example.entities] for example in EXAMPLES
    ]
    merge_adapter(MergeOptions(fitted.adapter, tmp_path / "merged"))
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    assert not any(is_packed(weight) for weight in model.parameters())
    for prompt, answer in zip(fitted.prompts, fitted.answers, strict=True):
        ids = torch.tensor([prompt])
        whole = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=LIMIT,
            do_sample=False,
            pad_token_id=0,
        )
        assert whole[0, len(prompt) :].tolist() == answer


def test_own_passes_have_the_losses_of_transformers_where_only_some_layers_are_in_4bit(
    tmp_path: Path,
) -> None:
    from trainable.passes.shared_prefix import PrefixPasses, why_no_prefix

    stored = save_in_4bit(save_family("qwen3", tmp_path / "whole"), tmp_path / "stored", **PARTLY)
    _, backend, corpus = loaded(stored, tmp_path, load_in_4bit=True)
    samples = corpus.samples()
    n_labels = sum(len(answer) for _, answer in samples)
    assert why_no_prefix(backend, False, 0.0) == ""
    expected = float(backend.loss(collate(samples, backend.device), n_labels))
    assert float(PrefixPasses(backend, samples).run([samples], n_labels)) == pytest.approx(expected, abs=1e-5)
