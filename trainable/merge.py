"""Fold an adapter into its base: `python trainable/merge.py ADAPTER --to DIR`.

Runs in a process of its own and never imports unsloth, so that plain transformers reads the result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """Write a merged model that transformers loads without PEFT."""

    adapter: tyro.conf.Positional[Path]
    """Adapter directory."""
    to: Path
    """Where the merged model goes."""
    load_in_4bit: bool = False
    """The adapter was trained on an NF4 base: merge into that base's dequantised weights."""


def merge_adapter(options: MergeOptions) -> None:
    """Write weights, config and tokenizer of the merged model.

    An adapter corrects the base it was trained on. For a 4-bit base these are the dequantised
    NF4 weights; merging into the original ones would shift the predictions.
    """
    from peft import PeftModel

    from trainable.backends.peft_backend import PeftBackend
    from trainable.model.adapters import read_adapter_config
    from trainable.model.bases import locate_base
    from trainable.model.prediction_settings import PredictionSettings

    base_dir = locate_base(read_adapter_config(options.adapter)["base_model_name_or_path"])
    backend = PeftBackend()
    backend.load_base(base_dir, options.load_in_4bit, window_tokens=0)
    base = backend.model.dequantize() if options.load_in_4bit else backend.model
    merged = PeftModel.from_pretrained(base.to(backend.dtype), options.adapter).merge_and_unload()
    merged.save_pretrained(options.to, safe_serialization=True)
    backend.tokenizer.save_pretrained(options.to)
    settings = PredictionSettings.load(options.adapter)
    replace(settings, load_in_4bit=False).save(options.to)  # the merged weights are whole again


def main() -> None:
    """Merge and say where."""
    options = tyro.cli(MergeOptions)
    merge_adapter(options)
    print(json.dumps({"merged": str(options.to.resolve())}))


if __name__ == "__main__":
    main()
