"""Counts of all documents in one short string."""

from __future__ import annotations

import numpy as np

from trainable.scoring.packed import pack_counts, unpack_counts


def test_packed_counts_come_back_and_are_short() -> None:
    counts = np.random.default_rng(2).integers(0, 5, (300, 3))
    packed = pack_counts(counts)
    assert (unpack_counts(packed) == counts).all()
    assert len(packed) < 600


def test_a_count_that_no_byte_holds_becomes_the_highest_that_does() -> None:
    assert unpack_counts(pack_counts(np.array([[999, 0, 1]])))[0].tolist() == [255, 0, 1]


def test_no_documents_are_packed_too() -> None:
    assert unpack_counts(pack_counts(np.zeros((0, 3), int))).shape == (0, 3)
