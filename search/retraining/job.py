"""What a full-length run is to do: which config, on which data, checked before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from data.corpus import CorpusFiles, find_corpus
from data.files.own_json import read_own
from search.options import SearchOptions
from search.planning.continued_space import stored_space
from search.planning.documents import Documents
from search.planning.draft import gathered
from search.planning.models import model_problems, with_possible_answers
from search.planning.preset import choose_preset
from search.planning.space import SearchSpace, default_space
from search.retrain_options import RetrainOptions
from search.retraining.learning_curve import state_folders
from search.retraining.rival import Rival, find_rival
from search.retraining.starting_config import starting_config
from search.study.config_file import read_config
from search.study.files import StudyFiles
from search.study.json_content import ProvenanceJson
from search.study.provenance import provenance
from trainable.config import TrialConfig, TrialSettings
from trainable.model.adapters import check_init_adapter
from trainable.model.bases import BUNDLED, locate_base
from trainable.model.kept_adapter import mend_winner
from trainable.scoring.operating_point import Target
from trainable.training.full_length import FullLengthSettings


class WinningConfigJson(TypedDict):
    """What of best.json is trained."""

    study: str
    config: dict[str, object]


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """A checked full-length run."""

    options: RetrainOptions
    study: str
    """Name of the study; empty if a config is trained that no search found."""
    config: TrialConfig
    settings: FullLengthSettings
    provenance: ProvenanceJson
    uses_gpu: bool
    rival: Rival | None = None
    """What is compared with, if anything."""

    def with_seed(self, number: int) -> tuple[TrialConfig, FullLengthSettings]:
        """Return the config with another seed, and the settings of its run, numbered from 1."""
        config = self.config.with_changes(seed=self.config.seed + number)
        return config, replace(self.settings, out_dir=self.settings.out_dir / f"seed-{config.seed}")

    def out_dirs(self) -> list[Path]:
        """Return the folder of every training, the first's first."""
        others = [self.with_seed(number)[1] for number in range(1, self.options.seeds)]
        compared = [self.rival.settings] if self.rival and self.rival.settings else []
        shares = state_folders(self.settings) if self.options.learning_curve else []
        return [settings.out_dir for settings in (self.settings, *compared, *others)] + shares

    def describe(self) -> str:
        """Return what will be done, for people."""
        test = self.settings.test_file.name if self.settings.test_file else "none"
        found = "found at learning rate" if self.study else f"{self.options.config}, learning rate"
        augmented = ", on augmented texts" if self.settings.augmented else ""
        lines = [
            f"retrain    {self.config.model}, rank {self.config.lora_rank}, {found} {self.config.learning_rate:.2e}, "
            f"oversampling {self.config.oversampling:g}, {'4' if self.config.load_in_4bit else '16'}-bit",
            f"engine     {self.options.engine} ({self.settings.backend} backend), {self.settings.epochs} epochs{augmented}",
            f"data       train {self.settings.train_file.name}, validation {self.settings.validation_file.name}, test {test}",
            *([f"seeds      {self.options.seeds}"] if self.options.seeds > 1 else []),
            *([f"compare    with {self.rival.name}"] if self.rival else []),
            *(
                [f"point      {point}, chosen on validation"]
                if (point := self.settings.operating_point)
                else []
            ),
            f"results    {self.settings.out_dir}",
        ]
        return "\n".join(lines)


def prepare(options: RetrainOptions) -> RetrainJob:
    """Check the options against the study's files, or against data and machine if there is no study.

    Raises:
        FileNotFoundError: If best.json, data or an adapter are missing.
        ValueError: If a value breaks its rule, the base model is not here, or lines of the data are bad.
        RuntimeError: If the backend cannot run here.
    """
    if (options.best_json is None) == (options.config is None):
        raise ValueError(
            "give best.json of a study, or `--config` with what to train without a search; not both"
        )
    if options.best_json is not None:
        return _of_study(options, options.best_json.resolve())
    return _of_config(options, str(options.config))


