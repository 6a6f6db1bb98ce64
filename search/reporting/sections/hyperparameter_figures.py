"""Figures of the hyperparameters: importance, effect of each on the score, and the strongest interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.reporting.document import Figure, Plot, percent
from search.reporting.sections.effect_curves import Effect, Pair, are_numbers
from search.reporting.sections.importance import Share, projected_scores
from search.reporting.style import BLUE, INK, SOFT, axis, figure, look
from search.reporting.words import hover, knob, value_of
from search.study.trial_view import TrialView
from search.study.view import StudyView


def importance_figure(order: Sequence[str], shares: Mapping[str, Share]) -> Figure:
    """Return the importance of each hyperparameter with its interval.

    Args:
        order: The hyperparameters, the most important first.
        shares: Their importances.
    """
    names, values = [knob(name) for name in order][::-1], [shares[name] for name in order][::-1]
    trace = {
        "type": "bar", "orientation": "h", "y": names, "x": [100 * share.point for share in values],
        "marker": {"color": BLUE, "line": {"color": INK, "width": 1}},
        "error_x": {"type": "data", "color": INK, "array": [100 * share.above for share in values],
                    "arrayminus": [100 * share.below for share in values]},
        "hovertemplate": "%{y}: %{x:.0f} %<extra></extra>",
    }  # fmt: skip
    highest = f"{knob(order[0])} ({percent(shares[order[0]].point, 0)})"
    return figure(
        "importance",
        "Importance of each hyperparameter: how well it separates the best third of the trials from the rest (Optuna's "
        f"PED-ANOVA), with the 90 % interval over resampled trials. Highest: {highest}.",
        [trace], x="importance, %", y="", height=110 + 36 * len(order), xaxis={"range": [0, 100]},
    )  # fmt: skip


def effect_figure(view: StudyView, effect: Effect) -> Figure:
    """Return the score at the horizon by one hyperparameter: the model's estimate, and the trials."""
    name = knob(effect.name)
    best = max(range(len(effect.levels)), key=lambda n: effect.means[n])
    return figure(
        f"effect_{effect.name}",
        f"Score at the horizon by {name} (extrapolated for stopped trials). Best value with all other hyperparameters as in "
        f"the winner: {value_of(effect.name, effect.levels[best])}.",
        [*_estimate(effect), *_trials(view, effect)],
        x=name, y="score", height=360, xaxis={**axis(name), **_scale(effect)},
    )  # fmt: skip


def _estimate(effect: Effect) -> list[Plot]:
    """Return the model's mean with its interval: a line in a band over numbers, dashes with bars over choices."""
    x = list(effect.levels) if effect.ordered else [value_of(effect.name, level) for level in effect.levels]
    widths = [effect.half_width(n) for n in range(len(x))]
    mean = {"type": "scatter", "name": "estimate, others as in the winner (99 % interval)", "x": x, "y": list(effect.means),
            "line": {"color": INK, "width": 2}, "hovertemplate": "%{x}: %{y:.2f}<extra></extra>"}  # fmt: skip
    if not effect.ordered:
        marker = {"symbol": "line-ew-open", "size": 30, "color": INK}
        bars = {"type": "data", "array": widths, "color": INK}
        return [{**mean, "mode": "markers", "marker": marker, "error_y": bars}]
    high, low = (
        [mean + sign * width for mean, width in zip(effect.means, widths, strict=True)] for sign in (1, -1)
    )
    edge = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "x": x,
    }
    fill = {"fill": "tonexty", "fillcolor": "rgba(0,0,0,0.10)"}
    return [{**edge, "y": high}, {**edge, "y": low, **fill}, {**mean, "mode": "lines"}]


def _trials(view: StudyView, effect: Effect) -> list[Plot]:
    """Return one trace of trials for each state."""
    name, scores = effect.name, projected_scores(view)
    trials = [trial for trial in view.trials if trial.name in scores]
    traces: list[Plot] = []
    for state in dict.fromkeys(trial.state for trial in trials):
        group, style = [trial for trial in trials if trial.state == state], look(state)
        traces.append({
            "type": "scatter", "mode": "markers", "name": style.words,
            "marker": {"color": style.colour, "symbol": style.symbol, "size": 9},
            "x": [t.config[name] if effect.ordered else value_of(name, t.config[name]) for t in group],
            "y": [scores[t.name] for t in group], "text": [hover(view, t) for t in group],
            "hovertemplate": "%{text}<br>%{y:.3f}<extra></extra>",
        })  # fmt: skip
    return traces


def _scale(effect: Effect) -> Plot:
    """Return the kind of the axis and its ticks."""
    if not effect.ordered:
        return {"type": "category"}
    scale: Plot = {"type": "log"} if effect.log else {}
    if len(effect.levels) <= 8:
        ticks = [value_of(effect.name, level) for level in effect.levels]
        return {**scale, "tickvals": list(effect.levels), "ticktext": ticks}
    return {**scale, "dtick": "D2", "exponentformat": "power"} if effect.log else scale


def pair_figure(view: StudyView, pair: Pair) -> Figure:
    """Return the trials by two hyperparameters; size and shade show the score."""
    scores = projected_scores(view)
    trials = [trial for trial in view.trials if trial.name in scores]
    values = [scores[trial.name] for trial in trials]
    low, span = min(values), (max(values) - min(values)) or 1.0
    x_type, y_type = _pair_axis(view, pair.a), _pair_axis(view, pair.b)
    trace = {
        "type": "scatter", "mode": "markers", "x": _places(trials, pair.a, x_type), "y": _places(trials, pair.b, y_type),
        "text": [hover(view, t) for t in trials], "hovertemplate": "%{text}<br>%{marker.color:.3f}<extra></extra>",
        "marker": {"size": [8 + 22 * (value - low) / span for value in values], "color": values, "colorscale": "Cividis",
                   "line": {"color": SOFT, "width": 1}, "colorbar": {"title": {"text": "score"}, "thickness": 14}},
    }  # fmt: skip
    return figure(
        "pair", f"The trials by {knob(pair.a)} and {knob(pair.b)}; larger and lighter markers have a higher score.", [trace],
        x=knob(pair.a), y=knob(pair.b), height=420, xaxis={"type": x_type}, yaxis={"type": y_type},
    )  # fmt: skip


def _pair_axis(view: StudyView, name: str) -> str:
    """Return Plotly's type of an axis."""
    entry = view.config_json["space"]["parameters"][name]
    if "values" in entry:
        values = entry["values"]
        if not are_numbers(values):
            return "category"
        return "log" if min(values) > 0 else "linear"
    return "log" if entry["log"] else "linear"


def _places(trials: Sequence[TrialView], name: str, kind: str) -> list[object]:
    return [value_of(name, t.config[name]) if kind == "category" else t.config[name] for t in trials]
