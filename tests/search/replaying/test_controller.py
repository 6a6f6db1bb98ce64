"""Ray's loop on recorded curves: the same calls to any searcher and scheduler, on a clock of optimizer steps."""

from __future__ import annotations

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.replaying.controller import ReplayController, ReplayedTrial, cost_share
from search.replaying.curves import CurveTable
from search.replaying.results import ReplayedResults
from search.tuning.seating.placement import Placement
from trainable.config import METRIC, MODE, TIME_ATTR
from trainable.requirements import Requirements

RUNGS = (17, 34, 153)


class ListSearcher(Searcher):
    """Suggests the recorded configs in their order, and notes what it is told."""

    def __init__(self, configs: list[dict[str, object]]) -> None:
        super().__init__(metric=METRIC, mode=MODE)
        self._configs = iter(configs)
        self.told: list[tuple[str, str, int | None]] = []

    def suggest(self, trial_id: str) -> dict[str, object]:
        return next(self._configs)

    def on_trial_result(self, trial_id: str, result: dict[str, object]) -> None:
        self.told.append((trial_id, "result", result[TIME_ATTR]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        self.told.append((trial_id, "end", result and result[TIME_ATTR]))


def replay(
    table: CurveTable, scheduler: TrialScheduler, trials: int, concurrent: int = 1
) -> tuple[ReplayController, ListSearcher, list[tuple[str, int]]]:
    """Run a search over the table's own configs; return also the order in which rungs were reached."""
    searcher = ListSearcher(table.parsed_configs)
    results = ReplayedResults(table, RUNGS, (30, 30, 120), Requirements())
    seen: list[tuple[str, int]] = []

    def note(trial: ReplayedTrial) -> None:
        seen.append((trial.trial_id, int(str(trial.last_result[TIME_ATTR]))))

    controller = ReplayController(searcher, scheduler, results, trials, Placement.alike(concurrent), note)
    controller.run()
    return controller, searcher, seen


def test_without_stopping_every_trial_gets_to_the_horizon_one_after_another(curve_table: CurveTable) -> None:
    controller, searcher, seen = replay(curve_table, AsyncHyperBandScheduler(
        time_attr=TIME_ATTR, metric=METRIC, mode=MODE, max_t=153, grace_period=153), trials=3)  # fmt: skip
    assert seen == [(f"t{trial:03d}", step) for trial in range(3) for step in RUNGS]
    assert cost_share(controller) == 1.0
    assert [each for each in searcher.told if each[1] == "end"] == [
        (f"t{trial:03d}", "end", 153) for trial in range(3)
    ]
    assert {trial.status for trial in controller.get_trials()} == {Trial.TERMINATED}
    assert controller.get_live_trials() == []


def test_each_recorded_config_answers_for_one_trial(curve_table: CurveTable) -> None:
    scheduler = AsyncHyperBandScheduler(
        time_attr=TIME_ATTR, metric=METRIC, mode=MODE, max_t=153, grace_period=17
    )
    controller, _, _ = replay(curve_table, scheduler, trials=20)
    assert [trial.recorded for trial in controller.get_trials()] == list(range(20))
    assert {trial.distance for trial in controller.get_trials()} == {0.0}


def test_a_scheduler_of_rays_stops_trials_and_that_costs_less(curve_table: CurveTable) -> None:
    scheduler = AsyncHyperBandScheduler(
        time_attr=TIME_ATTR, metric=METRIC, mode=MODE, max_t=153, grace_period=17, reduction_factor=3
    )
    controller, searcher, seen = replay(curve_table, scheduler, trials=20)
    assert 0.1 < cost_share(controller) < 0.7
    ends = {trial: step for trial, kind, step in searcher.told if kind == "end"}
    reached = {trial: step for trial, step in seen}
    assert ends == reached
    assert {17, 153} <= set(reached.values())
    assert controller.steps_spent == sum(reached.values())


@pytest.mark.parametrize("concurrent", [2, 5])
def test_trials_side_by_side_share_the_clock(curve_table: CurveTable, concurrent: int) -> None:
    scheduler = AsyncHyperBandScheduler(
        time_attr=TIME_ATTR, metric=METRIC, mode=MODE, max_t=153, grace_period=153
    )
    _, _, seen = replay(curve_table, scheduler, trials=5, concurrent=concurrent)
    first = [(f"t{trial:03d}", step) for step in RUNGS for trial in range(concurrent)]
    assert seen[: len(first)] == first
    assert len(seen) == 5 * len(RUNGS)


def test_a_trial_that_waits_is_told_to_end_without_a_result(curve_table: CurveTable) -> None:
    controller, searcher, _ = replay(curve_table, FIFOScheduler(), trials=0)
    trial = ReplayedTrial("t000", {}, 0, 0.0, last_result={TIME_ATTR: 17})
    controller.trials.append(trial)
    controller.pause_trial(trial)
    assert (trial.status, controller.get_live_trials()) == (Trial.PAUSED, [trial])
    controller.stop_trial(trial)
    controller.stop_trial(trial)
    assert searcher.told == [("t000", "end", None)]
    assert trial.is_finished()
