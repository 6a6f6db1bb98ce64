"""A whole search: ours against a plain Ray Tune function trainable around the users' script, same configs and rungs.

python tests/bench/bench_gpu_search.py --work /tmp/gpu --out /tmp/gpu --side {ours,naive}

Both sides train every config to the horizon. The naive side runs a few trials and its time is scaled up: they are all
alike, each in an actor of its own.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tyro

from tests.bench.gpu_common import SEED, BenchOptions, wait_turn, write_row


@dataclass(frozen=True, slots=True)
class SearchBenchOptions(BenchOptions):
    """Flags."""

    side: Literal["ours", "naive"] = "ours"
    """Which side."""
    preset: Literal["gpu", "cpu"] = "gpu"
    """Where to run."""
    backend: str = "unsloth"
    """Backend of our side."""
    trials: int = 20
    """Trials of the search."""
    naive_trials: int = 2
    """Trials that the naive side really runs."""
    rungs: tuple[int, ...] = (18,)
    """Steps at which every trial is evaluated; with one, no trial of ours is stopped and both sides do the same."""
    documents: int = 32
    """Validation documents."""
    trials_per_gpu: str = "1"
    """Trials of ours that share the GPU."""
    confirm: str = "auto"
    """Trials of ours that are confirmed at the end, which the naive side does not do."""


def configs(options: SearchBenchOptions) -> list[dict[str, Any]]:
    """Return the configs of all trials."""
    ranks, rates = (8, 12, 16, 32), (1e-4, 1.5e-4, 2e-4, 3e-4, 4e-4)
    model = str(options.work / "models" / "Qwen3-0.6B")
    return [
        {"model": model, "load_in_4bit": False, "lora_rank": ranks[n % 4], "oversampling": 1,
         "learning_rate": rates[n // 4 % 5] * (1 + n // 20 / 10)}  # after 20 trials, other rates
        for n in range(options.trials)
    ]  # fmt: skip


def data_dir(options: SearchBenchOptions) -> Path:
    """Write the users' file names around the bundled sample."""
    from data.corpus import SAMPLE_DIR

    folder = options.work / "search-data"
    folder.mkdir(parents=True, exist_ok=True)
    for split in ("train", "validation"):
        target = folder / f"merged_pii_dataset_{split}.jsonl"
        target.write_text((SAMPLE_DIR / f"{split}.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def ours(options: SearchBenchOptions) -> None:
    """Run our search."""
    from search.options import SearchOptions
    from search.planning.plan import make_plan
    from search.running.driver import run_search
    from trainable.knob import Choice
    from trainable.timeline import Timeline, process_began

    start = Timeline(process_began())
    os.environ["PII_TUNER_MODELS"] = str(options.work / "models")
    grace, horizon = options.rungs[0], options.rungs[-1]
    plan = make_plan(
        SearchOptions(
            trials=options.trials, study="bench", results_dir=options.work / "results", data_dir=data_dir(options),
            preset=options.preset, backend=options.backend, horizon_steps=horizon, grace_steps=grace,
            evaluation_documents=options.documents, dashboard=False, trials_per_gpu=options.trials_per_gpu, confirm=options.confirm,
        )
    )  # fmt: skip
    wanted = configs(options)
    names = ("model", "load_in_4bit", "lora_rank", "learning_rate", "oversampling")
    parameters = {name: Choice(tuple(dict.fromkeys(config[name] for config in wanted))) for name in names}
    starting = {f"config {number}": config for number, config in enumerate(wanted)}
    fixed = {name: value for name, value in plan.space.fixed.items() if name not in names}
    settings = replace(plan.settings, evaluation_documents=(options.documents,) * len(plan.rungs))
    space = replace(plan.space, parameters=parameters, starting_configs=starting, fixed=fixed)
    started = time.perf_counter()
    summary = run_search(replace(plan, space=space, settings=settings), start)
    first = json.loads(plan.files.first_step.read_text(encoding="utf-8"))
    write_row(
        options, "search", side="ours", seconds=time.perf_counter() - started, trials=summary["trials"],
        cost_share=summary["cost_share"], rungs=list(plan.rungs), completed=summary["completed"],
        trials_per_gpu=options.trials_per_gpu, confirm=options.confirm, first_step_s=first["first_step_s"], parts=first["parts"],
    )  # fmt: skip


def naive_trial(config: dict[str, Any]) -> None:
    """Fine-tune as the users' script does: SFTTrainer 8 x 4 with checkpointing, HF generate in batches of 8."""
    from ray import tune

    from data.corpus import SAMPLE_DIR
    from data.files.jsonl import read_examples
    from tests.bench.bench_gpu_generate import hf_generate
    from trainable.backends.peft_backend import PeftBackend
    from trainable.config import TrialConfig
    from trainable.tokens.corpus import answer_limit, tokenized
    from trainable.training.trl_engine import make_trainer

    work, rungs, documents = Path(config.pop("work")), config.pop("rungs"), config.pop("documents")
    trial = TrialConfig.from_dict({**config, "micro_batch": 8, "gradient_checkpointing": True, "seed": SEED})
    backend = PeftBackend()
    backend.load_base(Path(trial.model), trial.load_in_4bit, 512)
    backend.attach_adapter(trial)
    corpus = tokenized(Path(trial.model), SAMPLE_DIR / "train.jsonl", 512, work / "tokens-naive")
    texts = [example.text for example in read_examples(SAMPLE_DIR / "validation.jsonl")[:documents]]
    prompts = backend.chat.prompt_ids(texts)
    before = 0
    for rung in rungs:
        trainer = make_trainer(trial, backend, corpus, work / "naive", epochs=1, max_steps=rung - before)
        trainer.train()
        before = rung
        model = backend.model.eval()
        model.config.use_cache = True
        hf_generate(model, prompts, 8, answer_limit(corpus))
        model.train()
        tune.report({"score": 0.0, "step": rung})


def naive(options: SearchBenchOptions) -> None:
    """Run a few trials the plain way and scale the time to all of them."""
    import ray
    from ray import tune

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    common = {"work": str(options.work), "rungs": list(options.rungs), "documents": options.documents}
    wanted = [{**config, **common} for config in configs(options)[: options.naive_trials]]
    started = time.perf_counter()
    ray.init(address="local", include_dashboard=False, log_to_driver=True)
    try:
        resources = {"gpu": 1, "cpu": 8} if options.preset == "gpu" else {"cpu": 1}
        results = tune.Tuner(
            tune.with_resources(lambda choice: naive_trial(choice["config"]), resources),
            param_space={"config": tune.grid_search(wanted)},
            tune_config=tune.TuneConfig(max_concurrent_trials=1),
            run_config=tune.RunConfig(storage_path=str(options.work / "naive-ray"), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    seconds = time.perf_counter() - started
    if results.num_errors:
        raise RuntimeError(str(results.errors[0]))
    write_row(
        options, "search", side="naive", seconds=seconds / options.naive_trials * options.trials, measured_s=seconds,
        trials=options.naive_trials, note=f"baseline: {options.naive_trials} of {options.trials} trials measured, scaled",
    )  # fmt: skip


def main() -> None:
    """Run one side."""
    options = tyro.cli(SearchBenchOptions)
    wait_turn(options)
    (ours if options.side == "ours" else naive)(options)


if __name__ == "__main__":
    main()
