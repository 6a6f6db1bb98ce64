"""Section 3 of the report: what recall costs in precision, minutes and memory, and what no config beats."""

from __future__ import annotations

from collections.abc import Sequence

from search.reporting.document import Block, Figure, Section, Table, Text, listed, percent
from search.reporting.style import INK, SOFT, figure, look, markers
from search.reporting.view import StudyView, TrialView
from search.reporting.words import hover, short_config, value_of
from trainable.trial.result import Outcome


def tradeoffs(view: StudyView) -> Section:
    """Return the section."""
    measured = [
        trial for trial in view.trials if trial.usable and trial.number_of("micro_recall") is not None
    ]
    if len(measured) < 2:
        return Section("Trade-offs", (Text("Fewer than two trials have numbers yet."),))
    whole = [trial for trial in measured if trial.steps == max(each.steps for each in measured)]
    front = pareto([(_recall(trial), _precision(trial)) for trial in whole])
    best = [whole[index] for index in front]
    blocks: list[Block] = [
        Text(
            f"{len(whole)} trials got as far as step {whole[0].steps}. Among them nothing beats "
            f"{listed([f'{t.label} (recall {percent(_recall(t))}, precision {percent(_precision(t))})' for t in best])} "
            "in recall and precision at once. Trials that were stopped are drawn too, with the numbers of the step "
            "where they ended: they had less training."
        ),
        _scatter(view, measured, whole, "micro_precision", "precision, %", 100.0, rising=True),
        _scatter(view, measured, whole, "minutes", "minutes to load, train and answer", 1.0, rising=False),
        _scatter(view, measured, whole, "peak_gib", "peak memory, GiB", 1.0, rising=False),
        *_infeasible(view),
    ]
    return Section("Trade-offs", tuple(blocks))


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other beats in both numbers, the first number falling.

    Both numbers are better when larger. A point equal to another is kept once.

    Example:
        >>> pareto([(1, 3), (2, 2), (1, 1), (3, 1)])
        [3, 1, 0]
    """
    front: list[int] = []
    for index in sorted(range(len(points)), key=lambda i: points[i], reverse=True):
        if not front or points[index][1] > points[front[-1]][1]:
            front.append(index)
    return front


def _recall(trial: TrialView) -> float:
    return trial.number_of("micro_recall") or 0.0


def _precision(trial: TrialView) -> float:
    return trial.number_of("micro_precision") or 0.0


def _value(trial: TrialView, name: str) -> float | None:
    return trial.minutes if name == "minutes" else trial.number_of(name)


def _scatter(
    view: StudyView, trials: list[TrialView], whole: list[TrialView], name: str, title: str, scale: float, *, rising: bool
) -> Figure:  # fmt: skip
    """Return recall against another number, with the Pareto set among the trials that got furthest."""
    traces = []
    for state in dict.fromkeys(trial.state for trial in trials):
        group = [trial for trial in trials if trial.state == state and _value(trial, name) is not None]
        traces.append({
            "type": "scatter", "mode": "markers", "name": look(state).words, "marker": markers(state),
            "x": [scale * (_value(trial, name) or 0) for trial in group],
            "y": [100 * _recall(trial) for trial in group],
            "text": [hover(view, trial) for trial in group],
            "hovertemplate": "%{text}<br>recall %{y:.1f} %, %{x:.2f}<extra></extra>",
        })  # fmt: skip
    known = [trial for trial in whole if _value(trial, name) is not None]
    sign = 1 if rising else -1
    front = [
        known[i] for i in pareto([(_recall(trial), sign * (_value(trial, name) or 0)) for trial in known])
    ]
    traces.insert(0, {
        "type": "scatter", "mode": "lines+markers", "name": "not beaten (Pareto)", "hoverinfo": "skip",
        "x": [scale * (_value(trial, name) or 0) for trial in front], "y": [100 * _recall(trial) for trial in front],
        "line": {"color": SOFT, "dash": "dash", "width": 1.5},
        "marker": {"symbol": "circle-open", "size": 19, "color": INK, "line": {"width": 1.5}},
    })  # fmt: skip
    missing = [trial for trial in trials if trial.missed and _value(trial, name) is not None]
    if missing:
        traces.append({
            "type": "scatter", "mode": "markers", "name": "misses a requirement (infeasible)", "hoverinfo": "skip",
            "x": [scale * (_value(trial, name) or 0) for trial in missing], "y": [100 * _recall(trial) for trial in missing],
            "marker": {"symbol": "x-thin-open", "size": 16, "color": INK, "line": {"width": 2, "color": INK}},
        })  # fmt: skip
    shapes, limit = [], view.config_json["trial_settings"].get("vram_gib")
    if name == "peak_gib" and limit:
        shapes = [{"type": "line", "x0": limit, "x1": limit, "y0": 0, "y1": 1, "yref": "paper",
                   "line": {"color": INK, "dash": "dot"}}]  # fmt: skip
    names = listed([trial.label for trial in front])
    return figure(
        f"recall_{name}",
        f"Recall against {title}. Circled and joined: not beaten among the trials that got furthest ({names}).",
        traces, x=title, y="recall, %", height=400, shapes=shapes,
        yaxis={"rangemode": "tozero"}, xaxis={} if rising else {"rangemode": "tozero"},
    )  # fmt: skip


def _infeasible(view: StudyView) -> list[Block]:
    lost = [*(trial for trial in view.trials if trial.state == Outcome.INFEASIBLE), *view.refused]
    missing = [
        f"{trial.label} ({', '.join(trial.missed)})" for trial in view.trials if trial.usable and trial.missed
    ]
    unmet = [Text(f"These miss a requirement: {listed(missing)}.")] if missing else []
    if not lost:
        return [Text("Feasible: every config that was tried fits the memory."), *unmet]
    rows = [(trial.label, trial.name, short_config(view, trial), view.reason(trial)) for trial in lost]
    models = sorted({f"{value_of('model', t.config['model'])} in {value_of('load_in_4bit', t.config['load_in_4bit'])}"
                     for t in lost})  # fmt: skip
    return [
        Text(f"Infeasible: {len(lost)} configs do not fit the memory ({listed(models)})."),
        Table(
            ("starting config", "trial", "config", "why"), tuple(rows), "Configs that do not fit the memory."
        ),
        *unmet,
    ]
