"""Our prompt as a template of other programs: cut at the system message and the text, which are all that varies."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from trainable.tokens.chat import ChatFormat

_SYSTEM, _TEXT = "SYSTEMMESSAGE", "TEXTTOREAD"
"""Stand where the two will; no template writes them."""
_TRIMS: tuple[Literal["", "strip", "rstrip"], ...] = ("", "strip", "rstrip")


@dataclass(frozen=True, slots=True)
class PromptPieces:
    """A prompt is `before`, the system message, `between`, the text and `behind`."""

    before: str
    system: str
    between: str
    behind: str
    opening: str = ""
    """The token that opens a text, where the tokenizer writes one; it is no part of `before`."""
    trims: Literal["", "strip", "rstrip"] = ""
    """The method of strings by which white space at the edges of the text is dropped."""

    def prompt(self, text: str) -> str:
        """Return the prompt of a text, without the token that opens it."""
        trimmed = getattr(text, self.trims)() if self.trims else text
        return f"{self.before}{self.system}{self.between}{trimmed}{self.behind}"

    def jinja(self) -> str:
        """Return a chat template for Hugging Face's format, as vLLM and llama.cpp read it.

        Each request is answered by itself: the last message is the text. Without a system message it has ours.
        """
        before, system, between, behind = (
            json.dumps(piece, ensure_ascii=False)
            for piece in (self.opening + self.before, self.system, self.between, self.behind)
        )
        text = "messages[-1]['content']" + (f".{self.trims}()" if self.trims else "")
        return (
            f"{{{{- {before} }}}}{{%- if messages[0]['role'] == 'system' %}}{{{{- messages[0]['content'] }}}}"
            f"{{%- else %}}{{{{- {system} }}}}{{%- endif %}}{{{{- {between} }}}}{{{{- {text} }}}}{{{{- {behind} }}}}"
        )

    def go(self) -> str:
        """Return the template of a Modelfile, in the language of Go; the system message is set beside it."""
        before, between, behind = (
            piece.replace("{{", '{{"{{"}}') for piece in (self.before, self.between, self.behind)
        )
        return f"{before}{{{{ .System }}}}{between}{{{{ .Prompt }}}}{behind}"


def prompt_pieces(chat: ChatFormat) -> PromptPieces:
    """Cut the prompt of a chat format.

    Raises:
        ValueError: If the template of the base does more with system message and text than to write them.
    """
    prompt = replace(chat, system_prompt=_SYSTEM).prompts([_TEXT])[0]
    before, found, rest = prompt.partition(_SYSTEM)
    between, found_text, behind = rest.partition(_TEXT)
    bos = chat.tokenizer.bos_token if chat.adds_bos else ""
    system, texts = chat.system_prompt, ("a b", " x\n")
    expected = [ours.removeprefix(str(bos)) for ours in chat.prompts(texts)]
    sound = found and found_text and _SYSTEM not in rest and _TEXT not in behind
    for kept, trims in product((system, system.strip(), system.lstrip()), _TRIMS):
        pieces = PromptPieces(before.removeprefix(str(bos)), kept, between, behind, str(bos), trims)
        if sound and [pieces.prompt(text) for text in texts] == expected:
            return pieces
    raise ValueError(
        "the chat template of the base model changes system message or text in a way that no other program's template "
        "repeats; send the prompts of `trainable/predict.py` instead"
    )
