"""Files of columns, one token a line: the token comes first, its tag last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from data.files.keys import Row
from data.files.lines import Problem
from data.formats.tagged_tokens import TAG

_SPACES = re.compile(" +")


def token_blocks(lines: Iterable[tuple[int, str]], problems: list[Problem]) -> Iterator[tuple[int, Row]]:
    """Yield (first line, {tokens, tags, group}) of each sentence of a file of columns; blank lines separate them.

    Columns are separated by tabs if a line has one, so that a token may hold spaces; else by spaces, and all such
    lines must have as many. A line that starts with # and has no tag is a comment, and -DOCSTART- begins a document.
    Other lines without a tag are added to `problems`.

    Raises:
        ValueError: If the first column counts the tokens, or the last two hold tags of the same types.
    """
    block: list[tuple[int, list[str]]] = []
    document, bad, width, checked = "", False, 0, False
    types: tuple[set[str], set[str]] = (set(), set())
    before = 0
    for number, line in _closed(lines):
        bad, before = bad or number > before + 1, number  # a line between could not be read
        columns = columns_of(line)
        if columns[0] == "-DOCSTART-" or not any(column.strip() for column in columns):
            checked = checked or _checked(block)
            _check_types(block, types)
            if block and not bad:
                yield block[0][0], _sentence(block, document)
            block, bad = [], False
            document = f"document at line {number}" if columns[0].strip() else document
            continue
        if len(columns) < 2 or not TAG.fullmatch(columns[-1]):
            # within a sentence #word is a token that lacks its tag
            if not columns[0].startswith("#") or (block and columns[0].strip("#")):
                what = "must be a token and its tag (O, or like B-TYPE), separated by spaces or tabs; correct the line"
                problems.append(Problem(number, what))
                bad = True
            continue
        width = width or len(columns) * ("\t" not in line)
        if "\t" not in line and len(columns) != width:
            what = (
                f"has {len(columns)} columns separated by spaces, but lines before it have {width}; separate the "
                "columns by tabs if a token holds spaces"
            )
            problems.append(Problem(number, what))
            bad = True
        block.append((number, columns))


def columns_of(line: str) -> list[str]:
    """Return the columns of a line; a token that is missing or blank is a space."""
    line = line.rstrip(" \t\r\n")
    if "\t" in line:
        token, *others = line.split("\t")
        return [token if token.strip() else " ", *others]
    return [" "] * line.startswith(" ") + _SPACES.split(line.strip(" "))


def _closed(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines and a blank one behind them, which ends the last sentence."""
    yield from lines
    yield 0, ""


def _checked(block: Sequence[tuple[int, list[str]]]) -> bool:
    """Say whether a sentence is long enough to tell that its first column holds tokens.

    Raises:
        ValueError: If the column counts them instead.
    """
    if len(block) < 2:
        return False
    if all(columns[:-2] and columns[0] == str(index) for index, (_, columns) in enumerate(block, 1)):
        raise ValueError(
            f"the first column counts the tokens (from line {block[0][0]}), but must be the token; remove that column"
        )
    return True


def _check_types(block: Sequence[tuple[int, list[str]]], types: tuple[set[str], set[str]]) -> None:
    """Collect the types of the last two columns.

    Raises:
        ValueError: If they share one: then they are two layers, or labels and predictions.
    """
    for number, columns in block:
        pair = [TAG.fullmatch(tag) for tag in columns[-2:]] if len(columns) > 2 else []
        for match, known in zip(pair, types, strict=False):
            known.update({match[2]} if match and match[2] else set())
        if types[0] & types[1]:
            raise ValueError(
                f"the last two columns hold tags of the same types (line {number}), such as two layers, or labels and "
                "predictions; keep the column with the labels"
            )


def _sentence(block: Sequence[tuple[int, list[str]]], document: str) -> Row:
    tokens, tags = [columns[0] for _, columns in block], [columns[-1] for _, columns in block]
    return {"tokens": tokens, "tags": tags, "group": document}
