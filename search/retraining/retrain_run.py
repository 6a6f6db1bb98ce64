"""From a checked job to an adapter, a test table and a model card."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from rich.console import Console

from data.files.jsonl import read_examples
from data.files.private import for_owner_alone
from data.paths import ROOT
from data.terminal import plain_stdout
from search.planning.cards import visible_cards
from search.reporting.certainty_words import certainty_words
from search.reporting.next_step import curve_words
from search.reporting.sections.write import try_report
from search.reporting.words import gain_words, seeds_words
from search.retrain_content import LearningCurveJson
from search.retraining.comparison import comparison, rival_test
from search.retraining.job import RetrainJob
from search.retraining.learning_curve import SHARES, curve_point, learning_curve, train_on_share
from search.retraining.model_card import model_card
from search.retraining.other_seeds import beside
from search.retraining.results import STATISTICS, retrain_metrics
from search.study.files import write_json
from search.study.json_content import HeadlineJson, RetrainJson, SeedJson
from trainable.config import TrialConfig
from trainable.imports import unsloth_shall_patch_trl
from trainable.predicting.quiet_loading import quieten
from trainable.scoring.metrics import Evaluation
from trainable.scoring.tables import comparison_table, share, type_table
from trainable.training.conclusion import FullLengthResult, delete_state
from trainable.training.full_length import EpochResult, FullLengthRun, FullLengthSettings
from trainable.training.own_engine import train_full_length

_TOLD = ("micro_recall", "micro_precision", "micro_f1")
"""Numbers in the last line of the command."""


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
    engine = job.options.engine
    others = [(*job.with_seed(number), engine) for number in range(1, job.options.seeds)]
    cards = visible_cards() if job.uses_gpu and job.settings.test_file else ()
    with beside(others, cards, _train_seed) as seed_rows:
        return _train_and_tell(job, seed_rows, started)


def _train_and_tell(
    job: RetrainJob, seed_rows: Callable[[], list[SeedJson]], started: float
) -> dict[str, object]:
    """Train with the first seed, write and tell the results, those of the other seeds at the end."""
    out, engine = job.settings.out_dir, job.options.engine
    config, result = _train(job.config, job.settings, engine)
    metrics = retrain_metrics(job, config, result)
    _write(job, metrics)
    if result.test:
        Console(file=plain_stdout()).print(type_table(result.test, "test set"))
    for told in certainty_words(metrics):
        print(told, flush=True)
    if job.rival and result.test:
        print(f"compare    now {job.rival.name}", flush=True)
        theirs, seconds = rival_test(
            job.rival, job.settings, lambda config, settings: _train(config, settings, engine)[1]
        )
        metrics["comparison"] = comparison(job.rival, result.test, theirs, seconds)
        _write(job, metrics)
        Console(file=plain_stdout()).print(
            comparison_table([(job.rival.name, theirs), ("this training", result.test)], STATISTICS)
        )
        print(gain_words(metrics["comparison"]), flush=True)
    if job.options.seeds > 1 and result.test:
        metrics["seeds"] = [_seed_row(config.seed, result.test), *seed_rows()]
        _write(job, metrics)
        print(seeds_words(metrics["seeds"]), flush=True)
    if job.options.learning_curve:
        metrics["learning_curve"] = _learning_curve(job, result)
        _write(job, metrics)
        print(curve_words(metrics["learning_curve"]), flush=True)
    for folder in job.out_dirs():
        delete_state(folder)
    if job.options.merge:
        merge(job.settings.adapter_dir, out / "merged", job.config.load_in_4bit)
    return _summary(job, metrics, started)


def _train(
    config: TrialConfig, settings: FullLengthSettings, engine: str
) -> tuple[TrialConfig, FullLengthResult]:
    """Train to the end, tell how it goes, and free the memory; return also the config with the rate that was used."""
    if engine == "trl":
        unsloth_shall_patch_trl()
    run = FullLengthRun(config, settings)
    trained = run.config
    print(_describe_steps(run.total_steps, trained.learning_rate, config.learning_rate), flush=True)
    if engine == "trl":
        from trainable.training.trl_engine import train_full_length_trl

        result = train_full_length_trl(run, _print_epoch)
    else:
        result = train_full_length(run, _print_epoch, _print_progress(time.monotonic()))
    del run
    _free_memory()
    return trained, result


def _learning_curve(job: RetrainJob, whole: FullLengthResult) -> LearningCurveJson:
    def train(config: TrialConfig, settings: FullLengthSettings) -> FullLengthResult:
        return _train(config, settings, job.options.engine)[1]

    points = []
    for part in SHARES:
        print(f"curve      now {100 * part:.0f} % of the documents", flush=True)
        points.append(train_on_share(job.config, job.settings, part, train))
    documents = len(read_examples(job.settings.train_file))
    return learning_curve([*points, curve_point(1.0, documents, whole)])


def _train_seed(run: tuple[TrialConfig, FullLengthSettings, str]) -> SeedJson:
    """Train with another seed, here or in another process, for its owner alone; return its test numbers."""
    config, settings, engine = run
    quieten()
    print(f"seed       now {config.seed}", flush=True)
    with for_owner_alone():
        settings.out_dir.mkdir(parents=True, exist_ok=True)
        test = _train(config, settings, engine)[1].test
    assert test is not None  # other seeds are only trained where there is a test set
    return _seed_row(config.seed, test)


def _seed_row(seed: int, test: Evaluation) -> SeedJson:
    return {"seed": seed, "test": cast(HeadlineJson, test.headline())}


def _write(job: RetrainJob, metrics: RetrainJson) -> None:
    """Write metrics.json and the model card, and the study's report anew."""
    write_json(job.settings.out_dir / "metrics.json", metrics)
    (job.settings.out_dir / "model_card.md").write_text(model_card(metrics), encoding="utf-8")
    if job.options.best_json is not None:
        try_report(job.options.best_json.resolve().parent)


def _summary(job: RetrainJob, metrics: RetrainJson, started: float) -> dict[str, object]:
    """Return the last line of the command; gain and seeds are in it if they were asked for."""
    best, test = metrics["epochs"][metrics["best_epoch"] - 1]["validation"], metrics["test"]
    summary: dict[str, object] = {
        "study": job.study or None,
        "adapter": str(job.settings.adapter_dir),
        "epochs": len(metrics["epochs"]),
        "best_epoch": metrics["best_epoch"],
        "validation": _chosen(best, _TOLD),
        "test": test and _chosen(test, (*_TOLD, "micro_recall_ci")),
        "seconds": round(time.monotonic() - started, 1),
    }
    if (point := metrics.get("operating_point")) and not point["problem"]:
        summary["operating_point"] = {"target": point["target"], **_chosen(point["test"] or {}, _TOLD)}
    elif point:
        summary["operating_point"] = {"target": point["target"], "problem": point["problem"]}
    if curve := metrics.get("learning_curve"):
        summary["learning_curve"] = {"forecast": curve["forecast"], "error": curve["error"]}
    if compared := metrics.get("comparison"):
        summary["gain"] = {"over": compared["name"], **compared["gain"]}
    if seeds := metrics.get("seeds"):
        summary["seeds"] = [{"seed": row["seed"], **_chosen(row["test"], _TOLD)} for row in seeds]
    return summary


def _chosen(numbers: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: numbers[name] for name in names if name in numbers}


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
