"""Section 7 of the report, after the full-length training: epochs, test set, and whether they agree with the search."""

from __future__ import annotations

from search.reporting.certainty_words import certainty_words
from search.reporting.document import Block, Cell, Figure, Plot, Section, Table, Text, counted, percent
from search.reporting.next_step import curve_words
from search.reporting.style import BLUE, GREEN, INK, VERMILLION, figure
from search.reporting.words import config_words, gain_words, interval_words, seeds_words
from search.retrain_content import CalibrationJson
from search.study.json_content import HeadlineName, RetrainJson, as_number
from search.study.view import StudyView
from trainable.config import TrialConfig

_SHOWN: tuple[tuple[HeadlineName, str], ...] = (
    ("micro_recall", "recall"),
    ("micro_precision", "precision"),
    ("micro_f1", "F1"),
)


def retrain_section(view: StudyView) -> Section | None:
    """Return the section; None before the full-length training has ended."""
    metrics = view.retrain
    if metrics is None:
        return None
    test = metrics["test"]
    which = "The winner" if is_of_winner(view, metrics) else "Another config than the winner"
    blocks: list[Block] = [
        Text(
            f"{which} was trained for {counted(len(metrics['epochs']), 'epoch')} ({metrics['engine']} engine): "
            f"{config_words(metrics['config'])}. Epoch {metrics['best_epoch']} has the best validation score and was kept."
        ),
        *(
            [recall_verdict(view, test["micro_recall"], test["micro_recall_ci"])]
            if test
            else [Text("There is no test file, so the result of the search is not confirmed.", "bad")]
        ),
        _epochs_figure(metrics),
        _headline_table(metrics),
    ]
    if compared := metrics.get("comparison"):
        blocks.insert(2, Text(gain_words(compared)))
    if seeds := metrics.get("seeds"):
        blocks.insert(2, Text(seeds_words(seeds)))
    if curve := metrics.get("learning_curve"):
        blocks.append(Text(curve_words(curve)))
    blocks += [Text(told) for told in certainty_words(metrics)]
    if calibrated := metrics.get("calibration"):
        blocks.append(_reliability_table(calibrated))
    if test:
        others = {row["type"]: row["recall"] for row in compared["test"]["per_type"]} if compared else {}
        rows: tuple[tuple[Cell, ...], ...] = tuple(
            (row["type"], row["support"], row["predicted"], row["tp"], percent(row["recall"]), percent(row["precision"]),
             percent(row["f1"]), *([percent(others.get(row["type"]))] if compared else []))
            for row in sorted(test["per_type"], key=lambda row: (not row["support"], row["recall"] or 0))
        )  # fmt: skip
        header = ("type", "entities", "predicted", "correct", "recall", "precision", "F1",
                  *([f"recall of {compared['name']}"] if compared else []))  # fmt: skip
        blocks.append(Table(header, rows, "The test set by type, the lowest recall first."))
    return Section("Full-length training and test set", tuple(blocks))


def is_of_winner(view: StudyView, metrics: RetrainJson) -> bool:
    """Return whether what was trained is the best config, by what was searched; the learning rate follows from the length."""
    if view.best is None:
        return False
    trained = TrialConfig.from_dict(metrics["config"]).to_dict()
    names = [name for name in view.searched if name != "learning_rate"]
    return all(trained[name] == view.best.config[name] for name in names)


def words_of_test(view: StudyView) -> str:
    """Return the newest result on a test set in words; empty if there is none."""
    metrics = view.retrain
    test = metrics["test"] if metrics else None
    if metrics is None or test is None:
        return ""
    told = (
        f"Trained at full length ({counted(len(metrics['epochs']), 'epoch')}) and tested once on "
        f"{test.get('n_documents', 'the')} test documents, {config_words(metrics['config'])}: it finds "
        f"{percent(test['micro_recall'])} of the {test.get('n_gold', '')} entities (recall; 95 % confidence interval "
        f"{interval_words(*test['micro_recall_ci'])}). {percent(test['micro_precision'])} of its predictions are correct "
        f"(precision). F1 is {percent(test['micro_f1'])}, the leak rate {percent(test['leak_rate'])}."
    ).replace("  ", " ")
    if not is_of_winner(view, metrics):
        told += " This is another config than the best of the search."
    sources = (each["provenance"]["data"]["train"]["sha256"] for each in (metrics, view.config_json))
    if len(set(sources)) > 1:
        told += " It was trained on other data than the search."
    if compared := metrics.get("comparison"):
        told += f" {gain_words(compared)}"
    if seeds := metrics.get("seeds"):
        told += f" {seeds_words(seeds)}"
    if metrics.get("operating_point"):
        told += f" {certainty_words(metrics)[-1]}"
    return told


def recall_verdict(view: StudyView, recall: float | None, interval: tuple[float, float]) -> Text:
    """Return whether test recall lies inside the interval that the search measured for its winner."""
    best = view.best_json
    validation = best["validation"] if best else {}
    low, high = (as_number(validation.get(f"micro_recall_{end}")) for end in ("low", "high"))
    if best is None or low is None or high is None or recall is None:
        return Text(
            "Test recall cannot be compared with the search: recall or its interval is undefined.", "bad"
        )
    measured = f"Test recall is {percent(recall)} (95 % confidence interval {interval_words(*interval)})"
    predicted = f"the interval that the search measured on validation documents after {best['steps']} steps, {interval_words(low, high)}"
    if low <= recall <= high:
        return Text(f"{measured}: inside {predicted}.", "good")
    if recall > high:
        why = "This is expected if the training was longer than the horizon of the search"
        return Text(f"{measured}: above {predicted}. {why}.", "bad")
    return Text(
        f"{measured}: below {predicted}. Either the search overestimates the winner by chance, or the test documents are "
        "harder; rely on the test recall.",
        "bad",
    )


def _epochs_figure(metrics: RetrainJson) -> Figure:
    epochs = [entry["epoch"] for entry in metrics["epochs"]]
    looks = ((BLUE, "circle", "solid"), (VERMILLION, "square-open", "dash"), (GREEN, "diamond", "dot"))
    traces: list[Plot] = []
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
        "epochs", f"Validation metrics by epoch. Dotted line: the epoch with the best score, {best}.", traces,
        x="epoch", y="%", height=340, xaxis={"dtick": 1}, shapes=[line],
    )  # fmt: skip


def _headline_table(metrics: RetrainJson) -> Table:
    names: tuple[tuple[HeadlineName, str], ...] = (
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
        rows.append(("test, evaluated once", None, *(percent(metrics["test"][key]) for key, _ in names)))
        strong |= {len(rows) - 1}
    if (point := metrics.get("operating_point")) and (at_point := point["test"]):
        rows.append((f"test, at {point['target']}", None, *(percent(at_point[key]) for key, _ in names)))
    if compared := metrics.get("comparison"):
        rows.append(
            (f"test, {compared['name']}", None, *(percent(compared["test"][key]) for key, _ in names))
        )
    header = ("", "training loss", *(word for _, word in names))
    return Table(
        header,
        tuple(rows),
        "Validation after each epoch, and the test set. False alarms: share of the documents without personal data in which something was predicted.",
        strong,
    )


def _reliability_table(calibrated: CalibrationJson) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (f"{one['low']:.1f} to {one['high']:.1f}", one["count"], percent(one["certainty"]), percent(one["right"]))
        for one in calibrated["bins"]
    ]  # fmt: skip
    return Table(
        ("certainty", "entities", "mean certainty", "right"),
        tuple(rows),
        f"Predicted entities of the {calibrated['measured_on']} set by their certainty, calibrated on validation.",
    )
