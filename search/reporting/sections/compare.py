"""A page that compares two studies: `python search/report.py STUDY --compare STUDY2`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from search.reporting.document import Block, Cell, Figure, Plot, Report, Section, Table, Text, percent
from search.reporting.sections.effect_curves import MIN_TRIALS
from search.reporting.sections.importance import importances
from search.reporting.sections.quality import paired_words
from search.reporting.style import BLUE, INK, VERMILLION, figure
from search.reporting.words import config_words, interval_words, knob, value_of
from search.study.trial_view import TrialView
from search.study.view import StudyView

_SETTINGS: tuple[tuple[Literal["rungs", "evaluation_documents", "min_precision"], str], ...] = (
    ("rungs", "rungs"),
    ("evaluation_documents", "numbers of validation documents"),
    ("min_precision", "required precisions"),
)
"""Settings that trials must share to be compared, and their names in a sentence."""
_LOOKS = ((BLUE, "circle", "solid", ""), (VERMILLION, "square-open", "dash", "/"))
RESAMPLES = 30


def compare(ours: StudyView, theirs: StudyView) -> Report:
    """Return the page; it calls the studies by their names, or by their folders if the names are equal.

    Raises:
        ValueError: If one of them has no trial with a score.
    """
    views = (ours, theirs)
    if empty := [view.name for view in views if view.best is None]:
        raise ValueError(f"{' and '.join(empty)} has no trial with a score yet; compare when it has")
    names = [view.name if ours.name != theirs.name else str(view.root) for view in views]
    winners = [view.best for view in views if view.best]
    blocks: list[Block] = [
        *(Text(f"Winner of {name}: {best.label}, {config_words(best.config)}.") for name, best in zip(names, winners, strict=True)),
        *_caveats(ours, theirs),
        *_paired(views, winners, names),
        _recall_figure(names, winners),
        _numbers_table(views, winners, names),
        _configs_table(views, winners, names),
        _progress_figure(views, names),
    ]  # fmt: skip
    if all(sum(trial.usable for trial in view.trials) >= MIN_TRIALS for view in views):
        blocks.append(_importance_figure(views, names))
    return Report(
        f"{names[0]} and {names[1]}", "Two searches side by side", (Section("Side by side", tuple(blocks)),)
    )


def _caveats(ours: StudyView, theirs: StudyView) -> list[Block]:
    """Return the differences between the studies that limit a comparison."""
    a, b = ours.config_json, theirs.config_json
    found = []
    for split in ("train", "validation"):
        if a["provenance"]["data"][split]["sha256"] != b["provenance"]["data"][split]["sha256"]:
            found.append(f"the {split} data differ")
    for name, words in _SETTINGS:
        ours_value, theirs_value = a["trial_settings"][name], b["trial_settings"][name]
        if ours_value != theirs_value:
            found.append(f"the {words} differ ({ours_value} and {theirs_value})")
    if a["provenance"]["commit"] != b["provenance"]["commit"]:
        found.append("the code differs")
    return (
        [Text(f"Compare with care: {'; '.join(found)}.", "bad")]
        if found
        else [Text("Both studies have the same data, rungs and code.", "good")]
    )


def _paired(views: Sequence[StudyView], winners: Sequence[TrialView], names: Sequence[str]) -> list[Block]:
    records = [view.record(best.name) for view, best in zip(views, winners, strict=True)]
    checksums = {view.config_json["provenance"]["data"]["validation"]["sha256"] for view in views}
    if records[0] is None or records[1] is None or len(checksums) > 1:
        return [
            Text(
                "A comparison by document needs the same validation data and the evaluation.json of both winners."
            )
        ]
    return [Text(f"Winner of {names[0]} minus winner of {names[1]} {paired_words(records[0], records[1])}")]


def _recall_figure(names: Sequence[str], winners: Sequence[TrialView]) -> Figure:
    traces = []
    for name, best, (colour, symbol, _, _) in zip(names, winners, _LOOKS, strict=True):
        recall, low, high = (
            100 * (best.number_of(key) or 0.0)
            for key in ("micro_recall", "micro_recall_low", "micro_recall_high")
        )
        traces.append({
            "type": "scatter", "mode": "markers", "x": [recall], "y": [name], "showlegend": False,
            "marker": {"size": 13, "symbol": symbol, "color": colour, "line": {"width": 2}},
            "error_x": {"type": "data", "array": [high - recall], "arrayminus": [recall - low], "color": colour},
            "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
        })  # fmt: skip
    return figure("compare_recall", "Recall of the two winners with its 95 % confidence interval.", traces, x="recall, %", y="",
                  height=200, xaxis={"range": [0, 100]}, yaxis={"autorange": "reversed"})  # fmt: skip


def _numbers_table(views: Sequence[StudyView], winners: Sequence[TrialView], names: Sequence[str]) -> Table:
    def row(title: str, values: list[Cell]) -> tuple[Cell, ...]:
        return (title, *values)

    rows = [
        row("recall", [percent(best.number_of("micro_recall")) for best in winners]),
        row("95 % interval", [interval_words(b.number_of("micro_recall_low"), b.number_of("micro_recall_high")) for b in winners]),
        row("precision", [percent(best.number_of("micro_precision")) for best in winners]),
        row("F1", [percent(best.number_of("micro_f1")) for best in winners]),
        row("score", [f"{best.scores[best.steps]:.3f}" for best in winners]),
        row("steps of the winner", [str(best.steps) for best in winners]),
        row("trials ended", [str(sum(trial.finished for trial in view.trials)) for view in views]),
        row("optimizer steps of all trials", [f"{sum(trial.steps for trial in view.trials):,}" for view in views]),
        row("minutes of all trials", [f"{sum(trial.minutes or 0 for trial in view.trials):.1f}" for view in views]),
        row("test recall after full-length training", [_test_recall(view) for view in views]),
    ]  # fmt: skip
    return Table(("", *names), tuple(rows))


def _test_recall(view: StudyView) -> str:
    test = view.retrain["test"] if view.retrain else None
    return f"{percent(test['micro_recall'])} ({interval_words(*test['micro_recall_ci'])})" if test else "-"


def _configs_table(views: Sequence[StudyView], winners: Sequence[TrialView], names: Sequence[str]) -> Table:
    searched = dict.fromkeys(name for view in views for name in view.searched)
    rows = tuple((knob(name), *(value_of(name, best.config[name]) for best in winners)) for name in searched)
    return Table(("config of the winner", *names), rows)


def _progress_figure(views: Sequence[StudyView], names: Sequence[str]) -> Figure:
    """Return the best score among the ended trials against their optimizer steps."""
    traces: list[Plot] = []
    for view, name, (colour, _, dash, _) in zip(views, names, _LOOKS, strict=True):
        ended = sorted((t for t in view.trials if t.usable and t.ended), key=lambda t: t.ended)  # type: ignore[arg-type, return-value]
        spent, best, x, y = 0, float("-inf"), [], []
        for trial in ended:
            spent, best = spent + trial.steps, max(best, trial.scores[trial.steps])
            x.append(spent)
            y.append(best)
        traces.append({
            "type": "scatter", "mode": "lines", "name": name, "x": x, "y": y,
            "line": {"shape": "hv", "color": colour, "dash": dash, "width": 3},
        })  # fmt: skip
    return figure("compare_progress", "Best score so far by the optimizer steps of the ended trials.", traces,
                  x="optimizer steps", y="score", height=340)  # fmt: skip


def _importance_figure(views: Sequence[StudyView], names: Sequence[str]) -> Figure:
    traces = []
    for view, name, (colour, _, _, pattern) in zip(views, names, _LOOKS, strict=True):
        shares = importances(view, RESAMPLES)
        traces.append({
            "type": "bar", "name": name, "x": [knob(each) for each in shares], "y": [100 * share.point for share in shares.values()],
            "error_y": {"type": "data", "color": INK,
                        "array": [100 * share.above for share in shares.values()],
                        "arrayminus": [100 * share.below for share in shares.values()]},
            "marker": {"color": colour, "line": {"color": INK, "width": 1},
                       "pattern": {"shape": pattern, "bgcolor": colour, "fgcolor": "#ffffff"}},
        })  # fmt: skip
    return figure("compare_importance", "Importance of each hyperparameter in each search, with its 90 % interval.", traces,
                  x="", y="importance, %", height=360, barmode="group", xaxis={"type": "category"})  # fmt: skip
