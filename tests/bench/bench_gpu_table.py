"""Turn the rows of the GPU benchmarks into bench.json and bench.md.

python tests/bench/bench_gpu_table.py --rows OUT/rows.jsonl --out OUT
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from tests.bench.gpu_common import SEED, environment

Row = dict[str, Any]
TARGETS = {
    "train_vs_recipe": "at least 15x", "train_vs_tuned_hf": "at least 2.5x", "memory_vs_hf": "at most 0.6x",
    "generate_vs_hf": "at least 5x", "trial_start_vs_fresh": "at most 5 s, at least 10x", "search_vs_naive": "at least 10x",
    "mfu_06b": "report", "mfu_17b": "at least 35 %", "drift_mib": "under 50 MiB",
    "first_step_s": "at most 30 s", "busy_share": "at least 0.65", "gpus_2_vs_1": "at least 1.85x", "gpus_4_vs_1": "at least 3.4x",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Where the rows are and where the tables go."""

    rows: Path
    """rows.jsonl."""
    out: Path
    """Folder of bench.json and bench.md."""
    measured_on: Path | None = None
    """bench.json of the machine that measured, for its hardware and versions (none: this machine)."""


def best(rows: list[Row], key: str, **wanted: Any) -> Row:
    """Return the last row with these values and the highest throughput; empty if there is none."""
    found = [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]
    return max(found, key=lambda row: row.get(key, 0), default={})


def entry(ours: Any, baseline: Any, unit: str, note: str, lower_is_better: bool = False) -> Row:
    """Return one line of the table; its ratio is None when a side was not measured."""
    ratio = None
    if ours and baseline:
        ratio = baseline / ours if lower_is_better else ours / baseline
    return {"ours": ours, "baseline": baseline, "ratio": ratio, "unit": unit, "note": note}


def summarise(rows: list[Row]) -> dict[str, Row]:
    """Return the table's lines by key."""
    train = [row for row in rows if row["key"] == "train"]
    model = {"model": "Qwen3-0.6B", "bits": 16}
    recipe = best(train, "tokens_per_s", side="hf", variant="recipe", **model)
    tuned = best(train, "tokens_per_s", side="hf", variant="tuned", **model)
    same_card = {"card": tuned["card"]} if "card" in tuned else {}
    ours = best(train, "tokens_per_s", side="ours", variant="captured", **model, **same_card)
    bigger = best(train, "mfu", side="ours", variant="captured", model="Qwen3-1.7B", bits=16)
    generated = [row for row in rows if row["key"] == "generate" and row["model"] == "Qwen3-0.6B"]
    gen, hf = (best(generated, "documents_per_s", side=side) for side in ("ours", "hf"))
    started = {row["side"]: row for row in rows if row["key"] == "trial_start"}
    fresh, resident = started.get("fresh", {}), started.get("resident", {})
    drift = next(
        (row for row in reversed(rows) if "drift_mib" in row), {}
    )  # one row has it with what is kept on purpose
    searched = {row["side"]: row for row in rows if row["key"] == "search"}
    speed = f"{ours.get('variant')} passes, micro-batch {ours.get('micro_batch')}, real tokens a second"
    memory = entry(
        ours.get("peak_gib"),
        tuned.get("peak_gib"),
        "GiB",
        "peak at micro-batch 32, 0.6B 16-bit; ratio ours / HF",
    )
    if memory["ratio"]:
        memory["ratio"] = memory["ours"] / memory["baseline"]
    return {
        "train_vs_recipe": entry(ours.get("tokens_per_s"), recipe.get("tokens_per_s"), "tokens/s", speed),
        "train_vs_tuned_hf": entry(ours.get("tokens_per_s"), tuned.get("tokens_per_s"), "tokens/s", speed),
        "memory_vs_hf": memory,
        "generate_vs_hf": entry(
            gen.get("documents_per_s"), hf.get("documents_per_s"), "documents/s", f"HF at its best batch size, {hf.get('batch')}"
        ),
        "trial_start_vs_fresh": entry(
            resident.get("seconds"), fresh.get("seconds"), "s", "start of a trial to its first step", lower_is_better=True
        ),
        "search_vs_naive": entry(
            searched.get("ours", {}).get("seconds"), searched.get("naive", {}).get("seconds"), "s",
            searched.get("naive", {}).get("note", "not measured"), lower_is_better=True,
        ),
        "mfu_06b": entry(ours.get("mfu"), None, "of 790 TFLOP/s", "training, 16-bit"),
        "mfu_17b": entry(bigger.get("mfu"), None, "of 790 TFLOP/s", "training, 16-bit"),
        "drift_mib": entry(
            drift.get("drift_mib"), None, "MiB", f"allocated, over {drift.get('trials')} reused trials"
        ),
        **walls([row for row in rows if row["key"] == "wall"]),
    }  # fmt: skip


