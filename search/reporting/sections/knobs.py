"""Section 2 of the report: what each knob did, how sure that is, and which pairs work together."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from search.reporting.document import Block, Figure, Items, Section, Text, percent
from search.reporting.sections.effects import MIN_TRIALS, Effect, EffectModel, Pair
from search.reporting.sections.importance import importances, projected_scores
from search.reporting.style import BLUE, INK, SOFT, axis, figure, look
from search.reporting.view import StudyView
from search.reporting.words import hover, knob, value_of

FLAT = 0.02
"""Scores closer than two points of recall count as the same."""


def knobs_section(view: StudyView, resamples: int) -> Section:
    """Return the section.

    Args:
        view: The study.
        resamples: Of the trials, for the uncertainty of the importances.
    """
    usable = sum(trial.usable for trial in view.trials)
    title = "What each knob did"
    if usable < MIN_TRIALS:
        return Section(
            title,
            (Text(f"{usable} trials have a score; with fewer than {MIN_TRIALS} nothing can be said yet."),),
        )
    shares = importances(view, resamples)
    model = EffectModel(view)
    order = sorted(view.searched, key=lambda name: -shares[name][0])
    effects = [model.effect(name) for name in order]
    pairs = [model.pair(a, b) for a, b in combinations(order, 2)]
    blocks: list[Block] = [
        Text(
            "Read with care: a search goes where scores are high, so it tries bad values rarely. Stopped trials count with "
            "the score that they would have at the horizon, had they gained as much as the median of those that went on. "
            "Each sentence holds beside the winner's other values; ± is a 99 % interval, as best and worst are picked after the fact."
        ),
        Items(tuple(_sentence(effect, shares[effect.name]) for effect in effects)),
        _importance_figure(order, shares),
        *(_effect_figure(view, effect) for effect in effects),
        *_pairs(view, pairs),
    ]
    return Section(title, tuple(blocks))


def _sentence(effect: Effect, share: tuple[float, float, float]) -> str:
    start = f"{knob(effect.name).capitalize()} ({percent(share[0], 0)} of the importance, {100 * share[1]:.0f}-{100 * share[2]:.0f}):"
    shown = [value_of(effect.name, level) for level in effect.levels]
    order = sorted(range(len(shown)), key=lambda n: effect.means[n])
    worst, best = order[0], order[-1]
    gap, half = effect.difference(best, worst)
    if gap <= half:
        change = f"from the worst ({shown[worst]}) to the best ({shown[best]}) the score differs by {gap:.2f} ± {half:.2f}"
        return f"{start} no effect that these trials could show; {change}."
    text = f"{start} best at {shown[best]}; {shown[worst]} costs {gap:.2f} ± {half:.2f} of the score."
    enough = [n for n in range(len(shown)) if effect.difference(best, n)[0] < FLAT]
    if not effect.ordered or not enough or enough == [best]:
        return text
    low, high = enough[0], enough[-1]
    if low == high:
        return text
    if high == len(shown) - 1:
        return f"{text} Above {shown[low]} nothing more is gained (less than {FLAT:g})."
    if low == 0:
        return f"{text} Below {shown[high]} nothing more is gained (less than {FLAT:g})."
    return f"{text} From {shown[low]} to {shown[high]} it is the same within {FLAT:g}."


def _importance_figure(order: list[str], shares: dict[str, tuple[float, float, float]]) -> Figure:
    names = [knob(name) for name in order][::-1]
    values = [shares[name] for name in order][::-1]
    trace = {
        "type": "bar", "orientation": "h", "y": names, "x": [100 * share for share, _, _ in values],
        "marker": {"color": BLUE, "line": {"color": INK, "width": 1}},
        "error_x": {"type": "data", "color": INK, "array": [max(0, 100 * (high - share)) for share, _, high in values],
                    "arrayminus": [max(0, 100 * (share - low)) for share, low, _ in values]},
        "hovertemplate": "%{y}: %{x:.0f} %<extra></extra>",
    }  # fmt: skip
    first = f"{knob(order[0])} ({percent(shares[order[0]][0], 0)})"
    return figure(
        "importance",
        f"How well each knob tells the best third of the trials from the rest (Optuna's PED-ANOVA), with the 90 % interval "
        f"over resampled trials; first: {first}.",
        [trace], x="share of the importance, %", y="", height=110 + 36 * len(order), xaxis={"range": [0, 100]},
    )  # fmt: skip


def _effect_figure(view: StudyView, effect: Effect) -> Figure:
    name, scores = effect.name, projected_scores(view)
    numeric = effect.ordered
    x = list(effect.levels) if numeric else [value_of(name, level) for level in effect.levels]
    widths = [effect.half_width(n) for n in range(len(x))]
    high = [mean + width for mean, width in zip(effect.means, widths, strict=True)]
    low = [mean - width for mean, width in zip(effect.means, widths, strict=True)]
    band = {
        "type": "scatter",
        "mode": "lines",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "x": x,
    }
    line = {"type": "scatter", "name": "beside the winner's other values (99 % band)", "x": x, "y": list(effect.means),
            "line": {"color": INK, "width": 2}, "hovertemplate": "%{x}: %{y:.2f}<extra></extra>"}  # fmt: skip
    traces: list[dict[str, Any]]
    if numeric:
        fill = {"fill": "tonexty", "fillcolor": "rgba(0,0,0,0.10)"}
        traces = [{**band, "y": high}, {**band, "y": low, **fill}, {**line, "mode": "lines"}]
    else:
        bars = {"error_y": {"type": "data", "array": widths, "color": INK}}
        traces = [
            {
                **line,
                "mode": "markers",
                "marker": {"symbol": "line-ew-open", "size": 30, "color": INK},
                **bars,
            }
        ]
    for state in dict.fromkeys(trial.state for trial in view.trials if trial.name in scores):
        group, style = [t for t in view.trials if t.state == state and t.name in scores], look(state)
        traces.append({
            "type": "scatter", "mode": "markers", "name": style.words,
            "marker": {"color": style.colour, "symbol": style.symbol, "size": 9},
            "x": [t.config[name] if numeric else value_of(name, t.config[name]) for t in group],
            "y": [scores[t.name] for t in group], "text": [hover(view, t) for t in group],
            "hovertemplate": "%{text}<br>%{y:.3f}<extra></extra>",
        })  # fmt: skip
    scale: dict[str, Any] = (
        {"type": "log"} if numeric and effect.log else {} if numeric else {"type": "category"}
    )
    if numeric and len(x) <= 8:
        scale |= {"tickvals": x, "ticktext": [value_of(name, level) for level in x]}
    elif numeric and effect.log:
        scale |= {"dtick": "D2", "exponentformat": "power"}
    best = max(range(len(x)), key=lambda n: effect.means[n])
    return figure(
        f"effect_{name}",
        f"Score at the horizon by {knob(name)} (projected for stopped trials); best beside the winner's other values: "
        f"{value_of(name, effect.levels[best])}.",
        traces, x=knob(name), y="score", height=360, xaxis={**axis(knob(name)), **scale},
    )  # fmt: skip


def _pairs(view: StudyView, pairs: list[Pair]) -> list[Block]:
    clear = sorted((pair for pair in pairs if pair.clear), key=lambda pair: -abs(pair.contrast))
    if not clear:
        closest = max(pairs, key=lambda pair: abs(pair.contrast) / (pair.half_width or 1.0), default=None)
        hint = f" The closest to one: {_pair_words(closest)}" if closest else ""
        return [Text(f"No two knobs were seen to depend on each other beyond chance.{hint}")]
    return [
        Text("Pairs that work together:"),
        Items(tuple(_pair_words(pair) for pair in clear[:4])),
        _pair_figure(view, clear[0]),
    ]


def _pair_words(pair: Pair) -> str:
    from_a, to_a = (value_of(pair.a, value) for value in pair.a_ends)
    at = [value_of(pair.b, value) for value in pair.b_ends]
    return (
        f"{knob(pair.a)} and {knob(pair.b)}: going from {from_a} to {to_a} changes the score by {pair.gains[0]:+.2f} at "
        f"{knob(pair.b)} {at[0]} and by {pair.gains[1]:+.2f} at {at[1]} (difference {pair.contrast:+.2f} ± {pair.half_width:.2f})."
    )


def _pair_figure(view: StudyView, pair: Pair) -> Figure:
    """Return the trials over both knobs; size and shade tell the score."""
    scores = projected_scores(view)
    trials = [trial for trial in view.trials if trial.name in scores]
    values = [scores[trial.name] for trial in trials]
    low, span = min(values), (max(values) - min(values)) or 1.0
    axes = {}
    for key, name in (("x", pair.a), ("y", pair.b)):
        numeric = isinstance(trials[0].config[name], int | float) and not isinstance(
            trials[0].config[name], bool
        )
        entry = view.config_json["space"]["parameters"][name]
        log = numeric and (entry.get("log") or ("values" in entry and min(entry["values"]) > 0))
        axes[key] = (numeric, {"type": "log" if log else "linear" if numeric else "category"})

    def place(name: str, numeric: bool) -> list[Any]:
        return [t.config[name] if numeric else value_of(name, t.config[name]) for t in trials]

    trace = {
        "type": "scatter", "mode": "markers", "x": place(pair.a, axes["x"][0]), "y": place(pair.b, axes["y"][0]),
        "text": [hover(view, t) for t in trials], "hovertemplate": "%{text}<br>%{marker.color:.3f}<extra></extra>",
        "marker": {"size": [8 + 22 * (value - low) / span for value in values], "color": values, "colorscale": "Cividis",
                   "line": {"color": SOFT, "width": 1}, "colorbar": {"title": {"text": "score"}, "thickness": 14}},
    }  # fmt: skip
    return figure(
        "pair", f"The trials over {knob(pair.a)} and {knob(pair.b)}; larger and lighter is a higher score.", [trace],
        x=knob(pair.a), y=knob(pair.b), height=420, xaxis=axes["x"][1], yaxis=axes["y"][1],
    )  # fmt: skip
