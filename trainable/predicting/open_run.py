"""Checks before a run of `trainable/predict.py`: everything that can go wrong before the first document is told at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from data.files.tables import TextTable, open_table
from trainable.predicting.predict_run import PredictionRun
from trainable.predicting.predictor import find_model, load_predictor
from trainable.predicting.quiet_loading import quieten
from trainable.predicting.rejects import RejectsFile
from trainable.scoring.confidence import least_problems

if TYPE_CHECKING:
    from trainable.predicting.options import PredictOptions


def open_run(options: PredictOptions) -> PredictionRun:
    """Check everything that can go wrong before the first document, then load the model.

    Raises:
        OSError: If a file is missing, or one to be written exists.
        ValueError: If window and overlap do not fit each other.
    """
    problems = least_problems(options.min_confidence)
    if options.source != "-" and not Path(options.source).is_file():
        problems.append(f"{options.source} is no file; name one with texts, or - for standard input")
    table, told = _table(options)
    problems += told
    for flag, path in (("--out", options.out), ("--rejects", options.rejects)):
        if path and path.exists():
            problems.append(f"`{flag}` {path} exists; remove it or choose another name")
        if path and not path.parent.is_dir():
            problems.append(f"`{flag}` {path}: there is no folder {path.parent}; make it first")
    try:
        place = find_model(options.model)
    except (OSError, ValueError) as error:
        problems.append(str(error))
    if problems:
        raise OSError("\n".join(problems))
    settings = place.settings.changed(
        window_tokens=options.window_tokens,
        overlap_tokens=options.overlap_tokens,
        max_new_tokens=options.max_new_tokens,
        min_confidence=options.min_confidence,
    )
    quieten()
    print(f"model      {place}", file=sys.stderr)
    return PredictionRun(
        options,
        load_predictor(place, settings, options.once, certain=options.format == "jsonl"),
        RejectsFile(options.rejects or _free_rejects(options)),
        table,
    )


def _table(options: PredictOptions) -> tuple[TextTable | None, list[str]]:
    """Return the table that `--column` asks for, and what is wrong with it."""
    if options.column is None:
        if options.source.lower().endswith(".parquet"):
            return None, [f"{options.source} is a table; say with `--column` where its texts are"]
        return None, []
    problems = []
    if options.input != "auto":
        problems.append("`--input` is for files without columns; leave it or `--column` out")
    try:
        if options.source == "-" or Path(options.source).is_file():
            return open_table(options.source, options.column), problems
    except (OSError, ValueError) as error:
        problems.append(str(error))
    return None, problems


def _free_rejects(options: PredictOptions) -> Path:
    """Return the first free name `<output>.rejects`, `<output>.rejects-2`, ..."""
    beside = options.out or Path("stdin" if options.source == "-" else options.source)
    number, path = 1, beside.with_name(beside.name + ".rejects")
    while path.exists():
        number += 1
        path = beside.with_name(f"{beside.name}.rejects-{number}")
    return path
