"""A bias against tokens that end the list of entities, so that a model writes more of them than by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, slots=True)
class ListBias:
    """Lowers the logits of some tokens by so many nats."""

    tokens: tuple[int, ...]
    nats: float
    _places: dict[torch.device, torch.Tensor] = field(
        default_factory=dict, compare=False, repr=False, init=False
    )

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        """Return logits, (rows, vocabulary), lowered in place; what is captured in a graph stays in it."""
        import torch

        if logits.device not in self._places:
            self._places[logits.device] = torch.tensor(self.tokens, device=logits.device)
        logits[:, self._places[logits.device]] -= self.nats
        return logits


def list_bias(tokenizer: PreTrainedTokenizerFast, nats: float) -> ListBias | None:
    """Return the bias against every token with a closing bracket; None without a bias.

    Such a token is one also within an entity that has brackets; there the bias is rarely enough to change it.

    Args:
        tokenizer: Knows the tokens.
        nats: At least 0.
    """
    if nats <= 0:
        return None
    ends = (number for token, number in tokenizer.get_vocab().items() if "]" in token)
    return ListBias(tuple(sorted(ends)), nats)
