"""From a merged model that writes its answers to a folder for `vllm serve`: its chat template makes our prompt by itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from data.entities import Example
from data.spelling import canonical
from trainable.exporting.folder_texts import write_request, write_vllm_readme
from trainable.exporting.prompt_pieces import prompt_pieces
from trainable.predicting.predictor import ModelPlace
from trainable.tokens.chat import read_chat_format
from trainable.tokens.windowing import Windowing


def export_vllm(place: ModelPlace, merged: Path, to: Path, name: str, examples: Sequence[Example]) -> None:
    """Copy a merged model and give it the template of our prompt.

    Args:
        place: Our model.
        merged: The same, merged into its base.
        to: The folder, which exists.
        name: What the model is called.
        examples: Documents whose prompts are compared, token by token.

    Raises:
        ValueError: If the template makes another prompt of one of them than we do.
    """
    settings = place.settings
    chat = read_chat_format(merged).asked_with(settings.prompt)
    pieces = prompt_pieces(chat)
    shutil.copytree(merged, to, dirs_exist_ok=True)
    chat.tokenizer.chat_template = pieces.jinja()
    chat.tokenizer.save_pretrained(to)
    # the template itself folds and dates; what ends an answer is not read from it
    replace(settings, load_in_4bit=False, end_of_turn=chat.end_of_turn).save(to)
    before = read_chat_format(merged).asked_with(settings.prompt)
    windowing = Windowing(before, settings.window_tokens, settings.overlap_tokens)
    texts = [window.text for example in examples for window in windowing.cut(example.text)]
    served = [_as_served(chat.tokenizer, canonical(text)) for text in texts]
    different = sum(a != b for a, b in zip(served, before.prompt_ids(texts), strict=True))
    if different:
        raise ValueError(
            f"the written template makes other prompts than ours of {different} of {len(texts)} texts"
        )
    write_request(to, name, pieces, settings)
    write_vllm_readme(to, name, len(examples), windowing.room_tokens, settings)


def _as_served(tokenizer: object, text: str) -> list[int]:
    """Return the tokens of a prompt as servers make them: by the template alone, without further special tokens."""
    messages = [{"role": "user", "content": text}]
    ids: list[int] = tokenizer.apply_chat_template(  # type: ignore[attr-defined]
        messages, add_generation_prompt=True, tokenize=True, return_dict=False
    )
    return ids
