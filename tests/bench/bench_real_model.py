"""What a search gains on a real pretrained model: the default search and both full-length trainings, on public sets.

PII_TUNER_MODELS=FOLDER python tests/bench/bench_real_model.py run --name wnut17 --datasets DIR --work WORK
python tests/bench/bench_real_model.py collect --work WORK --out results/reference/real_model

One set takes about ten minutes on one H200; several run side by side with CUDA_VISIBLE_DEVICES. A run that was cut
short goes on where it was.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from data.paths import ROOT
from trainable.config import JSON, TAGS

PARTS = ("train", "validation", "test")
SOURCES: dict[str, dict[str, list[str]]] = {
    "wnut17": {
        "train": ["wnut17/wnut17train.conll"],
        "validation": ["wnut17/emerging.dev.conll"],
        "test": ["wnut17/emerging.test.annotated"],
    },
    "broad_twitter": {
        "train": [f"broad_twitter/{section}.conll" for section in ("a", "b", "e", "g")],
        "validation": ["broad_twitter/h.conll"],
        "test": ["broad_twitter/f.conll"],
    },
    "presidio_research": {"whole": ["presidio_research/synth_dataset_v2.json"]},
}
"""Official splits where there are some; broad_twitter's first half of H is training too; presidio is split by template."""
SHARES = ("--validation", "0.15", "--test", "0.25")
MEASURES = ("micro_recall", "micro_precision", "micro_f1")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Search, train both configs at full length, and compare them on the test set."""

    name: Literal["wnut17", "broad_twitter", "presidio_research"]
    """The data set."""
    datasets: Path
    """Folder with the data sets as they are published."""
    work: Path
    """Where data, studies and rows go."""
    model: str = "SmolLM2-135M-Instruct"
    """Base model, looked up in PII_TUNER_MODELS."""
    trials: int = 20
    """Of the search."""
    epochs: int = 3
    """Of both full-length trainings."""
    seed: int = 42
    """Of the search and of both trainings."""
    extra: tuple[str, ...] = field(default=())
    """More flags for search/run.py."""


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """Write README.md and summary.json from the rows of all sets, and of `bench_encoder.py` (WORK/encoder-<name>.json)."""

    work: Path
    """What the runs wrote to."""
    out: Path
    """Folder of the two files."""


def command(script: str, *flags: object) -> dict[str, Any]:
    """Run one of the project's commands; return the JSON object of its last line."""
    print("+", script, *flags, flush=True)
    done = subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, flags)], stdout=subprocess.PIPE, text=True, check=False
    )
    print(done.stdout[-3000:], flush=True)
    if done.returncode:
        raise SystemExit(f"{script} ended with {done.returncode}")
    content: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return content


def prepare(options: RunOptions) -> Path:
    """Convert and split the set; return the folder with the three files."""
    folder = options.work / options.name / "data"
    targets = {part: folder / f"merged_pii_dataset_{part}.jsonl" for part in PARTS}
    if all(path.is_file() for path in targets.values()):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for part, names in SOURCES[options.name].items():
        lines[part] = []
        for name in names:
            to = folder / f"{Path(name).stem}-{part}.jsonl"
            command("data/convert.py", options.datasets / name, "--to", to, "--force")
            lines[part] += to.read_text(encoding="utf-8").splitlines(keepends=True)
            to.unlink()
    if options.name == "broad_twitter":
        half = len(lines["validation"]) // 2
        lines["train"] += lines["validation"][:half]
        lines["validation"] = lines["validation"][half:]
    if "whole" in lines:
        whole = folder / "whole.jsonl"
        whole.write_text("".join(lines["whole"]), encoding="utf-8")
        command("data/split.py", whole, "--to", folder, *SHARES, "--force")
        return folder
    for part, path in targets.items():
        path.write_text("".join(lines[part]), encoding="utf-8")
    return folder


