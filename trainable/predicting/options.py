"""The flags of `trainable/predict.py` and `trainable/evaluate.py`; each field's text is its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """Find personal data in texts of any length; results go to standard output or --out."""

    model: tyro.conf.Positional[str]
    """Adapter folder, merged model folder, study folder or best.json."""
    source: tyro.conf.Positional[str] = "-"
    """File with texts, gzip allowed; - reads standard input."""
    format: Literal["jsonl", "text", "redacted", "pseudonyms"] = "jsonl"
    """jsonl: entities with places, in the project's own format; text: one entity a line; redacted: the texts with each entity replaced by its type; pseudonyms: by a name that the same value has throughout the run, such as [PERSON_1], and that is stored nowhere."""
    input: Literal["auto", "jsonl", "lines", "whole"] = "auto"
    """How the source holds texts: one JSON object a line, one text a line, or one text in all."""
    out: Path | None = None
    """File to write instead of standard output; it must not exist."""
    rejects: Path | None = None
    """File for lines that cannot be read, as they were (none: beside the output, made only if needed)."""
    with_rules: bool = False
    """Add what rules with checksums find: resident ids, cards, phones, e-mail addresses, plates."""
    every_mention: bool = False
    """List each further mention of a found value too (`other_mentions`); redacted and pseudonyms replace all of them in any case."""
    min_confidence: float | None = None
    """Leave out entities less certain than this, 0 to 1 (none: as stored with the model, else all are kept)."""
    window_tokens: int | None = None
    """Most tokens of a window with prompt and answer (none: as in training)."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: as in training)."""
    max_new_tokens: int | None = None
    """Longest answer to a window (none: as in training); where it does not do, smaller windows may have longer ones."""
    once: bool = False
    """Ask for each window once, as a search and a retraining do; what fails then finds nothing."""
    column: str | None = None
    """Column of a .csv, .tsv or .parquet file that holds the texts; redacted and pseudonyms then write the whole table again."""


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """Measure a model on labelled texts and show what it gets wrong, masked."""

    model: tyro.conf.Positional[str]
    """Adapter folder, merged model folder, study folder, best.json, or a file that trainable/predict.py wrote."""
    file: tyro.conf.Positional[Path]
    """Labelled texts, JSON Lines."""
    against: str | None = None
    """Second model or file of predictions, compared on the same documents."""
    with_rules: bool = False
    """Also report the model together with rules that have checksums."""
    errors: int = 20
    """Errors to show."""
    show_text: bool = False
    """Show the private text of errors, here and in --out, instead of its shape."""
    out: Path | None = None
    """File for all errors, one a line; it must not exist."""
    min_precision: float | None = None
    """Precision below this is taken off the score (none: as in training)."""
    min_confidence: float | None = None
    """Leave out entities less certain than this, 0 to 1 (none: as stored with the model, else all are kept)."""
    operating_point: str | None = None
    """Choose the least certainty of each type on this file, which should be validation: precision=0.95, recall=0.9 or false-alarm=0.02; a model is calibrated too, and where it writes its answers, a bias against ending the list is tried, which finds more."""
    calibrate: bool = False
    """Fit certainties on this file, which should be validation, so that of entities that are 0.9 certain nine in ten are right."""
    save: bool = False
    """Store the calibration, and the least certainties that were chosen or the one given with --min-confidence, with the model; predict.py then uses them."""
    window_tokens: int | None = None
    """Most tokens of a window with prompt and answer (none: as in training)."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: as in training)."""
    max_new_tokens: int | None = None
    """Longest answer to a window (none: as in training); where it does not do, smaller windows may have longer ones."""
    once: bool = False
    """Ask for each window once, as a search and a retraining do; what fails then finds nothing."""
