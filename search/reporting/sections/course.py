"""Section 4 of the report: how the search went, by rung and over time, and how much training it saved."""

from __future__ import annotations

from datetime import datetime

from search.reporting.document import Block, Cell, Figure, Plot, Section, Table, Text, counted, percent
from search.reporting.style import BLUE, INK, figure, look, markers
from search.reporting.words import hover, short_config
from search.study.trial_view import MINUTE_S, TrialView
from search.study.view import StudyView
from trainable.trial.result import Outcome


def course(view: StudyView) -> Section:
    """Return the section."""
    title = "How the search went"
    scored = [trial for trial in view.trials if trial.scores]
    if not scored:
        return Section(title, (Text("No trial has reached a rung yet."),))
    blocks: list[Block] = [
        Text(_cost(view)),
        _curves(view, scored),
        _timeline(view),
        _best_so_far(view),
        _table(view),
    ]
    return Section(title, tuple(blocks))


def _cost(view: StudyView) -> str:
    ended = [trial for trial in view.trials if trial.finished]
    spent, full = sum(trial.steps for trial in view.trials), max(1, len(view.trials)) * view.rungs[-1]
    states: dict[str, int] = {
        state: sum(trial.state == state for trial in ended)
        for state in (Outcome.COMPLETED, Outcome.STOPPED, Outcome.INFEASIBLE)
    }
    broken = len(ended) - sum(states.values())
    minutes = sum(trial.minutes or 0 for trial in ended)
    return (
        f"{counted(states[Outcome.COMPLETED], 'trial')} reached the horizon of {view.rungs[-1]} steps, {states[Outcome.STOPPED]} stopped at "
        f"a rung, {states[Outcome.INFEASIBLE]} did not fit into memory, {broken} failed. Together they took {spent:,} optimizer steps, "
        f"{percent(spent / full, 0)} of the {full:,} that training all of them to the horizon would take "
        f"({percent(1 - spent / full, 0)} saved). Their run times add up to {minutes:.1f} minutes."
    )


def _curves(view: StudyView, trials: list[TrialView]) -> Figure:
    traces: list[Plot] = []
    best, named = view.best, set()
    for trial in sorted(trials, key=lambda each: each is best):
        style = look(trial.state)
        steps, scores = list(trial.scores), list(trial.scores.values())
        symbols = ["circle"] * (len(steps) - 1) + [style.symbol]
        name = f"winner: {trial.label}" if trial is best else style.words
        traces.append({
            "type": "scatter", "mode": "lines+markers", "x": steps, "y": scores, "name": name, "legendgroup": name,
            "showlegend": name not in named, "text": [hover(view, trial)] * len(steps),
            "hovertemplate": "%{text}<br>step %{x}: score %{y:.3f}<extra></extra>",
            "line": {"color": INK if trial is best else style.colour, "width": 4 if trial is best else 1.5,
                     "dash": style.dash},
            "marker": {"symbol": symbols, "size": [5] * (len(steps) - 1) + [10],
                       "color": INK if trial is best else style.colour},
        })  # fmt: skip
        named.add(name)
    shapes = [{"type": "line", "x0": rung, "x1": rung, "y0": 0, "y1": 1, "yref": "paper", "layer": "below",
               "line": {"color": "#bbbbbb", "dash": "dot", "width": 1}} for rung in view.rungs]  # fmt: skip
    return figure(
        "learning_curves",
        f"Score by optimizer step, one line per trial. A triangle marks where a trial was stopped; hover over it for the reason. "
        f"Dotted lines: rungs at steps {', '.join(map(str, view.rungs))}.",
        traces, x="optimizer steps (log scale)", y="score", height=460, shapes=shapes,
        xaxis={"type": "log", "showgrid": False, "tickvals": list(view.rungs), "ticktext": [str(rung) for rung in view.rungs]},
    )  # fmt: skip


def _minutes(view: StudyView, moment: datetime | None) -> float:
    first = min(trial.started for trial in view.trials if trial.started)
    last = max((trial.ended for trial in view.trials if trial.ended), default=first)
    return ((moment or max(last, first)) - first).total_seconds() / MINUTE_S


