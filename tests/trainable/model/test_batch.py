"""Samples as one right-padded batch: what is learnt is the answer, nothing else."""

from __future__ import annotations

import torch

from trainable.model.batch import IGNORED, collate


def test_rows_are_padded_on_the_right_and_only_answers_have_labels() -> None:
    batch = collate([([5, 6, 7], [8, 2]), ([9], [2])], torch.device("cpu"))
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, 2], [9, 2, 0, 0, 0]]
    no = IGNORED
    assert batch.labels.tolist() == [[no, no, no, 8, 2], [no, 2, no, no, no]]
    assert (batch.input_ids.dtype, batch.labels.dtype) == (torch.long, torch.long)


def test_ignored_labels_are_those_that_torch_ignores() -> None:
    batch = collate([([1, 2], [3]), ([1], [4, 5, 6])], torch.device("cpu"))
    logits = torch.randn(2, 4, 10)
    every = torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch.labels.flatten(), reduction="sum")
    log_share = logits.log_softmax(-1)
    by_hand = log_share[0, 2, 3] + log_share[1, 1, 4] + log_share[1, 2, 5] + log_share[1, 3, 6]
    torch.testing.assert_close(every, -by_hand)


def test_an_empty_answer_has_no_label() -> None:
    batch = collate([([1, 2], [])], torch.device("cpu"))
    assert (batch.input_ids.tolist(), batch.labels.tolist()) == ([[1, 2]], [[IGNORED, IGNORED]])
