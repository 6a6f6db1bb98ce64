"""Section 1 of the report: which config is best, how sure that is, and how far it is from the goals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from search.reporting.document import Block, Cell, Code, Figure, Section, Table, Text, listed, percent
from search.reporting.style import BLUE, GREEN, INK, figure, look
from search.reporting.view import StudyView, TrialView
from search.reporting.words import GOAL_F1, GOAL_RECALL, START, config_words, interval_words, short_config
from search.study.config_file import starting_configs_in
from trainable.scoring.evaluation import HEADLINE

_STARTING_CONFIGS = ("conservative", "oversampling", "bigger model", "all of it")


def answer(view: StudyView) -> Section:
    """Return the section."""
    best = view.best
    if best is None:
        ended = sum(trial.finished for trial in view.trials)
        return Section(
            "The answer", (Text(f"No trial has a score yet; {ended} of {view.total} have ended."),)
        )
    blocks: list[Block] = [
        Text(_headline(view, best), "good"),
        Text(_numbers(view, best)),
        Text(_against_goals(view, best)),
        *_warnings(view, best),
        recall_figure(view, best),
        _table(view, best),
    ]
    if view.retrain is None and view.best_text:
        blocks += [
            Text("To train it at full length:"),
            Code(f"python search/retrain.py {view.root / 'best.json'}"),
        ]
    return Section("The answer", tuple(blocks))


def _headline(view: StudyView, best: TrialView) -> str:
    ended = sum(trial.finished for trial in view.trials)
    state = f"Best of {ended} trials" if view.done else f"Best so far, {ended} of {view.total} trials ended"
    return f"{state}: {config_words(best.config)} ({best.label}, {best.name}).{_confirmed(view, best)}"


def _confirmed(view: StudyView, best: TrialView) -> str:
    """Say in a sentence what a fresh seed made of the winner, if it was confirmed."""
    contenders = view.confirmation.contenders if view.confirmation else ()
    own = next((each for each in contenders if each.trial == best.name and each.fresh_scores), None)
    if own is None:
        return ""
    fresh = listed([f"{score:.3f}" for score in own.fresh_scores])
    return f" Its score is {own.score:.3f} with its own seed and {fresh} with a fresh one; see Trust."


def _numbers(view: StudyView, best: TrialView) -> str:
    numbers = best.metrics
    interval = interval_words(numbers.get("micro_recall_low"), numbers.get("micro_recall_high"))
    return (
        f"On {numbers.get('n_documents', '?')} validation documents, after {best.steps} optimizer steps, it found "
        f"{percent(best.number_of('micro_recall'))} of the {numbers.get('n_gold', '?')} entities (recall; 95 % interval "
        f"{interval}), and {percent(best.number_of('micro_precision'))} of what it reported was right (precision). "
        f"F1 is {percent(best.number_of('micro_f1'))}."
    )


def _against_goals(view: StudyView, best: TrialView) -> str:
    parts = [
        _distance("recall", best.number_of("micro_recall"), GOAL_RECALL),
        _distance("F1", best.number_of("micro_f1"), GOAL_F1),
        _change(best),
    ]
    text = " ".join(part for part in parts if part)
    if view.bundled:
        text += (
            " Goals and starting point are those of a 0.6B model on the users' own data; this study ran on the"
            " bundled sample with the small models, so the distance says nothing about them."
        )
    return text


def _distance(name: str, value: float | None, goal: tuple[float, float]) -> str:
    if value is None:
        return f"{name} is undefined."
    low, high = goal
    span = f"{100 * low:.0f}-{100 * high:.0f} %"
    if value < low:
        return f"The goal for {name} is {span}: {100 * (low - value):.1f} points are missing."
    return f"The goal for {name} is {span}: {'exceeded' if value > high else 'reached'}."


def _change(best: TrialView) -> str:
    names = {"micro_recall": "recall", "micro_precision": "precision", "micro_f1": "F1"}
    values = {names[name]: (best.number_of(name), before) for name, before in START.items()}
    changes = [
        f"{name} {100 * (now - before):+.1f}" for name, (now, before) in values.items() if now is not None
    ]
    return f"Against the starting point (precision 94, recall 74, F1 83.5) in points: {', '.join(changes)}."


def _warnings(view: StudyView, best: TrialView) -> Iterator[Text]:
    precision = best.number_of("micro_precision") or 0.0
    if precision < view.min_precision:
        yield Text(
            f"Precision is below the {percent(view.min_precision, 0)} that was asked for; what it lacks was taken off "
            f"the score ({best.scores[best.steps]:.3f}).",
            "bad",
        )
    if best.steps < view.rungs[-1]:
        yield Text(f"No trial has reached the horizon of {view.rungs[-1]} steps yet.", "bad")


def _rows(view: StudyView, best: TrialView) -> list[tuple[str, TrialView | None, dict[str, Any]]]:
    """Return name, trial and numbers of the winner, the starting configs and the starting point."""
    rows: list[tuple[str, TrialView | None, dict[str, Any]]] = [("winner", best, best.metrics)]
    tried = {trial.starting_config: trial for trial in view.trials if trial.starting_config}
    known = starting_configs_in(view.config_json["space"])
    for name in dict.fromkeys((*_STARTING_CONFIGS, *tried)):
        trial = tried.get(name)
        if trial or name in known:
            rows.append((f"starting config: {name}", trial, trial.metrics if trial else {}))
    return [*rows, ("starting point (users' own data)", None, START)]


def _table(view: StudyView, best: TrialView) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, trial, numbers in _rows(view, best):
        interval = (
            interval_words(numbers.get("micro_recall_low"), numbers.get("micro_recall_high"))
            if "micro_recall_low" in numbers
            else "-"
        )
        values = [percent(numbers.get(key)) for key in HEADLINE]
        told = look(trial.state).words if trial else ("before" if numbers is START else "not tried")
        steps = trial.steps if trial else None
        config = short_config(view, trial) if trial else ""
        rows.append((name, values[0], interval, *values[1:], steps, told, config))
    goal = interval_words(*GOAL_RECALL), interval_words(*GOAL_F1)
    rows.append(("goal", goal[0], "-", "-", goal[1], "-", "-", None, "", ""))
    header = (
        "",
        "recall",
        "95 % interval",
        "precision",
        "F1",
        "leak rate",
        "false alarms",
        "steps",
        "state",
        "config",
    )
    caption = (
        "The winner, the starting configs by name, and what they are measured against; fewer steps mean a trial was stopped. "
        "Leak rate: entities still readable after redaction; false alarms: texts without personal data where some was found."
    )
    return Table(header, tuple(rows), caption, frozenset({0}))


def recall_figure(view: StudyView, best: TrialView) -> Figure:
    """Return recall with its interval: winner, starting configs, starting point and goal."""
    rows = [row for row in _rows(view, best) if row[2].get("micro_recall") is not None][::-1]
    traces: list[dict[str, Any]] = []
    for name, trial, numbers in rows:
        recall = 100 * numbers["micro_recall"]
        low, high = (
            100 * numbers.get(f"micro_recall_{end}", numbers["micro_recall"]) for end in ("low", "high")
        )
        style = look(trial.state) if trial else None
        traces.append({
            "type": "scatter", "mode": "markers", "x": [recall], "y": [name], "showlegend": False,
            "error_x": {"array": [high - recall], "arrayminus": [recall - low], "type": "data", "thickness": 2,
                        "color": style.colour if style else INK},
            "marker": {"size": 13 if trial is best else 10, "symbol": style.symbol if style else "diamond",
                       "color": style.colour if style else INK, "line": {"width": 2}},
            "hovertemplate": f"{name}: %{{x:.1f}} %<extra></extra>",
        })  # fmt: skip
    low, high = (100 * end for end in GOAL_RECALL)
    goal = {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper", "fillcolor": GREEN,
            "opacity": 0.18, "line": {"width": 0}}  # fmt: skip
    return figure(
        "recall",
        f"Recall with its 95 % interval. Winner {percent(best.number_of('micro_recall'))}; the shaded band is the goal, "
        f"{low:.0f}-{high:.0f} %. Full circles reached the horizon, open triangles were stopped early.",
        traces,
        x="recall, %", y="", height=110 + 42 * len(rows), xaxis={"range": [0, 100]}, shapes=[goal],
        annotations=[{"x": (low + high) / 2, "y": 1, "yref": "paper", "yanchor": "bottom", "text": "goal",
                      "showarrow": False, "font": {"color": BLUE}}],
    )  # fmt: skip
