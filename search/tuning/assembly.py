"""The searcher, the scheduler and the slots that a plan asks for, the same for training and for replaying."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.planning.plan import SearchPlan
from trainable.config import SETTINGS_KEY

if TYPE_CHECKING:
    import optuna

    from search.tuning.scheduler import PausingScheduler
    from search.tuning.searcher import TruthfulOptunaSearch
    from search.tuning.slots import Slots


def make_searcher(
    plan: SearchPlan, storage: optuna.storages.BaseStorage | None = None
) -> TruthfulOptunaSearch:
    """Return a searcher on the study's database, new or as far as it is.

    Args:
        plan: The search.
        storage: Where the study lives instead.
    """
    import optuna

    from search.planning.memory import MemoryModel
    from search.planning.rates import expectation_of
    from search.planning.space import SpaceSampler
    from search.study.storage import name_inside, open_storage
    from search.tuning.coordinates import Coordinates
    from search.tuning.known_trials import as_completed
    from search.tuning.searcher import TruthfulOptunaSearch
    from search.tuning.widening import widen_trials

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if storage is None and plan.files.database.is_file():
        widen_trials(plan.files.database, plan.space)
    storage = storage or open_storage(str(plan.files.database))
    return TruthfulOptunaSearch(
        SpaceSampler(plan.space, {SETTINGS_KEY: str(plan.files.trial_settings)}),
        horizon_steps=plan.rungs[-1],
        storage=storage,
        study_name=name_inside(storage, plan.files.root.name),
        starting_configs=plan.space.fitting_starting_configs(),
        seed=plan.options.seed,
        requirements=plan.settings.requirements,
        memory=MemoryModel(plan.options.vram_gb, plan.settings.window_tokens),
        judges=dict(zip(plan.rungs, plan.settings.judges, strict=False)),
        known=as_completed(plan.known, plan.space),
        coordinates=Coordinates(expectation_of(plan.space, plan.rungs[-1])),
    )


def make_slots(plan: SearchPlan) -> Slots:
    """Return how many trials run at a time."""
    from search.tuning.slots import MeasuredSlots, Slots, gpu_busy

    options = plan.options
    automatic = options.trials_per_gpu == "auto" and options.concurrent_trials is None
    if automatic and plan.preset.name == "gpu":
        return MeasuredSlots(plan.concurrent_trials, gpu_busy)
    return Slots(plan.concurrent_trials)


def make_scheduler(plan: SearchPlan, slots: Slots) -> PausingScheduler:
    """Return a scheduler that goes on where the rung journal is."""
    from search.tuning.promotion import RacePolicy
    from search.tuning.scheduler import PausingScheduler

    settings = plan.settings
    policy = RacePolicy(plan.rungs, plan.shares, min_precision=settings.min_precision, judges=settings.judges)
    return PausingScheduler(plan.files.rungs, policy, slots)
