"""What nodes without a shared disk are sent of a study: data and token cache through Ray's object store; and its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.private import delete_private
from search.cluster.nodes import asked, nodes_in
from trainable.config import STUDY_FOLDERS, TAGS, TrialSettings
from trainable.model.bases import locate_base
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.storage_url import whole_url

if TYPE_CHECKING:
    from ray import ObjectRef

    from trainable.trial.workplace import Shipment

PATIENCE_S = 30.0
"""How long nodes may take to delete their copies."""


def ship(
    study: str,
    settings: TrialSettings,
    store: CheckpointStore,
    models: Iterable[str],
    answers: Iterable[str],
) -> Shipment:
    """Put what trials need of a study into Ray's object store, tokenised first for every model and way to answer.

    Args:
        study: Its name.
        settings: What each trial reads.
        store: Where checkpoints go.
        models: Base models of the space.
        answers: Ways to answer in it.
    """
    import ray

    from trainable.trial.workplace import Shipment

    tokenize(settings, models, answers)
    tokens = Path(settings.token_cache)
    files = {
        f"train/{Path(settings.train_file).name}": Path(settings.train_file),
        f"validation/{Path(settings.validation_file).name}": Path(settings.validation_file),
    } | {
        f"{STUDY_FOLDERS['token_cache']}/{path.relative_to(tokens).as_posix()}": path
        for path in tokens.rglob("*")
        if path.is_file()
    }
    content = ray.put({name: path.read_bytes() for name, path in files.items()})
    return Shipment(study, settings, content, store, whole_url(store.url))


def tokenize(settings: TrialSettings, models: Iterable[str], answers: Iterable[str]) -> None:
    """Fill the token cache of a study with what any of its trials may ask for."""
    from datasets import disable_progress_bars

    from trainable.tokens.corpus import tokenized

    disable_progress_bars()
    for model, way in product(models, answers):
        with suppress(ValueError):  # a document that does not fit is told by the trials of that model
            tokenized(
                locate_base(model), Path(settings.train_file), settings.window_tokens, Path(settings.token_cache),
                settings.overlap_tokens, None, settings.prompt(model), way == TAGS,
            )  # fmt: skip


def delete_copies(folder: str) -> list[str]:
    """Delete the copies of a study on all nodes that are still there; return what could not be deleted, in words.

    Args:
        folder: Name of the study's folder at the storage.
    """
    import ray

    @ray.remote(num_cpus=0, max_retries=0)
    def delete() -> bool:
        from trainable.trial.workplace import copy_folder

        copy = copy_folder(folder)
        delete_private(copy)
        return not copy.exists()

    answers = asked(delete, nodes_in(ray.nodes()), lambda node: (), PATIENCE_S)
    return [
        f"node {node.name}: the copy of the study in its folder for temporary files could not be deleted; its content is private"
        for node, answer in answers.items()
        if not _done(answer)
    ]


def _done(answer: ObjectRef[bool]) -> bool:
    import ray

    try:
        return bool(ray.get(answer, timeout=0))
    except ray.exceptions.RayError:
        return False
