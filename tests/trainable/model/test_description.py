"""What a base model is: sizes and layers read from the config equal those of the loaded model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.families import FAMILIES, MOE, SIZES, save_family
from trainable.config import ALL_PROJECTIONS, TrialConfig
from trainable.model.adapters import read_facts
from trainable.model.bases import BUNDLED_DIR
from trainable.model.description import (
    BaseModel,
    UnusableBase,
    base_problems,
    check_stored,
    describe,
    is_stored_in_4bit,
    read_base,
)
from trainable.model.parts import is_packed


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: save_family(name, root / name) for name in FAMILIES}


@pytest.fixture(scope="module")
def bases(folders: dict[str, Path]) -> dict[str, BaseModel]:
    return {name: read_base(folder) for name, folder in folders.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_description_counts_the_weights_of_the_loaded_model(
    bases: dict[str, BaseModel], folders: dict[str, Path], name: str
) -> None:
    from transformers import AutoModelForCausalLM

    base, model = bases[name], AutoModelForCausalLM.from_pretrained(folders[name])
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    head = model.get_output_embeddings()
    assert base.family == FAMILIES[name].model_type
    assert base.parameters == sum(parameter.numel() for parameter in model.parameters())
    counted = sum(layer.weights for layer in base.linears)
    bypassed = 64 * 128 if name == "granitemoehybrid" else 0
    assert counted + bypassed == sum(module.weight.numel() for module in linear if module is not head)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_large_linear_layer_gets_an_adapter_and_the_head_none(
    bases: dict[str, BaseModel], name: str
) -> None:
    base = bases[name]
    small = {linear.name for linear in base.linears if min(linear.inputs, linear.outputs) < 16}
    assert set(base.targets) == {linear.name for linear in base.linears} - small
    assert "lm_head" not in base.targets
    assert base.adapted_share() > (0.2 if name == "qwen3_moe" else 0.85)


def test_the_seven_projections_stay_the_definition_of_qwen_and_llama_kinds(
    bases: dict[str, BaseModel],
) -> None:
    assert {name for name, base in bases.items() if base.targets == ALL_PROJECTIONS} == {
        "qwen3", "qwen2.5", "llama3", "smollm2", "mistral", "smollm3", "gemma2", "gemma3", "granite", "olmo2", "unclosed",
    }  # fmt: skip


def test_fused_and_other_layers_are_found_by_what_the_model_has(bases: dict[str, BaseModel]) -> None:
    assert bases["phi3"].targets == ("down_proj", "gate_up_proj", "o_proj", "qkv_proj")
    assert {"in_proj", "out_proj", "w1", "w2", "w3"} <= set(bases["lfm2"].targets)
    assert {"in_proj_qkv", "in_proj_z"} <= set(bases["qwen3.5"].targets)


def test_a_layer_that_kernels_read_past_its_module_gets_no_adapter(bases: dict[str, BaseModel]) -> None:
    assert "in_proj" in bases["granitemoehybrid"].targets
    assert "out_proj" not in bases["granitemoehybrid"].targets


def test_the_share_of_adapted_weights_falls_with_fewer_targets(bases: dict[str, BaseModel]) -> None:
    base = bases["qwen3"]
    attention = 2 * 64 * (64 + 32 + 32 + 64)
    assert base.adapted_share(("q_proj", "k_proj", "v_proj", "o_proj")) == pytest.approx(
        attention / (base.parameters - base.embeddings)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_the_share_that_a_plan_tells_is_that_of_the_model_with_its_adapter(
    bases: dict[str, BaseModel], folders: dict[str, Path], name: str
) -> None:
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    from trainable.backends.fresh_adapter import lora_config

    config, model = TrialConfig("any", lora_rank=8), AutoModelForCausalLM.from_pretrained(folders[name])
    wrapped = get_peft_model(model, lora_config(config, bases[name].targets))
    assert read_facts(wrapped, "peft", torch.float32).adapted_share == pytest.approx(
        bases[name].adapted_share()
    )


def test_fused_experts_are_counted_and_left_alone(bases: dict[str, BaseModel]) -> None:
    per_layer = MOE["num_experts"] * MOE["moe_intermediate_size"] * SIZES["hidden_size"] * 3
    assert bases["qwen3_moe"].experts == SIZES["num_hidden_layers"] * per_layer
    assert bases["qwen3"].experts == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_our_own_passes_serve_the_kinds_that_are_built_alike(bases: dict[str, BaseModel], name: str) -> None:
    assert (bases[name].slow == "") == FAMILIES[name].fast
    if not FAMILIES[name].fast:
        assert bases[name].slow == f"model type {FAMILIES[name].model_type}"


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    shutil.copy(BUNDLED_DIR / "small-2m" / "config.json", tmp_path)
    with pytest.raises(UnusableBase, match="holds no weights"):
        read_base(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model_type": "t5"}, "no causal language model"),
        ({"model_type": "no-such-model"}, "no causal language model"),
        ({}, "no causal language model"),
        ({"model_type": "gemma3", "text_config": {"num_hidden_layers": 2}}, "reads more than text"),
    ],
)
def test_what_is_no_causal_language_model_of_text_is_refused(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UnusableBase, match=message):
        read_base(tmp_path)


def described(folder: Path, quantisation: dict[str, Any]) -> BaseModel:
    shutil.copytree(BUNDLED_DIR / "small-2m", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantisation}))
    return read_base(folder)


def test_a_base_that_is_quantised_in_another_way_is_refused(tmp_path: Path) -> None:
    base = described(tmp_path / "gptq", {"quant_method": "gptq", "bits": 4})
    assert base.quantised == "gptq"
    assert base_problems(base, "m", load_in_4bit=True) == [
        "m is stored quantised by gptq; choose the checkpoint with whole weights"
    ]


def test_a_base_that_is_stored_in_4_bit_cannot_be_had_in_16(tmp_path: Path) -> None:
    base = described(tmp_path / "bnb", {"quant_method": "bitsandbytes", "load_in_4bit": True})
    assert base_problems(base, "m", load_in_4bit=True) == []
    (problem,) = base_problems(base, "m", load_in_4bit=False)
    assert "fix it to true in --space" in problem


@pytest.mark.parametrize("load_in_4bit", [False, True])
def test_a_folder_is_checked_as_a_plan_checks_it(tmp_path: Path, load_in_4bit: bool) -> None:
    described(tmp_path / "awq", {"quant_method": "awq"})
    described(tmp_path / "stored", {"quant_method": "bitsandbytes", "load_in_4bit": True})
    described(tmp_path / "eight", {"quant_method": "bitsandbytes", "load_in_8bit": True})
    assert [path.name for path in sorted(tmp_path.iterdir()) if is_stored_in_4bit(path)] == ["stored"]
    check_stored(BUNDLED_DIR / "small-2m", load_in_4bit)
    for name in ("awq", "eight"):
        with pytest.raises(UnusableBase, match="choose the checkpoint with whole weights"):
            check_stored(tmp_path / name, load_in_4bit)
    if load_in_4bit:
        check_stored(tmp_path / "stored", load_in_4bit)
    else:
        with pytest.raises(UnusableBase, match="is stored in 4-bit already"):
            check_stored(tmp_path / "stored", load_in_4bit)


@pytest.mark.parametrize(
    "kind",
    [
        "mixtral",
        "qwen2_moe",
        "qwen3_5_moe_text",
        "olmoe",
        "gpt_oss",
        "granitemoe",
        "deepseek_v3",
        "jetmoe",
        "phimoe",
    ],
)
def test_the_experts_of_every_mixture_are_found_and_get_no_adapter(kind: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    layers = {"layer_types": ["linear_attention", "full_attention"]} if kind == "qwen3_5_moe_text" else {}
    config = AutoConfig.for_model(kind, num_hidden_layers=2, first_k_dense_replace=0, **layers)
    with torch.device("meta"):
        base = describe(AutoModelForCausalLM.from_config(config))
    assert base.experts > (base.parameters - base.embeddings) / 2
    assert 0 < base.adapted_share() < 0.5
    (problem,) = base_problems(base, "m", load_in_4bit=True)
    assert "fused weights" in problem


@pytest.mark.parametrize("name", ["qwen3_moe"])
def test_fused_experts_stay_as_they_are_in_nf4(folders: dict[str, Path], name: str) -> None:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(load_in_4bit=True)
    model = AutoModelForCausalLM.from_pretrained(folders[name], quantization_config=quantisation)
    packed = {parameter for parameter, weight in model.named_parameters() if is_packed(weight)}
    assert any("q_proj" in parameter for parameter in packed)
    assert not any("expert" in parameter for parameter in packed)


def test_fused_experts_are_refused_in_4_bit(bases: dict[str, BaseModel]) -> None:
    assert base_problems(bases["qwen3_moe"], "m", load_in_4bit=False) == []
    (problem,) = base_problems(bases["qwen3_moe"], "m", load_in_4bit=True)
    assert "fused weights" in problem
