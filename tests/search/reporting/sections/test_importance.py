"""Importances are found where they were planted, on scores extrapolated to the horizon."""

from __future__ import annotations

import pytest

from search.reporting.sections.importance import Share, importances, projected_scores
from search.study.view import StudyView
from tests.search.reporting.invented import planted

pytestmark = pytest.mark.usefixtures("heavy_imports")


def test_the_hyperparameter_that_decides_is_the_most_important(view: StudyView) -> None:
    shares = importances(planted(view, lambda config: 0.2 * config["oversampling"]), resamples=10)  # type: ignore[operator]
    assert max(shares, key=lambda name: shares[name].point) == "oversampling"
    share = shares["oversampling"]
    assert share.point > 0.8
    assert 0.5 < share.low <= share.high <= 1
    assert sum(share.point for share in shares.values()) == pytest.approx(1)


def test_equal_seeds_give_equal_intervals(view: StudyView) -> None:
    assert importances(view, resamples=3, seed=1) == importances(view, resamples=3, seed=1)
    assert importances(view, resamples=3, seed=1) != importances(view, resamples=3, seed=2)


def test_a_bar_never_reaches_to_the_other_side_of_its_point() -> None:
    inside, above = Share(0.5, 0.25, 0.75), Share(0.9, 0.25, 0.75)
    assert (inside.below, inside.above) == (0.25, 0.25)
    assert (above.below, above.above) == (0.65, 0.0)


def test_stopped_trials_gain_the_median_and_keep_their_order(view: StudyView) -> None:
    scores = projected_scores(view)
    assert scores[view.ranking[0]] == view.named(view.ranking[0]).scores[153]
    for step in (17, 34):
        stopped = [trial for trial in view.trials if trial.state == "stopped" and trial.steps == step]
        ahead = sorted(stopped, key=lambda trial: trial.scores[step])
        assert [scores[trial.name] for trial in ahead] == sorted(scores[trial.name] for trial in stopped)
        gains = {round(scores[trial.name] - trial.scores[step], 9) for trial in stopped}
        assert len(gains) == 1
        assert gains.pop() > 0
