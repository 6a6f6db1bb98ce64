"""What chance does to a score, held to drawing documents one by one."""

from __future__ import annotations

import numpy as np
import pytest

from search.tuning.noise import resampled_scores, score_interval


def test_the_bootstrap_is_that_of_drawing_documents_one_by_one() -> None:
    rng = np.random.default_rng(1)
    counts = np.stack([rng.binomial(3, 0.5, 60), rng.binomial(2, 0.3, 60), rng.binomial(2, 0.4, 60)], axis=1)
    slow = []
    for _ in range(3000):
        tp, fp, fn = counts[rng.integers(60, size=60)].sum(axis=0)
        slow.append(tp / (tp + fn) - max(0.0, 0.85 - tp / (tp + fp)))
    fast = resampled_scores(counts, 0.85, 3000)
    assert fast.mean() == pytest.approx(np.mean(slow), abs=0.01)
    assert fast.std() == pytest.approx(np.std(slow), rel=0.1)
    low, high = score_interval(counts, 0.85)
    assert low < fast.mean() < high


def test_a_document_is_drawn_alike_for_every_trial_so_what_makes_it_hard_cancels_out() -> None:
    rng = np.random.default_rng(2)
    hard = rng.integers(0, 2, 80)  # found by none or by all
    weak = np.stack([2 * hard, np.zeros(80, int), 4 - 2 * hard], axis=1)
    strong = weak + np.array([1, 0, -1])  # one more of each document
    apart = resampled_scores(strong, 0.0) - resampled_scores(weak, 0.0)
    assert resampled_scores(weak, 0.0).std() > 0.02
    assert apart == pytest.approx(0.25)


def test_the_interval_is_where_the_middle_of_the_resamples_lies() -> None:
    counts = np.random.default_rng(3).integers(0, 30, (50, 3))
    low, high = score_interval(counts, 0.9, level=0.8)
    scores = resampled_scores(counts, 0.9, 1000)
    assert ((scores >= low) & (scores <= high)).mean() == pytest.approx(0.8, abs=0.01)
    wider = score_interval(counts, 0.9)
    assert wider[0] < low < high < wider[1]
