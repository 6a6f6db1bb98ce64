"""Reads, writes and describes the adapter of a PEFT model, which both backends hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from data.files.own_json import checked, read_own
from trainable.config import TrialConfig
from trainable.model.backend import LanguageModel, LiveFacts
from trainable.model.kept_adapter import check_step
from trainable.model.parts import ADAPTER, CausalModel, LoraLinear, is_packed
from trainable.model.plain_lora import AdapterConfigJson, unknown_settings, untrainable_settings
from trainable.model.prediction_settings import PredictionSettings

if TYPE_CHECKING:
    import torch
    from peft import PeftModel

WEIGHTS_FILE = "adapter_model.safetensors"


def save_adapter(model: PeftModel, directory: Path, base_model: str) -> None:
    """Write the adapter as PEFT does: adapter_config.json and adapter_model.safetensors.

    Args:
        model: PEFT model.
        directory: Created if missing.
        base_model: Value of `base_model_name_or_path`.
    """
    model.peft_config[ADAPTER].base_model_name_or_path = base_model
    model.save_pretrained(str(directory), safe_serialization=True, save_embedding_layers=False)
    (directory / "README.md").unlink(missing_ok=True)  # PEFT's empty card template


def adapter_weights(model: PeftModel) -> dict[str, torch.Tensor]:
    """Return the adapter's tensors by name, on the CPU."""
    from peft import get_peft_model_state_dict

    # Without the flag PEFT asks the hub whether the vocabulary has grown.
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def set_adapter_weights(model: PeftModel, weights: dict[str, torch.Tensor]) -> None:
    """Copy tensors into the attached adapter.

    Raises:
        ValueError: If the tensors are not exactly those of the adapter.
    """
    from peft import set_peft_model_state_dict

    if set(weights) != set(adapter_weights(model)):
        raise ValueError(
            "the saved adapter has other layers than the attached one: their target modules or base models differ"
        )
    set_peft_model_state_dict(model, weights)


