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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from data.paths import ROOT

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
    """Write README.md and summary.json from the rows of all sets."""

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
    """Do all of it and write WORK/<name>.json."""
    started = time.monotonic()
    data, results = prepare(options), options.work / options.name
    space = results / "space.toml"
    space.write_text(f'[space]\nmodel = "{options.model}"\n', encoding="utf-8")
    study = results / "search"
    searched = command(
        "search/run.py", "--trials", options.trials, "--data-dir", data, "--space", space, "--study", "search",
        "--results-dir", results, "--seed", options.seed, "--no-dashboard", *options.extra,
    )  # fmt: skip
    search_s = time.monotonic() - started
    conservative = conservative_study(study)
    trained = {
        "searched": command("search/retrain.py", study / "best.json", "--epochs", options.epochs),
        "conservative": command(
            "search/retrain.py", conservative / "best.json", "--epochs", options.epochs, "--keep-rate"
        ),
    }
    test = data / "merged_pii_dataset_test.jsonl"
    compared = command(
        "trainable/evaluate.py", trained["conservative"]["adapter"], test, "--against",
        trained["searched"]["adapter"], "--errors", 0, "--once",
    )  # fmt: skip
    row = {
        "searched": {short(name): compared["against"][name] for name in MEASURES},
        "conservative": {short(name): compared[name] for name in MEASURES},
        "gain": [compared["against"]["micro_recall_gain"], *compared["against"]["micro_recall_gain_ci"]],
        "seconds": round(time.monotonic() - started, 1),
        "search_seconds": round(search_s, 1),
        "config": json.loads((study / "best.json").read_text(encoding="utf-8"))["config"],
        "documents": {part: count_lines(data / f"merged_pii_dataset_{part}.jsonl") for part in PARTS},
        "model": options.model,
        "trials": options.trials,
        "epochs": options.epochs,
        "seed": options.seed,
        "commit": json.loads((study / "config.json").read_text(encoding="utf-8"))["provenance"]["commit"],
        "cost_share": searched["cost_share"],
        "device": device_name(),
    }
    (options.work / f"{options.name}.json").write_text(json.dumps(row, indent=2), encoding="utf-8")
    print(json.dumps({options.name: row}))


def short(name: str) -> str:
    """Return recall for micro_recall."""
    return name.removeprefix("micro_")


def conservative_study(study: Path) -> Path:
    """Return a folder beside a study whose best.json is the conservative starting config, for retraining."""
    folder = study.with_name("conservative")
    folder.mkdir(exist_ok=True)
    for name in ("config.json", "trial_settings.json"):
        (folder / name).write_bytes((study / name).read_bytes())
    space = json.loads((study / "config.json").read_text(encoding="utf-8"))["space"]
    best = json.loads((study / "best.json").read_text(encoding="utf-8"))
    best["config"] = {
        **space["fixed"],
        **space["starting_configs"]["conservative"],
        "model": space["fixed"]["model"],
    }
    (folder / "best.json").write_text(json.dumps(best), encoding="utf-8")
    return folder


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
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "summary.json").write_text(json.dumps({"sets": sets}, indent=2) + "\n", encoding="utf-8")
    (options.out / "README.md").write_text(page(sets), encoding="utf-8")


def page(sets: dict[str, dict[str, Any]]) -> str:
    """Return the table for people."""
    rows = [
        f"| {name} | {' / '.join(str(count) for count in row['documents'].values())} | {shown(row['searched'])} | "
        f"{shown(row['conservative'])} | {row['gain'][0]:+.3f} ({row['gain'][1]:+.3f} to {row['gain'][2]:+.3f}) | "
        f"rank {row['config']['lora_rank']}, {row['config']['learning_rate']:.1e}, x{row['config']['oversampling']:g} | "
        f"{row['search_seconds']:.0f} / {row['seconds']:.0f} |"
        for name, row in sets.items()
    ]
    first = next(iter(sets.values()))
    return "\n".join(
        [
            f"# {first['model']} on public English sets",
            "",
            f"A default search of {first['trials']} trials with nothing in `--space` but the model's name, then its winner and the",
            f"conservative starting config (rank 12, 1.5e-4, no oversampling, its own rate kept) trained for {first['epochs']} epochs on the same data and",
            f"tested once. Seed {first['seed']}, {first['device']}, commit {first['commit']}. Intervals: 95 %, paired bootstrap over documents.",
            "",
            "| set | train / validation / test | searched: recall, precision, F1 | conservative: recall, precision, F1 | gain in recall | winner | seconds: search / all |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "`summary.json` holds the same for machines. Made by `tests/bench/bench_real_model.py`.",
            "",
        ]
    )


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
