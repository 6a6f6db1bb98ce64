"""The first part of a plan, which takes little time: all but the base models, so that Ray can start while they are looked at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import TypeVar

from data.corpus import CorpusFiles, find_corpus
from data.files.private import for_owner_alone
from data.files.whole import is_left_of
from search.goals import GOALS_FILE, goals_problems
from search.options import SearchOptions
from search.planning.continued_space import stored_space, widened
from search.planning.documents import Documents
from search.planning.options_check import unknown_types, wrong_values
from search.planning.preset import Preset, choose_preset
from search.planning.resume import (
    changed_inputs,
    changed_system_prompt,
    choose_study,
    stored_options,
)
from search.planning.seats import planned_seats
from search.planning.space import SearchSpace, default_space, fix, read_space
from search.planning.trial_settings import planned_rungs, system_prompt, trial_threads
from search.study.files import StudyFiles
from trainable.config import TrialSettings
from trainable.model.adapters import read_init_adapter
from trainable.model.bases import BUNDLED, locate_base
from trainable.trial.seat import Seat
from trainable.trial.storage_url import remembered

T = TypeVar("T")
_FIRST_FILES = {"study.lock", "trial_settings.json", GOALS_FILE}
"""What a search that was killed before it had written config.json leaves behind, halves of these files besides."""
MIN_FREE_GIB = 2.0
"""Ray's session files, checkpoints of a search and the token cache together stay below this."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What Ray on this machine is started for."""

    options: SearchOptions
    preset: Preset
    files: StudyFiles
    seats: tuple[Seat, ...]
    """Where trials run."""
    threads: int
    """CPU threads at each seat."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a search before its base models are looked at."""

    options: SearchOptions
    preset: Preset
    files: StudyFiles | None
    goes_on: bool
    before: SearchSpace
    """As the study was searched so far."""
    space: SearchSpace
    new_models: tuple[str, ...]
    """Base models that no trial of the study has had."""
    corpus: CorpusFiles | None
    documents: Documents | None
    n_train: int
    rungs: tuple[int, ...]
    problems: list[str]
    """Why the search cannot start, so far."""
    footing: Footing | None = None
    """What Ray can be started with; none if there are problems, or if other machines or base models decide about it."""


def draft_plan(options: SearchOptions) -> Draft:
    """Check what can be checked without a look into the base models; they are downloaded if need be.

    Raises:
        RuntimeError: If the preset cannot run here.
    """
    problems: list[str] = []
    given = options = replace(options, storage=remembered(options.storage))
    files = gathered(problems, lambda: _study_files(options))
    goes_on = files is not None and files.config.is_file()
    if files is not None and goes_on:
        options = gathered(problems, partial(stored_options, options, files)) or options
    preset = choose_preset("cpu" if options.simulate else options.preset, options.backend)
    problems += wrong_values(options)
    fallback = default_space(preset.name, options.seed)
    before = space = (None if goes_on else gathered(problems, lambda: _space(options, fallback))) or fallback
    corpus = gathered(problems, lambda: find_corpus(options.data_dir))
    problems += goals_problems(given.goals, corpus.train if corpus else None)
    documents = Documents(corpus) if corpus else None
    n_train = _read(documents, options, problems) if documents else 0
    if files is not None and goes_on and corpus and documents and not problems:
        problems += changed_inputs(files, corpus)
        problems += gathered(problems, partial(changed_system_prompt, given, files, documents)) or []
        before = space = stored_space(files)
        if given.space is not None:
            space = gathered(problems, lambda: widened(before, _space(options, before))) or before
    new_models = tuple(model for model in space.models() if not goes_on or model not in before.models())
    if not set(BUNDLED).issuperset(new_models):
        import_module("huggingface_hub.constants")  # reads the environment once, which a search changes
    for model in space.models():
        gathered(problems, partial(locate_base, model))
    rungs = tuple[int, ...]((1,))
    if documents and n_train and not goes_on:
        gathered(problems, partial(system_prompt, options.system_prompt, documents))
    if documents and n_train and not problems:
        batch = int(space.fixed.get("effective_batch", 32))
        rungs = gathered(problems, lambda: planned_rungs(options, preset, n_train, batch)) or rungs
    draft = Draft(
        options, preset, files, goes_on, before, space, new_models, corpus, documents, n_train, rungs, problems
    )  # fmt: skip
    return replace(draft, footing=_footing(draft))


