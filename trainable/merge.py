"""Fold an adapter into its base: `python trainable/merge.py ADAPTER --to DIR`.

Runs in a process of its own and never imports unsloth, so that plain transformers reads the result.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from data.terminal import parsed, run_command

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """Write a merged model that transformers loads without PEFT."""

    adapter: tyro.conf.Positional[Path]
    """Adapter directory."""
    to: Path
    """Where the merged model goes."""
    load_in_4bit: bool = False
    """The adapter was trained on an NF4 base: merge into that base's dequantised weights (prediction.json beside the adapter says so too)."""


def merge_adapter(options: MergeOptions) -> None:
    """Write weights, config and tokenizer of the merged model.

    An adapter corrects the base it was trained on. For a 4-bit base these are the dequantised
    NF4 weights; merging into the original ones would shift the predictions. What tags tokens becomes a model for
    token classification, see `trainable.model.token_classifier`.

    Raises:
        OSError: If the adapter or its base is missing.
        ValueError: If the adapter cannot be applied to the base, or cannot be merged into it.
    """
    from peft import PeftModel

    from trainable.backends.peft_backend import PeftBackend
    from trainable.model.adapters import check_applied, check_sizes, load_weights, read_adapter_config
    from trainable.model.bases import locate_base
    from trainable.model.description import is_stored_in_4bit
    from trainable.model.plain_lora import on_embeddings
    from trainable.model.prediction_settings import PredictionSettings
    from trainable.model.tag_head import add_head
    from trainable.model.token_classifier import save_tagger
    from trainable.tokens.tokenizer import open_every_text

    base_dir = locate_base(read_adapter_config(options.adapter)["base_model_name_or_path"])
    settings = PredictionSettings.load(options.adapter)
    in_4bit = options.load_in_4bit or settings.load_in_4bit or is_stored_in_4bit(base_dir)
    backend = PeftBackend()
    backend.load_base(base_dir, in_4bit, window_tokens=0)
    tied = on_embeddings(load_weights(options.adapter))
    if tied and backend.model.config.tie_word_embeddings:
        raise ValueError(
            f"the adapter {options.adapter} changes {', '.join(sorted(tied))}, but {base_dir.name} ties its output head to its "
            "embeddings, so that the merged model would change both; use the adapter as it is"
        )
    base = backend.model.dequantize() if in_4bit else backend.model
    tag_set = settings.tag_set
    if tag_set is not None:
        add_head(base, len(tag_set))
    check_sizes(base, options.adapter)
    model = PeftModel.from_pretrained(base.to(backend.dtype), options.adapter)
    check_applied(model, options.adapter)
    merged = model.merge_and_unload()
    # transformers cannot turn weights back into the stored 4-bit format, and should not
    original = not is_stored_in_4bit(base_dir)
    chat = backend.chat.asked_with(settings.prompt)
    if tag_set is not None:
        save_tagger(merged, tag_set, options.to, original)
    else:
        _end_at(merged, chat.end_of_turn_id)
        merged.save_pretrained(options.to, safe_serialization=True, save_original_format=original)
    chat.tokenizer.save_pretrained(options.to)
    if tag_set is not None:
        open_every_text(options.to, chat.opening())
    replace(settings, load_in_4bit=False).save(options.to)  # the merged weights are whole again


def _end_at(model: PreTrainedModel, token: int) -> None:
    """Let plain `generate` stop where our answers end, and where the base's own do."""
    own = model.generation_config.eos_token_id
    others = [own] if isinstance(own, int) else list(own or [])
    model.generation_config.eos_token_id = [token, *(other for other in others if other != token)]


def main() -> int:
    """Merge and say where; return the exit code."""
    options = parsed(tyro.cli(MergeOptions))
    try:
        merge_adapter(options)
    except (OSError, ValueError) as error:
        print(f"cannot merge:\n{error}", file=sys.stderr)
        return 2
    print(json.dumps({"merged": str(options.to.resolve())}))
    return 0


if __name__ == "__main__":
    run_command(main)