def _timeline(view: StudyView) -> Figure:
    traces = []
    trials = [trial for trial in view.trials if trial.started]
    for state in dict.fromkeys(trial.state for trial in trials):
        group, style = [trial for trial in trials if trial.state == state], look(state)
        starts = [_minutes(view, trial.started) for trial in group]
        traces.append({
            "type": "bar", "orientation": "h", "name": style.words, "base": starts, "width": 0.8,
            "x": [max(0.0, _minutes(view, trial.ended) - start) for trial, start in zip(group, starts, strict=True)],
            "y": [trial.number for trial in group],
            "text": [hover(view, trial) for trial in group], "textposition": "none",
            "hovertemplate": "%{text}<br>%{x:.1f} minutes<extra></extra>",
            "marker": {"color": style.colour, "line": {"color": INK, "width": 1},
                       "pattern": {"shape": style.pattern, "bgcolor": style.colour, "fgcolor": "#ffffff", "size": 6, "solidity": 0.35}},
        })  # fmt: skip
    return figure(
        "timeline",
        f"When each trial ran: {counted(len(trials), 'trial')} in {_minutes(view, None):.1f} minutes from the first start to the last end.",
        traces, x="minutes since the first start", y="trial number", height=140 + 14 * len(trials), barmode="overlay",
        yaxis={"range": [max((trial.number for trial in trials), default=0) + 0.7, -0.7], "dtick": 1 if len(trials) <= 25 else 5},
    )  # fmt: skip


def _best_so_far(view: StudyView) -> Figure:
    """Return the best score among the ended trials over time."""
    ended = sorted(
        (trial for trial in view.trials if trial.usable and trial.ended),
        key=lambda trial: _minutes(view, trial.ended),
    )
    times, scores = (
        [_minutes(view, trial.ended) for trial in ended],
        [trial.scores[trial.steps] for trial in ended],
    )
    best = [max(scores[: n + 1]) for n in range(len(scores))]
    traces: list[Plot] = [
        {"type": "scatter", "mode": "lines", "line": {"shape": "hv", "color": BLUE, "width": 3}, "name": "best so far",
         "x": times, "y": best, "hovertemplate": "%{x:.1f} min: %{y:.3f}<extra></extra>"}
    ]  # fmt: skip
    for state in dict.fromkeys(trial.state for trial in ended):
        group = [index for index, trial in enumerate(ended) if trial.state == state]
        traces.append({
            "type": "scatter", "mode": "markers", "name": look(state).words, "marker": markers(state, 8),
            "x": [times[index] for index in group], "y": [scores[index] for index in group],
            "text": [hover(view, ended[index]) for index in group], "hovertemplate": "%{text}<extra></extra>",
        })  # fmt: skip
    last = next((n for n, score in enumerate(best) if score == best[-1]), 0) if best else 0
    caption = (
        f"Best score so far over time. Last improvement: after {times[last]:.1f} of {times[-1]:.1f} minutes."
        if times
        else "No trial has ended yet."
    )
    return figure("best_so_far", caption, traces, x="minutes since the first start", y="score", height=340)


def _table(view: StudyView) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for trial in view.trials:
        values = [percent(trial.number_of(name)) for name in ("micro_recall", "micro_precision")]
        score = trial.scores[trial.steps] if trial.scores else None
        rows.append((trial.number, trial.name, trial.starting_config, short_config(view, trial), trial.steps, score, *values,
                     trial.minutes, trial.number_of("peak_gib"), trial.state, view.reason(trial)))  # fmt: skip
    best = view.best
    strong = frozenset(n for n, trial in enumerate(view.trials) if trial is best)
    header = ("no.", "trial", "starting config", "config", "steps", "score", "recall", "precision", "minutes", "peak GiB", "state",
              "reason")  # fmt: skip
    return Table(
        header,
        tuple(rows),
        f"All trials ({len(rows)}), in the order in which they were proposed",
        strong,
        folded=True,
    )
