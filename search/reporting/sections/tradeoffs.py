"""Section 3 of the report: recall against precision, minutes and memory, and the Pareto-optimal trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.reporting.document import Block, Figure, Plot, Section, Table, Text, counted, listed, percent
from search.reporting.style import INK, SOFT, figure, look, markers
from search.reporting.words import hover, short_config, value_of
from search.study.trial_view import TrialView
from search.study.view import StudyView
from trainable.trial.result import Outcome


@dataclass(frozen=True, slots=True)
class _Axis:
    """What recall is drawn against."""

    name: str
    title: str
    scale: float = 1.0
    """From the metric to the axis."""
    rising: bool = False
    """Whether more of it is better."""

    def value(self, trial: TrialView) -> float | None:
        found = trial.minutes if self.name == "minutes" else trial.number_of(self.name)
        return None if found is None else self.scale * found

    def points(self, trials: Sequence[TrialView]) -> Plot:
        """Return x and y of the trials, all of which have a value."""
        return {"x": [self.value(trial) for trial in trials], "y": [100 * _recall(trial) for trial in trials]}

    def optimal(self, trials: Sequence[TrialView]) -> list[TrialView]:
        """Return the Pareto-optimal trials, the highest recall first."""
        sign = 1 if self.rising else -1
        return [trials[n] for n in pareto([(_recall(t), sign * (self.value(t) or 0)) for t in trials])]


_AXES = (
    _Axis("micro_precision", "precision, %", scale=100.0, rising=True),
    _Axis("minutes", "minutes (loading, training, generating)"),
    _Axis("peak_gib", "peak memory, GiB"),
)


def tradeoffs(view: StudyView) -> Section:
    """Return the section."""
    measured = [
        trial for trial in view.trials if trial.usable and trial.number_of("micro_recall") is not None
    ]
    if len(measured) < 2:
        return Section("Trade-offs", (Text("Fewer than two trials have been evaluated yet."),))
    most = max(trial.steps for trial in measured)
    furthest = [trial for trial in measured if trial.steps == most]
    best = [furthest[n] for n in pareto([(_recall(trial), _precision(trial)) for trial in furthest])]
    shown = [f"{t.label} (recall {percent(_recall(t))}, precision {percent(_precision(t))})" for t in best]
    blocks: list[Block] = [
        Text(
            f"{counted(len(furthest), 'trial')} reached step {most}. Pareto-optimal among them in recall and precision: "
            f"{listed(shown)}. Trials that were stopped earlier are shown with the values at their last step; they had less "
            "training."
        ),
        *(_scatter(view, measured, most, axis) for axis in _AXES),
        *_infeasible(view),
    ]
    return Section("Trade-offs", tuple(blocks))


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the Pareto-optimal points, the first number falling.

    Both numbers are better when larger. Of equal points one is returned.

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


def _scatter(view: StudyView, measured: Sequence[TrialView], most: int, axis: _Axis) -> Figure:
    """Return recall against another number; the Pareto-optimal of the trials with `most` steps are circled."""
    trials = [trial for trial in measured if axis.value(trial) is not None]
    front = axis.optimal([trial for trial in trials if trial.steps == most])
    traces: list[Plot] = [{
        "type": "scatter", "mode": "lines+markers", "name": "Pareto-optimal", "hoverinfo": "skip", **axis.points(front),
        "line": {"color": SOFT, "dash": "dash", "width": 1.5},
        "marker": {"symbol": "circle-open", "size": 19, "color": INK, "line": {"width": 1.5}},
    }]  # fmt: skip
    for state in dict.fromkeys(trial.state for trial in measured):
        group = [trial for trial in trials if trial.state == state]
        traces.append({
            "type": "scatter", "mode": "markers", "name": look(state).words, "marker": markers(state), **axis.points(group),
            "text": [hover(view, trial) for trial in group],
            "hovertemplate": "%{text}<br>recall %{y:.1f} %, %{x:.2f}<extra></extra>",
        })  # fmt: skip
    if missing := [trial for trial in trials if trial.missed]:
        traces.append({
            "type": "scatter", "mode": "markers", "name": "misses a requirement (infeasible)", "hoverinfo": "skip",
            **axis.points(missing),
            "marker": {"symbol": "x-thin-open", "size": 16, "color": INK, "line": {"width": 2, "color": INK}},
        })  # fmt: skip
    return figure(
        f"recall_{axis.name}",
        f"Recall against {axis.title.removesuffix(', %')}. Circled: Pareto-optimal among the trials with most steps "
        f"({listed([trial.label for trial in front])}).",
        traces, x=axis.title, y="recall, %", height=400, shapes=_limit(view) if axis.name == "peak_gib" else [],
        yaxis={"rangemode": "tozero"}, xaxis={} if axis.rising else {"rangemode": "tozero"},
    )  # fmt: skip


def _limit(view: StudyView) -> list[Plot]:
    """Return a line at the memory that the search may use, if a limit is set."""
    limit = view.config_json["trial_settings"].get("vram_gib")
    line = {"color": INK, "dash": "dot"}
    return (
        [{"type": "line", "x0": limit, "x1": limit, "y0": 0, "y1": 1, "yref": "paper", "line": line}]
        if limit
        else []
    )


def _infeasible(view: StudyView) -> list[Block]:
    """Return which configs did not fit into memory, and which trials do not meet another requirement."""
    lost = [*(trial for trial in view.trials if trial.state == Outcome.INFEASIBLE), *view.refused]
    missing = [
        f"{trial.label} ({', '.join(trial.missed)})" for trial in view.trials if trial.usable and trial.missed
    ]
    unmet = [Text(f"These miss a requirement: {listed(missing)}.")] if missing else []
    if not lost:
        return [Text("Every config that was tried fits into memory."), *unmet]
    rows = tuple((t.name, t.starting_config, short_config(view, t), view.reason(t)) for t in lost)
    models = {
        f"{value_of('model', t.config['model'])} in {value_of('load_in_4bit', t.config['load_in_4bit'])}"
        for t in lost
    }
    return [
        Text(f"{counted(len(lost), 'config')} did not fit into memory ({listed(sorted(models))})."),
        Table(
            ("trial", "starting config", "config", "reason"), rows, "Configs that did not fit into memory."
        ),
        *unmet,
    ]
