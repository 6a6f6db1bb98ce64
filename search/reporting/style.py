"""One look for every figure: colours that the colour-blind tell apart, and a marker or dash besides each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.reporting.document import Figure
from trainable.trial.result import Outcome

BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
INK, SOFT, PALE = "#1a1a1a", "#6b6b6b", "#e6e6e6"
FONT = '"Segoe UI", system-ui, Arial, "Noto Sans CJK SC", "Microsoft YaHei", sans-serif'


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is drawn: the marker alone tells it in black and white."""

    words: str
    colour: str
    symbol: str
    dash: str
    pattern: str


LOOKS = {
    Outcome.COMPLETED: Look("reached the horizon", BLUE, "circle", "solid", ""),
    Outcome.STOPPED: Look("stopped at a rung", VERMILLION, "triangle-down-open", "dot", "/"),
    Outcome.INFEASIBLE: Look("does not fit the memory", INK, "x", "dot", "x"),
    Outcome.PAUSED: Look("paused, or on its way", GREEN, "diamond-open", "dash", "-"),
    "running": Look("running", GREEN, "square-open", "dash", "."),
}
_BROKEN = Look("failed", PURPLE, "cross", "dot", "+")


def look(state: str) -> Look:
    """Return how a trial's state is drawn; every kind of failure looks the same."""
    return LOOKS.get(state, _BROKEN)


def figure(
    name: str, caption: str, data: list[dict[str, Any]], *, x: str, y: str, height: int = 380, **layout: Any
) -> Figure:
    """Return a figure in the report's style.

    Args:
        name: Unique in the report; names the picture file too.
        caption: What it shows, in a sentence that stands without the picture.
        data: Plotly traces.
        x: Title of the horizontal axis.
        y: Title of the vertical axis.
        height: In pixels.
        layout: Entries of Plotly's layout; `xaxis` and `yaxis` are added to the style's.
    """
    axes = {
        "xaxis": {**axis(x), **layout.pop("xaxis", {})},
        "yaxis": {**axis(y), **layout.pop("yaxis", {})},
    }
    return Figure(name, {"data": data, "layout": {**base_layout(height), **axes, **layout}}, caption)


def axis(title: str) -> dict[str, Any]:
    """Return a plain axis with a title."""
    return {
        "title": {"text": title, "standoff": 8}, "automargin": True, "showline": True, "linecolor": INK,
        "ticks": "outside", "tickcolor": INK, "gridcolor": PALE, "zeroline": False,
    }  # fmt: skip


def base_layout(height: int) -> dict[str, Any]:
    """Return what all figures share."""
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


def markers(state: str, size: int = 10) -> dict[str, Any]:
    """Return Plotly's marker of a state."""
    style = look(state)
    return {
        "color": style.colour,
        "symbol": style.symbol,
        "size": size,
        "line": {"width": 2, "color": style.colour},
    }
