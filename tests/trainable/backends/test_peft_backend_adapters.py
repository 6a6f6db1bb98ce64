"""Adapters of PEFT that are more than plain LoRA answer as PEFT has them answer, or are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainable.config import TrialConfig
from trainable.merge import MergeOptions, merge_adapter
from trainable.model.adapters import check_init_adapter
from trainable.predicting.predictor import find_model, load_predictor

PROMPTS = [[5, 17, 99, 230, 41], [8, 300, 12, 77]]
N_TOKENS = 12
LINEAR = ["q_proj", "v_proj", "down_proj"]
KINDS: dict[str, dict[str, Any]] = {
    "DoRA": {"use_dora": True},
    "embeddings": {"target_modules": [*LINEAR, "embed_tokens", "lm_head"]},
    "output head": {"target_modules": [*LINEAR, "lm_head"]},
    "whole modules": {"modules_to_save": ["norm"]},
    "whole head": {"modules_to_save": ["lm_head"]},
    "single tokens": {"trainable_token_indices": [5, 17, 99]},
    "ranks by layer": {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"q_proj": 32}},
    "some layers": {"layers_to_transform": [0]},
}


def base_model() -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    from trainable.model.bases import locate_base

    return AutoModelForCausalLM.from_pretrained(locate_base("small-2m"), dtype=torch.float32)


def saved(folder: Path, model: Any = None, **settings: Any) -> Any:
    """Save an adapter with random weights that change what the base says; return PEFT's model."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    config = {"r": 4, "lora_alpha": 16, "target_modules": LINEAR, "task_type": "CAUSAL_LM", **settings}
    model = get_peft_model(model or base_model(), LoraConfig(**config))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter) * parameter.abs().mean().clamp(min=0.2))
    model.peft_config["default"].base_model_name_or_path = "small-2m"
    model.save_pretrained(str(folder))
    return model.eval()


def peft_answers(model: Any) -> list[list[int]]:
    """Greedy continuations by plain transformers and PEFT."""
    import torch

    answers = []
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        for _ in range(N_TOKENS):
            with torch.inference_mode():
                token = model(input_ids=ids).logits[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, token], dim=1)
        answers.append(ids[0, len(prompt) :].tolist())
    return answers


def our_answers(name: str) -> list[list[int]]:
    place = find_model(name)
    backend: Any = load_predictor(place, place.settings).backend
    return [ids[:N_TOKENS] for ids in backend.generate(PROMPTS, N_TOKENS)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_answers_are_those_of_peft(kind: str, tmp_path: Path) -> None:
    expected = peft_answers(saved(tmp_path, **KINDS[kind]))
    plain = peft_answers(base_model())
    end = find_end()
    cut = [answer[: answer.index(end) + 1] if end in answer else answer for answer in expected]
    assert our_answers(str(tmp_path)) == cut
    assert expected != plain


def find_end() -> int:
    from trainable.model.bases import locate_base
    from trainable.tokens.chat import read_chat_format

    return read_chat_format(locate_base("small-2m")).end_of_turn_id


def test_the_magnitudes_of_dora_count(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved(tmp_path, use_dora=True)
    before = our_answers(str(tmp_path))
    file = tmp_path / "adapter_model.safetensors"
    halved = {name: tensor / 2 if "magnitude" in name else tensor for name, tensor in load_file(file).items()}
    save_file(halved, file)
    assert our_answers(str(tmp_path)) != before


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "some layers"])
def test_training_goes_on_from_plain_lora_alone(kind: str, tmp_path: Path) -> None:
    saved(tmp_path, **KINDS[kind])
    config = TrialConfig("small-2m", lora_rank=4, lora_alpha=16, init_adapter=str(tmp_path))
    with pytest.raises(ValueError, match="training goes on from plain LoRA on linear layers alone") as error:
        check_init_adapter(config)
    named = set(KINDS[kind]) - {"target_modules"}
    assert all(f"`{name}`" in str(error.value) for name in named)
    assert named or "lm_head" in str(error.value)


def changed(folder: Path, **changes: Any) -> Path:
    """Save a plain adapter and change its adapter_config.json; None takes a setting away."""
    saved(folder)
    file = folder / "adapter_config.json"
    content = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "`peft_type` in .* is 'IA3', but must be 'LORA'"),
        ({"peft_type": "PREFIX_TUNING"}, "`peft_type` in .* is 'PREFIX_TUNING'"),
        ({"task_type": "SEQ_CLS"}, "`task_type` in .* is 'SEQ_CLS'"),
        (
            {"base_model_name_or_path": None},
            "`base_model_name_or_path` in .* is None, but must name the base",
        ),
        ({"base_model_name_or_path": ""}, "`base_model_name_or_path` in .* is ''"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` in .* is 'pissa'"),
        ({"alora_invocation_tokens": [1, 2]}, r"`alora_invocation_tokens` in .* is \[1, 2\]"),
        ({"layer_replication": [[0, 2], [1, 2]]}, "`layer_replication`"),
        ({"a_setting_to_come": True}, "`a_setting_to_come` in .* is True, which is not applied here"),
    ],
)
def test_what_is_not_applied_is_refused_by_name(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = changed(tmp_path, **changes)
    with pytest.raises(ValueError, match=message):
        find_model(str(folder))
    with pytest.raises(ValueError, match=message):
        check_init_adapter(TrialConfig("small-2m", lora_rank=4, lora_alpha=16, init_adapter=str(folder)))


def test_added_tokens_are_named_and_not_a_size_mismatch(tmp_path: Path) -> None:
    model = base_model()
    model.resize_token_embeddings(model.config.vocab_size + 8)
    saved(tmp_path / "added", model, modules_to_save=["embed_tokens", "lm_head"])
    place = find_model(str(tmp_path / "added"))
    with pytest.raises(ValueError, match="was trained on a base with added tokens; give the merged model"):
        load_predictor(place, place.settings)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    from safetensors.torch import load_file, save_file

    saved(folder)
    file = folder / "adapter_model.safetensors"
    save_file(change(load_file(file)), file)
    return str(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: {name.replace("layers.1.", "layers.7."): tensor for name, tensor in tensors.items()},
        lambda tensors: {name: tensor for name, tensor in tensors.items() if "layers.1." not in name},
    ],
    ids=["layers that the base lacks", "layers that the file lacks"],
)
def test_weights_without_a_place_are_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]], tmp_path: Path
) -> None:
    place = find_model(rewritten(tmp_path, change))
    with pytest.raises(ValueError, match="tensors of .* have no place in the base model"):
        load_predictor(place, place.settings)


@pytest.mark.parametrize("kind", ["DoRA", "whole modules", "ranks by layer", "single tokens"])
def test_a_merged_model_answers_as_the_adapter_does(kind: str, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", **KINDS[kind])
    merge_adapter(MergeOptions(tmp_path / "adapter", tmp_path / "merged"))
    assert our_answers(str(tmp_path / "merged")) == our_answers(str(tmp_path / "adapter"))


@pytest.mark.parametrize("kind", ["embeddings", "output head", "whole head"])
def test_what_cannot_be_merged_into_tied_embeddings_is_refused(kind: str, tmp_path: Path) -> None:
    saved(tmp_path / "adapter", **KINDS[kind])
    with pytest.raises(ValueError, match="ties its output head to its embeddings"):
        merge_adapter(MergeOptions(tmp_path / "adapter", tmp_path / "merged"))
    assert not (tmp_path / "merged").exists()
