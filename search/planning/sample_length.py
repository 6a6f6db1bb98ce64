"""How long a training sample is in tokens, told from a few hundred of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from data.entities import Example
from trainable.model.bases import locate_base
from trainable.tokens.chat import read_chat_format

_SAMPLE = 200


def mean_tokens(examples: Sequence[Example], model: str, window_tokens: int) -> float:
    """Return the mean length of a training sample in tokens, from an even draw of documents.

    Args:
        examples: Training documents.
        model: Whose tokenizer counts.
        window_tokens: Longer samples are cut into windows of this length.
    """
    drawn = list(islice(examples, 0, None, max(1, len(examples) // _SAMPLE)))
    samples = read_chat_format(locate_base(model)).samples(drawn)
    return sum(min(len(prompt) + len(answer), window_tokens) for prompt, answer in samples) / len(samples)
