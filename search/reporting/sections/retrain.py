"""The page that a report gains after the full-length training: epochs, the test set, and whether the search was right."""

from __future__ import annotations

import json
from typing import Any

from search.reporting.document import Block, Cell, Figure, Section, Table, Text, percent
from search.reporting.style import BLUE, GREEN, INK, VERMILLION, figure
from search.reporting.view import StudyView
from search.reporting.words import config_words, interval_words

_SHOWN = (("micro_recall", "recall"), ("micro_precision", "precision"), ("micro_f1", "F1"))


def retrain_section(view: StudyView) -> Section | None:
    """Return the section, None before a retrain has ended."""
    metrics = view.retrain
    if metrics is None:
        return None
    test = metrics["test"]
    blocks: list[Block] = [
        Text(
            f"{config_words(metrics['config'])}: {len(metrics['epochs'])} epochs with the {metrics['engine']} engine; epoch "
            f"{metrics['best_epoch']} was best by score and is the one that was kept."
        ),
        *(
            [prediction_verdict(view, test)]
            if test
            else [Text("There is no test file, so nothing confirms the search.", "bad")]
        ),
        _epochs_figure(metrics),
        _headline_table(metrics),
    ]
    if test:
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (row["type"], row["support"], row["predicted"], row["tp"], percent(row["recall"]), percent(row["precision"]),
             percent(row["f1"]))
            for row in sorted(test["per_type"], key=lambda row: (not row["support"], row["recall"] or 0))
        )  # fmt: skip
        header = ("type", "entities", "reported", "found", "recall", "precision", "F1")
        blocks.append(Table(header, rows, "The test set by type, the weakest first."))
    return Section("Full-length training and test", tuple(blocks))


def prediction_verdict(view: StudyView, test: dict[str, Any]) -> Text:
    """Say whether test recall lies inside the interval that the search gave for its winner."""
    best = json.loads(view.best_text) if view.best_text else {}
    validation = best.get("validation", {})
    low, high = validation.get("micro_recall_low"), validation.get("micro_recall_high")
    recall = test["micro_recall"]
    if low is None or high is None or recall is None:
        return Text(
            "Whether the search predicted this cannot be said: recall or its interval is undefined.", "bad"
        )
    measured = f"Test recall is {percent(recall)} (95 % interval {interval_words(*test['micro_recall_ci'])})"
    predicted = f"the interval that the search predicted from its winner after {best['steps']} steps, {interval_words(low, high)}"
    if low <= recall <= high:
        return Text(f"{measured}: inside {predicted}.", "good")
    if recall > high:
        why = "the search stops at its horizon, and the full-length training goes on"
        return Text(f"{measured}: above {predicted}. Expected where training was longer: {why}.", "bad")
    return Text(
        f"{measured}: below {predicted}. The winner was chosen by chance, or the test documents are harder; do not count on "
        "the search's number.",
        "bad",
    )


def _epochs_figure(metrics: dict[str, Any]) -> Figure:
    epochs = [entry["epoch"] for entry in metrics["epochs"]]
    looks = ((BLUE, "circle", "solid"), (VERMILLION, "square-open", "dash"), (GREEN, "diamond", "dot"))
    traces: list[dict[str, Any]] = []
    for (key, word), (colour, symbol, dash) in zip(_SHOWN, looks, strict=True):
        values = [entry["validation"][key] for entry in metrics["epochs"]]
        traces.append({
            "type": "scatter", "mode": "lines+markers", "name": word, "x": epochs,
            "y": [None if value is None else 100 * value for value in values],
            "line": {"color": colour, "dash": dash, "width": 2.5}, "marker": {"symbol": symbol, "size": 10, "color": colour},
            "hovertemplate": f"epoch %{{x}}: {word} %{{y:.1f}} %<extra></extra>",
        })  # fmt: skip
    best = metrics["best_epoch"]
    line = {
        "type": "line",
        "x0": best,
        "x1": best,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": INK, "dash": "dot"},
    }
    return figure(
        "epochs", f"Validation by epoch; the dotted line marks the best by score, epoch {best}.", traces,
        x="epoch", y="%", height=340, xaxis={"dtick": 1}, shapes=[line],
    )  # fmt: skip


def _headline_table(metrics: dict[str, Any]) -> Table:
    names = (
        *_SHOWN,
        ("leak_rate", "leak rate"),
        ("pii_free_fpr", "false alarms"),
        ("json_valid_rate", "valid JSON"),
    )
    rows: list[tuple[Cell, ...]] = [
        (f"validation, epoch {entry['epoch']}", float(entry["train_loss"]), *(percent(entry["validation"][key]) for key, _ in names))
        for entry in metrics["epochs"]
    ]  # fmt: skip
    strong = frozenset({metrics["best_epoch"] - 1})
    if metrics["test"]:
        rows.append(("test, once", None, *(percent(metrics["test"][key]) for key, _ in names)))
        strong |= {len(rows) - 1}
    header = ("", "training loss", *(word for _, word in names))
    return Table(
        header,
        tuple(rows),
        "False alarms: documents without personal data in which something was reported.",
        strong,
    )
