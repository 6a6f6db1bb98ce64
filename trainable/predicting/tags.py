"""What a model finds in documents by a tag for each of their tokens; windows of a long one are tagged together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from data.entities import Example
from data.prompt import Parsed
from trainable.decoding.tagger import tag_log_probabilities
from trainable.model.backend import Backend
from trainable.scoring.counts import Prediction
from trainable.tokens.tag_windows import join_windows
from trainable.tokens.tagging import TagWindows, TokenizedText
from trainable.tokens.tagset import TagSet

if TYPE_CHECKING:
    import numpy as np


class TagReader:
    """Tags documents that were tokenised once; see `trainable.predicting.answers.Reader`.

    Args:
        backend: Must hold a base model.
        examples: The documents.
        windows: Cuts long ones.
        tag_set: Tags of the adapter's head.
    """

    def __init__(
        self, backend: Backend, examples: Sequence[Example], windows: TagWindows, tag_set: TagSet
    ) -> None:
        self._backend, self._windows, self._tag_set = backend, windows, tag_set
        self._texts = windows.tokenize([example.text for example in examples])
        self._gold = [_gold_tags(text, example, tag_set) for text, example in zip(self._texts, examples, strict=True)]  # fmt: skip

    def predict(self, n_documents: int | None = None) -> list[Prediction]:
        """Tag the first `n_documents` (all when None)."""
        return self.predict_with_loss(n_documents)[0]

    def predict_with_loss(self, n_documents: int | None = None) -> tuple[list[Prediction], float]:
        """Return also the mean cross-entropy of the right tags, in nats a token; those that the head lacks do not count."""
        import numpy as np

        texts = self._texts[:n_documents]
        found = _joined_log_probabilities(self._backend, self._windows, texts)
        predictions = [
            _prediction(text, scores, self._tag_set) for text, scores in zip(texts, found, strict=True)
        ]
        surprise, count = 0.0, 0
        for scores, gold in zip(found, self._gold[:n_documents], strict=True):
            known = np.flatnonzero(gold >= 0)
            surprise -= float(scores[known, gold[known]].sum())
            count += len(known)
        return predictions, surprise / max(1, count)


def tag_texts(
    backend: Backend, windows: TagWindows, tag_set: TagSet, texts: Sequence[TokenizedText]
) -> list[Prediction]:
    """Return what is found in each text, in order of appearance, with a certainty for each entity."""
    found = _joined_log_probabilities(backend, windows, texts)
    return [_prediction(text, scores, tag_set) for text, scores in zip(texts, found, strict=True)]


def _prediction(text: TokenizedText, scores: np.ndarray, tag_set: TagSet) -> Prediction:
    pairs = [
        (entity, span.certainty) for span in tag_set.decode(scores) if (entity := text.entity(span)) is not None
    ]  # fmt: skip
    entities = tuple(entity for entity, _ in pairs)
    parsed = Parsed(tuple((entity.type, entity.text) for entity in entities), valid=True)
    return Prediction(parsed, False, entities, tuple(certainty for _, certainty in pairs))


def _joined_log_probabilities(
    backend: Backend, windows: TagWindows, texts: Sequence[TokenizedText]
) -> list[np.ndarray]:
    """Return the log-probabilities of the tags of each text's tokens, (tokens, tags)."""
    opening = windows.opening
    cuts = [windows.cut(len(text.ids)) for text in texts]
    rows = [[*opening, *text.ids[a:b]] for text, cut in zip(texts, cuts, strict=True) for a, b in cut]
    found = iter(tag_log_probabilities(backend, rows))
    return [
        join_windows(cut, [scores[len(opening) :] for scores in islice(found, len(cut))], len(text.ids))
        for text, cut in zip(texts, cuts, strict=True)
    ]


def _gold_tags(text: TokenizedText, example: Example, tag_set: TagSet) -> np.ndarray:
    """Return the right tag of each token, (tokens,); -1 in an entity of a type that the head does not know."""
    import numpy as np

    spans = text.token_spans(example.entities)
    known = [span for span in spans if span[0] in tag_set.types]
    tags = np.array(tag_set.encode(len(text.ids), known), dtype=np.int64)
    for kind, first, last in spans:
        if kind not in tag_set.types:
            tags[first : last + 1] = -1
    return tags
