"""Reads UniversalNER files: `# text = ...` comments, one token a line with its IOB2 tag in the third column."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.entities import Entity, Example
from data.files.jsonl import guess_language
from data.files.lines import DataError, Problem, decoded_lines

_TAG = re.compile(r"O|([BI])-(?!O$)(\S+)")


@dataclass(frozen=True, slots=True)
class _Token:
    line: int
    text: str
    tag: str


def read_iob2(path: Path, repaired: Counter[str] | None = None) -> list[Example]:
    """Read one file; tokens are aligned to the sentence's text, so that its spaces are kept.

    The group is the source document where the file names one (`# newdoc id`), else the sentence. Both
    identifiers start with the file's stem, since the files of one treebank repeat sentence numbers. With a counter
    `repaired`, an I- tag without its B- begins an entity, as conlleval reads it, and is counted.

    Raises:
        DataError: If any line is bad; it lists all of them.
    """
    lines, problems = decoded_lines(path)
    examples: list[Example] = []
    first_lines: dict[str, int] = {}
    document = ""
    for block in _blocks(lines):
        comments = dict(
            re.findall(r"^# *([^=]+?) *= ?(.*)$", "\n".join(line for _, line in block), re.MULTILINE)
        )
        document = comments.get("newdoc id", document)
        start = block[0][0]
        name = comments.get("sent_id", str(start))
        first = first_lines.setdefault(name, start)
        if first != start:
            problems.append(
                Problem(start, f"`sent_id` is that of line {first}, but must be unique; drop one sentence")
            )
        text = comments.get("text", "")
        known = len(problems)
        tokens = _tokens(block, problems, repaired)
        # After a bad token line all later tokens would look misplaced.
        entities = _entities(text, tokens, start, problems) if len(problems) == known else ()
        group = f"{path.stem}:{document or name}"
        examples.append(
            Example(f"{path.stem}:{name}", text, entities, group, guess_language(text), path.name)
        )
    if problems:
        raise DataError(path, problems)
    return examples


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Yield the numbered lines of each sentence; blank lines separate them."""
    block: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []


def _tokens(
    block: Iterable[tuple[int, str]], problems: list[Problem], repaired: Counter[str] | None
) -> list[_Token]:
    """Return the tokens of a sentence; malformed tags and tag sequences become problems."""
    tokens: list[_Token] = []
    previous = "O"
    for number, line in block:
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        match = _TAG.fullmatch(columns[2]) if len(columns) > 2 and columns[1] else None
        if not match:
            what = "must be a number, a token and O, B-TYPE or I-TYPE, separated by tabs; correct the line"
            problems.append(Problem(number, what))
        tag = match[0] if match else "O"
        if match and match[1] == "I" and previous not in (f"B-{match[2]}", match[0]):
            tag = f"B-{match[2]}"
            if repaired is None:
                what = (
                    f"the tag is {match[0]}, but must follow {tag} or {match[0]}; make it {tag}, "
                    "or read all such tags so by --tags conlleval"
                )
                problems.append(Problem(number, what))
            else:
                repaired["tag: I- without its B-, read as the start of an entity"] += 1
        previous = tag
        tokens.append(_Token(number, columns[1] if match else "", previous))
    return tokens


def _entities(text: str, tokens: list[_Token], start: int, problems: list[Problem]) -> tuple[Entity, ...]:
    """Align the tokens with the text, which has only spaces between them, and join their tags to entities."""
    if not text.strip() or not tokens:
        problems.append(
            Problem(start, "the sentence needs both `# text = ...` and tokens; complete or delete it")
        )
        return ()
    spans: list[tuple[str, int, int]] = []
    cursor = 0
    for token in tokens:
        begin = text.find(token.text, cursor)
        if begin < 0 or text[cursor:begin].strip():
            what = f"the token is not what follows in `# text` after {cursor} characters; make them agree"
            problems.append(Problem(token.line, what))
            return ()
        cursor = begin + len(token.text)
        if token.tag.startswith("I-") and spans:
            spans[-1] = (spans[-1][0], spans[-1][1], cursor)
        elif token.tag.startswith("B-"):
            spans.append((token.tag[2:], begin, cursor))
    if text[cursor:].strip():
        problems.append(
            Problem(start, f"`# text` goes on after its last token, at {cursor}; make them agree")
        )
    return tuple(Entity(kind, text[begin:end], begin, end) for kind, begin, end in spans)
