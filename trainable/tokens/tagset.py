"""The tags that a token can have: outside, or at the beginning, inside, at the end or alone in an entity of a type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

OUTSIDE = 0
"""The tag of a token that belongs to no entity."""
PREFIXES = ("B", "I", "E", "S")
"""Beginning, inside, end, single; in the order of the tags of a type."""
_BEGIN, _INSIDE, _END, _SINGLE = range(4)


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens `first` to `last`, both included, tagged as an entity.

    `certainty` is how probable it is for its tokens, in the mean, that they belong to an entity of this type.
    """

    type: str
    first: int
    last: int
    certainty: float


@dataclass(frozen=True, slots=True)
class TagSet:
    """The BIOES tags of some types: `O`, then B, I, E and S of each type."""

    types: tuple[str, ...]

    def __len__(self) -> int:
        return 1 + len(PREFIXES) * len(self.types)

    @property
    def names(self) -> tuple[str, ...]:
        """The tags as people write them, such as `B-PHONE`."""
        return ("O", *(f"{prefix}-{kind}" for kind in self.types for prefix in PREFIXES))

    def encode(self, n_tokens: int, spans: Sequence[tuple[str, int, int]]) -> list[int]:
        """Return the tags of so many tokens.

        Args:
            n_tokens: Length of the text.
            spans: Type, first and last token of each entity; they must not overlap, and their types must be known.
        """
        tags = [OUTSIDE] * n_tokens
        for kind, first, last in spans:
            base = 1 + len(PREFIXES) * self.types.index(kind)
            tags[first : last + 1] = [base + _INSIDE] * (last + 1 - first)
            tags[last] = base + _END
            tags[first] = base + (_SINGLE if first == last else _BEGIN)
        return tags

    def decode(self, log_probabilities: np.ndarray) -> list[Span]:
        """Return the entities of the most probable legal sequence of tags (Viterbi).

        Legal is what `encode` can make. A tag's best predecessor depends only on whether it continues an entity, so
        that the time is linear in the number of tags.

        Args:
            log_probabilities: Of each token's tags, (tokens, tags).
        """
        import numpy as np

        if not len(log_probabilities):
            return []
        path = self._best_path(log_probabilities)
        # of each token and type; where exactly an entity begins or ends is no part of it
        belongs = np.exp(log_probabilities[:, 1:]).reshape(len(path), len(self.types), len(PREFIXES)).sum(-1)
        spans, first = [], 0
        for token, tag in enumerate(path):
            if tag == OUTSIDE:
                continue
            number, prefix = divmod(int(tag) - 1, len(PREFIXES))
            if prefix in (_BEGIN, _SINGLE):
                first = token
            if prefix in (_END, _SINGLE):
                certainty = float(belongs[first : token + 1, number].mean())
                spans.append(Span(self.types[number], first, token, certainty))
        return spans

    def _best_path(self, scores: np.ndarray) -> np.ndarray:
        """Return the tag of each token, (tokens,)."""
        import numpy as np

        n_tokens, n_types = len(scores), len(self.types)
        begin, inside, end, single = (np.arange(n_types) * len(PREFIXES) + 1 + prefix for prefix in range(4))
        closed = np.concatenate(
            [[OUTSIDE], end, single]
        )  # tags after which an entity may begin, but none goes on
        best = np.full(len(self), -np.inf)
        fresh = np.concatenate([[OUTSIDE], begin, single])
        best[fresh] = scores[0, fresh]
        back = np.zeros(scores.shape, dtype=np.int32)
        for token in range(1, n_tokens):
            last = closed[best[closed].argmax()]
            on = np.where(best[begin] >= best[inside], begin, inside)  # per type, what an I or E continues
            previous = np.full(len(self), last, dtype=np.int32)
            previous[inside] = previous[end] = on
            back[token] = previous
            best = best[previous] + scores[token]
        path = np.zeros(n_tokens, dtype=np.int32)
        path[-1] = closed[best[closed].argmax()]
        for token in range(n_tokens - 1, 0, -1):
            path[token - 1] = back[token, path[token]]
        return path
