"""How a base model is spoken to: its chat template, where the system message goes, which token ends an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.entities import Example
from data.prompt import FIXED_DATE, SYSTEM_PROMPT, PromptSettings, completion
from data.spelling import canonical
from trainable.tokens.tokenizer import NoChatFormat, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_OTHER_DATE = "1999-12-31"
_ANSWER = '{"entities":[]}'
_NEXT = "the next text"
Sample = tuple[list[int], list[int]]
"""Prompt ids, and completion ids with the end-of-turn token."""


@dataclass(frozen=True)
class ChatFormat:
    """A tokenizer and its chat template, read once; prompts of training, validation and use all come from here.

    Training text equals inference text, token by token: a sample is the prompt as it is asked, then the answer.
    """

    tokenizer: PreTrainedTokenizerFast
    end_of_turn_id: int
    """The token that ends an answer."""
    end_source: Literal["template", "generation_config", "tokenizer", "stored"]
    """Where that token was found."""
    folded: bool
    """The template refuses or drops a system message, so it opens the user's turn."""
    dated: bool
    """The template writes a date."""
    adds_bos: bool
    """The tokenizer opens every text with a BOS, so a prompt has one too, whether or not the template writes it."""
    user_turn: str = ""
    """What the template opens a later turn of the user with, before the text; empty where texts stand in no turn."""
    system_prompt: str = SYSTEM_PROMPT
    today: str = FIXED_DATE
    """What a template that writes a date is told, YYYY-MM-DD."""

    @property
    def end_of_turn(self) -> str:
        """The token that ends an answer, as text."""
        return str(self.tokenizer.convert_ids_to_tokens(self.end_of_turn_id))

    def asked_with(self, settings: PromptSettings) -> ChatFormat:
        """Return the same format with the system message, the date, the end of a turn and the opening that were stored.

        Raises:
            NoChatFormat: If the stored end of a turn is no token of this tokenizer.
        """
        end, source = self.end_of_turn_id, self.end_source
        if settings.end_of_turn not in ("", self.end_of_turn):
            end, source = self.tokenizer.get_vocab().get(settings.end_of_turn, -1), "stored"
            if end < 0:
                raise NoChatFormat(
                    f"answers end with {settings.end_of_turn}, but the tokenizer of the base model has no such token; "
                    "use the base model that the adapter or the study was started with"
                )
        return replace(
            self,
            end_of_turn_id=end,
            end_source=source,
            system_prompt=settings.system_prompt,
            today=settings.date,
            user_turn=self.user_turn if settings.in_turn else "",
        )

    def prompts(self, texts: Sequence[str]) -> list[str]:
        """Return the prompt of each text, in NFC, up to the start of the answer, thinking off."""
        conversations = (_messages(self.system_prompt, canonical(text), self.folded) for text in texts)
        return [_render(self.tokenizer, messages, today=self.today) for messages in conversations]

    def prompt_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text's prompt."""
        return self._ids(self.prompts(texts)) if texts else []

    def opening(self) -> list[int]:
        """Return the token ids before a text that is tagged: a BOS if prompts have one, and what opens a turn.

        A model that was taught with them needs a token that means nothing to look at; without any, the first word of the
        text is made one (results/LOG.md has what that costs).
        """
        return self._ids([self.user_turn])[0]

    def samples(self, examples: Sequence[Example]) -> list[Sample]:
        """Return prompt and completion ids of each example, text and values in NFC.

        The answer is tokenised behind its prompt, so that a tokenizer that treats the start of a text in its own way
        (SentencePiece) makes the tokens that the model will be asked to continue with.
        """
        if not examples:
            return []
        prompts = self.prompts([example.text for example in examples])
        answers = [canonical(completion(example.entities)) for example in examples]
        prompt_ids = self._ids(prompts)
        both_ids = self._ids([prompt + answer for prompt, answer in zip(prompts, answers, strict=True)])
        rows = zip(prompt_ids, both_ids, answers, strict=True)
        return [
            (prompt, [*self._answer_ids(prompt, both, answer), self.end_of_turn_id])
            for prompt, both, answer in rows
        ]

    def _answer_ids(self, prompt: list[int], both: list[int], answer: str) -> list[int]:
        if both[: len(prompt)] == prompt:
            return both[len(prompt) :]
        # a token would span the border; where the model is asked it cannot
        ids: list[int] = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
        return ids

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        bos = self.tokenizer.bos_token_id
        return [[bos, *row] if self.adds_bos and row[:1] != [bos] else row for row in rows]


