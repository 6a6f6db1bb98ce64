"""JSON files: the items of an array one by one, or the records that an object holds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from data.files.limits import MOST_BYTES, MOST_DEPTH, TOO_DEEP, TOO_LONG, LimitedJson
from data.files.lines import Problem, numbered_lines, open_utf8
from data.formats.draft import has

_BLOCK = 1 << 20
_LIST_KEYS = ("data", "documents", "utterances", "examples")
"""Keys under which one JSON object, or its `assets`, holds its records."""


def json_records(path: Path, problems: list[Problem]) -> Iterator[tuple[int, object]]:
    """Stream the items of an array, or read an object whole and yield the items of its first list."""
    import ijson

    number = 0
    try:
        array = open_utf8(path).read(64).lstrip().startswith(b"[")
        handle = open_utf8(path)
        # in large blocks: the parser copies an unfinished string again for each block
        limited = LimitedJson(handle)
        records = (
            ijson.items(limited, "item", use_float=True, buf_size=_BLOCK)
            if array
            else _listed(json.loads(_whole(limited)), path)
        )
        for record in records:
            number += 1
            yield number, record
    except (ijson.JSONError, ValueError, RecursionError, EOFError, zlib.error, OSError) as error:
        problems.append(Problem(number + 1, f"not JSON from here on ({_reason(error)}); {_remedy(error)}"))


def _whole(handle: LimitedJson) -> bytes:
    """Read a stream block by block, so that its limits are checked before it is whole."""
    return b"".join(iter(lambda: handle.read(_BLOCK), b""))


def _reason(error: Exception) -> str:
    """Describe a parser's error without the excerpt of the file that it may contain."""
    if error.args == (TOO_DEEP,):
        return f"more than {MOST_DEPTH} levels of brackets"
    if error.args == (TOO_LONG,):
        return f"a text of more than {MOST_BYTES >> 20} MiB"
    if isinstance(error, UnicodeError):
        return f"not {error.encoding}" if isinstance(error, UnicodeDecodeError) else "not UTF-8"
    return "cut off" if "ncomplete" in str(error) or isinstance(error, EOFError) else "wrong syntax"


def _remedy(error: Exception) -> str:
    if _reason(error) == "wrong syntax":
        return "write lists in [], texts in double quotes, and nothing else, or export the file again"
    return "export the file again"


def _listed(document: object, path: Path) -> Iterator[object]:
    """Yield the records of one JSON object, with texts that lie in files beside it."""
    records = records_in(document)
    if records is None:
        yield document
    else:
        yield from (_with_text(record, path.parent) for record in records)


def records_in(document: object) -> list[object] | None:
    """Return the first list of records that a JSON object holds, None if it holds none."""
    if not isinstance(document, dict):
        return None
    pairs = document.get("annotations")
    if isinstance(pairs, list) and any(map(is_labelled_pair, pairs)):
        return pairs
    assets = document.get("assets")
    for holder in (document, assets):
        for key in _LIST_KEYS:
            if isinstance(holder, dict) and isinstance(holder.get(key), list):
                records: list[object] = holder[key]
                return records
    return None


def is_labelled_pair(record: object) -> bool:
    """Whether a record is [text, {entities}], of which NER Annotator writes a list beside its classes."""
    return (
        isinstance(record, list)
        and len(record) == 2
        and isinstance(record[0], str)
        and has(record[1], "entities")
    )


def _with_text(record: object, folder: Path) -> object:
    """Return a record with the text of the file that its `location` names, if that lies below the folder and is whole."""
    if not isinstance(record, dict) or "text" in record or not isinstance(record.get("location"), str):
        return record
    file = (folder / record["location"]).resolve()
    if not file.is_relative_to(folder.resolve()) or not file.is_file():
        return record
    problems: list[Problem] = []
    text = "".join(line for _, line in numbered_lines(file, problems))
    return record if problems else {**record, "text": text}
