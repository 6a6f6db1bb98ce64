"""Opens files of records (JSON Lines, JSON, CSV, Parquet, columns of tokens) and dataset folders of Hugging Face."""

from __future__ import annotations

import csv
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from data.files.jsonl import parse_json
from data.files.keys import TEXT_KEYS, first_key
from data.files.lines import Problem, Recoded, numbered_lines, open_utf8
from data.formats.columns import columns_of, token_blocks
from data.formats.hub import hub_records
from data.formats.tagged_tokens import TAG

Records = Iterator[tuple[int, object]]
"""Numbered records; `Container.place` names what the numbers count."""
_HEAD_LINES = 50
_BLOCK = 1 << 20
_TOO_DEEP = "hundreds of brackets in a row"
_MOST_BRACKETS = 500
_BRACKETS = re.compile(rb"(?:[\[{]\s*){%d}" % _MOST_BRACKETS)
_LIST_KEYS = ("data", "documents", "utterances", "examples")
"""Keys under which one JSON object, or its `assets`, holds its records."""


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
    if path.is_dir():
        return Container("hub", "record", lambda problems: hub_records(path, split))
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return Container("parquet", "record", lambda problems: _parquet_records(path))
    if name.endswith((".csv", ".tsv")):
        separator = "\t" if name.endswith(".tsv") else ","
        return Container("csv", "line", lambda problems: _csv_records(path, separator, problems))
    kind = kind or _kind_of_text(path)
    if kind == "json":
        return Container("json", "record", lambda problems: _json_records(path, problems))
    if kind == "jsonl":
        return Container("jsonl", "line", lambda problems: _jsonl_records(path, problems))
    return Container(kind, "line", lambda problems: token_blocks(numbered_lines(path, problems), problems))


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
        f"`source` is {path.name}, whose first lines are neither JSON nor tokens with tags; "
        "name a table .csv or .tsv, or give `--format`"
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
    return any(isinstance(record, dict) for record in _records_in(value) or ())


def _jsonl_records(path: Path, problems: list[Problem]) -> Records:
    for number, line in numbered_lines(path, problems):
        if line.strip():
            try:
                yield number, parse_json(line)
            except ValueError as error:
                problems.append(Problem(number, str(error)))


def _json_records(path: Path, problems: list[Problem]) -> Records:
    """Stream the items of an array, or read an object whole and yield the items of its first list."""
    import ijson

    number = 0
    try:
        array = open_utf8(path).read(64).lstrip().startswith(b"[")
        handle = open_utf8(path)
        # in large blocks: the parser copies an unfinished string again for each block
        records = (
            ijson.items(_Shallow(handle), "item", use_float=True, buf_size=_BLOCK)
            if array
            else _listed(json.load(handle), path)
        )
        for record in records:
            number += 1
            yield number, record
    except (ijson.JSONError, ValueError, RecursionError, EOFError, zlib.error, OSError) as error:
        problems.append(
            Problem(number + 1, f"not JSON from here on ({_reason(error)}); export the file again")
        )


class _Shallow:
    """A stream that refuses deep nesting: the parser keeps the path of every level, memory in the square of the depth."""

    def __init__(self, handle: IO[bytes] | Recoded) -> None:
        self._handle, self._rest = handle, b""

    def read(self, size: int) -> bytes:
        block = self._handle.read(size)
        if _BRACKETS.search(self._rest + block):
            raise ValueError(_TOO_DEEP)
        self._rest = block[-2 * _MOST_BRACKETS :]
        return block


def _reason(error: Exception) -> str:
    """Describe a parser's error without the excerpt of the file that it may contain."""
    if error.args == (_TOO_DEEP,):
        return _TOO_DEEP
    if isinstance(error, UnicodeError):
        return f"not {error.encoding}" if isinstance(error, UnicodeDecodeError) else "not UTF-8"
    return "cut off" if "ncomplete" in str(error) or isinstance(error, EOFError) else "wrong syntax"


def _listed(document: object, path: Path) -> Iterator[object]:
    """Yield the records of one JSON object, with texts that lie in files beside it."""
    records = _records_in(document)
    if records is None:
        yield document
    else:
        yield from (_with_text(record, path.parent) for record in records)


def _records_in(document: object) -> list[object] | None:
    """Return the first list of records that a JSON object holds, None if it holds none."""
    assets = document.get("assets") if isinstance(document, dict) else None
    for holder in (document, assets):
        for key in _LIST_KEYS:
            if isinstance(holder, dict) and isinstance(holder.get(key), list):
                records: list[object] = holder[key]
                return records
    return None


def _with_text(record: object, folder: Path) -> object:
    """Return a record with the text of the file that its `location` names, if that lies below the folder."""
    if not isinstance(record, dict) or "text" in record or not isinstance(record.get("location"), str):
        return record
    file = (folder / record["location"]).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return record
    text = "".join(line for _, line in numbered_lines(file, []))
    return {**record, "text": text}


def _csv_records(path: Path, separator: str, problems: list[Problem]) -> Records:
    csv.field_size_limit(sys.maxsize)
    reader = csv.DictReader((line for _, line in numbered_lines(path, problems)), delimiter=separator)
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(number, f"not a table row ({error}); save the table again"))
            return
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
