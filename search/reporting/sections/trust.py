"""Section 6 of the report: how reliable the result is, where it comes from, and how to repeat the search."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from statistics import NormalDist

from search.options import SearchOptions
from search.planning.continued_space import parameter_of
from search.reporting.document import (
    Block,
    Cell,
    Code,
    Items,
    Section,
    Table,
    Text,
    cell,
    counted,
    listed,
    percent,
)
from search.reporting.words import knob, short_config
from search.study.json_content import AuditJson, ParameterJson, ProvenanceJson
from search.study.view import StudyView

_NOT_REPEATED = {"resume", "plan", "study", "results_dir"}


def trust(view: StudyView) -> Section:
    """Return the section."""
    source = view.config_json["provenance"]
    blocks: list[Block] = [
        *_audit(view.config_json.get("audit")),
        Text(selection_bias(view)),
        *_confirmed(view),
        Text("Limits of this search:"),
        Items(
            (
                "The scores hold for documents like the validation documents; documents from another source can score much lower.",
                _seeds(view),
                "Trials are stopped early; a config that learns slowly at first can be missed.",
            )
        ),
        _origin(source, view),
        Text("To repeat the search:"),
        Code(reproduce_command(view)),
    ]
    return Section("Reliability", tuple(blocks))


def selection_bias(view: StudyView) -> str:
    """Return by how much the winner's recall may be too high because it was chosen as the best of several trials.

    If n configs are equally good, the best of them is expected to lie above their true value by the
    expected maximum of n standard normals times the standard error. n counts the trials with as many
    steps as the winner, the standard error follows from the winner's interval. Real configs differ, so
    this is an upper bound.
    """
    best = view.best
    if best is None:
        return "Selection bias: no winner yet."
    low, high = best.number_of("micro_recall_low"), best.number_of("micro_recall_high")
    rivals = sum(trial.usable and trial.steps >= best.steps for trial in view.trials)
    if low is None or high is None or rivals < 2:
        return "Selection bias: none, as no other trial was trained for as many steps as the winner."
    # Blom's approximation of the expected maximum of n standard normals
    expected = NormalDist().inv_cdf((rivals - 0.375) / (rivals + 0.25))
    points = 100 * expected * (high - low) / (2 * NormalDist().inv_cdf(0.975))
    return (
        f"Selection bias: the winner is the best of {rivals} trials with equally many steps, evaluated on the same documents, "
        f"so its recall is probably too high, by at most about {points:.1f} points (if all of them were equally good). The "
        "test set, which no trial has seen, gives an unbiased number after the full-length training."
    )


def _confirmed(view: StudyView) -> list[Block]:
    """Return the scores of the best trials after training them again with fresh seeds."""
    found = view.confirmation
    if found is None or not found.confirmed:
        return []
    first, bias = found.contenders[0], found.selection_bias
    sentences = [
        "The best trials were trained again to the horizon with a fresh seed; the highest mean score wins."
    ]
    if bias is not None:
        sentences.append(
            f"Measured selection bias: {first.trial} had the highest score of all trials; it lies {100 * abs(bias):.1f} points "
            f"{'below' if bias < 0 else 'above'} the mean over its seeds."
        )
    if found.pending:
        sentences.append(f"Still to be confirmed: {listed(found.pending)}.")
    elif found.best_trial != first.trial:
        sentences.append(f"So {found.best_trial} is the winner instead of {first.trial}.")
    rows: list[tuple[Cell, ...]] = [
        (each.trial, short_config(view, view.named(each.trial)), each.score,
         ", ".join(map(cell, each.fresh_scores)) or "-", each.mean, each.problem)
        for each in found.contenders
    ]  # fmt: skip
    winner = [place for place, each in enumerate(found.contenders) if each.trial == found.best_trial]
    header = ("trial", "config", "score with its own seed", "score with a fresh seed", "mean", "note")
    return [
        Text(" ".join(sentences)),
        Table(header, tuple(rows), "Confirming runs; the winner in bold.", frozenset(winner)),
    ]


def _seeds(view: StudyView) -> str:
    seed = view.config_json["provenance"]["seed"]
    if view.confirmation and view.confirmation.confirmed:
        return (
            f"All trials used one seed ({seed}); only the best were repeated with another. How much the scores of the other "
            "trials depend on the seed was not measured."
        )
    return f"All trials used one seed ({seed}). How much the scores depend on the seed was not measured."


def reproduce_command(view: StudyView) -> str:
    """Return the commands that repeat the search: checking out its commit, and running it with all non-default options."""
    options, defaults = view.config_json["options"], SearchOptions()
    flags: list[str] = []
    for field in fields(SearchOptions):
        value, default = options.get(field.name), getattr(defaults, field.name)
        if field.name != "trials" and (
            field.name in _NOT_REPEATED
            or value is None
            or value == (str(default) if isinstance(default, Path) else default)
        ):
            continue
        flag = field.name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            flags.append(f"--{flag} {shlex.quote(str(value))}")
    commit = str(view.config_json["provenance"]["commit"]).removesuffix("-dirty")
    checkout = f"git checkout {commit}\n" if commit != "unknown" else ""
    return f"{checkout}python search/run.py {' '.join(flags)}".strip()


def _audit(audit: AuditJson | None) -> list[Block]:
    """Return what the data audit found before the search."""
    if not audit:
        return [Text("The data were not audited before this search. `python data/audit.py` looks for leaks between the "
                     "parts, doubtful labels and duplicates.", "bad")]  # fmt: skip
    verdict = audit["verdict"]
    rows: list[tuple[Cell, ...]] = [
        (found["name"], found["part"], found["other"], found["count"], found["of"],
         percent(found["count"] / found["of"] if found["of"] else None))
        for found in audit["findings"]
    ]  # fmt: skip
    sizes = listed([f"{count:,} {part}" for part, count in audit["documents"].items()])
    return [
        Text(
            f"Data audit ({sizes} documents): {verdict}.",
            "bad" if verdict.startswith(("LEAK", "FAULT")) else "good",
        ),
        Table(
            ("finding", "part", "shared with", "count", "of", "share"),
            tuple(rows),
            "All counts of the audit",
            folded=True,
        ),
    ]


def _origin(source: ProvenanceJson, view: StudyView) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("commit", source["commit"]),
        ("seed", str(source["seed"])),
        ("started", source["started"]),
        ("machine", f"{source['machine']}, Python {source['python']}"),
        ("device", _device(view)),
        ("packages", ", ".join(f"{name} {version}" for name, version in source["packages"].items())),
        *(
            ("widened", f"{session['started']}: {_widened(session['narrower'])}")
            for session in view.config_json.get("continued", [])
            if "narrower" in session
        ),
        *(
            (f"{split} data", f"{data['file']}, SHA-256 {data['sha256']}")
            for split, data in source["data"].items()
        ),
    ]
    if known := view.config_json.get("known"):
        studies = listed(list(dict.fromkeys(each["study"] for each in known)))
        rows.append(("learned from", f"{counted(len(known), 'completed trial')} of {studies}"))
    if view.best_text:
        checksum = hashlib.sha256(view.best_text.encode("utf-8")).hexdigest()
        rows.append(("best.json", f"SHA-256 {checksum}"))
    return Table(("provenance", ""), tuple(rows))


def _widened(narrower: Mapping[str, ParameterJson]) -> str:
    """Return which hyperparameters were widened, with what was searched until then."""
    return ", ".join(f"{knob(name)}, before {parameter_of(entry)}" for name, entry in narrower.items())


def _device(view: StudyView) -> str:
    devices = {str(t.metrics["device"]) for t in view.trials if "device" in t.metrics}
    return ", ".join(sorted(devices)) or "-"
