"""Loads the tokenizer of a base model, or says why it cannot be used; and lets one open every text by itself."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from data.spelling import compatible

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class NoChatFormat(ValueError):
    """The tokenizer cannot turn a conversation into a prompt; the message says why."""


def load_tokenizer(base_dir: Path) -> PreTrainedTokenizerFast:
    """Load a base model's tokenizer.

    Raises:
        NoChatFormat: If it has no chat template, is none of the fast tokenizers, which tell offsets, or loses letters.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_dir, local_files_only=True)
    if not tokenizer.chat_template:
        raise NoChatFormat(
            f"the tokenizer in {base_dir} has no chat template; choose an instruction-tuned model"
        )
    if not tokenizer.is_fast:
        raise NoChatFormat(f"the tokenizer in {base_dir} has no tokenizer.json; choose a model that has one")
    if _loses_letters(cast("PreTrainedTokenizerFast", tokenizer)):
        raise NoChatFormat(
            f"the tokenizer in {base_dir} drops capitals or accents, so that names in answers cannot be found in their "
            "texts; choose a model that keeps them"
        )
    return cast("PreTrainedTokenizerFast", tokenizer)


def _loses_letters(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether a name comes back without its capitals or accents."""
    name = "Ann LÉA"
    ids = tokenizer(name, add_special_tokens=False)["input_ids"]
    back = compatible(str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))).strip()
    return back != name and _bare(back) == _bare(name)


def _bare(text: str) -> str:
    marked = unicodedata.normalize("NFD", text.casefold())
    return "".join(char for char in marked if not unicodedata.combining(char))


def open_every_text(folder: Path, opening: Sequence[int]) -> None:
    """Let the tokenizer stored in a folder put tokens before every text by itself, as one of an encoder does.

    Whoever loads it with plain transformers then gives the model what it was trained on.

    Args:
        folder: Holds tokenizer.json and tokenizer_config.json; both are changed.
        opening: Token ids, in the place of those that the tokenizer opens a text with so far.
    """
    from tokenizers import Tokenizer

    file, config_file = folder / "tokenizer.json", folder / "tokenizer_config.json"
    stored = Tokenizer.from_file(str(file))
    names = {token: str(stored.id_to_token(token)) for token in opening}
    first: list[object] = [{"SpecialToken": {"id": names[token], "type_id": 0}} for token in opening]
    text = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    special = {name: {"id": name, "ids": [token], "tokens": [name]} for token, name in names.items()}
    opens = {"type": "TemplateProcessing", "single": [*first, text[0]], "pair": [*first, *text], "special_tokens": special}  # fmt: skip
    content = json.loads(file.read_text(encoding="utf-8"))
    before = content.get("post_processor") or {"processors": []}
    others = [each for each in before.get("processors", [before]) if each["type"] == "ByteLevel"]
    content["post_processor"] = {"type": "Sequence", "processors": [*others, opens]}
    file.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    config = json.loads(config_file.read_text(encoding="utf-8"))
    for name in ("add_bos_token", "add_eos_token"):
        config.pop(name, None)  # either one makes transformers write an opening of its own
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # whatever class of a family would do the same
    config_file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
