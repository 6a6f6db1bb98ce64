"""The model card of a retrained adapter: what it is, how good, from which data and code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from search.reporting.certainty_words import certainty_words
from search.reporting.next_step import curve_words
from search.reporting.words import gain_words, seeds_words
from search.study.json_content import RetrainJson
from trainable.config import JSON, TAGS, TrialConfig
from trainable.config_words import unusual_knobs
from trainable.scoring.metrics import HEADLINE

_SHOWN = (
    "answers", "load_in_4bit", "lora_rank", "lora_alpha", "lora_dropout", "learning_rate", "oversampling", "effective_batch",
)  # fmt: skip
"""Knobs that every card names; others follow where their value is unusual."""
_TASKS = {
    JSON: 'turn a text into `{"entities": [{"type", "text"}]}`.',
    TAGS: "tag each token of a text (BIOES) with both sides in view. The head that tags is stored with the adapter as\n"
    "`score`; `prediction.json` lists the types of its tags in their order.",
}
_TEMPLATE = """# PII extraction adapter

LoRA adapter for `{model}`, trained to {task}

| setting | value |
|---|---|
{settings}

## Quality

Entity-level{counting}.

| | recall | precision | F1 | leak rate | false alarms on PII-free texts |
|---|---|---|---|---|---|
| validation (best of {n_epochs} epochs: {best_epoch}) | {validation} |
| test | {test} |
{at_point}{compared}
{interval}

## Provenance

{source}, engine {engine}, seed {seed}, commit {commit}, data {data}.

## Limits

Measured on one data set only. Text from another source can score far lower: evaluate on your own
documents before relying on it, and read the per-type table in metrics.json.
"""


def model_card(metrics: RetrainJson) -> str:
    """Return the card as Markdown.

    Args:
        metrics: Content of metrics.json.
    """
    trained, test = TrialConfig.from_dict(metrics["config"]), metrics["test"]
    config = {
        **metrics["config"],
        "lora_alpha": trained.alpha,
        "learning_rate": f"{trained.learning_rate:.3g}",
        "augmented texts": "yes" if metrics.get("augmented") else "no",
    }
    shown = dict.fromkeys((*_SHOWN, *unusual_knobs(trained), "augmented texts"))
    source = metrics["provenance"]
    interval = ""
    if test:
        low, high = test["micro_recall_ci"]
        interval = f"Test recall: 95 % interval {low:.3f} to {high:.3f} (bootstrap over documents)."
    if compared := metrics.get("comparison"):
        interval += f"\n\n{gain_words(compared)}"
    if seeds := metrics.get("seeds"):
        interval += f"\n\n{seeds_words(seeds)}"
    if curve := metrics.get("learning_curve"):
        interval += f"\n\n{curve_words(curve)}"
    interval += "".join(f"\n\n{told}" for told in certainty_words(metrics))
    point = metrics.get("operating_point")
    return _TEMPLATE.format(
        task=_TASKS[trained.answers],
        counting=""
        if trained.tagged
        else ", on generated answers; a document whose answer is not valid JSON counts as all missed",
        model=Path(trained.model).name,
        settings="\n".join(f"| {name} | {config[name]} |" for name in shown),
        n_epochs=len(metrics["epochs"]),
        best_epoch=metrics["best_epoch"],
        validation=_cells(metrics["epochs"][metrics["best_epoch"] - 1]["validation"]),
        test=_cells(test) if test else "no test file | | | |",
        at_point=f"| test, at {point['target']} | {_cells(point['test'])} |\n"
        if point and point["test"]
        else "",
        compared=f"| test, {compared['name']} | {_cells(compared['test'])} |\n" if compared else "",
        interval=interval,
        source=f"Study `{metrics['study']}`"
        if metrics["study"]
        else f"No search, starting config `{Path(metrics['starting_config']).name}`",
        engine=metrics["engine"],
        seed=source["seed"],
        commit=source["commit"],
        data=", ".join(f"{split} {entry['sha256'][:12]}" for split, entry in source["data"].items()),
    )


def _cells(values: Mapping[str, object]) -> str:
    return " | ".join("-" if values[name] is None else f"{values[name]:.3f}" for name in HEADLINE)
