"""Section 1 of the report: the newest test result, the best config, how certain its numbers are, and how far they are from the users' goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from search.reporting.document import (
    Block,
    Cell,
    Code,
    Figure,
    Items,
    Plot,
    Section,
    Table,
    Text,
    counted,
    listed,
    percent,
)
from search.reporting.goal_words import against_goals, span_words
from search.reporting.next_step import next_steps, next_words
from search.reporting.sections.edges import edge_warnings
from search.reporting.sections.retrain import words_of_test
from search.reporting.style import BLUE, GREEN, INK, figure, look
from search.reporting.words import config_words, interval_words, short_config
from search.study.config_file import starting_configs_in
from search.study.json_content import HeadlineName, Value, as_number
from search.study.trial_view import TrialView
from search.study.view import StudyView
from trainable.config import JSON, TAGS
from trainable.scoring.metrics import HEADLINE

_TITLE = "Result"
_FULL_LENGTH = "full length, test set"
_TESTED: tuple[HeadlineName, ...] = (
    "micro_recall",
    "micro_precision",
    "micro_f1",
    "leak_rate",
    "pii_free_fpr",
)
_WAYS = {JSON: "writes JSON", TAGS: "tags"}
_STARTING_CONFIGS = ("conservative", "oversampling", "bigger model", "all of it")
_HEADER = ("", "recall", "95 % interval", "precision", "F1", "leak rate", "false alarms", "steps", "state", "config")  # fmt: skip

_Row = tuple[str, TrialView | None, Mapping[str, Value]]
"""Name, trial (None for the test result, the starting point and for starting configs that were not tried) and metrics."""


def answer(view: StudyView) -> Section:
    """Return the section."""
    best = view.best
    if best is None:
        ended = sum(trial.finished for trial in view.trials)
        return Section(_TITLE, (Text(f"No trial has a score yet; {ended} of {view.total} have ended."),))
    tested, reached = words_of_test(view), _test_numbers(view) or best.metrics
    against = [Text(" ".join(told))] if (told := list(against_goals(view.goals, reached))) else []
    blocks: list[Block] = [
        *([Text(tested, "good"), *against, *_next(view)] if tested else []),
        Text(_headline(view, best), "plain" if tested else "good"),
        Text(_numbers(best)),
        *([] if tested else against),
        *_warnings(view, best),
        *edge_warnings(view),
        recall_figure(view, best),
        _table(view, best),
    ]
    if view.retrain is None and view.best_text:
        blocks += [
            Text(
                f"Next: train it at full length; the search trained for {counted(best.steps, 'step')} only:"
            ),
            Code(f"python search/retrain.py {view.root / 'best.json'}"),
        ]
    return Section(_TITLE, tuple(blocks))


def _next(view: StudyView) -> list[Block]:
    """Return what to do after the full-length training: the most promising first, the rest with its evidence."""
    if view.retrain is None:
        return []
    first, *others = next_steps(view, view.retrain)
    return [
        Text(next_words(first)),
        Items(tuple(f"{step.what[0].upper()}{step.what[1:]}: {step.evidence}" for step in others)),
    ]


def _test_numbers(view: StudyView) -> dict[str, Value]:
    """Return what was reached on the test set, as trials hold it; empty without a test result."""
    test = view.retrain["test"] if view.retrain else None
    if test is None:
        return {}
    low, high = test["micro_recall_ci"]
    return {**{name: test[name] for name in _TESTED}, "micro_recall_low": low, "micro_recall_high": high}


def _headline(view: StudyView, best: TrialView) -> str:
    ended = sum(trial.finished for trial in view.trials)
    state = (
        f"Best of {counted(ended, 'trial')}"
        if view.done
        else f"Best so far ({ended} of {view.total} trials ended)"
    )
    return f"{state}: {best.label}, {config_words(best.config)}.{_confirmed(view, best)}"


def _confirmed(view: StudyView, best: TrialView) -> str:
    """Return the winner's scores with its own and with fresh seeds in a sentence, if it was confirmed."""
    contenders = view.confirmation.contenders if view.confirmation else ()
    own = next((each for each in contenders if each.trial == best.name and each.fresh_scores), None)
    if own is None:
        return ""
    fresh = listed([f"{score:.3f}" for score in own.fresh_scores])
    return f" Its score is {own.score:.3f} with its own seed and {fresh} with a fresh seed (see Reliability)."


def _numbers(best: TrialView) -> str:
    numbers = best.metrics
    interval = interval_words(best.number_of("micro_recall_low"), best.number_of("micro_recall_high"))
    return (
        f"Trained for {counted(best.steps, 'optimizer step')} and evaluated on {numbers.get('n_documents', '?')} validation "
        f"documents, it finds {percent(best.number_of('micro_recall'))} of the {numbers.get('n_gold', '?')} entities "
        f"(recall; 95 % confidence interval {interval}). {percent(best.number_of('micro_precision'))} of its predictions "
        f"are correct (precision). F1 is {percent(best.number_of('micro_f1'))}."
    )