def read_chat_format(base_dir: Path) -> ChatFormat:
    """Read how a base model is spoken to, from its tokenizer, its template and its generation_config.json.

    Raises:
        NoChatFormat: If there is no chat template, or nothing that ends an answer.
    """
    from transformers import GenerationConfig

    tokenizer = load_tokenizer(base_dir)
    ends: list[int] = []
    if (base_dir / "generation_config.json").is_file():
        eos = GenerationConfig.from_pretrained(base_dir, local_files_only=True).eos_token_id
        ends = [eos] if isinstance(eos, int) else list(eos or [])
    folded = not _takes_system_message(tokenizer)
    end, source = _end_of_turn(tokenizer, folded, ends)
    messages = _messages(SYSTEM_PROMPT, "x", folded)
    bos = tokenizer.bos_token_id
    return ChatFormat(
        tokenizer,
        end,
        source,
        folded,
        dated=_render(tokenizer, messages) != _render(tokenizer, messages, today=_OTHER_DATE),
        adds_bos=bos is not None and tokenizer("x")["input_ids"][:1] == [bos],
        user_turn=_user_turn(tokenizer, messages, str(tokenizer.convert_ids_to_tokens(end))),
    )


def _user_turn(tokenizer: PreTrainedTokenizerFast, asked: list[dict[str, str]], end: str) -> str:
    """Return what stands between the end of an answer and the text that is asked next; empty if only one can be asked."""
    from jinja2 import TemplateError

    answer, text = {"role": "assistant", "content": _ANSWER}, {"role": "user", "content": _NEXT}
    try:
        rendered = _render(tokenizer, [*asked, answer, text])
    except TemplateError:
        return ""
    between = rendered.rpartition(_ANSWER)[2].rpartition(_NEXT)[0]
    opening = between.lstrip().removeprefix(end).lstrip()
    opening = opening.partition(SYSTEM_PROMPT)[0]  # some templates repeat it in the last turn
    return opening.rstrip(" ")  # a space belongs to the text's first token


def _messages(system_prompt: str, text: str, folded: bool) -> list[dict[str, str]]:
    if folded:
        return [{"role": "user", "content": f"{system_prompt}\n\n{text}"}]
    return [{"role": "system", "content": system_prompt}, {"role": "user", "content": text}]


def _render(
    tokenizer: PreTrainedTokenizerFast,
    messages: list[dict[str, str]],
    *,
    prompt: bool = True,
    today: str = FIXED_DATE,
) -> str:
    return str(
        tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=prompt,
            enable_thinking=False,
            tokenize=False,
            strftime_now=date.fromisoformat(today).strftime,
        )
    )


def _takes_system_message(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether the template renders a system message; some raise, some drop it."""
    from jinja2 import TemplateError

    try:
        return SYSTEM_PROMPT in _render(tokenizer, _messages(SYSTEM_PROMPT, "x", folded=False))
    except TemplateError:
        return False


def _end_of_turn(
    tokenizer: PreTrainedTokenizerFast, folded: bool, generation_ends: list[int]
) -> tuple[int, Literal["template", "generation_config", "tokenizer"]]:
    """Return the special token that follows the answer in the template; where it closes nothing, the model's own end."""
    messages = _messages(SYSTEM_PROMPT, "x", folded)
    whole = _render(tokenizer, [*messages, {"role": "assistant", "content": _ANSWER}], prompt=False)
    _, answer, tail = whole.rpartition(_ANSWER)
    ids = tokenizer(tail.lstrip(), add_special_tokens=False)["input_ids"] if answer and tail.strip() else []
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    if ids and ids[0] in special:
        return int(ids[0]), "template"
    if generation_ends:
        return generation_ends[0], "generation_config"
    if tokenizer.eos_token_id is not None:
        return int(tokenizer.eos_token_id), "tokenizer"
    raise NoChatFormat(
        "nothing ends an answer: the chat template closes no turn, and neither generation_config.json nor the "
        "tokenizer names an end token"
    )
