"""Section 6 of the report: why to believe it, how far not to, and how to repeat it in one command."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import fields
from pathlib import Path
from statistics import NormalDist
from typing import Any

from search.options import SearchOptions
from search.reporting.document import Block, Cell, Code, Items, Section, Table, Text, cell, listed, percent
from search.reporting.view import StudyView
from search.reporting.words import short_config

_NOT_REPEATED = {"resume", "plan", "study", "results_dir"}


def trust(view: StudyView) -> Section:
    """Return the section."""
    source = view.config_json["provenance"]
    blocks: list[Block] = [
        *_audit(view.config_json.get("audit")),
        Text(selection_bias(view)),
        *_confirmed(view),
        Text("What a search cannot tell:"),
        Items(
            (
                "The numbers hold for documents like those of the validation file. Text from another source can score far lower.",
                _seeds(view),
                "Stopped trials were judged early; a config that starts slowly can be lost.",
            )
        ),
        _origin(source, view),
        Text("To repeat the search:"),
        Code(reproduce_command(view)),
    ]
    return Section("Trust", tuple(blocks))


def selection_bias(view: StudyView) -> str:
    """Say by how much the winner's recall may flatter it, having been chosen among several on one list of documents.

    The best of n equally good configs is expected to lie above their common value by the expected
    maximum of n normal deviations; n are the trials that got as far as the winner, and the standard
    error is that of its interval. Real configs differ, so this is an upper bound.
    """
    best = view.best
    if best is None:
        return "Selection bias: nothing was selected yet."
    low, high = best.number_of("micro_recall_low"), best.number_of("micro_recall_high")
    rivals = sum(trial.usable and trial.steps >= best.steps for trial in view.trials)
    if low is None or high is None or rivals < 2:
        return "Selection bias: the winner had no rival at its number of steps, so none by choosing."
    # Blom's approximation of the expected maximum of n standard normals
    expected = NormalDist().inv_cdf((rivals - 0.375) / (rivals + 0.25))
    points = 100 * expected * (high - low) / (2 * NormalDist().inv_cdf(0.975))
    return (
        f"Selection bias: the winner was chosen among {rivals} trials with equal training on the same documents, so its "
        f"recall flatters it, by at most about {points:.1f} points (were all of them equally good). The test set, which "
        "no trial has seen, settles it after the full-length training."
    )


def _confirmed(view: StudyView) -> list[Block]:
    """Return what training the best trials again with fresh seeds showed."""
    found = view.confirmation
    if found is None or not found.confirmed:
        return []
    first, bias = found.contenders[0], found.selection_bias
    sentences = [
        "The best trials were trained again to the horizon with a fresh seed; the highest mean decides."
    ]
    if bias is not None:
        sentences.append(
            f"Measured selection bias: the first score of {first.trial}, the highest of all, lies {100 * abs(bias):.1f} "
            f"points {'below' if bias < 0 else 'above'} its mean."
        )
    if found.pending:
        sentences.append(f"Still to be confirmed: {listed(found.pending)}.")
    elif found.best_trial != first.trial:
        sentences.append(f"That makes {found.best_trial} the winner instead.")
    rows: list[tuple[Cell, ...]] = [
        (each.trial, short_config(view, view.named(each.trial)), each.score,
         ", ".join(map(cell, each.fresh_scores)) or "-", each.mean, each.problem)
        for each in found.contenders
    ]  # fmt: skip
    winner = [place for place, each in enumerate(found.contenders) if each.trial == found.best_trial]
    header = ("trial", "config", "own score", "score with a fresh seed", "mean", "")
    return [
        Text(" ".join(sentences)),
        Table(header, tuple(rows), "Winner, confirmed", frozenset(winner)),
    ]


def _seeds(view: StudyView) -> str:
    seed = view.config_json["provenance"]["seed"]
    if view.confirmation and view.confirmation.confirmed:
        return (
            f"All trials ran with one seed ({seed}), and only the best once more with another; how much a seed moves "
            "the others was not measured."
        )
    return (
        f"Everything ran with one seed ({seed}); another seed moves the numbers too, by how much was not "
        "measured here."
    )


def reproduce_command(view: StudyView) -> str:
    """Return the commands that repeat the search: the commit, and every option that is not the default."""
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


def _audit(audit: dict[str, Any] | None) -> list[Block]:
    """Return what `data/audit.py` found before the search, leaks between the parts among it."""
    if not audit:
        return [Text("The data were not audited before this search: `python data/audit.py` looks for leaks between the "
                     "parts, doubtful labels and duplicates.", "bad")]  # fmt: skip
    verdict = str(audit["verdict"])
    rows: list[tuple[Cell, ...]] = [
        (str(found["name"]), str(found["part"]), str(found["other"]), found["count"], found["of"],
         percent(found["count"] / found["of"] if found["of"] else None))
        for found in audit["findings"]
    ]  # fmt: skip
    sizes = listed([f"{count:,} {part}" for part, count in audit["documents"].items()])
    return [
        Text(
            f"Data audit of {sizes} documents: {verdict}.",
            "bad" if verdict.startswith(("LEAK", "FAULT")) else "good",
        ),
        Table(
            ("finding", "part", "shared with", "count", "of", "share"),
            tuple(rows),
            "The audit, count by count",
            folded=True,
        ),
    ]


def _origin(source: dict[str, Any], view: StudyView) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("commit", str(source["commit"])),
        ("seed", str(source["seed"])),
        ("started", str(source["started"])),
        ("machine", f"{source['machine']}, Python {source['python']}"),
        ("device", _device(view)),
        ("packages", ", ".join(f"{name} {version}" for name, version in source["packages"].items())),
        *(
            (f"{split} data", f"{data['file']}, SHA-256 {data['sha256']}")
            for split, data in source["data"].items()
        ),
    ]
    if view.best_text:
        checksum = hashlib.sha256(view.best_text.encode("utf-8")).hexdigest()
        rows.append(("best.json", f"SHA-256 {checksum}"))
    return Table(("", "where it comes from"), tuple(rows))


def _device(view: StudyView) -> str:
    devices = {str(t.metrics["device"]) for t in view.trials if "device" in t.metrics}
    return ", ".join(sorted(devices)) or "-"
