"""How long a training sample is in tokens, told from a few hundred of them in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from data.entities import Example
from data.prompt import chat_messages, completion
from trainable.model.bases import locate_base

_SAMPLE = 200
_TURN = "<|im_start|>{role}\n{content}<|im_end|>\n"
"""A message in ChatML, the chat template of Qwen3 and of the small models."""


def mean_tokens(examples: Sequence[Example], model: str, window_tokens: int) -> float:
    """Return the mean length of a training sample in tokens, from an even draw of documents.

    Args:
        examples: Training documents.
        model: Whose tokenizer counts.
        window_tokens: Longer samples are cut into windows of this length.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(locate_base(model) / "tokenizer.json"))
    texts = [
        "".join(_TURN.format(**message) for message in chat_messages(example.text))
        + _TURN.format(role="assistant", content=completion(example.entities))
        for example in islice(examples, 0, None, max(1, len(examples) // _SAMPLE))
    ]
    lengths = [len(encoded.ids) for encoded in tokenizer.encode_batch(texts)]
    return sum(min(length, window_tokens) for length in lengths) / len(lengths)
