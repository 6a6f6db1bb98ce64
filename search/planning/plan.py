"""Everything a search decides before it starts; all problems with it are found here, at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from data.corpus import CorpusFiles, find_corpus
from data.files.private import for_owner_alone
from search.cluster.nodes import Node, told_nodes
from search.goals import GOALS_FILE, goals_problems
from search.options import SearchOptions
from search.planning.continued_space import narrower, stored_space, widened
from search.planning.documents import Documents
from search.planning.ladder import (
    describe_rungs,
    expected_cost_share,
    rung_shares,
)
from search.planning.models import check_answers, model_problems, with_possible_answers
from search.planning.options_check import unknown_types, wrong_values
from search.planning.preset import Preset, choose_preset
from search.planning.rates import told_rates, with_expected_rates
from search.planning.resume import (
    changed_inputs,
    changed_system_prompt,
    choose_study,
    stored_options,
)
from search.planning.seats import Places, planned_places
from search.planning.space import SearchSpace, default_space, fix, read_space
from search.planning.trial_settings import continued_settings, planned_rungs, planned_settings, system_prompt
from search.study.files import StudyFiles
from search.study.json_content import KnownTrialJson
from trainable.config import TrialSettings
from trainable.knob import Choice, Range
from trainable.model.adapters import read_init_adapter
from trainable.model.bases import BUNDLED, locate_base
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.seat import Seat, told_seats
from trainable.trial.storage_url import remembered

T = TypeVar("T")
_FIRST_FILES = {"study.lock", "trial_settings.json", GOALS_FILE}
"""What a search that was killed before it had written config.json leaves behind."""
MIN_FREE_GIB = 2.0
"""Ray's session files, checkpoints of a search and the token cache together stay below this."""


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """A search that can start: checked options and what follows from them."""

    options: SearchOptions
    preset: Preset
    corpus: CorpusFiles
    space: SearchSpace
    files: StudyFiles
    settings: TrialSettings
    n_train: int
    rates_note: str
    """Where the learning rates come from."""
    answers_note: str
    """What is to be said of the ways to answer; empty: nothing."""
    seats: tuple[Seat, ...]
    """Where trials run, one at each."""
    documents: Documents = field(compare=False, repr=False)
    """The corpus as it was read; dropped before trials start."""
    known: tuple[KnownTrialJson, ...] = ()
    """Trials of earlier studies that the sampler learns from (search/tuning/known_trials.py)."""
    known_note: str = ""
    """Which they are, in words."""
    narrower: dict[str, Choice | Range] = field(default_factory=dict)
    """What `--space` widens in a study that goes on, as it was searched before."""
    nodes: tuple[Node, ...] = ()
    """Those of a cluster on which trials run."""
    store: CheckpointStore | None = None
    """Where trials keep their checkpoints, if not in the study's folder."""

    @property
    def concurrent_trials(self) -> int:
        """Trials that run at a time."""
        return len(self.seats)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which trials are compared."""
        return self.settings.rungs

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of all trials that goes past each rung but the last."""
        return rung_shares(self.rungs, self.options.reduction_factor, self.options.trials)

    def describe(self) -> str:
        """Return what will be done, for people."""
        searched = ", ".join(f"{name} {knob}" for name, knob in self.space.parameters.items())
        share = expected_cost_share(self.rungs, self.shares)
        passing = ", ".join(f"{part:.0%}" for part in self.shares) or "all"
        data = "bundled sample" if self.corpus.bundled else str(self.corpus.train.parent)
        lines = [
            f"study      {self.files.root}",
            f"preset     {self.preset.name} ({self.preset.why})",
            f"workers    {told_seats(self.seats, self.options.trials_per_gpu == 'auto')}",
            *(f"{'' if place else 'nodes':<11}{line}" for place, line in enumerate(told_nodes(self.nodes))),
            *([f"storage    {self.options.storage}"] if self.store else []),
            f"data       {data}: {self.n_train} training, {self.settings.evaluation_documents[-1]} validation documents",
            f"space      {searched}",
            f"rates      {self.rates_note}",
            *(
                [f"widened    {', '.join(f'{name} from {old}' for name, old in self.narrower.items())}"]
                if self.narrower
                else []
            ),
            *([f"known      {self.known_note}"] if self.known_note else []),
            *([f"answers    {self.answers_note}"] if self.answers_note else []),
            f"first      {', '.join(self.space.fitting_starting_configs()) or 'no starting config fits the space'}",
            f"rungs      steps {describe_rungs(self.rungs, self.settings.judges)}; {passing} of the trials go past them",
            f"budget     {self.options.trials} trials, about {share:.0%} of {self.options.trials * self.rungs[-1]} optimizer steps",
        ]
        return "\n".join(lines)