def run(options: RunOptions) -> None:
    """Do all of it, both ways to answer side by side, and write WORK/<name>.json."""
    started = time.monotonic()
    data, results = prepare(options), options.work / options.name
    with ThreadPoolExecutor(2) as pool:
        written = pool.submit(searched, options, data, JSON)
        tagged = searched(options, data, TAGS)
        conservative = train(
            options, results, "conservative", "--config", plan_file(options, results), "--data-dir", data
        )
        ways = {JSON: written.result(), TAGS: tagged}
    adapters = {"conservative": conservative["adapter"]} | {way: row["adapter"] for way, row in ways.items()}
    test = data / "merged_pii_dataset_test.jsonl"
    plan_json, plan_tags, json_tags = (
        compared(adapters[one], adapters[other], test)
        for one, other in (("conservative", JSON), ("conservative", TAGS), (JSON, TAGS))
    )
    row = {
        "searched": numbers(plan_json["against"]),
        "conservative": numbers(plan_json),
        "tags": numbers(plan_tags["against"]),
        "gain": gain(plan_json),
        "gain_of_tags": gain(json_tags),
        "gain_of_tags_over_conservative": gain(plan_tags),
        "search_seconds": {way: row["search_seconds"] for way, row in ways.items()},
        "config": {way: row["config"] for way, row in ways.items()},
        "seconds": round(time.monotonic() - started, 1),
        "documents": {part: count_lines(data / f"merged_pii_dataset_{part}.jsonl") for part in PARTS},
        "model": options.model,
        "trials": options.trials,
        "epochs": options.epochs,
        "seed": options.seed,
        "commit": ways[JSON]["commit"],
        "device": device_name(),
    }
    (options.work / f"{options.name}.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    print(json.dumps({options.name: row}))


def searched(options: RunOptions, data: Path, way: str) -> dict[str, Any]:
    """Search among configs that answer in one way, train the winner at full length, and return what is to be told."""
    results, started = options.work / options.name, time.monotonic()
    space = results / f"space-{way}.toml"
    space.write_text(f'[space]\nmodel = "{options.model}"\nanswers = "{way}"\n', encoding="utf-8")
    study = results / f"search-{way}"
    command(
        "search/run.py", "--trials", options.trials, "--data-dir", data, "--space", space, "--study", study.name,
        "--results-dir", results, "--seed", options.seed, "--no-dashboard", *options.extra,
    )  # fmt: skip
    seconds = round(time.monotonic() - started, 1)
    trained = train(options, results, f"retrain-{way}", study / "best.json")
    return {
        "adapter": trained["adapter"],
        "search_seconds": seconds,
        "config": json.loads((study / "best.json").read_text(encoding="utf-8"))["config"],
        "commit": json.loads((study / "config.json").read_text(encoding="utf-8"))["provenance"]["commit"],
    }


def train(options: RunOptions, results: Path, name: str, *flags: object) -> dict[str, Any]:
    """Train a config at full length."""
    return command("search/retrain.py", *flags, "--epochs", options.epochs, "--out", results / name)


def plan_file(options: RunOptions, results: Path) -> Path:
    """Write the conservative starting config on the model of this benchmark; what it leaves out is as in that config."""
    path = results / "conservative.toml"
    path.write_text(f'model = "{options.model}"\n', encoding="utf-8")
    return path


def compared(one: str, other: str, test: Path) -> dict[str, Any]:
    """Test two adapters on the same documents."""
    return command("trainable/evaluate.py", one, test, "--against", other, "--errors", 0, "--once")


def numbers(test: dict[str, Any]) -> dict[str, float | None]:
    """Return the three measures of a test."""
    return {name.removeprefix("micro_"): test[name] for name in MEASURES}


def gain(test: dict[str, Any]) -> list[float]:
    """Return how much higher the second adapter's recall is, with its interval."""
    return [test["against"]["micro_recall_gain"], *test["against"]["micro_recall_gain_ci"]]


def count_lines(path: Path) -> int:
    """Return the lines of a file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def device_name() -> str:
    """Return what the run was made on."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"


def collect(options: CollectOptions) -> None:
    """Write README.md and summary.json."""
    files = [options.work / f"{name}.json" for name in SOURCES]
    sets = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files if path.is_file()}
    for name, row in sets.items():
        encoder = options.work / f"encoder-{name}.json"
        if encoder.is_file():
            told = json.loads(encoder.read_text(encoding="utf-8"))
            row["encoder"] = {
                key: told[key] for key in ("recall", "precision", "f1", "rate", "epoch", "seconds")
            }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "summary.json").write_text(json.dumps({"sets": sets}, indent=2) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(page(sets), encoding="utf-8")


def page(sets: dict[str, dict[str, Any]]) -> str:
    """Return the tables for people."""
    rows = [
        f"| {name} | {' / '.join(str(count) for count in row['documents'].values())} | {shown(row['conservative'])} | "
        f"{shown(row['searched'])} | {shown(row['tags'])} | {spread(row['gain'])} | {spread(row['gain_of_tags'])} | "
        f"{encoder_cell(row)} |"
        for name, row in sets.items()
    ]
    winners = [
        f"| {name} | {way} | {config['load_in_4bit'] and 4 or 16}-bit, rank {config['lora_rank']}, "
        f"{config['learning_rate']:.1e}, x{config['oversampling']:g} | {row['search_seconds'][way]:.0f} |"
        for name, row in sets.items()
        for way, config in row["config"].items()
    ]
    first = next(iter(sets.values()))
    return "\n".join(
        [
            f"# {first['model']} on public English sets",
            "",
            f"Two searches of {first['trials']} trials, one among configs that write JSON and one among configs that tag, with nothing else in",
            "`--space` but the model's name; then both winners and the conservative starting config (rank 12, 1.5e-4, no oversampling, its own rate",
            f"kept) trained for {first['epochs']} epochs on the same data and tested once. Seed {first['seed']}, {first['device']},",
            f"commit {first['commit']}. Intervals: 95 %, paired bootstrap over documents.",
            "",
            "| set | train / validation / test | conservative: recall, precision, F1 | searched, JSON | searched, tags | JSON searched over conservative, recall | tags over JSON, recall | MiniLM-L6, fine-tuned whole |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "| set | way | winner | seconds of the search |",
            "|---|---|---|---|",
            *winners,
            "",
            "`summary.json` holds the same for machines. Made by `tests/bench/bench_real_model.py`.",
            "",
        ]
    )


def encoder_cell(row: dict[str, Any]) -> str:
    """Return what a fine-tuned encoder reached (`bench_encoder.py`), if it was trained."""
    return (
        shown({name: row["encoder"][name] for name in ("recall", "precision", "f1")})
        if "encoder" in row
        else ""
    )


def spread(gain: list[float]) -> str:
    """Return a difference with its interval."""
    return f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})"


def shown(numbers: dict[str, float | None]) -> str:
    """Return three numbers of a table's cell."""
    return ", ".join("-" if value is None else f"{value:.3f}" for value in numbers.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run or collect."""
    kinds = (
        Annotated[RunOptions, tyro.conf.subcommand("run")]
        | Annotated[CollectOptions, tyro.conf.subcommand("collect")]
    )
    options: RunOptions | CollectOptions = tyro.cli(kinds, args=arguments)  # type: ignore[arg-type]
    if isinstance(options, RunOptions):
        run(options)
    else:
        collect(options)


if __name__ == "__main__":
    main()
