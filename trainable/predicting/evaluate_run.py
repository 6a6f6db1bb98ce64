"""One run of `trainable/evaluate.py`: predictions of one or two systems, scored, compared and shown."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from data.entities import Example, entity_types
from data.files.jsonl import read_examples
from data.files.private import for_owner_alone
from data.terminal import escaped, plain_stdout
from trainable.model.prediction_settings import PredictionSettings
from trainable.predicting.least_certainty import (
    flag_problems,
    least_summary,
    model_problems,
    store_chosen,
    with_certainties,
)
from trainable.predicting.predictions import read_predictions
from trainable.predicting.predictor import ModelPlace, find_model, load_predictor
from trainable.predicting.quiet_loading import quieten
from trainable.predicting.rules import active_rules, add_rules
from trainable.scoring.confidence import confident, tells_certainty
from trainable.scoring.counts import Prediction
from trainable.scoring.intervals import Statistic, bootstrap_interval, paired_difference
from trainable.scoring.masking import FOUND, items_of, masked_items
from trainable.scoring.metrics import Evaluation, evaluate_predictions
from trainable.scoring.tables import comparison_table, error_table, slice_table, type_table

if TYPE_CHECKING:
    from trainable.predicting.options import EvaluateOptions

_STATISTICS: tuple[Statistic, ...] = ("micro_recall", "micro_precision", "micro_f1")
_NUMBERS = ("score", *_STATISTICS, "micro_f2", "macro_recall", "leak_rate", "pii_free_fpr", "json_valid_rate", "truncated_rate")  # fmt: skip


@dataclass(frozen=True, slots=True)
class System:
    """What answers: a model, or predictions made before."""

    name: str
    place: ModelPlace | None
    predictions: tuple[Prediction, ...] = ()

    @property
    def settings(self) -> PredictionSettings:
        """Return how the model was trained; the defaults for a file."""
        return self.place.settings if self.place else PredictionSettings()

    @property
    def tells_certainty(self) -> bool:
        """Whether each entity has one: of a model always, of a file if it holds them."""
        return self.place is not None or all(map(tells_certainty, self.predictions))


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """A checked evaluation."""

    options: EvaluateOptions
    examples: list[Example]
    system: System
    other: System | None


def check(options: EvaluateOptions) -> EvaluationJob:
    """Read the file and find both systems.

    Raises:
        OSError: If a file or model is missing, --out exists, or a file tells no certainty that is asked for; it
            lists all problems.
        ValueError: If a file is unreadable or empty.
    """
    problems = flag_problems(options)
    if options.out and options.out.exists():
        problems.append(f"`--out` {options.out} exists; remove it or choose another name")
    if not options.file.is_file():
        raise FileNotFoundError("\n".join([*problems, f"{options.file} must be a file of labelled texts"]))
    examples = read_examples(options.file)
    if not examples:
        raise ValueError(f"{options.file} is empty, but must hold at least one document")
    systems: list[System | None] = [None, None]
    for number, name in enumerate((options.model, options.against)):
        try:
            systems[number] = _system(name, examples) if name else None
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if systems[0]:
        problems += model_problems(options, options.model, systems[0].tells_certainty, systems[0].place)
    if problems or systems[0] is None:
        raise OSError("\n".join(problems))
    return EvaluationJob(options, examples, systems[0], systems[1])


def evaluate(job: EvaluationJob) -> dict[str, object]:
    """Predict, score, compare and show; return the summary."""
    options, examples = job.options, job.examples
    known = frozenset(job.system.settings.types) | entity_types(examples)
    floor = job.system.settings.min_precision if options.min_precision is None else options.min_precision

    def score(predictions: Sequence[Prediction]) -> Evaluation:
        return evaluate_predictions(examples, predictions, known_types=known, min_precision=floor)

    console = Console(file=plain_stdout(), width=None if sys.stdout.isatty() else 120)
    settings, error = _settings(job.system, job), None

    def read(bias: float) -> list[Prediction]:
        return _predictions(job.system, job, replace(settings, list_bias=bias))

    if job.system.tells_certainty:
        predictions, chosen, error = with_certainties(
            options, examples, read, score, console, settings, job.system.place
        )
    else:
        predictions, chosen = read(0.0), settings
    evaluation = score(predictions)
    console.print(type_table(evaluation, f"{escaped(options.file.name)}: {len(examples)} documents, by type"))
    console.print(slice_table(evaluation, "by slice"))
    left_out = sum(prediction.left_out for prediction in predictions)
    if left_out:
        console.print(f"left out as too uncertain: {left_out} entities")
    compared = [("model only", evaluation)] if options.with_rules else [(job.system.name, evaluation)]
    if options.with_rules:
        compared.append(("model + rules", score(with_rules(examples, predictions, tuple(known)))))
        rules = ", ".join(f"{a} as {b}" for a, b in active_rules(tuple(known))) or "none"
        console.print(f"rules: {escaped(rules)}", markup=False)
    if job.other:
        others = _predictions(job.other, job, _settings(job.other, job))
        compared.append((job.other.name, score(others)))
    console.print(comparison_table(compared, _STATISTICS))
    n_errors = _show_errors(console, job, predictions, known)
    summary = {"model": job.system.name, "file": str(options.file.resolve()), **_numbers(evaluation)}
    summary |= least_summary(chosen) if job.system.tells_certainty else {}
    summary |= {"calibration_error": error, "left_out_as_uncertain": left_out, "saved": None}
    if options.save and job.system.place:
        summary["saved"] = str(store_chosen(job.system.place, chosen))
    summary["rules"] = _numbers(compared[1][1], evaluation) if options.with_rules else None
    summary["against"] = None
    if job.other:
        summary["against"] = {"model": job.other.name, **_numbers(compared[-1][1], evaluation)}
    return {**summary, "errors": n_errors, "out": str(options.out.resolve()) if options.out else None}


def with_rules(
    examples: Sequence[Example], predictions: Sequence[Prediction], types: Sequence[str]
) -> list[Prediction]:
    """Return the predictions with what the rules find beyond them."""
    joined = []
    for example, prediction in zip(examples, predictions, strict=True):
        extra = add_rules(example.text, prediction.entities, types)
        items = (*prediction.parsed.items, *((entity.type, entity.text) for entity in extra))
        parsed = replace(prediction.parsed, items=items)
        joined.append(Prediction(parsed, prediction.truncated, (*prediction.entities, *extra)))
    return joined


def _system(name: str, examples: Sequence[Example]) -> System:
    path = Path(name)
    if path.is_file() and path.name != "best.json":
        return System(name, None, tuple(read_predictions(path, examples)))
    place = find_model(name)
    return System(str(place), place)


def _settings(system: System, job: EvaluationJob) -> PredictionSettings:
    """Return how a system is asked.

    The flags for certainties are for the first system; the one that it is compared with keeps what is stored with it. To
    choose an operating point or to calibrate, everything is kept and told as the model tells it.
    """
    options = job.options
    least = 0.0 if options.operating_point or options.calibrate else options.min_confidence
    settings = system.settings
    if (options.calibrate or options.operating_point) and system is job.system:
        settings = replace(settings, certainty_slope=1.0, certainty_intercept=0.0)
    if options.operating_point and system is job.system:
        settings = replace(settings, list_bias=0.0)
    return settings.changed(
        window_tokens=options.window_tokens,
        overlap_tokens=options.overlap_tokens,
        max_new_tokens=options.max_new_tokens,
        min_confidence=least if system is job.system else None,
    )


def _predictions(system: System, job: EvaluationJob, settings: PredictionSettings) -> list[Prediction]:
    """Return the stored predictions, or let the model answer; its memory is free afterwards."""
    if system.place is None:
        least = settings.min_confidence
        return [confident(one, least) for one in system.predictions] if least else list(system.predictions)
    quieten()
    predictor = load_predictor(system.place, settings, job.options.once)
    print(f"answering {len(job.examples)} documents with {system.name}", file=sys.stderr, flush=True)
    results = predictor.predict([example.text for example in job.examples])
    windowed = sum(n_windows > 1 for _, n_windows in results)
    if windowed:
        print(f"{windowed} of them were answered in windows", file=sys.stderr, flush=True)
    return [prediction for prediction, _ in results]


def _numbers(evaluation: Evaluation, base: Evaluation | None = None) -> dict[str, object]:
    """Return headline numbers with intervals; of a second system also how much it is better than `base`."""
    numbers: dict[str, object] = {
        name: getattr(evaluation, name) for name in (*_NUMBERS, "n_documents", "n_gold")
    }
    for name in _STATISTICS:
        if base is None:
            numbers[f"{name}_ci"] = list(bootstrap_interval(evaluation.documents, name))
            continue
        better, low, high = paired_difference(evaluation.documents, base.documents, name)
        numbers[f"{name}_gain"], numbers[f"{name}_gain_ci"] = better, [low, high]
    return numbers


def _show_errors(
    console: Console, job: EvaluationJob, predictions: Sequence[Prediction], known: frozenset[str]
) -> int:
    """Print the kinds of error and the first of them, write all to --out; return how many there are."""
    rows: list[dict[str, str]] = []
    for example, prediction in zip(job.examples, predictions, strict=True):
        shown = items_of(example, prediction) if job.options.show_text else None
        masked = masked_items(example, prediction, known)
        for index, item in enumerate(masked):
            if item.status != FOUND:
                text = shown[index].text if shown else item.shape
                row = {"id": example.id, "type": item.type, "status": item.status, "kind": item.kind}
                rows.append({**row, "text" if shown else "shape": text})
    kinds = Counter((row["status"], row["kind"]) for row in rows)
    if rows:
        console.print(", ".join(f"{status}: {kind} {n}" for (status, kind), n in kinds.most_common()))
        console.print(error_table(rows[: job.options.errors], len(rows)))
    if job.options.out:
        with for_owner_alone(), job.options.out.open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return len(rows)
