"""A tokenizer in llama.cpp's terms: its tokens, and which of llama.cpp's own ways to split a text it follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainable.exporting.packages import optional
from trainable.tokens.chat import ChatFormat

if TYPE_CHECKING:
    from gguf import GGUFWriter

PRE_TOKENIZERS = (
    "qwen2", "llama-bpe", "smollm", "gpt-2", "chameleon", "tekken", "gpt-4o", "deepseek-llm", "deepseek-coder", "deepseek-v3",
    "starcoder", "refact", "command-r", "olmo", "dbrx", "phi-2", "stablelm2", "falcon", "falcon3", "chatglm-bpe", "glm4",
    "pixtral", "exaone", "exaone4", "minerva-7b", "seed-coder", "kimi-k2", "hunyuan", "hunyuan-dense", "qwen35", "bloom",
    "jais", "codeshell", "viking", "superbpe", "trillion", "bailingmoe", "granite-docling", "llama4", "default",
)  # fmt: skip
"""llama.cpp's names for ways to split a text before the merges; which one a tokenizer follows is found by trying them."""
PROBES = (
    "a12  3\t\n\n  don't WE'LL É😀😀 \"},{ \"a\": [\"b\"]} http://a.b/c?d=e&f —— …… １２ 한국　　全角\r\n\r\n $5.00 x_y 1234567",
    "张三（身份证110105194912310021）住北京市朝阳区建国路88号，电话：138 0013 8000。\n\n\t Añb ﬁ ①②③ नमस्ते العربية ภาษาไทย",
)  # fmt: skip
"""Texts that the ways to split differ on."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A byte-level BPE tokenizer for llama.cpp."""

    tokens: tuple[str, ...]
    kinds: tuple[int, ...]
    """For each token llama.cpp's TokenType."""
    merges: tuple[str, ...]
    end_id: int
    """Ends an answer."""
    bos_id: int | None
    adds_bos: bool
    template: str
    """Chat template."""

    def write(self, writer: GGUFWriter, pre_tokenizer: str) -> None:
        """Add the tokenizer to a file."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre_tokenizer)
        writer.add_token_list(list(self.tokens))
        writer.add_token_types(list(self.kinds))
        writer.add_token_merges(list(self.merges))
        writer.add_eos_token_id(self.end_id)
        writer.add_add_bos_token(self.adds_bos)  # left out, llama.cpp would open texts with token 11
        writer.add_add_eos_token(False)
        if self.bos_id is not None:
            writer.add_bos_token_id(self.bos_id)
        writer.add_chat_template(self.template)


def read_vocabulary(chat: ChatFormat, n_rows: int, template: str) -> Vocabulary:
    """Return the tokenizer of a chat format.

    Args:
        chat: Has the tokenizer.
        n_rows: Rows of the embeddings; those without a token get a name of their own.
        template: Chat template.

    Raises:
        ValueError: If it is no byte-level BPE.
    """
    content = json.loads(chat.tokenizer.backend_tokenizer.to_str())
    if reason := _why_unknown(content):
        raise ValueError(
            f"the tokenizer of the base model is of a kind that is not written to GGUF: {reason}; write the merged model "
            "(`python trainable/merge.py`) and convert it with llama.cpp's convert_hf_to_gguf.py"
        )
    kind = optional("gguf").TokenType
    tokens = [f"[PAD{number}]" for number in range(n_rows)]
    kinds = [int(kind.UNUSED)] * n_rows
    for token, number in chat.tokenizer.get_vocab().items():
        tokens[number], kinds[number] = token, int(kind.NORMAL)
    for number, added in chat.tokenizer.added_tokens_decoder.items():
        kinds[number] = int(kind.CONTROL if added.special else kind.USER_DEFINED)
    merges = [
        pair if isinstance(pair, str) else " ".join(part.replace(" ", "Ġ") for part in pair)
        for pair in content["model"]["merges"]
    ]
    return Vocabulary(
        tuple(tokens), tuple(kinds), tuple(merges), chat.end_of_turn_id, chat.tokenizer.bos_token_id, chat.adds_bos, template,
    )  # fmt: skip


def find_pre_tokenizer(
    chat: ChatFormat, texts: Sequence[str], tokenize: Callable[[str, str], list[int] | None]
) -> str:
    """Return the way to split texts with which llama.cpp makes our tokens of all texts and of `PROBES`.

    Args:
        chat: Has the tokenizer.
        texts: Prompts.
        tokenize: Returns llama.cpp's tokens of a text, given the name of the way first; None if it does not know it.

    Raises:
        ValueError: If there is none.
    """
    everything = [*PROBES, *texts]
    ours = chat.tokenizer(everything, add_special_tokens=False)["input_ids"]
    fewest, nearest = len(everything) + 1, ""
    for name in PRE_TOKENIZERS:
        different = 0
        for text, ids in zip(everything, ours, strict=True):
            found = tokenize(name, text)
            if found is None:
                different = len(everything) + 1
                break
            different += found != ids
        if different == 0:
            return name
        if different < fewest:
            fewest, nearest = different, name
    raise ValueError(
        f"llama.cpp knows no way to split texts as the tokenizer of the base model does: the nearest, {nearest}, differs on "
        f"{fewest} of {len(everything)} texts"
    )


def _why_unknown(content: dict[str, Any]) -> str:
    """Return why a tokenizer.json cannot be written as a byte-level BPE; empty if it can."""
    model, normalizer = content["model"], content["normalizer"]
    if model["type"] != "BPE":
        return f"a {model['type']} model"
    if (content["decoder"] or {}).get("type") != "ByteLevel":
        return "its tokens are no bytes (SentencePiece)"
    if normalizer is not None and normalizer["type"] != "NFC":  # our texts are in NFC
        return f"it rewrites texts ({normalizer['type']})"
    return ""
