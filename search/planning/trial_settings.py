"""What every trial of a study is told: its rungs, files, requirements, threads and share of the GPU."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from data.corpus import CorpusFiles
from data.entities import entity_types
from data.prompt import SYSTEM_PROMPT
from search.cluster.nodes import Node
from search.options import SearchOptions
from search.planning.documents import Documents
from search.planning.ladder import (
    default_grace,
    default_horizon,
    race_ladder,
    rung_documents,
    rung_judges,
    rung_ladder,
)
from search.planning.preset import Preset
from search.planning.space import SearchSpace
from search.study.files import StudyFiles
from trainable.config import TrialSettings
from trainable.model.bases import BUNDLED, locate_base
from trainable.requirements import parse_type_recall
from trainable.tokens.chat import read_chat_format
from trainable.trial.seat import Seat

GPU_TRIAL_THREADS = 8


def planned_rungs(options: SearchOptions, preset: Preset, n_train: int, batch_size: int) -> tuple[int, ...]:
    """Return the optimizer steps at which trials are compared; the last is the horizon.

    Raises:
        ValueError: If the first lies beyond the horizon.
    """
    limit = preset.horizon_limit_steps
    horizon = options.horizon_steps or default_horizon(
        n_train, batch_size, options.reduction_factor or 3, limit
    )
    if options.grace_steps is not None and options.grace_steps > horizon:
        raise ValueError(
            f"`--grace-steps` is {options.grace_steps}, but must be at most the horizon ({horizon})"
        )
    if options.reduction_factor is None:
        return race_ladder(horizon, options.grace_steps)
    grace = options.grace_steps or default_grace(horizon, options.reduction_factor)
    return rung_ladder(horizon, grace, options.reduction_factor)


def system_prompt(file: Path | None, read: Documents) -> str:
    """Return the system message of a study: ours, or a file's with its placeholder filled.

    Raises:
        ValueError: If the file cannot be read, or is empty.
    """
    if file is None:
        return SYSTEM_PROMPT
    try:
        text = file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"`--system-prompt` is {file}, but must be a text file in UTF-8: {error}") from error
    if not text:
        raise ValueError(f"`--system-prompt` {file} is empty, but must hold the system message")
    return text.replace("{types}", ", ".join(sorted(entity_types(read.train))))


def ends_of_turn(models: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return base models with the token that ends their answers; ours, which never change, are left out."""
    others = [model for model in models if model not in BUNDLED]
    return tuple((model, read_chat_format(locate_base(model)).end_of_turn) for model in others)


def planned_settings(
    options: SearchOptions,
    preset: Preset,
    space: SearchSpace,
    files: StudyFiles,
    rungs: tuple[int, ...],
    read: Documents,
    seats: Sequence[Seat],
    nodes: Sequence[Node] = (),
) -> TrialSettings:
    """Return what every trial of a new study is told; its share and memory of a GPU are those at the first seat."""
    # paths are absolute from here on: Ray may run a trial in any working directory
    documents = min(len(read.validation), options.evaluation_documents or preset.evaluation_documents)
    judges = rung_judges(rungs, options.reduction_factor)
    return TrialSettings(
        backend=preset.backend,
        train_file=str(read.files.train),
        validation_file=str(read.files.validation),
        token_cache=str(files.token_cache),
        checkpoint_dir=str(files.checkpoints),
        rungs=rungs,
        evaluation_documents=rung_documents(documents, judges),
        judges=judges,
        system_prompt=system_prompt(options.system_prompt, read),
        ends_of_turn=ends_of_turn(space.models()),
        in_turn=True,
        min_precision=options.min_precision,
        min_json_valid=options.min_json_valid,
        min_type_recall=parse_type_recall(options.min_recall),
        window_tokens=options.window_tokens,
        overlap_tokens=options.overlap_tokens,
        threads=trial_threads(preset, seats, nodes),
        gpus=seats[0].gpus,
        vram_gib=seats[0].vram_gib,
    )


def trial_threads(preset: Preset, seats: Sequence[Seat], nodes: Sequence[Node] = ()) -> int:
    """Return the threads of one of several trials at a time, here or on any node of a cluster."""
    if preset.name == "cpu":
        return 1
    each = [int(node.cpus / max(1.0, node.gpus / seats[0].gpus)) for node in nodes]
    return max(1, min([*(each or [(os.cpu_count() or 1) // len(seats)]), GPU_TRIAL_THREADS]))


def continued_settings(files: StudyFiles, corpus: CorpusFiles, new_models: Sequence[str]) -> TrialSettings:
    """Return what the finished trials ran with, whatever has changed since; new models add how their answers end."""
    saved = TrialSettings.load(files.trial_settings)
    return replace(
        saved,
        train_file=str(corpus.train),
        validation_file=str(corpus.validation),
        ends_of_turn=saved.ends_of_turn + ends_of_turn(new_models),
    )
