"""One style for all figures: colours that colour-blind readers can tell apart, each with its own marker and dash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.reporting.document import Figure, Plot
from trainable.trial.result import Outcome

BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
INK, SOFT, PALE = "#1a1a1a", "#6b6b6b", "#e6e6e6"
FONT = '"Segoe UI", system-ui, Arial, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif'


@dataclass(frozen=True, slots=True)
class Look:
    """How trials of one state are drawn; the marker alone identifies the state in black and white."""

    words: str
    colour: str
    symbol: str
    dash: str
    pattern: str


LOOKS: dict[str, Look] = {
    Outcome.COMPLETED: Look("reached the horizon", BLUE, "circle", "solid", ""),
    Outcome.STOPPED: Look("stopped at a rung", VERMILLION, "triangle-down-open", "dot", "/"),
    Outcome.INFEASIBLE: Look("does not fit into memory", INK, "x", "dot", "x"),
    Outcome.PAUSED: Look("paused or in training", GREEN, "diamond-open", "dash", "-"),
    "running": Look("before its first rung", GREEN, "square-open", "dash", "."),
}
_BROKEN = Look("failed", PURPLE, "cross", "dot", "+")


def look(state: str) -> Look:
    """Return how trials of a state are drawn; all kinds of failure look the same."""
    return LOOKS.get(state, _BROKEN)


def figure(
    name: str, caption: str, data: list[Plot], *, x: str, y: str, height: int = 380, **layout: Any
) -> Figure:
    """Return a figure in the style of the report.

    Args:
        name: Unique in the report; also the name of the picture file.
        caption: What the figure shows; makes sense without the figure.
        data: Plotly traces.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        height: In pixels.
        layout: Further entries of Plotly's layout; `xaxis` and `yaxis` extend those of the style.
    """
    axes = {
        "xaxis": {**axis(x), **layout.pop("xaxis", {})},
        "yaxis": {**axis(y), **layout.pop("yaxis", {})},
    }
    return Figure(name, {"data": data, "layout": {**base_layout(height), **axes, **layout}}, caption)


def axis(title: str) -> Plot:
    """Return an axis with a title."""
    return {
        "title": {"text": title, "standoff": 8}, "automargin": True, "showline": True, "linecolor": INK,
        "ticks": "outside", "tickcolor": INK, "gridcolor": PALE, "zeroline": False,
    }  # fmt: skip


def base_layout(height: int) -> Plot:
    """Return the layout that all figures share."""
    return {
        "height": height,
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "colorway": [BLUE, VERMILLION, GREEN, ORANGE, PURPLE],
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        "hoverlabel": {"bgcolor": "#ffffff", "font": {"color": INK}},
        "hovermode": "closest",
    }


def markers(state: str, size: int = 10) -> Plot:
    """Return the marker of a state, `size` in pixels."""
    style = look(state)
    return {
        "color": style.colour,
        "symbol": style.symbol,
        "size": size,
        "line": {"width": 2, "color": style.colour},
    }
