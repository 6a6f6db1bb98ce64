"""Write a trained model for other programs: `python trainable/export.py STUDY_OR_ADAPTER --to gguf`.

Each export is compared with ours on the same documents; what answers otherwise is not called done. Both compute on the
CPU, ours in 32 bits, since the 16 bits of a GPU change some answers as well.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from data.terminal import parsed, run_command

if TYPE_CHECKING:
    from data.entities import Example
    from trainable.exporting.parity import Parity
    from trainable.predicting.predictor import ModelPlace


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Write a trained model for llama.cpp and Ollama, onnxruntime, or vLLM."""

    model: tyro.conf.Positional[str]
    """Study folder, best.json, adapter folder or merged model folder."""
    to: Literal["gguf", "onnx", "vllm"]
    """gguf: for llama.cpp and Ollama, a model that writes its answers; vllm: the same for `vllm serve`; onnx: for onnxruntime, a model that tags."""
    quantise: Literal["q8_0", "q4_k_m"] | None = None
    """Of gguf: write a smaller file beside the one in 16 bits; its recall may be half a point lower at most."""
    out: Path | None = None
    """Folder to write; it must not exist (none: export-TARGET in the study's folder, or NAME-TARGET beside an adapter or a model)."""
    data_dir: Path | None = None
    """Folder whose test file (without one: validation file) the comparison reads (none: the project's data folder)."""
    documents: int = 300
    """Documents of the comparison, from the start of the file."""


def export(options: ExportOptions) -> dict[str, object]:
    """Write and compare; return the summary.

    What is not called done stays in a folder of its own, for a look at it.

    Raises:
        OSError: If a file or the model is missing, or the output is there already.
        ValueError: If the model cannot be exported, or its export answers otherwise than it does.
    """
    from data.files.private import for_owner_alone
    from trainable.exporting.folder_texts import CARD, add_to_card
    from trainable.predicting.quiet_loading import quieten

    place, out, examples = _checked(options)
    quieten()
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with for_owner_alone(), tempfile.TemporaryDirectory() as temporary:
        unfinished.mkdir(parents=True)
        merged = _merged(place, Path(temporary) / "merged")
        parity, problems = _write(options, place, merged, unfinished, out.name, examples)
    if parity:
        print(parity.table())
    if problems:
        raise ValueError("\n".join([*problems, f"what was written is in {unfinished}"]))
    unfinished.rename(out)
    table = parity.table() if parity else f"Prompts of {len(examples)} documents: token by token the same.\n"
    beside = place.adapter or place.base
    in_card = add_to_card(beside.parent / CARD, options.to, table)
    return {"export": str(out), "to": options.to, "documents": len(examples), "in_model_card": in_card}


def _checked(options: ExportOptions) -> tuple[ModelPlace, Path, list[Example]]:
    """Return the model, the folder to write and the documents, or raise an error that lists all problems."""
    from data.corpus import find_corpus
    from data.files.jsonl import read_examples
    from trainable.model.description import is_stored_in_4bit
    from trainable.predicting.predictor import find_model

    problems = []
    if options.quantise and options.to != "gguf":
        problems.append(f"`--quantise` is for `--to gguf`, but `--to` is {options.to}; leave it out")
    if options.documents < 1:
        problems.append(f"`--documents` is {options.documents}, but must be at least 1")
    try:
        files = find_corpus(options.data_dir)
        examples = read_examples(files.test or files.validation)[: options.documents]
        place = find_model(options.model)
    except (OSError, ValueError) as error:
        raise OSError("\n".join([*problems, str(error)])) from error
    tags = bool(place.settings.tag_types)
    if tags != (options.to == "onnx"):
        problems.append(
            f"{place} tags, so it goes to onnx"
            if tags
            else f"{place} writes its answers, so it goes to gguf or vllm"
        )
    if place.adapter is None and is_stored_in_4bit(place.base):
        problems.append(f"{place} is stored in 4 bits; merge the adapter again, which writes whole weights")
    out = (options.out or _beside(options, place.adapter or place.base)).resolve()
    if out.exists():
        problems.append(f"`--out` {out} exists; remove it or choose another name")
    if not examples and options.documents > 0:
        problems.append("the data hold no document to compare")
    if problems:
        raise OSError("\n".join(problems))
    return place, out, examples


def _beside(options: ExportOptions, trained: Path) -> Path:
    """Return the folder of an export that is given none."""
    given = Path(options.model)
    study = given.parent if given.is_file() else given
    if not study.is_dir() or study.resolve() == trained.resolve():
        return trained.with_name(f"{trained.name}-{options.to}")
    return study / f"export-{options.to}"


def _merged(place: ModelPlace, to: Path) -> Path:
    from trainable.merge import MergeOptions, merge_adapter

    if place.adapter is None:
        return place.base
    print(f"merge      {place.adapter}", file=sys.stderr, flush=True)
    merge_adapter(MergeOptions(place.adapter, to))
    return to


def _write(
    options: ExportOptions, place: ModelPlace, merged: Path, to: Path, name: str, examples: list[Example]
) -> tuple[Parity | None, list[str]]:
    """Write everything into a folder; return the comparison, and what forbids to call it done."""
    from trainable.exporting.folder_texts import write_onnx_readme

    print(f"export     {options.to}, compared on {len(examples)} documents", file=sys.stderr, flush=True)
    if options.to == "onnx":
        from trainable.exporting.onnx_export import export_onnx

        parity, problems = export_onnx(place, merged, to, examples)
        write_onnx_readme(to, name, parity.table())
        return parity, problems
    if options.to == "vllm":
        from trainable.exporting.vllm_export import export_vllm

        export_vllm(place, merged, to, name, examples)
        return None, []
    from trainable.exporting.gguf_export import export_gguf

    return export_gguf(place, merged, to, name, options.quantise, examples)


def main() -> int:
    """Export and sum up; return the exit code."""
    options = parsed(tyro.cli(ExportOptions))
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        summary = export(options)
    except (OSError, ValueError) as error:
        print(f"not exported:\n{error}", file=sys.stderr)
        return 1
    print(json.dumps(summary, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    run_command(main)
