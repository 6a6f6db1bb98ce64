"""What a model finds in documents whose texts were prepared once: by the text that it writes after a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

from data.entities import Example
from data.prompt import parse
from trainable.decoding.item_certainty import item_certainties
from trainable.model.backend import Backend
from trainable.scoring.counts import Prediction
from trainable.tokens.windowing import Windowing, cut_texts, join_answers, split_all


class Reader(Protocol):
    """Reads a fixed list of documents with whatever adapter its backend carries."""

    def predict(self, n_documents: int | None = None) -> list[Prediction]:
        """Return what is found in the first `n_documents` (all when None)."""

    def predict_with_loss(self, n_documents: int | None = None) -> tuple[list[Prediction], float]:
        """Return also the mean cross-entropy of the right answers to them, in nats a label token."""


class AnswerReader:
    """Prompts the model with each document, or with each window of one that is too long for one answer.

    Args:
        backend: Must hold a base model; its chat format makes the prompts, once.
        examples: The documents.
        max_new_tokens: Longest answer, in tokens.
        windowing: Cuts documents (None: each is one prompt, however long).
        certain: Tell also how certain each entity is.
        list_bias: By how many nats tokens that end the list of entities are less likely than the model says.
    """

    def __init__(
        self,
        backend: Backend,
        examples: Sequence[Example],
        max_new_tokens: int,
        windowing: Windowing | None = None,
        certain: bool = False,
        list_bias: float = 0.0,
    ) -> None:
        self._backend, self._examples, self._limit = backend, examples, max_new_tokens
        self._windowing, self._certain, self._list_bias = windowing, certain, list_bias
        self._right_answers: dict[int | None, list[tuple[list[int], list[int]]]] = {}
        self._cuts = cut_texts(windowing, [example.text for example in examples])
        texts = [window.text for windows in self._cuts for window in windows]
        self._prompts = backend.chat.prompt_ids(texts)

    def predict(self, n_documents: int | None = None) -> list[Prediction]:
        """Generate an answer for the first `n_documents` (all when None)."""
        cuts = self._cuts[:n_documents]
        prompts = self._prompts[: sum(map(len, cuts))]
        answers = iter(answer_prompts(self._backend, prompts, self._limit, self._certain, self._list_bias))
        return [join_answers(windows, list(islice(answers, len(windows)))) for windows in cuts]

    def predict_with_loss(self, n_documents: int | None = None) -> tuple[list[Prediction], float]:
        """Return also the mean cross-entropy of the right answers, in nats a token."""
        return self.predict(n_documents), self._loss(n_documents)

    def _loss(self, n_documents: int | None) -> float:
        from trainable.predicting.answer_loss import answer_loss

        if n_documents not in self._right_answers:
            examples, windowing = self._examples[:n_documents], self._windowing
            self._right_answers[n_documents] = (
                self._backend.chat.samples(examples)
                if windowing is None
                else split_all(windowing, examples).samples
            )
        return answer_loss(self._backend, self._right_answers[n_documents])


def answer_prompts(
    backend: Backend,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    certain: bool = False,
    list_bias: float = 0.0,
) -> list[Prediction]:
    """Return what the model says to each prompt; an answer that did not come to its end is marked as truncated.

    Args:
        backend: Carries the model and its tokenizer.
        prompts: Token ids.
        max_new_tokens: Longest answer.
        certain: Tell also how certain each item is, where the backend can.
        list_bias: By how many nats tokens that end the list of entities are less likely than the model says.
    """
    tokenizer, end = backend.chat.tokenizer, backend.chat.end_of_turn_id
    with backend.generator.asked(list_bias, certain):
        outputs = backend.generate(prompts, max_new_tokens)
    texts = tokenizer.batch_decode(outputs, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    answers = [
        Prediction(parse(text), truncated=ids[-1:] != [end]) for ids, text in zip(outputs, texts, strict=True)
    ]
    if not certain:
        return answers
    told = backend.generator.log_probabilities(backend, list(zip(prompts, outputs, strict=True)))
    if told is None:
        return answers
    return [
        replace(answer, certainties=item_certainties(tokenizer, ids, probabilities, text, answer.parsed))
        for answer, ids, probabilities, text in zip(answers, outputs, told, texts, strict=True)
    ]
