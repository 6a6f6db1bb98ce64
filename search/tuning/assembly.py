"""The searcher, the scheduler and the placement that a plan asks for, the same for training and for replaying."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from search.planning.plan import SearchPlan
from trainable.config import SETTINGS_KEY
from trainable.trial.seat import Seat

TRIALS_FOR_EACH = 12
"""Trials of a search for each config that is asked for ahead."""

if TYPE_CHECKING:
    import optuna

    from search.tuning.scheduler import PausingScheduler
    from search.tuning.searcher import TruthfulOptunaSearch
    from search.tuning.seating.placement import Placement


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


def make_placement(plan: SearchPlan, searcher: TruthfulOptunaSearch | None = None) -> Placement:
    """Return the seats of a search, none of them taken.

    Args:
        plan: The search.
        searcher: Predicts what configs need, where GPUs differ in memory.
    """
    from search.tuning.seating.placement import Placement
    from search.tuning.seating.slots import MeasuredSlots, Slots, gpus_busy

    options, seats = plan.options, plan.seats
    automatic = options.trials_per_gpu == "auto" and options.concurrent_trials is None
    slots = Slots(len(seats))
    if automatic and seats[0].device:
        slots = MeasuredSlots(steps_of(seats), partial(gpus_busy, sorted({seat.device for seat in seats})))
    return Placement(seats, slots, searcher.memory.needs_gib if searcher else None)


def drawn_ahead(plan: SearchPlan) -> int:
    """Return how many configs may wait for a worker with their base: none where a load takes half a second.

    With 4 and 8 GPUs and 100 trials one for each GPU made searches 8 and 9 % shorter at no loss of regret; with 20
    trials they hardly gained (results/reference/scale).
    """
    seats = plan.seats
    if len(seats) < 2 or not seats[0].device:
        return 0
    unequal = (
        len({seat.room_gib for seat in seats}) > 1
    )  # a small card must not wait for what only a large one takes
    return max(int(unequal), min(len(seats), plan.options.trials // TRIALS_FOR_EACH))


def steps_of(seats: Sequence[Seat]) -> list[int]:
    """Return how many seats there are with at most one on each GPU, with at most two, and so on."""
    places = Counter[str]()
    levels = Counter[int]()
    for seat in seats:
        places[seat.device] += 1
        levels[places[seat.device]] += 1
    return list(accumulate(levels[level] for level in sorted(levels)))


def make_scheduler(plan: SearchPlan, placement: Placement) -> PausingScheduler:
    """Return a scheduler that goes on where the rung journal is."""
    from search.tuning.promotion import RacePolicy
    from search.tuning.scheduler import PausingScheduler

    settings = plan.settings
    policy = RacePolicy(plan.rungs, plan.shares, min_precision=settings.min_precision, judges=settings.judges)
    return PausingScheduler(plan.files.rungs, policy, placement)
