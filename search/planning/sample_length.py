"""How long a training sample is in tokens, told from a few hundred of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from data.entities import Example
from data.prompt import DEFAULT_PROMPT, PromptSettings
from trainable.model.bases import locate_base
from trainable.tokens.chat import read_chat_format

_SAMPLE = 200


def mean_tokens(
    examples: Sequence[Example], model: str, window_tokens: int, prompt: PromptSettings = DEFAULT_PROMPT
) -> float:
    """Return the mean length of a training sample in tokens, from an even draw of documents.

    Args:
        examples: Training documents.
        model: Whose tokenizer counts.
        window_tokens: Longer samples are cut into windows of this length.
        prompt: What is asked beside the text.
    """
    drawn = list(islice(examples, 0, None, max(1, len(examples) // _SAMPLE)))
    samples = read_chat_format(locate_base(model)).asked_with(prompt).samples(drawn)
    return sum(min(len(prompt) + len(answer), window_tokens) for prompt, answer in samples) / len(samples)