def walls(rows: list[Row]) -> dict[str, Row]:
    """Return the lines of whole searches, each from the last row with so many GPUs; none if nothing was measured."""
    by_gpus = {row["gpus"]: row for row in rows}
    if 1 not in by_gpus:
        return {}
    one = by_gpus[1]
    what = _search_of(one)
    lines = {
        "first_step_s": entry(one["first_step_s"], None, "s", f"from the command to the first optimizer step; {what}"),
        "busy_share": entry(one["busy_share"], None, "of the time", f"training or answering, from the first step to the last trial's end; {what}"),
    }  # fmt: skip
    for gpus in (2, 4):
        if row := by_gpus.get(gpus):
            alike = [other for other in rows if other["gpus"] == 1 and _same_search(other, row)]
            note = f"first step to the last trial's end; {_search_of(row)}, commit {row['commit']}"
            alone = alike[-1]["wall_s"] if alike else None
            lines[f"gpus_{gpus}_vs_1"] = entry(row["wall_s"], alone, "s", note, lower_is_better=True)
    return lines


def _search_of(row: Row) -> str:
    return f"{row['trials']} trials, horizon {row['horizon']}, {row['model'] or 'default models'}, {row['answers'] or 'both ways to answer'}"


def _same_search(row: Row, other: Row) -> bool:
    return all(row[name] == other[name] for name in ("model", "trials", "horizon", "answers", "commit"))


def markdown(content: Row, rows: list[Row]) -> str:
    """Return the readable table."""
    lines = ["# GPU benchmarks", "", f"{content['hardware']}, commit {content['commit']}, seed {SEED}; "
             + ", ".join(f"{name} {version}" for name, version in content["versions"].items() if version), "",
             "| figure | ours | baseline | ratio | target | note |", "|---|---|---|---|---|---|"]  # fmt: skip
    for key, row in content["rows"].items():
        cells = [shown(row[name]) for name in ("ours", "baseline", "ratio")]
        lines.append(f"| {key} ({row['unit']}) | {' | '.join(cells)} | {TARGETS[key]} | {row['note']} |")
    lines += ["", "## Every measurement", ""]
    for kind in dict.fromkeys(row["key"] for row in rows):
        mine = [row for row in rows if row["key"] == kind]
        names = list(dict.fromkeys(name for row in mine for name in row if name not in ("key", "each")))
        lines += [f"### {kind}", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
        lines += ["| " + " | ".join(shown(row.get(name)) for name in names) + " |" for row in mine] + [""]
    return "\n".join(lines).rstrip() + "\n"


def shown(value: Any) -> str:
    """Return a number with four digits, anything else as it is."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Write both files and print the readable one."""
    options = tyro.cli(TableOptions)
    rows = [json.loads(line) for line in options.rows.read_text(encoding="utf-8").splitlines() if line]
    here = (
        environment()
        if options.measured_on is None
        else json.loads(options.measured_on.read_text(encoding="utf-8"))
    )
    commits = sorted({row["commit"] for row in rows if "commit" in row})
    content = {**here, "commit": ", ".join(commits) or here["commit"], "rows": summarise(rows)}
    (options.out / "bench.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    text = markdown(content, rows)
    (options.out / "bench.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
