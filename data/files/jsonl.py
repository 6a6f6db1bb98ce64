"""Reads and writes the users' JSON Lines files; all problems of a file are listed at once."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable
from pathlib import Path

from data.entities import Example, locate
from data.files.keys import Mapping, Row, detect_mapping, kind_of
from data.files.limits import TOO_DEEP, check_depth
from data.files.lines import DataError, Problem, decoded_lines
from data.files.rows import read_row
from data.files.whole import written_whole

_IDEOGRAPHS = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
_LATIN = string.ascii_letters.encode()
_COMMON = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\x00-\x7f]+")

_GUESSED_ON = 100_000
"""Most characters that a language is guessed from."""


def read_examples(path: Path) -> list[Example]:
    """Read a JSON Lines file; see `read_with_mapping`."""
    return read_with_mapping(path)[0]


def read_with_mapping(path: Path) -> tuple[list[Example], Mapping]:
    """Read a JSON Lines file and return which of its keys hold text and entities.

    Blank lines are skipped. A missing `id` becomes `<file stem>:<line>`, a missing `language` is guessed.

    Raises:
        DataError: If any line is bad; it lists all of them.
    """
    lines, problems = decoded_lines(path)
    rows: dict[int, Row] = {}
    for number, line in lines:
        if not line.strip():
            continue
        try:
            rows[number] = _parse(line)
        except ValueError as error:
            problems.append(Problem(number, str(error)))
    mapping = detect_mapping(rows.values())
    examples: list[Example] = []
    first_lines: dict[str, int] = {}
    for number, row in rows.items():
        try:
            example = _example(row, mapping, f"{path.stem}:{number}")
        except ValueError as error:
            problems += [Problem(number, what) for what in str(error).split("\n")]
            continue
        first = first_lines.setdefault(example.id, number)
        if first != number:
            problems.append(
                Problem(number, f"`id` is that of line {first}, but must be unique; change or drop it")
            )
        examples.append(example)
    if problems:
        raise DataError(path, problems)
    return examples, mapping


def write_examples(path: Path, examples: Iterable[Example]) -> None:
    """Write examples so that `read_examples` gives them back; a crash leaves the old file or the new one.

    Entities are written without offsets where occurrence order alone gives them back.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        for example in examples:
            file.write(json.dumps(_row(example), ensure_ascii=False) + "\n")


def guess_language(text: str) -> str:
    """Guess from the share of CJK ideographs among the letters: zh from 0.7 on, en up to 0.1, else mixed.

    The two limits differ because an ideograph says as much as several Latin letters. Other languages in
    Latin letters count as en, texts without letters as mixed.

    Example:
        >>> guess_language("张三的电话是138"), guess_language("Call Ann"), guess_language("联系 Ann Lee")
        ('zh', 'en', 'mixed')
    """
    text = text[:_GUESSED_ON]
    common = len(text) - len(_IDEOGRAPHS.sub("", text))
    raw = text.encode("utf-8", "surrogatepass")
    latin = len(raw) - len(raw.translate(None, _LATIN))
    rest = _COMMON.sub("", text)  # other alphabets and rare ideographs, one by one
    ideographs = common + sum(map(_is_rare_ideograph, rest))
    letters = common + latin + sum(map(str.isalpha, rest))
    if not letters or 0.1 * letters < ideographs < 0.7 * letters:
        return "mixed"
    return "zh" if 2 * ideographs > letters else "en"


def _is_rare_ideograph(char: str) -> bool:
    return char.isalpha() and ("\uf900" <= char <= "\ufaff" or char >= "\U00020000")


def _parse(line: str) -> Row:
    """Return the object of one line."""
    row = parse_json(line)
    if isinstance(row, dict):
        return row
    raise ValueError('is JSON, but must be an object; write {"input": ..., "output": {"entities": [...]}}')


def parse_json(line: str) -> object:
    """Return the value of one line of JSON.

    Raises:
        ValueError: If it is not JSON, or holds what cannot be stored as text; without the line's content.
    """
    try:
        check_depth(line)
        value: object = json.loads(line)
        if "\\u" in line:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        what = f"not JSON ({error.msg}, column {error.colno}); write one object a line"
    except UnicodeEncodeError:
        what = "holds an unpaired surrogate; write the characters instead of \\u escapes"
    except (ValueError, RecursionError):
        what = TOO_DEEP
    else:
        return value
    # Raised after the handlers, so that no chained error carries the line.
    raise ValueError(what)


def _example(row: Row, mapping: Mapping, default_id: str) -> Example:
    text, entities = read_row(row, mapping)
    names = {}
    for name in ("id", "group", "language", "source"):
        value = row.get(name)
        if not isinstance(value, str | int | None):
            raise ValueError(f"`{name}` is {kind_of(value)}, but must be a string; rewrite or drop it")
        names[name] = "" if value is None else str(value)
    names["id"] = names["id"] or default_id
    names["language"] = names["language"] or guess_language(text)
    return Example(text=text, entities=entities, **names)


def _row(example: Example) -> dict[str, object]:
    """Return the JSON object of an example."""
    items = [(entity.type, entity.text) for entity in example.entities]
    placed = locate(example.text, items)[0] == example.entities
    entities: list[dict[str, object]] = []
    for entity in example.entities:
        offsets = {} if placed else {"start": entity.start, "end": entity.end}
        entities.append({"type": entity.type, "text": entity.text, **offsets})
    row = {"id": example.id, "input": example.text, "output": {"entities": entities}}
    row |= {"group": example.group, "language": example.language, "source": example.source}
    return {name: value for name, value in row.items() if value}
