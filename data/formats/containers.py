"""Opens files of records (JSON Lines, JSON, CSV, Parquet, columns of tokens) and dataset folders of Hugging Face."""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.files.jsonl import parse_json
from data.files.keys import TEXT_KEYS, first_key
from data.files.limits import MOST_BYTES
from data.files.lines import Problem, numbered_lines, open_bytes
from data.formats.columns import columns_of, token_blocks
from data.formats.foreign import foreign_file, foreign_folder
from data.formats.hub import hub_records
from data.formats.json_files import is_labelled_pair, json_records, records_in
from data.formats.tagged_tokens import TAG

Records = Iterator[tuple[int, object]]
"""Numbered records; `Container.place` names what the numbers count."""
_HEAD_LINES = 50


@dataclass(frozen=True, slots=True)
class Container:
    """A file or folder that can be read repeatedly; `kind` is jsonl, json, csv, parquet, conll, uner or hub."""

    kind: str
    place: str
    records: Callable[[list[Problem]], Records]


def open_container(path: Path, split: str = "", kind: str = "") -> Container:
    """Detect what a file or folder holds: by `kind` if given, else by its name, else by its first lines.

    Raises:
        ValueError: If it is none of the known kinds, or a part must be chosen by `split`.
    """
    foreign = foreign_folder(path) if path.is_dir() else _foreign(path)
    if foreign:
        raise ValueError(f"`source` is {path.name}: {foreign}")
    if path.is_dir():
        return Container("hub", "record", lambda problems: hub_records(path, split))
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return Container("parquet", "record", lambda problems: _parquet_records(path))
    if name.endswith((".csv", ".tsv")):
        separator = "\t" if name.endswith(".tsv") else _separator(path)
        return Container("csv", "line", lambda problems: _csv_records(path, separator, problems))
    kind = kind or _kind_of_text(path)
    if kind == "json":
        return Container("json", "record", lambda problems: json_records(path, problems))
    if kind == "jsonl":
        return Container("jsonl", "line", lambda problems: _jsonl_records(path, problems))
    return Container(kind, "line", lambda problems: token_blocks(numbered_lines(path, problems), problems))


def _foreign(path: Path) -> str:
    """Return what to do with a file of a tool whose format is not read; empty if there is none to be seen."""
    with open_bytes(path) as handle:
        try:
            head = handle.read(4096)
        except (EOFError, zlib.error, OSError):
            return ""  # told where its lines are read
    return foreign_file(path, head, head.decode("utf-8", "replace").splitlines())


def _kind_of_text(path: Path) -> str:
    head = [line.strip(" \t\r\n") for _, line in _first_lines(path)]
    filled = [line for line in head if line]
    if not filled:
        return "jsonl"
    if filled[0].startswith("["):
        several = len(filled) > 1 and _is_json(filled[0]) and _is_json(filled[1])
        return "jsonl" if several or _is_pair(filled[0]) else "json"
    if filled[0].startswith("{"):
        if len(filled) == 1 and _is_project(filled[0]):
            return "json"
        return "json" if not _is_json(filled[0]) and filled[0].rstrip() in ("{", '{"') else "jsonl"
    if any(line.startswith("# text =") for line in filled):
        return "uner"
    tagged = sum(bool(TAG.fullmatch(columns_of(line)[-1])) for line in filled)
    if tagged >= 0.8 * len(filled):
        return "conll"
    raise ValueError(
        f"`source` is {path.name}, whose first lines are neither JSON nor tokens with tags (O, or like B-TYPE) in the last "
        "column; bring the columns into this order, name a table .csv or .tsv, or give --format conll if the tokens come "
        "later"
    )


def _first_lines(path: Path) -> list[tuple[int, str]]:
    problems: list[Problem] = []
    lines = []
    for number, line in numbered_lines(path, problems):
        lines.append((number, line))
        if len(lines) == _HEAD_LINES:
            break
    return lines


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _is_pair(line: str) -> bool:
    """Whether a line is one record, [text, labels], and not an array of records."""
    value = json.loads(line) if _is_json(line) else None
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str)


def _is_project(line: str) -> bool:
    """Whether a line is an object that holds records, and not itself a record."""
    value = json.loads(line) if _is_json(line) else None
    if not isinstance(value, dict) or first_key(value, TEXT_KEYS):
        return False
    return any(isinstance(record, dict) or is_labelled_pair(record) for record in records_in(value) or ())


def _jsonl_records(path: Path, problems: list[Problem]) -> Records:
    for number, line in numbered_lines(path, problems):
        if line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                problems.append(Problem(number, str(error)))


def _separator(path: Path) -> str:
    """Return what separates the columns of a .csv file: some spreadsheets write semicolons."""
    header = next((line for _, line in _first_lines(path)), "")
    return ";" if ";" in header and "," not in header else ","


def _csv_records(path: Path, separator: str, problems: list[Problem]) -> Records:
    csv.field_size_limit(MOST_BYTES)
    reader = csv.DictReader((line for _, line in numbered_lines(path, problems)), delimiter=separator)
    while True:
        number, known = reader.line_num + 1, len(problems)
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(number, f"not a table row ({error}); save the table again"))
            return
        if len(problems) > known:
            problems.append(Problem(max(2, number), "has a line that could not be read; correct that one"))
            continue
        if None in row or None in row.values():
            problems.append(
                Problem(max(2, number), "has more or fewer cells than the header; correct the line")
            )
            continue
        yield max(2, number), dict(row)


def _parquet_records(path: Path) -> Records:
    import pyarrow.parquet

    number = 0
    for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1000):
        for record in batch.to_pylist():
            number += 1
            yield number, record
