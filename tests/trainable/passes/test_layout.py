"""What both layouts share: whole copies of a pass's inputs, rounded sizes, labels filled up to their slots."""

from __future__ import annotations

import pytest
import torch

from trainable.model.batch import IGNORED
from trainable.passes.layout import PassInputs, label_slots, rounded
from trainable.passes.packed import PackedInputs


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (1, 64), (64, 64), (65, 128)])
def test_sizes_are_rounded_up(value: int, expected: int) -> None:
    assert rounded(value, 64) == expected


def test_unused_slots_are_ignored_and_point_at_a_place_that_exists() -> None:
    slots = label_slots([3, 4], [7, 8], 4)
    assert slots["where"].tolist() == [3, 4, 0, 0]
    assert slots["targets"].tolist() == [7, 8, IGNORED, IGNORED]
    assert label_slots([], [], 0)["where"].tolist() == []


@pytest.mark.parametrize("kind", [PassInputs, PackedInputs])
def test_a_copy_fills_every_tensor_in_place(kind: type[PassInputs]) -> None:
    fields = list(kind.__dataclass_fields__)
    source = kind(**{name: torch.full((2,), number) for number, name in enumerate(fields)})
    target = kind(**{name: torch.full((2,), -1) for name in fields})
    places = [getattr(target, name).data_ptr() for name in fields]
    source.copy_to(target)
    assert [getattr(target, name).tolist() for name in fields] == [[n, n] for n in range(len(fields))]
    assert [getattr(target, name).data_ptr() for name in fields] == places
    moved = source.on(torch.device("cpu"))
    assert type(moved) is kind
    assert all(getattr(moved, name).equal(getattr(source, name)) for name in fields)
