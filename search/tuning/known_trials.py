"""What earlier studies found (`--warm-start`): the sampler of a new study learns from their trials, which stay theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from data.files.checksum import file_checksum
from search.planning.plan import SearchPlan
from search.planning.space import SearchSpace
from search.study.config_file import read_config
from search.study.files import StudyFiles, last_step, outcome_of, trial_config
from search.study.json_content import KnownTrialJson
from search.study.storage import study_to_read
from search.study.view import find_study
from search.tuning.widening import distribution_of
from trainable.config import TrialConfig, TrialSettings
from trainable.knob import Range
from trainable.trial.result import Outcome

_FIRST_NUMBER = 1_000_000
"""Of a known trial among those of a study, which never has so many."""
_SAME = (
    "min_precision",
    "min_json_valid",
    "min_type_recall",
    "system_prompt",
    "window_tokens",
    "overlap_tokens",
)
"""Settings that a score depends on, besides horizon and documents."""


def with_known_trials(plan: SearchPlan) -> SearchPlan:
    """Return the plan with the completed trials of the studies that `--warm-start` names, or that it once had named.

    Raises:
        ValueError: Lists why studies cannot be used, one a line.
    """
    if plan.options.resume:
        known = read_config(plan.files).get("known", [])
        return replace(plan, known=tuple(known), known_note=_note(known, []))
    if plan.options.simulate and plan.options.warm_start:
        raise ValueError("`--warm-start` is given, but `--simulate` replays a table; leave one of them out")
    problems, left_out = [], list[str]()
    known = list[KnownTrialJson]()
    for name in filter(None, map(str.strip, plan.options.warm_start.split(","))):
        try:
            found, reasons = _trials_of(Path(name), plan)
        except (OSError, ValueError) as error:
            problems.append(f"`--warm-start` {name}: {error}")
            continue
        known, left_out = known + found, left_out + reasons
        if not found:
            told = "; ".join(dict.fromkeys(reasons)) or "no trial was completed"
            problems.append(f"`--warm-start` {name}: none of its trials can be used: {told}")
    if problems:
        raise ValueError("\n".join(problems))
    return replace(plan, known=tuple(known), known_note=_note(known, left_out))


def as_completed(known: Iterable[KnownTrialJson], space: SearchSpace) -> list[FrozenTrial]:
    """Return known trials as the sampler takes them, with the distributions of a space and numbers no own trial has."""
    distributions = {name: distribution_of(parameter) for name, parameter in space.parameters.items()}
    trials = [
        create_trial(
            state=TrialState.COMPLETE,
            value=each["score"],
            params=dict(each["config"]),
            distributions=distributions,
            constraints=each["constraints"],
        )
        for each in known
    ]
    for number, trial in enumerate(trials, _FIRST_NUMBER):
        trial.number = number
    return trials


def _trials_of(study: Path, plan: SearchPlan) -> tuple[list[KnownTrialJson], list[str]]:
    """Return the trials of a study that can be used, and why others cannot.

    Raises:
        FileNotFoundError: If there is no such study.
        ValueError: If its scores cannot be compared with those of the plan, or a file is damaged.
    """
    root = find_study(study, plan.files.root.parent)
    if differences := _differences(root, plan):
        raise ValueError(
            f"its scores do not compare with those of this search, since {', '.join(differences)}"
        )
    found, reasons = list[KnownTrialJson](), list[str]()
    with study_to_read(root) as opened:
        completed = [t for t in opened.get_trials(deepcopy=False) if outcome_of(t) == Outcome.COMPLETED]
    for trial in completed:
        config: dict[str, Any] = trial_config(
            trial, read_config(StudyFiles(root))["space"]["fixed"]
        ).to_dict()
        if reason := _why_not(config, plan.space):
            reasons.append(reason)
            continue
        found.append(
            KnownTrialJson(
                study=root.name,
                trial=trial.user_attrs["ray_trial_id"],
                score=trial.intermediate_values[last_step(trial)],
                config={name: config[name] for name in plan.space.parameters},
                constraints=trial.constraints,
            )
        )
    return found, reasons


def _differences(root: Path, plan: SearchPlan) -> list[str]:
    """Return what a study's scores depend on that is not as in the plan."""
    files, ours = StudyFiles(root), plan.settings
    config, theirs = read_config(files), TrialSettings.load(files.trial_settings)
    data = config["provenance"]["data"]
    found = [
        f"the {split} data differ"
        for split, path in plan.corpus.by_name().items()
        if split != "test" and data[split]["sha256"] != file_checksum(path)
    ]
    pairs = [
        ("the horizon", ours.rungs[-1], theirs.rungs[-1]),
        (
            "the number of validation documents",
            ours.evaluation_documents[-1],
            theirs.evaluation_documents[-1],
        ),
        *((f"`{name}`", getattr(ours, name), getattr(theirs, name)) for name in _SAME),
    ]
    found += [f"{what} differs" for what, here, there in pairs if here != there]
    if "init_adapter" in config["space"]["fixed"] or "init_adapter" in plan.space.fixed:
        found.append("one of them starts from an adapter")
    return [*found, "it was replayed, not trained"] if config["options"].get("simulate") else found


def _why_not(config: Mapping[str, Any], space: SearchSpace) -> str:
    """Return why a config, whatever its seed, is none of a space; empty if it is one."""
    fixed = {**TrialConfig("any").to_dict(), **space.fixed, "seed": config["seed"]}
    clips = TrialConfig.from_dict({**fixed, "answers": config["answers"]}), TrialConfig.from_dict(config)
    fixed["max_grad_norm"], clip = (each.gradient_clip for each in clips)  # whether told or by default
    config = {**config, "max_grad_norm": clip}
    for name, value in config.items():
        parameter = space.parameters.get(name)
        if parameter is None and value != fixed[name]:
            return f"`{name}` is {value} there and {fixed[name]} here"
        broken = isinstance(parameter, Range) and parameter.whole and value != int(value)
        if parameter is not None and (value not in parameter or broken):
            return f"`{name}` {value} is not searched here"
    return ""


def _note(known: Sequence[KnownTrialJson], left_out: Sequence[str]) -> str:
    if not known:
        return ""
    best = max(known, key=lambda each: each["score"])
    studies = ", ".join(dict.fromkeys(each["study"] for each in known))
    others = f"; {len(left_out)} left out: {'; '.join(dict.fromkeys(left_out))}" if left_out else ""
    return (
        f"{len(known)} completed trials of {studies} teach the sampler and do not count here; best score {best['score']:.3f} "
        f"({best['trial']} of {best['study']}){others}"
    )
