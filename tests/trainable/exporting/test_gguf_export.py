"""GGUF files of models of several families answer in llama.cpp as with us."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from data.entities import Example
from tests.families import save_family
from tests.trainable.exporting.packages import needs
from trainable.exporting.gguf_export import GgufExport, answer_ourselves, export_gguf
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.predictor import ModelPlace, find_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def randomised_biases(folder: Path) -> None:
    """Give the biases of a model values; a fresh model's are zero."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(5)
    for name, tensor in weights.items():
        if name.endswith(".bias"):
            tensor.normal_(std=0.1)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("family", ["qwen3", "qwen2.5", "llama3"])
def test_each_family_gets_our_tokens_and_answers(
    family: str, tmp_path: Path, documents: list[Example]
) -> None:
    needs("gguf", "xllamacpp")
    folder = save_family(family, tmp_path / "model")
    randomised_biases(folder)
    settings = PredictionSettings(max_new_tokens=12)
    asked, ours = answer_ourselves(ModelPlace(folder, None, settings), documents[:100])
    export = GgufExport(folder, settings, tmp_path)
    export.find_pre_tokenizer(asked)
    theirs = export.ask(export.write("f16"), asked)
    # a random model also writes bytes that are no characters, which each program shows in its own way
    pairs = [pair for pair in zip(theirs.written, ours.written, strict=True) if "\ufffd" not in str(pair)]
    assert len({written for _, written in pairs}) > 10
    # and leaves many tokens nearly as probable as the best one; a wrong pass would change every answer
    assert sum(a == b for a, b in pairs) > 0.9 * len(pairs)


def test_a_tokenizer_that_opens_texts_opens_them_once(tmp_path: Path, documents: list[Example]) -> None:
    needs("gguf", "xllamacpp")
    from tokenizers import Tokenizer, processors

    folder = save_family("llama3", tmp_path / "model")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    first = "<|begin_of_text|>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, tokenizer.token_to_id(first))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = PredictionSettings(max_new_tokens=4)
    asked, _ = answer_ourselves(ModelPlace(folder, None, settings), documents[:5])
    export = GgufExport(folder, settings, tmp_path)
    assert export.chat.adds_bos
    export.find_pre_tokenizer(asked)
    assert export.pieces.opening == first
    assert (
        len(export.ask(export.write("f16"), asked).predictions) == 5
    )  # which refuses other tokens than ours


def test_an_adapter_gets_the_same_answers_to_long_documents_too(
    writing: Path, tmp_path: Path, documents: list[Example]
) -> None:
    needs("gguf", "xllamacpp")
    long = [Example("long", "\n".join(example.text for example in documents[:12]), ())]
    place = find_model(str(writing / "adapter"))
    asked, ours = answer_ourselves(place, [*documents[:60], *long])
    assert len(asked.windows[-1]) > 2
    assert len(set(ours.written)) > 20
    export = GgufExport(writing / "merged", place.settings, tmp_path)
    export.find_pre_tokenizer(asked)
    assert export.pre_tokenizer == "chameleon"
    theirs = export.ask(export.write("f16"), asked)
    assert sum(a == b for a, b in zip(theirs.written, ours.written, strict=True)) >= 60
    assert theirs.predictions[0] == ours.predictions[0]


def test_other_tokens_than_ours_are_an_error(writing: Path, tmp_path: Path) -> None:
    needs("gguf", "xllamacpp")
    place = find_model(str(writing / "adapter"))
    asked, _ = answer_ourselves(place, [Example("quotes", 'He wrote {"a": "b"},{"c":"d"}.', ())])
    export = GgufExport(writing / "merged", place.settings, tmp_path)
    export.pre_tokenizer = "qwen2"
    with pytest.raises(ValueError, match=r"other tokens than we do of 1 of 1 prompts"):
        export.ask(export.write("f16"), asked)


def test_a_family_that_is_not_written_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    needs("gguf", "xllamacpp")
    folder = save_family("granite", tmp_path / "model")
    shutil.rmtree(tmp_path / "gguf", ignore_errors=True)
    with pytest.raises(ValueError, match="the family granite"):
        export_gguf(find_model(str(folder)), folder, tmp_path, "granite", None, [])
