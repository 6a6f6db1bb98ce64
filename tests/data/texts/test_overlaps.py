"""Of entities that overlap the longest stays; how many that costs is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.entities import Entity, Example
from data.texts.overlaps import overlapping_share, without_overlaps

TEXT = "abcdefghijkl"


def entity(start: int, end: int, kind: str = "A") -> Entity:
    return Entity(kind, TEXT[start:end], start, end)


@pytest.mark.parametrize(
    ("entities", "kept"),
    [
        ([entity(0, 4), entity(1, 3)], [entity(0, 4)]),
        ([entity(1, 3), entity(0, 4)], [entity(0, 4)]),
        ([entity(0, 3), entity(2, 6)], [entity(2, 6)]),
        ([entity(0, 3), entity(2, 5)], [entity(0, 3)]),
        ([entity(4, 6), entity(0, 4)], [entity(0, 4), entity(4, 6)]),
        ([entity(0, 2, "B"), entity(0, 2, "A")], [entity(0, 2, "A")]),
        ([], []),
    ],
    ids=[
        "nested",
        "nested, other order",
        "longer wins",
        "earlier of equals",
        "neighbours",
        "same place",
        "none",
    ],
)
def test_the_longest_of_overlapping_entities_stays(entities: list[Entity], kept: list[Entity]) -> None:
    assert list(without_overlaps(entities)) == kept


_SPANS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(1, 6)).map(lambda pair: entity(pair[0], min(12, sum(pair)))), max_size=8
)  # fmt: skip


@given(_SPANS)
def test_what_stays_overlaps_nothing_and_what_goes_overlaps_something_as_long(spans: list[Entity]) -> None:
    kept = without_overlaps(spans)
    assert all(one.end <= other.start for one, other in zip(kept, kept[1:], strict=False))
    for gone in set(spans) - set(kept):
        rivals = [one for one in kept if one.start < gone.end and gone.start < one.end]
        assert max(one.end - one.start for one in rivals) >= gone.end - gone.start


def test_the_share_that_is_lost_counts_entities_of_all_documents() -> None:
    examples = [
        Example("1", TEXT, (entity(0, 4), entity(1, 3))),
        Example("2", TEXT, (entity(0, 4), entity(5, 6))),
    ]
    assert overlapping_share(examples) == 0.25
    assert overlapping_share([Example("3", TEXT, ())]) == 0.0
