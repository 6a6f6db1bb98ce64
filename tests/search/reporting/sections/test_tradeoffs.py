"""Recall against what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from search.reporting.document import Figure, Table, Text
from search.reporting.sections.tradeoffs import pareto, tradeoffs
from search.study.view import StudyView
from tests.search.reporting.invented import changed

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


def texts(view: StudyView) -> list[str]:
    return [block.text for block in tradeoffs(view).blocks if isinstance(block, Text)]


def traces(view: StudyView, figure: str) -> dict[str, dict[str, Any]]:
    """The traces of a figure by their name in its legend."""
    found = next(b for b in tradeoffs(view).blocks if isinstance(b, Figure) and b.name == figure)
    return {trace["name"]: trace for trace in found.plot["data"]}


@given(POINTS)
def test_a_point_is_pareto_optimal_unless_another_is_as_good_in_both_and_better_in_one(
    points: list[tuple[int, int]],
) -> None:
    front = {points[index] for index in pareto(points)}
    for x, y in points:
        beaten = any(a >= x and b >= y and (a, b) != (x, y) for a, b in points)
        assert ((x, y) in front) is not beaten


@given(POINTS)
def test_along_the_pareto_front_the_first_number_falls_and_the_second_rises(
    points: list[tuple[int, int]],
) -> None:
    front = [points[index] for index in pareto(points)]
    assert all(a[0] > b[0] and a[1] < b[1] for a, b in zip(front, front[1:], strict=False))


def test_only_trials_that_were_trained_as_long_as_any_can_be_pareto_optimal(view: StudyView) -> None:
    assert texts(view)[0].startswith(
        "2 trials reached step 153. Pareto-optimal among them in recall and precision: t005 ("
    )
    optimal = traces(view, "recall_minutes")["Pareto-optimal"]
    minutes = [view.named(name).minutes for name in ("t005", "t019")]
    assert optimal["x"] == minutes  # less recall in less time is another trade-off


def test_every_trial_with_numbers_is_drawn_in_its_state(view: StudyView) -> None:
    drawn = traces(view, "recall_peak_gib")
    assert len(drawn["stopped at a rung"]["x"]) == 18
    trial = view.named("t019")
    point = 100 * (trial.number_of("micro_recall") or 0), trial.number_of("peak_gib")
    done = drawn["reached the horizon"]
    assert point in list(zip(done["y"], done["x"], strict=True))


def test_precision_is_drawn_in_percent_and_trials_without_one_are_left_out(view: StudyView) -> None:
    drawn = traces(view, "recall_micro_precision")
    undefined = [trial for trial in view.trials if trial.number_of("micro_precision") is None]
    assert undefined
    assert len(drawn["stopped at a rung"]["x"]) == 18 - len(undefined)
    assert max(drawn["reached the horizon"]["x"]) > 40


def test_the_memory_limit_is_a_line_where_one_was_set(view: StudyView) -> None:
    def lines(limit: float | None) -> list[dict[str, Any]]:
        settings = {**view.config_json["trial_settings"], "vram_gib": limit}
        study = replace(view, config_json={**view.config_json, "trial_settings": settings})  # type: ignore[typeddict-item]
        figure = next(
            b for b in tradeoffs(study).blocks if isinstance(b, Figure) and b.name == "recall_peak_gib"
        )
        shapes: list[dict[str, Any]] = figure.plot["layout"]["shapes"]
        return shapes

    assert lines(None) == []
    assert [line["x0"] for line in lines(12.0)] == [12.0]


def test_trials_that_miss_a_requirement_are_marked_and_named(view: StudyView) -> None:
    assert texts(view)[-1] == "Every config that was tried fits into memory."
    worse = changed(view, "t012", missed=("peak_gib",))
    assert texts(worse)[-1] == "These miss a requirement: t012 (peak_gib)."
    assert len(traces(worse, "recall_peak_gib")["misses a requirement (infeasible)"]["x"]) == 1


def test_configs_that_did_not_fit_are_listed_with_the_reason_whether_started_or_refused(
    view: StudyView,
) -> None:
    refused = replace(view.named("t003"), state="refused", scores={}, metrics={"reason": "needs 20 GiB"})
    study = changed(
        replace(view, refused=(refused,)), "t002", state="infeasible", metrics={"reason": "out of memory"}
    )
    assert "2 configs did not fit into memory (small-4m in 4-bit)." in texts(study)
    table = next(block for block in tradeoffs(study).blocks if isinstance(block, Table))
    assert [(row[0], row[1], row[3]) for row in table.rows] == [
        ("t002", "bigger model", "out of memory"),
        ("t003", "all of it", "needs 20 GiB"),
    ]


def test_one_evaluated_trial_is_no_trade_off(view: StudyView) -> None:
    assert texts(replace(view, trials=view.trials[:1])) == ["Fewer than two trials have been evaluated yet."]
