"""Checks how a skeleton becomes a sentence and how shared lists are divided among the splits."""

from __future__ import annotations

from random import Random

from data.synthetic.corpus import SPLITS
from data.synthetic.skeletons import expand, part, remarks


def test_expand_draws_nested_alternatives() -> None:
    drawn = {expand("[a|[b|c]d]!", Random(seed)) for seed in range(40)}
    assert drawn == {"a!", "bd!", "cd!"}


def test_shared_lists_are_divided_without_overlap() -> None:
    shares = [part([str(number) for number in range(36)], split) for split in SPLITS]
    assert sorted(len(share) for share in shares) == [6, 6, 24]
    assert len(set().union(*shares)) == 36
    assert not set(remarks("zh", "train")) & set(remarks("zh", "test"))