def make_plan(options: SearchOptions) -> SearchPlan:
    """Check every option against the machine, the data and the results folder.

    Raises:
        ValueError: Lists all problems, one a line.
        RuntimeError: If the preset cannot run here.
    """
    problems: list[str] = []
    given = options = replace(options, storage=remembered(options.storage))
    files = _gather(problems, lambda: _study_files(options))
    goes_on = files is not None and files.config.is_file()
    if files is not None and goes_on:
        options = _gather(problems, partial(stored_options, options, files)) or options
    preset = choose_preset("cpu" if options.simulate else options.preset, options.backend)
    problems += wrong_values(options)
    fallback = default_space(preset.name, options.seed)
    before = space = (None if goes_on else _gather(problems, lambda: _space(options, fallback))) or fallback
    corpus = _gather(problems, lambda: find_corpus(options.data_dir))
    problems += goals_problems(given.goals, corpus.train if corpus else None)
    documents = Documents(corpus) if corpus else None
    n_train = n_validation = 0
    if corpus and documents:
        n_train = len(_gather(problems, lambda: documents.train) or ())
        validation = _gather(problems, lambda: documents.validation) or []
        n_validation = len(validation)
        problems += unknown_types(options, validation)
        if not problems and not (n_train and n_validation):
            empty = corpus.validation if n_train else corpus.train
            problems.append(f"{empty} of `--data-dir` is empty, but must hold at least one document")
    if files is not None and goes_on and corpus and documents and not problems:
        problems += changed_inputs(files, corpus)
        problems += _gather(problems, partial(changed_system_prompt, given, files, documents)) or []
        before = space = stored_space(files)
        if given.space is not None:
            space = _gather(problems, lambda: widened(before, _space(options, before))) or before
    new_models = [model for model in space.models() if not goes_on or model not in before.models()]
    problems += _model_problems(space, () if problems else new_models)
    rungs, places = tuple[int, ...]((1,)), Places()
    if documents and n_train and not goes_on:
        _gather(problems, partial(system_prompt, options.system_prompt, documents))
    if documents and files and n_train and not problems:
        batch = int(space.fixed.get("effective_batch", 32))
        rungs = _gather(problems, lambda: planned_rungs(options, preset, n_train, batch)) or rungs
        found = partial(planned_places, options, preset, space, documents, files)
        places = _gather(problems, found) or places
    if problems or corpus is None or documents is None or files is None:
        raise ValueError("\n".join(problems))
    note, rates_note = "", "those of the study, which goes on"
    if goes_on:
        check_answers(space, new_models, documents.train, preset.backend)
        settings, old = continued_settings(files, corpus, new_models), narrower(before, space)
    else:
        before, note = with_possible_answers(space, documents.train, preset.backend)
        space, old = with_expected_rates(before, rungs[-1]), {}
        rates_note = told_rates(before, space, preset.name, rungs[-1])
        where = places.seats, places.nodes
        settings = planned_settings(options, preset, space, files, rungs, documents, *where)
    return SearchPlan(
        options, preset, corpus, space, files, settings, n_train, rates_note, note, places.seats, documents, narrower=old, nodes=places.nodes, store=places.store,
    )  # fmt: skip


def _gather(problems: list[str], action: Callable[[], T]) -> T | None:
    """Run a check; turn its error into one more line of `problems`."""
    try:
        return action()
    except (OSError, ValueError) as error:
        problems.append(str(error))
        return None


def _model_problems(space: SearchSpace, unknown: Sequence[str]) -> list[str]:
    """Return which base models are not here, and which of the unknown ones cannot be tuned; ours are known to be good."""
    problems: list[str] = []
    for model in space.models():
        _gather(problems, partial(locate_base, model))
    if not problems:
        problems = model_problems(space, [model for model in unknown if model not in BUNDLED])
    return problems


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
    strange = {path.name for path in files.root.glob("*")} - _FIRST_FILES
    if strange and not files.config.is_file():
        raise FileExistsError(f"{files.root} exists and is no study; choose another --study")
    return files