def _footing(draft: Draft) -> Footing | None:
    """Return what Ray can be started with, where it is known without a look at base models or other machines."""
    options, files, documents = draft.options, draft.files, draft.documents
    elsewhere = options.simulate is not None or options.address != "local"
    if draft.problems or files is None or documents is None or elsewhere or options.trials_per_gpu == "auto":
        return None
    with suppress(OSError, ValueError):  # told when the plan is finished, with all others
        seats = planned_seats(options, draft.preset, draft.space, documents, files)
        threads = trial_threads(draft.preset, seats)
        if draft.goes_on:
            threads = TrialSettings.load(files.trial_settings).threads
        return Footing(options, draft.preset, files, seats, threads)
    return None


def _read(documents: Documents, options: SearchOptions, problems: list[str]) -> int:
    """Read the documents; return how many there are to train on."""
    read = documents.readable(problems)
    n_train, validation = len(read.get("train", ())), read.get("validation", ())
    problems += unknown_types(options, validation)
    if not problems and not (n_train and validation):
        empty = documents.files.validation if n_train else documents.files.train
        problems.append(f"{empty} of `--data-dir` is empty, but must hold at least one document")
    return n_train


def gathered(problems: list[str], action: Callable[[], T]) -> T | None:
    """Run a check; turn its error into one more line of `problems`."""
    try:
        return action()
    except (OSError, ValueError) as error:
        problems.append(str(error))
        return None


def _space(options: SearchOptions, space: SearchSpace) -> SearchSpace:
    """Return a space with what `--space` and `--init-adapter` change in it."""
    if options.space is not None and not options.space.is_file():
        raise FileNotFoundError(f"`--space` is {options.space}, but must be a TOML file; check the path")
    if options.space is not None:
        space = read_space(options.space.resolve(), space)
    if options.init_adapter is None:
        return space
    directory = options.init_adapter.resolve()
    adapter = read_init_adapter(directory)
    own = {
        "model": adapter["base_model_name_or_path"],
        "lora_rank": adapter["r"],
        "lora_alpha": adapter["lora_alpha"],
    }
    if isinstance(adapter.get("target_modules"), list):
        own["target_modules"] = tuple(adapter["target_modules"])
    own["lora_dropout"] = adapter.get("lora_dropout", 0.0)
    return fix(space, {**own, "use_rslora": adapter.get("use_rslora", False), "init_adapter": str(directory)})


def _study_files(options: SearchOptions) -> StudyFiles:
    results_dir = options.results_dir.resolve()
    try:
        with for_owner_alone():
            results_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"`--results-dir` is {results_dir}, but must be a folder: {error.strerror}") from error
    if not os.access(results_dir, os.W_OK):
        raise PermissionError(f"`--results-dir` {results_dir} must be writable")
    free_gib = shutil.disk_usage(results_dir).free / 2**30
    if free_gib < MIN_FREE_GIB:
        raise OSError(f"{results_dir} has {free_gib:.1f} GiB free, but a search needs {MIN_FREE_GIB:g}")
    files = choose_study(options)
    halves = {*_FIRST_FILES, files.config.name}
    strange = [
        path
        for path in files.root.glob("*")
        if path.name not in _FIRST_FILES and not is_left_of(path, halves)
    ]
    if strange and not files.config.is_file():
        raise FileExistsError(f"{files.root} exists and is no study; choose another --study")
    return files
