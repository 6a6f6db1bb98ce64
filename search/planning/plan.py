"""Everything a search decides before it starts; all problems with it are found here, at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from data.corpus import CorpusFiles
from search.cluster.nodes import Node, told_nodes
from search.options import SearchOptions
from search.planning.continued_space import narrower
from search.planning.documents import Documents
from search.planning.draft import Draft, draft_plan, gathered
from search.planning.ladder import (
    describe_rungs,
    expected_cost_share,
    rung_shares,
)
from search.planning.models import check_answers, model_problems, with_possible_answers
from search.planning.preset import Preset
from search.planning.rates import told_rates, with_expected_rates
from search.planning.seats import Places, planned_places
from search.planning.space import SearchSpace
from search.planning.trial_settings import continued_settings, planned_settings
from search.study.files import StudyFiles
from search.study.json_content import KnownTrialJson
from trainable.config import TrialSettings
from trainable.knob import Choice, Range
from trainable.model.bases import BUNDLED
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.seat import Seat, told_seats


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
    def threads(self) -> int:
        """CPU threads of each of them."""
        return self.settings.threads

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
    return finish_plan(draft_plan(options))


def finish_plan(draft: Draft) -> SearchPlan:
    """Look at the base models of a draft, which takes seconds, and decide what is left; changes nothing of the process.

    Raises:
        ValueError: Lists all problems, those of the draft included, one a line.
    """
    options, preset, space, problems = draft.options, draft.preset, draft.space, draft.problems
    corpus, documents, files, places = draft.corpus, draft.documents, draft.files, Places()
    if not problems:
        problems = model_problems(space, [model for model in draft.new_models if model not in BUNDLED])
    seats = draft.footing.seats if draft.footing else ()
    if documents and files and not problems:
        found = partial(planned_places, options, preset, space, documents, files, seats)
        places = gathered(problems, found) or places
    if problems or corpus is None or documents is None or files is None:
        raise ValueError("\n".join(problems))
    note, rates_note, rungs = "", "those of the study, which goes on", draft.rungs
    if draft.goes_on:
        check_answers(space, draft.new_models, documents.train, preset.backend)
        settings = continued_settings(files, corpus, draft.new_models)
        old = narrower(draft.before, space)
    else:
        before, note = with_possible_answers(space, documents.train, preset.backend)
        space, old = with_expected_rates(before, rungs[-1]), {}
        rates_note = told_rates(before, space, preset.name, rungs[-1])
        where = places.seats, places.nodes
        settings = planned_settings(options, preset, space, files, rungs, documents, *where)
    return SearchPlan(
        options, preset, corpus, space, files, settings, draft.n_train, rates_note, note, places.seats, documents, narrower=old, nodes=places.nodes, store=places.store,
    )  # fmt: skip
