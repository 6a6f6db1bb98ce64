"""Oversampling and the order of batches: exact counts, and nothing but the step decides them."""

from __future__ import annotations

import random
import statistics
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from trainable.training.batches import BatchSchedule, oversampled_indices

flag_lists = st.lists(st.booleans(), min_size=1, max_size=60)
factors = st.floats(1, 5, allow_nan=False)


def make_schedule(
    flags: list[bool], factor: float = 1.0, batch_size: int = 4, seed: int = 0
) -> BatchSchedule:
    lengths = [random.Random(index).randint(10, 400) for index in range(len(flags))]
    return BatchSchedule(lengths, flags, factor, batch_size, seed)


@given(flag_lists, factors, st.integers(0, 100))
def test_a_factor_adds_its_whole_part_to_each_sample_and_its_share_of_extra_copies(
    flags: list[bool], factor: float, seed: int
) -> None:
    indices = oversampled_indices(flags, factor, seed)
    copies = Counter(indices)
    n_positive = sum(flags)
    assert all(copies[index] == 1 for index, flag in enumerate(flags) if not flag)
    assert all(copies[index] - int(factor) in (0, 1) for index, flag in enumerate(flags) if flag)
    assert abs(sum(copies[index] for index, flag in enumerate(flags) if flag) - factor * n_positive) < 1
    assert indices == oversampled_indices(flags, factor, seed)


@given(st.integers(1, 7), st.sampled_from([1.25, 1.3, 2.5, 2.9]))
def test_the_mean_number_of_copies_over_seeds_is_the_factor(n_positive: int, factor: float) -> None:
    totals = [len(oversampled_indices([True] * n_positive, factor, seed)) for seed in range(400)]
    # The total is a constant plus a coin throw: its mean over 400 seeds strays by 0.025 at most (one sigma).
    assert abs(statistics.mean(totals) - factor * n_positive) < 0.125


def test_each_sample_gets_the_extra_copy_equally_often() -> None:
    extra = Counter(
        index
        for seed in range(2000)
        for index, copies in Counter(oversampled_indices([True] * 5, 1.5, seed)).items()
        if copies == 2
    )
    assert all(abs(extra[index] / 2000 - 0.5) < 0.06 for index in range(5))


@given(flag_lists, factors, st.integers(1, 9), st.integers(0, 5))
def test_every_epoch_holds_each_oversampled_sample_once_and_ends_with_the_short_batch(
    flags: list[bool], factor: float, batch_size: int, epoch: int
) -> None:
    schedule = make_schedule(flags, factor, batch_size)
    batches = schedule.epoch_batches(epoch)
    expected = Counter(oversampled_indices(flags, factor, 0, epoch))
    assert Counter(row for batch in batches for row in batch) == expected
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert 1 <= len(batches[-1]) <= batch_size


@given(flag_lists, factors, st.integers(1, 9), st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_batch_depends_on_its_step_alone(
    flags: list[bool], factor: float, batch_size: int, steps: list[int]
) -> None:
    schedule = make_schedule(flags, factor, batch_size)
    assert [schedule.batch(step) for step in steps] == [
        make_schedule(flags, factor, batch_size).batch(step) for step in steps
    ]


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.sampled_from([1.1, 1.5, 2.7]))
def test_consecutive_steps_walk_through_the_epochs(flags: list[bool], factor: float) -> None:
    schedule = make_schedule(flags, factor, batch_size=3)
    step = 0
    for epoch in range(8):
        for batch in schedule.epoch_batches(epoch):
            assert schedule.batch(step) == batch
            step += 1
    assert step == 8 * schedule.steps_per_epoch


def test_epochs_and_seeds_differ_in_order() -> None:
    schedule = make_schedule([True] * 40)
    assert schedule.epoch_batches(0) != schedule.epoch_batches(1)
    assert schedule.epoch_batches(0) != make_schedule([True] * 40, seed=1).epoch_batches(0)


def test_sorting_by_length_leaves_less_padding_than_shuffling() -> None:
    schedule = make_schedule([True] * 256, batch_size=8)

    def padded(batches: list[list[int]]) -> int:
        return sum(max(schedule._lengths[row] for row in batch) * len(batch) for batch in batches)

    rows = list(range(256))
    random.Random(0).shuffle(rows)
    shuffled = [rows[start : start + 8] for start in range(0, 256, 8)]
    assert padded(schedule.epoch_batches(0)) < 0.75 * padded(shuffled)
