"""The winner of a study: best.json, and the adapters that are kept."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from data.files.private import delete_private
from search.study.confirmation import Confirmation, ranked_by_mean
from search.study.files import (
    NO_RESULTS,
    StudyFiles,
    last_step,
    trial_config,
    violated,
    write_json,
)
from search.study.json_content import ProvenanceJson
from trainable.model.kept_adapter import recorded_step
from trainable.trial.checkpoint_store import CheckpointStore, StorageFailed

if TYPE_CHECKING:
    import optuna

BEST_ADAPTERS = 3
"""Adapters that are kept when a search ends."""


def write_best(
    study: optuna.Study,
    files: StudyFiles,
    fixed: Mapping[str, object],
    provenance: ProvenanceJson,
    confirmation: Confirmation | None = None,
) -> dict[str, object]:
    """Write best.json and return its content.

    Args:
        study: The Optuna study.
        files: Where to write.
        fixed: Hyperparameters that were not searched.
        provenance: Data, commit and machine of the study.
        confirmation: What confirming runs showed; None if there are none to be.

    Raises:
        RuntimeError: If no trial has a score.
    """
    trials = ranked_by_mean(study, confirmation)
    if not trials:
        raise RuntimeError(
            f"no trial of this study has a score yet; see {files.trials} for the reasons, or go on with --resume"
        )
    winner = trials[0]
    metrics = {key: value for key, value in winner.user_attrs.items() if key not in NO_RESULTS | {"reason"}}
    content: dict[str, object] = {
        "study": files.root.name,
        "trial": winner.user_attrs["ray_trial_id"],
        "number": winner.number,
        "steps": last_step(winner),
        "config": trial_config(winner, fixed).to_dict(),
        "violated": violated(winner),
        "validation": metrics,
        "confirmation": confirmation and confirmation.as_json(),
        "provenance": provenance,
    }
    write_json(files.best, content)
    return content


def keep_best_adapters(
    study: optuna.Study,
    files: StudyFiles,
    confirmation: Confirmation | None = None,
    store: CheckpointStore | None = None,
) -> None:
    """Move the adapters of the best trials to adapters/<trial>/ and drop resumable state and token ids.

    An adapter of another step than its trial's last one is not what was scored: that is said, and it goes too.

    Args:
        study: The Optuna study.
        files: Where to write.
        confirmation: What confirming runs showed.
        store: Where the adapters are, if not in the study's folder.

    Raises:
        StorageFailed: If the store does not give one.
    """
    trials = ranked_by_mean(study, confirmation)[:BEST_ADAPTERS]
    best = {trial.user_attrs["ray_trial_id"]: last_step(trial) for trial in trials}
    for folder in files.adapters.glob("*"):
        if folder.name not in best:  # was among the best before the study was extended
            shutil.rmtree(folder)
    for name, step in best.items():
        if store is not None:
            store.fetch(name, files.checkpoints / name)
        source = files.checkpoints / name / "adapter"
        saved_at = recorded_step(source) or step
        if saved_at != step:
            print(f"the adapter of {name} is not kept: it is of step {saved_at}, its score of step {step}")
        elif source.is_dir():
            shutil.rmtree(files.adapters / name, ignore_errors=True)
            shutil.copytree(source, files.adapters / name)
    drop_state(files, store)


def drop_state(files: StudyFiles, store: CheckpointStore | None = None) -> None:
    """Delete resumable state and token ids, and say what could not be deleted."""
    for private in (files.checkpoints, files.token_cache):
        delete_private(private)
    if store is not None:
        try:
            store.delete()
        except StorageFailed as error:
            print(f"{error}; delete {store.folder} there yourself, its content is private", file=sys.stderr)