def _warnings(view: StudyView, best: TrialView) -> Iterator[Text]:
    precision = best.number_of("micro_precision") or 0.0
    if precision < view.min_precision:
        yield Text(
            f"Precision is below the required {percent(view.min_precision, 0)}; the score ({best.scores[best.steps]:.3f}) is "
            "reduced by this shortfall.",
            "bad",
        )
    if best.steps < view.rungs[-1]:
        yield Text(f"No trial has reached the horizon of {view.rungs[-1]} steps yet.", "bad")


def _rows(view: StudyView, best: TrialView) -> list[_Row]:
    """Return the test result, the winner, the starting configs and what the users had, of what is known."""
    tried = {trial.starting_config: trial for trial in view.trials if trial.starting_config}
    known = starting_configs_in(view.config_json["space"])
    rows: list[_Row] = [("winner", best, best.metrics)]
    if tested := _test_numbers(view):
        rows.insert(0, (_FULL_LENGTH, None, tested))
    if other := _best_of_the_other_way(view, best):
        rows.append((f"best that {_WAYS[str(other.config.get('answers', JSON))]}", other, other.metrics))
    for name in dict.fromkeys((*_STARTING_CONFIGS, *tried)):
        trial = tried.get(name)
        if trial or name in known:
            rows.append((f"starting config: {name}", trial, trial.metrics if trial else {}))
    return [*rows, (view.goals.before_name, None, view.goals.before)] if view.goals.before else rows


def _best_of_the_other_way(view: StudyView, best: TrialView) -> TrialView | None:
    """Return the trial that got farthest and scored highest among those that answer in another way than the winner."""
    way = best.config.get("answers", JSON)
    others = [trial for trial in view.trials if trial.scores and trial.config.get("answers", JSON) != way]
    return max(others, key=lambda trial: (trial.steps, trial.scores[max(trial.scores)]), default=None)


def _table(view: StudyView, best: TrialView) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, trial, numbers in _rows(view, best):
        interval = (
            interval_words(
                as_number(numbers.get("micro_recall_low")), as_number(numbers.get("micro_recall_high"))
            )
            if "micro_recall_low" in numbers
            else "-"
        )
        values = [percent(as_number(numbers.get(key))) for key in HEADLINE]
        told = look(trial.state).words if trial else ("-" if numbers else "not tried")
        steps = trial.steps if trial else None
        config = short_config(view, trial) if trial else ""
        rows.append((name, values[0], interval, *values[1:], steps, told, config))
    if wanted := view.goals.wanted:
        spans = [span_words(wanted[key]) if key in wanted else "-" for key in HEADLINE]
        rows.append(("goal", spans[0], "-", *spans[1:], None, "", ""))
    caption = (
        "The winner and the starting configs by name, on validation documents. Trials with fewer steps were stopped early. "
        "Leak rate: share of the entities that would still be readable after redaction. False alarms: share of the documents "
        "without personal data in which something was predicted. x2 in a config: oversampling by 2."
    )
    return Table(_HEADER, tuple(rows), caption, frozenset({0}))


def recall_figure(view: StudyView, best: TrialView) -> Figure:
    """Return recall with its interval: winner and starting configs, and the users' starting point and goal where they are known."""
    traces: list[Plot] = []
    for name, trial, numbers in reversed(_rows(view, best)):
        recall = as_number(numbers.get("micro_recall"))
        if recall is None:
            continue
        low, high = (as_number(numbers.get(f"micro_recall_{end}")) for end in ("low", "high"))
        style = look(trial.state) if trial else None
        colour = style.colour if style else INK
        traces.append({
            "type": "scatter", "mode": "markers", "x": [100 * recall], "y": [name], "showlegend": False,
            "error_x": {"array": [100 * ((recall if high is None else high) - recall)],
                        "arrayminus": [100 * (recall - (recall if low is None else low))],
                        "type": "data", "thickness": 2, "color": colour},
            "marker": {"size": 13 if trial is best else 10, "symbol": style.symbol if style else "diamond",
                       "color": colour, "line": {"width": 2}},
            "hovertemplate": f"{name}: %{{x:.1f}} %<extra></extra>",
        })  # fmt: skip
    layout, band = _goal_band(view)
    return figure(
        "recall",
        f"Recall with its 95 % confidence interval. Winner: {percent(best.number_of('micro_recall'))}. {band}"
        "Filled circles reached the horizon, open triangles were stopped early; diamonds are no trials.",
        traces,
        x="recall, %", y="", height=110 + 42 * len(traces), xaxis={"range": [0, 100]}, **layout,
    )  # fmt: skip


def _goal_band(view: StudyView) -> tuple[Plot, str]:
    """Return the part of the layout that shades the goal for recall, and its sentence; both empty without a goal."""
    if "micro_recall" not in view.goals.wanted:
        return {}, ""
    span = view.goals.wanted["micro_recall"]
    low, high = (100 * end for end in span)
    band = {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "yref": "paper", "fillcolor": GREEN,
            "opacity": 0.18, "line": {"width": 0}}  # fmt: skip
    note = {"x": (low + high) / 2, "y": 1, "yref": "paper", "yanchor": "bottom", "text": "goal",
            "showarrow": False, "font": {"color": BLUE}}  # fmt: skip
    return {"shapes": [band], "annotations": [note]}, f"Shaded band: the goal, {span_words(span)}. "
