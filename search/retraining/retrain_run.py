"""From best.json to an adapter, a test table and a model card."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, cast

from rich.console import Console

from data.corpus import find_corpus
from data.files.own_json import read_own
from data.files.private import for_owner_alone
from data.paths import ROOT
from data.terminal import plain_stdout
from search.planning.preset import choose_preset
from search.reporting.sections.write import try_report
from search.retrain_options import RetrainOptions
from search.retraining.model_card import model_card
from search.study.config_file import read_config
from search.study.files import StudyFiles, write_json
from search.study.json_content import ProvenanceJson, RetrainJson
from search.study.provenance import provenance
from trainable.config import TrialConfig, TrialSettings
from trainable.model.adapters import check_init_adapter
from trainable.model.bases import locate_base
from trainable.model.kept_adapter import mend_winner
from trainable.predicting.library_output import quieten
from trainable.scoring.intervals import bootstrap_interval
from trainable.scoring.tables import share, type_table
from trainable.training.full_length import (
    EpochResult,
    FullLengthResult,
    FullLengthRun,
    FullLengthSettings,
    train_full_length,
)

_TOLD = ("micro_recall", "micro_precision", "micro_f1")
"""Numbers in the last line of the command."""


class WinningConfigJson(TypedDict):
    """What of best.json is trained."""

    study: str
    config: dict[str, object]


@dataclass(frozen=True, slots=True)
class RetrainJob:
    """A checked full-length run."""

    options: RetrainOptions
    study: str
    config: TrialConfig
    settings: FullLengthSettings
    provenance: ProvenanceJson
    uses_gpu: bool

    def describe(self) -> str:
        """Return what will be done, for people."""
        test = self.settings.test_file.name if self.settings.test_file else "none"
        return (
            f"retrain    {self.config.model}, rank {self.config.lora_rank}, found at learning rate {self.config.learning_rate:.2e}, "
            f"oversampling {self.config.oversampling:g}, {'4' if self.config.load_in_4bit else '16'}-bit\n"
            f"engine     {self.options.engine} ({self.settings.backend} backend), {self.settings.epochs} epochs"
            f"{', on augmented texts' if self.settings.augmented else ''}\n"
            f"data       train {self.settings.train_file.name}, validation {self.settings.validation_file.name}, test {test}\n"
            f"results    {self.settings.out_dir}"
        )


def prepare(options: RetrainOptions) -> RetrainJob:
    """Check the options against the study's files.

    Raises:
        FileNotFoundError: If best.json, data, weights or an adapter are missing.
        ValueError: If a value breaks its rule.
        RuntimeError: If the study's backend cannot run here.
    """
    best_json = options.best_json.resolve()
    files = StudyFiles(best_json.parent)
    if not best_json.is_file() or not files.config.is_file():
        raise FileNotFoundError(
            f"{best_json} must exist, with the study's config.json beside it; run a search first"
        )
    if options.epochs < 1:
        raise ValueError(f"`--epochs` is {options.epochs}, but must be at least 1")
    best = read_own(best_json, WinningConfigJson, mend_winner(best_json))
    saved = read_config(files)
    stored_dir = saved["options"]["data_dir"]
    data_dir = options.data_dir or (Path(str(stored_dir)) if stored_dir else None)
    corpus = find_corpus(data_dir.resolve() if data_dir else None)
    config = _changed(TrialConfig.from_dict(best["config"]), options)
    if config.tagged and options.engine == "trl":
        raise ValueError("`--engine trl` trains on written answers alone; use --engine own for one that tags")
    locate_base(config.model)
    trial_settings = TrialSettings.load(files.trial_settings)
    preset = choose_preset(saved["preset"]["name"], trial_settings.backend)
    settings = FullLengthSettings(
        backend=preset.backend,
        train_file=corpus.train,
        validation_file=corpus.validation,
        test_file=corpus.test,
        out_dir=(options.out or files.root / "retrain").resolve(),
        epochs=options.epochs,
        min_precision=trial_settings.min_precision,
        window_tokens=options.window_tokens or trial_settings.window_tokens,
        overlap_tokens=(
            trial_settings.overlap_tokens if options.overlap_tokens is None else options.overlap_tokens
        ),
        augmented=options.augment and options.engine == "own",
        prompt=trial_settings.prompt(config.model),
        searched_steps=None if options.keep_rate else trial_settings.horizon_steps,
    )
    return RetrainJob(
        options, best["study"], config, settings, provenance(corpus, config.seed), preset.name == "gpu"
    )


def retrain(job: RetrainJob) -> dict[str, object]:
    """Train, test, write every file below `out_dir` for its owner alone, and return the summary."""
    with for_owner_alone():
        return _retrain(job)


def _retrain(job: RetrainJob) -> dict[str, object]:
    started = time.monotonic()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # weights were found by `prepare`
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not job.uses_gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    quieten()
    out = job.settings.out_dir
    out.mkdir(parents=True, exist_ok=True)
    run = FullLengthRun(job.config, job.settings)
    print(_describe_steps(run.total_steps, run.config.learning_rate, job.config.learning_rate), flush=True)
    if job.options.engine == "trl":
        from trainable.training.trl_engine import train_full_length_trl

        result = train_full_length_trl(run, _print_epoch)
    else:
        result = train_full_length(run, _print_epoch, _print_progress(started))
    metrics = _metrics(job, run.config, result)
    write_json(out / "metrics.json", metrics)
    (out / "model_card.md").write_text(model_card(metrics), encoding="utf-8")
    try_report(job.options.best_json.resolve().parent)
    if result.test:
        Console(file=plain_stdout()).print(type_table(result.test, "test set"))
    if job.options.merge:
        del run  # on a GPU its memory is needed
        _free_memory()
        merge(job.settings.adapter_dir, out / "merged", job.config.load_in_4bit)
    best, test = result.epochs[result.best_epoch - 1].validation, metrics["test"]
    return {
        "study": job.study,
        "adapter": str(job.settings.adapter_dir),
        "epochs": len(result.epochs),
        "best_epoch": result.best_epoch,
        "validation": _chosen(best, _TOLD),
        "test": test and _chosen(test, (*_TOLD, "micro_recall_ci")),
        "seconds": round(time.monotonic() - started, 1),
    }


def _chosen(numbers: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: numbers[name] for name in names}


def _describe_steps(steps: int, rate: float, searched: float) -> str:
    """Return the length of a run and the learning rate that it really uses."""
    lowered = f", lowered from the trial's {searched:.2e} for the longer run (--keep-rate: not)"
    return f"steps      {steps}, learning rate {rate:.2e}{lowered if rate != searched else ''}"


def merge(adapter_dir: Path, to: Path, load_in_4bit: bool) -> None:
    """Write the merged model in a process that never imports unsloth.

    Raises:
        subprocess.CalledProcessError: If merging fails; its own message is on stderr.
    """
    script = ROOT / "trainable" / "merge.py"
    flags = ["--load-in-4bit"] if load_in_4bit else []
    subprocess.run([sys.executable, str(script), str(adapter_dir), "--to", str(to), *flags], check=True)


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    torch.cuda.empty_cache()


def _changed(config: TrialConfig, options: RetrainOptions) -> TrialConfig:
    if options.seed is not None:
        config = config.with_changes(seed=options.seed)
    if options.init_adapter is not None:
        config = config.with_changes(init_adapter=str(options.init_adapter.resolve()))
    if config.init_adapter is not None:
        check_init_adapter(config)
    return config


def _metrics(job: RetrainJob, config: TrialConfig, result: FullLengthResult) -> RetrainJson:
    test: dict[str, object] | None = None
    if result.test:
        low, high = bootstrap_interval(result.test.documents, "micro_recall")
        test = {
            **result.test.headline(),
            "micro_recall_ci": [low, high],
            "per_type": [asdict(row) for row in result.test.per_type],
            "slices": [asdict(row) for row in result.test.slices],
        }
    content = {
        "study": job.study,
        "engine": job.options.engine,
        "config": config.to_dict(),
        "augmented": job.settings.augmented,
        "live": result.facts,
        "epochs": [asdict(epoch) for epoch in result.epochs],
        "best_epoch": result.best_epoch,
        "test": test,
        "provenance": job.provenance,
    }
    return cast(RetrainJson, content)


def _print_epoch(result: EpochResult) -> None:
    numbers = result.validation
    print(
        f"epoch {result.epoch}: loss {result.train_loss:.4f}, validation recall {share(numbers['micro_recall'])}, "
        f"precision {share(numbers['micro_precision'])}, F1 {share(numbers['micro_f1'])}",
        flush=True,
    )


def _print_progress(started: float) -> Callable[[int, int, float], None]:
    def report(step: int, total: int, loss: float) -> None:
        minutes = (time.monotonic() - started) / step * (total - step) / 60
        print(f"step {step}/{total}: loss {loss:.4f}, about {minutes:.1f} min of training to go", flush=True)

    return report
