"""How certain a model is of each entity that it has written: the probability of the tokens that it wrote it with."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING

from data.prompt import Parsed, item_places

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def item_certainties(
    tokenizer: PreTrainedTokenizerFast,
    ids: Sequence[int],
    log_probabilities: Sequence[float],
    output: str,
    parsed: Parsed,
) -> tuple[float, ...]:
    """Return the probability of each item of an answer, given all that was written before it.

    Tokens at its border count too: with them the model decides that there is another entity, and where it ends. Where
    it is not clear which tokens an item was written with, its probability is that of the whole answer.

    Args:
        tokenizer: Decodes the answer.
        ids: Tokens of the answer.
        log_probabilities: One for each token, in nats.
        output: The decoded answer.
        parsed: What was read from it.
    """
    places, ends = item_places(output, parsed.items), _ends(tokenizer, ids, output)
    if places is None or ends is None:
        return (exp(sum(log_probabilities)),) * len(parsed.items)
    starts = (0, *ends)
    return tuple(
        exp(
            sum(
                told
                for start, end, told in zip(starts, ends, log_probabilities, strict=False)
                if start < behind and end > first
            )
        )
        for first, behind in places
    )


def _ends(tokenizer: PreTrainedTokenizerFast, ids: Sequence[int], output: str) -> list[int] | None:
    """Return where each token ends in the output; None if tokens one by one give another text."""
    from tokenizers.decoders import DecodeStream

    stream, length, pieces, ends = DecodeStream(skip_special_tokens=True), 0, list[str](), list[int]()
    for token in ids:
        piece = stream.step(tokenizer.backend_tokenizer, token) or ""  # None within a character
        length += len(piece)
        pieces.append(piece)
        ends.append(length)
    return ends if "".join(pieces) == output else None