def load_weights(directory: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of an adapter directory.

    Raises:
        ValueError: If the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(directory / WEIGHTS_FILE)
    except SafetensorError as error:
        raise ValueError(
            f"{directory / WEIGHTS_FILE} is damaged ({error}); copy the adapter again"
        ) from error


def read_adapter_config(directory: Path) -> dict[str, Any]:
    """Return PEFT's adapter_config.json of an adapter directory.

    Raises:
        FileNotFoundError: If it is no adapter directory.
        ValueError: If the adapter cannot be applied as it was trained, or if it lies in a study and is not of the
            step that the study tells of.
    """
    file = directory / "adapter_config.json"
    if not file.is_file() or not (directory / WEIGHTS_FILE).is_file():
        raise FileNotFoundError(
            f"the adapter directory {directory} must hold adapter_config.json and {WEIGHTS_FILE}"
        )
    check_step(directory)
    mend = "copy the adapter again from where it was trained"
    content: dict[str, Any] = read_own(file, dict, mend)
    if problems := unknown_settings(content, directory, bool(PredictionSettings.load(directory).tag_types)):
        raise ValueError("\n".join(problems))
    checked(content, AdapterConfigJson, file, mend)
    return content


def read_init_adapter(directory: Path) -> dict[str, Any]:
    """Return the adapter_config.json of an adapter that training is to go on from.

    Raises:
        FileNotFoundError: If it is no adapter directory.
        ValueError: If it cannot be applied, or is not plain LoRA on linear layers.
    """
    content = read_adapter_config(directory)
    if problems := untrainable_settings(content, load_weights(directory), directory):
        raise ValueError("\n".join(problems))
    return content


def check_applied(model: PeftModel, directory: Path) -> None:
    """Compare the adapter of a model with the file that it was loaded from; PEFT skips what it has no place for.

    Raises:
        ValueError: If a tensor of the file is not in the model, or one of the adapter's is not in the file.
    """
    saved, live = load_weights(directory), adapter_weights(model)
    base = model.get_base_model().state_dict()
    wrong = set(live) - set(saved)
    for name, tensor in saved.items():
        found = live.get(name, base.get(name.removeprefix("base_model.model.")))
        if found is None or found.shape != tensor.shape or not found.cpu().equal(tensor.to(found.dtype)):
            wrong.add(name)
    if wrong:
        raise ValueError(
            f"{len(wrong)} tensors of {directory / WEIGHTS_FILE} have no place in the base model, or the other way round "
            f"({min(wrong)}): the adapter belongs to another base, or to one with added tokens"
        )


def check_sizes(model: CausalModel, directory: Path) -> None:
    """Compare the weights of the base that an adapter brings along with the base's own.

    Raises:
        ValueError: If a size differs: tokens were added to the base, for example.
    """
    base = cast("torch.nn.Module", model).state_dict()
    for name, tensor in load_weights(directory).items():
        own = base.get(name.removeprefix("base_model.model.").replace(".base_layer.", "."))
        if own is not None and own.shape != tensor.shape:
            raise ValueError(
                f"{directory / WEIGHTS_FILE} holds {name} of shape {tuple(tensor.shape)}, but the base model's is "
                f"{tuple(own.shape)}: the adapter was trained on a base with added tokens; give the merged model that "
                "was made of the two instead"
            )


def check_init_adapter(config: TrialConfig) -> Path:
    """Return the directory of `config.init_adapter` after checking that it fits the config.

    Raises:
        FileNotFoundError: If it is no adapter directory.
        ValueError: If it is not plain LoRA, or its rank or LoRA scaling differs from the config's.
    """
    directory = Path(config.init_adapter or "")
    saved = read_init_adapter(directory)
    expected = {"r": config.lora_rank, "lora_alpha": config.alpha, "use_rslora": config.use_rslora}
    wrong = {name: saved.get(name) for name, value in expected.items() if saved.get(name, value) != value}
    if wrong:
        raise ValueError(f"the adapter in {directory} has {wrong}, but the config asks for {expected}")
    return directory


def read_facts(model: PeftModel, backend: str, compute_dtype: torch.dtype) -> LiveFacts:
    """Read rank, sizes and quantisation from the modules of a PEFT model."""
    from peft.tuners.lora import LoraLayer

    layers = [cast("LoraLinear", module) for module in model.modules() if isinstance(module, LoraLayer)]
    ranks = {layer.lora_A[ADAPTER].weight.shape[0] for layer in layers}
    if len(ranks) != 1:
        raise RuntimeError(f"the LoRA layers have ranks {sorted(ranks)}, but must all have one")
    return LiveFacts(
        backend=backend,
        device=str(next(model.parameters()).device),
        compute_dtype=str(compute_dtype).removeprefix("torch."),
        lora_rank=ranks.pop(),
        lora_scaling=float(layers[0].scaling[ADAPTER]),
        lora_modules=len(layers),
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        adapted_share=_adapted_share(model, layers),
        total_parameters=sum(_size(p) for p in model.parameters()),
        # by parameter and not by module: PEFT's wrapper has the class name of the quantised layer
        quantised_layers=sum(is_packed(p) for p in model.parameters()),
    )


def _adapted_share(model: PeftModel, layers: Sequence[LoraLinear]) -> float:
    """Return the share of the base's weights, embedding and head left out, that lie in layers with an adapter."""
    base: LanguageModel = model.get_base_model()
    heads = [module for module in (base.get_input_embeddings(), base.get_output_embeddings()) if module]
    ends = {id(weight) for module in heads for weight in module.parameters()}
    frozen = [weight for weight in base.parameters() if not weight.requires_grad]
    inner = {id(weight): _size(weight) for weight in frozen if id(weight) not in ends}
    adapted = sum(inner.get(id(layer.base_layer.weight), 0) for layer in layers)
    return adapted / sum(inner.values())


def _size(parameter: torch.Tensor) -> int:
    """Return the number of weights; a packed 4-bit tensor holds two in a byte."""
    return parameter.numel() * (2 if is_packed(parameter) else 1)


def without_adapter(model: CausalModel | PeftModel) -> CausalModel:
    """Return the transformers model inside a PEFT wrapper, or the model itself where there is none."""
    base = cast("PeftModel", model).get_base_model() if hasattr(model, "peft_config") else model
    return cast("CausalModel", base)
