"""One style for all figures."""

from __future__ import annotations

from search.reporting.style import LOOKS, figure, look, markers


def test_states_differ_in_colour_or_symbol_and_always_in_words() -> None:
    assert len({style.words for style in LOOKS.values()}) == len(LOOKS)
    assert len({style.symbol for style in LOOKS.values()}) == len(LOOKS)


def test_all_kinds_of_failure_look_the_same_and_like_nothing_else() -> None:
    broken = {look(state) for state in ("error", "diverged", "worker died", "no result")}
    assert len(broken) == 1
    assert broken.pop() not in LOOKS.values()


def test_a_figure_extends_the_axes_of_the_style_and_keeps_their_titles() -> None:
    drawn = figure(
        "f", "Caption.", [{"x": [1]}], x="steps", y="score", height=200, xaxis={"type": "log"}, shapes=[1]
    )
    layout = drawn.plot["layout"]
    assert (layout["height"], layout["shapes"], drawn.plot["data"]) == (200, [1], [{"x": [1]}])
    assert (layout["xaxis"]["type"], layout["xaxis"]["title"]["text"]) == ("log", "steps")
    assert layout["yaxis"]["title"]["text"] == "score"


def test_a_marker_has_the_symbol_of_its_state() -> None:
    assert markers("stopped", 7) == {
        "color": LOOKS["stopped"].colour, "symbol": "triangle-down-open", "size": 7,
        "line": {"width": 2, "color": LOOKS["stopped"].colour},
    }  # fmt: skip
