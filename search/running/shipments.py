"""A search whose nodes share no disk: what it sends them at its start, and what it takes back at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from search.cluster.shipping import delete_copies, ship
from search.planning.plan import SearchPlan
from trainable.trial.checkpoint_store import StorageFailed

if TYPE_CHECKING:
    from ray import tune


def shipped_trainable(plan: SearchPlan) -> type[tune.Trainable]:
    """Return what Ray runs on the nodes, with the study's data if they do not see its folder."""
    from ray import tune

    from trainable.trial.ray_trainable import TunerTrial

    if plan.store is None:
        return TunerTrial
    shipment = ship(
        plan.files.root.name, plan.settings, plan.store, plan.space.models(), plan.space.answers()
    )
    trainable: type[tune.Trainable] = tune.with_parameters(TunerTrial, shipment=shipment)
    return trainable


def bring_home(plan: SearchPlan) -> None:
    """Take the tracebacks of trials from the storage, and delete the private copies on the nodes; say what failed."""
    if plan.store is None:
        return
    try:
        plan.store.fetch_errors(plan.files.errors)
    except StorageFailed as error:
        print(f"tracebacks of trials were not fetched: {error}", file=sys.stderr, flush=True)
    for line in delete_copies(plan.store.folder):
        print(line, file=sys.stderr, flush=True)