def _of_study(options: RetrainOptions, best_json: Path) -> RetrainJob:
    files = StudyFiles(best_json.parent)
    if not best_json.is_file() or not files.config.is_file():
        raise FileNotFoundError(
            f"{best_json} must exist, with the study's config.json beside it; run a search first"
        )
    _check_numbers(options)
    best = read_own(best_json, WinningConfigJson, mend_winner(best_json))
    saved = read_config(files)
    stored_dir = saved["options"]["data_dir"]
    data_dir = options.data_dir or (Path(str(stored_dir)) if stored_dir else None)
    corpus = find_corpus(data_dir.resolve() if data_dir else None)
    config = _changed(TrialConfig.from_dict(best["config"]), options)
    _checked_documents(config, corpus)
    shared = TrialSettings.load(files.trial_settings)
    preset = choose_preset(saved["preset"]["name"], shared.backend)
    settings = FullLengthSettings(
        backend=preset.backend,
        train_file=corpus.train,
        validation_file=corpus.validation,
        test_file=corpus.test,
        out_dir=(options.out or files.root / "retrain").resolve(),
        epochs=options.epochs,
        min_precision=shared.min_precision,
        window_tokens=options.window_tokens or shared.window_tokens,
        overlap_tokens=shared.overlap_tokens if options.overlap_tokens is None else options.overlap_tokens,
        augmented=options.augment and options.engine == "own",
        prompt=shared.prompt(config.model),
        searched_steps=None if options.keep_rate else shared.horizon_steps,
        keep_state=_several(options),
        operating_point=options.operating_point,
    )
    rival = _rival(options, stored_space(files), config, settings, shared)
    source = provenance(corpus, config.seed)
    return RetrainJob(options, best["study"], config, settings, source, preset.name == "gpu", rival)


def _of_config(options: RetrainOptions, wanted: str) -> RetrainJob:
    _check_numbers(options)
    if options.out is None:
        raise ValueError("`--config` needs `--out` too: the folder for the results")
    preset = choose_preset(options.preset, options.backend)
    defaults = SearchOptions()
    seed = defaults.seed if options.seed is None else options.seed
    space = default_space(preset.name, seed)
    config = _changed(starting_config(wanted, space, seed, "--config"), options)
    corpus = find_corpus(options.data_dir.resolve() if options.data_dir else None)
    _check_inputs(config, corpus, preset.backend)
    settings = FullLengthSettings(
        backend=preset.backend,
        train_file=corpus.train,
        validation_file=corpus.validation,
        test_file=corpus.test,
        out_dir=options.out.resolve(),
        epochs=options.epochs,
        min_precision=defaults.min_precision,
        window_tokens=options.window_tokens or defaults.window_tokens,
        overlap_tokens=options.overlap_tokens,
        augmented=options.augment and options.engine == "own",
        keep_state=_several(options),
        operating_point=options.operating_point,
    )
    rival = _rival(options, space, config, settings, None)
    source = provenance(corpus, config.seed)
    return RetrainJob(options, "", config, settings, source, preset.name == "gpu", rival)


def _rival(
    options: RetrainOptions,
    space: SearchSpace,
    config: TrialConfig,
    settings: FullLengthSettings,
    shared: TrialSettings | None,
) -> Rival | None:
    if settings.test_file is None and (options.compare or options.seeds > 1):
        flag = "--compare" if options.compare else "--seeds"
        raise ValueError(f"`{flag}` needs a test set, and {settings.train_file.parent} has no test file")
    if options.compare is None:
        return None
    rival = find_rival(options.compare, space, config.seed, settings, shared)
    if rival.config is not None:
        _check_engine(rival.config, options)
    return rival


def _check_numbers(options: RetrainOptions) -> None:
    problems = [
        f"`--{name}` is {value}, but must be at least 1"
        for name, value in (("epochs", options.epochs), ("seeds", options.seeds))
        if value < 1
    ]
    try:
        if options.operating_point is not None:
            Target.parse(options.operating_point)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))


def _several(options: RetrainOptions) -> bool:
    return options.compare is not None or options.seeds > 1 or options.learning_curve


def _check_inputs(config: TrialConfig, corpus: CorpusFiles, backend: str) -> None:
    """Check documents and base model, as a search does before it starts.

    Raises:
        ValueError: Lists the bad lines of all data files, and why the base model cannot be tuned in this way.
    """
    documents = _checked_documents(config, corpus)
    space = SearchSpace(
        {}, {"model": config.model, "load_in_4bit": config.load_in_4bit, "answers": config.answers}, {}
    )
    if config.model not in BUNDLED and (problems := model_problems(space, [config.model])):
        raise ValueError("\n".join(problems))
    with_possible_answers(space, documents.train, backend)


def _checked_documents(config: TrialConfig, corpus: CorpusFiles) -> Documents:
    """Return the documents, all read; a ValueError lists their bad lines, and says if the base model is not here."""
    documents = Documents(corpus)
    problems = documents.problems()
    gathered(problems, lambda: locate_base(config.model))
    if problems:
        raise ValueError("\n".join(problems))
    return documents


def _changed(config: TrialConfig, options: RetrainOptions) -> TrialConfig:
    if options.seed is not None:
        config = config.with_changes(seed=options.seed)
    if options.init_adapter is not None:
        config = config.with_changes(init_adapter=str(options.init_adapter.resolve()))
    if config.init_adapter is not None:
        check_init_adapter(config)
    _check_engine(config, options)
    return config


def _check_engine(config: TrialConfig, options: RetrainOptions) -> None:
    if config.tagged and options.engine == "trl":
        raise ValueError("`--engine trl` trains on written answers alone; use --engine own for one that tags")
