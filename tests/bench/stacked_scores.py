"""Scores the answers of stacked adapters in other processes, while the GPU goes on."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

COUNTS = ("tp_by_type", "fp_by_type", "fp_other", "valid", "truncated")


class Scorer:
    """A pool of processes that turn token ids into counts by document and type.

    Args:
        base_dir: Model whose tokenizer decodes.
        file: Documents, JSONL.
        shuffled: Take the documents in the order of a trial's evaluation, not in the file's.
        types: Known entity types, in the order of the last axis.
    """

    def __init__(
        self, base_dir: Path, file: Path, shuffled: bool, types: Sequence[str], workers: int
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with a CUDA context may hang
        self.pool = context.Pool(workers, _open, (base_dir, file, shuffled, tuple(types)))

    def submit(self, answers: np.ndarray) -> Any:
        """Return a promise of `COUNTS` arrays for one adapter's answers (documents, tokens), -1 behind the end."""
        return self.pool.apply_async(_score, (answers,))


_state: dict[str, Any] = {}


def read_documents(file: Path, shuffled: bool) -> list[Any]:
    """Read documents in the file's or in the evaluation's order."""
    from data.files.jsonl import read_examples
    from trainable.predicting.evaluator import shuffled_documents

    return shuffled_documents(file) if shuffled else list(read_examples(file))


def _open(base_dir: Path, file: Path, shuffled: bool, types: tuple[str, ...]) -> None:
    from trainable.tokens.chat import read_chat_format

    _state.update(chat=read_chat_format(base_dir), types=types, documents=read_documents(file, shuffled))


def counts(
    documents: Sequence[Any], predictions: Sequence[Any], types: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return what each document's prediction is worth, as a `CurveTable` holds it: (documents, types) and (documents,)."""
    from trainable.scoring.counts import document_counts

    place = {name: i for i, name in enumerate(types)}
    shape = len(documents), len(types)
    out = {name: np.zeros(shape, np.uint8) for name in COUNTS[:2]}
    out |= {"fp_other": np.zeros(shape[0], np.uint8)} | {
        name: np.zeros(shape[0], bool) for name in COUNTS[3:]
    }
    for row, (document, prediction) in enumerate(zip(documents, predictions, strict=True)):
        found = document_counts(document, prediction, known_types=frozenset(types))
        for name in COUNTS[:2]:
            for kind, count in getattr(found, name):
                if kind in place:
                    out[name][row, place[kind]] = min(count, 255)
        out["fp_other"][row] = min(255, found.fp - int(out["fp_by_type"][row].sum()))
        out["valid"][row], out["truncated"][row] = found.valid, found.truncated
    return out


def _score(answers: np.ndarray) -> dict[str, np.ndarray]:
    from data.prompt import parse
    from trainable.scoring.counts import Prediction

    chat, documents = _state["chat"], _state["documents"][: len(answers)]
    ids = [[int(token) for token in row if token >= 0] for row in answers]
    texts = chat.tokenizer.batch_decode(ids, skip_special_tokens=True)
    predictions = [
        Prediction(parse(text), truncated=tokens[-1:] != [chat.end_of_turn_id])
        for text, tokens in zip(texts, ids, strict=True)
    ]
    return counts(documents, predictions, _state["types"])
