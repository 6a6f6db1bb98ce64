"""Formats of tokens with one tag each: CoNLL, the Kaggle PIILO set and token datasets of Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

from data.files.claims import Mark
from data.files.jsonl import guess_language
from data.files.keys import Row, kind_of
from data.formats.draft import Draft, Reader, RowFormat, Skip, has, list_of, name_of, object_of, simple

TAG = re.compile(r"O|([BIMESLU])-(?!O$)(.+)")
_CLOSED = {"E": "E", "L": "E", "S": "S", "U": "S", "M": "I", "I": "I", "B": "B"}
_TAG_KEYS = ("ner_tags", "labels", "tags", "bio_labels")


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """Return the scheme that the tags must have, BMES, BIOES, IOB1 or IOB2; IOB2 if they fit several."""
    prefixes: set[str] = set()
    starts: set[str] = set()
    for tags in sentences:
        previous = "O"
        for tag in tags:
            prefixes.add(tag[:1])
            if tag[:1] in ("B", "I") and tag[1:] != previous[1:]:
                starts.add(tag[:1])
            previous = tag
    if prefixes & set("MESLU"):
        return "BMES" if "M" in prefixes else "BIOES"
    return "IOB1" if starts == {"I"} else "IOB2"


def tagged_spans(
    tags: Sequence[str], scheme: str, repaired: list[str] | None = None
) -> list[tuple[str, int, int]]:
    """Return (type, first token, last token) of every entity.

    Args:
        tags: One a token.
        scheme: From `scheme_of`.
        repaired: If given, a tag that is not allowed at its place is read as conlleval does: an entity begins where
            none of its type is open, and ends where it does not go on. A reason for each is added here.

    Raises:
        ValueError: With every tag that is not allowed at its place, one per line.
    """
    spans: list[tuple[str, int, int]] = []
    malformed: list[str] = []
    misplaced: list[str] = []
    closing = scheme in ("BMES", "BIOES")
    open_type = ""
    for index, tag in enumerate(tags):
        match = TAG.fullmatch(tag)
        if not match:
            malformed.append(f"token {index + 1}: its tag must be O or like B-TYPE; correct it")
            open_type = ""
            continue
        part, kind = _CLOSED.get(match[1] or "", "O"), match[2] or ""
        goes_on = part in ("I", "E") and kind == open_type
        if closing and open_type and not goes_on:
            misplaced.append(
                f"token {index + 1}: the tag is {tag}, but {open_type} is still open; end it with E-"
            )
        elif part in ("I", "E") and not goes_on and scheme != "IOB1":
            misplaced.append(f"token {index + 1}: the tag is {tag}, but no {kind} is open; begin it with B-")
        if goes_on:
            spans[-1] = (kind, spans[-1][1], index)
        elif part != "O":
            spans.append((kind, index, index))
        open_type = "" if part in ("O", "E", "S") else kind
    if closing and open_type:
        misplaced.append(f"token {len(tags)}: {open_type} is still open at the end; end it with E-")
    if malformed or (misplaced and repaired is None):
        hint = ", or read such tags as conlleval does by --tags conlleval"
        raise ValueError("\n".join([*malformed, *(what + hint for what in misplaced)]))
    if repaired is not None:
        repaired += ["tag: not allowed at its place, read as conlleval does"] * len(misplaced)
    return spans


def joined(tokens: Sequence[str], spaces: Sequence[bool]) -> tuple[str, list[tuple[int, int]]]:
    """Return the text of the tokens, each with a space behind it or not, and the span of each token."""
    text, places = "", []
    parts = []
    length = 0
    for token, space in zip(tokens, spaces, strict=True):
        places.append((length, length + len(token)))
        parts.append(token + " " * space)
        length += len(token) + space
    text = "".join(parts)
    return text, places


def guessed_spaces(tokens: Sequence[str]) -> list[bool]:
    """Guess after which tokens a space stood: between non-Chinese ones, unless all tokens are single characters."""
    characters = len(tokens) > 1 and sum(map(len, tokens)) <= 1.2 * len(tokens)
    chinese = guess_language("".join(tokens)) != "en"
    if chinese and characters:
        return [False] * len(tokens)
    after = [_western(a) and _western(b) for a, b in zip(tokens, tokens[1:], strict=False)]
    return [*after, False] if tokens else []


def _western(token: str) -> bool:
    return bool(token) and max(token) < "\u2e80"


def token_draft(
    tokens: Sequence[str],
    spaces: Sequence[bool],
    tags: Sequence[str],
    scheme: str,
    used: str,
    conlleval: bool = False,
) -> Draft:
    """Return the draft of one tagged text; `conlleval` reads tags as that script does.

    Raises:
        ValueError: If a tag is not allowed at its place, or tokens and tags differ in number.
        Skip: If there is no text.
    """
    if not len(tokens) == len(tags) == len(spaces):
        raise ValueError(f"there are {len(tokens)} tokens, but {len(tags)} tags; correct the record")
    text, places = joined(tokens, spaces)
    if not text.strip():
        raise Skip("empty text")
    marks = []
    repaired: list[str] = []
    for kind, first, last in tagged_spans(tags, scheme, repaired if conlleval else None):
        start, end = places[first][0], places[last][1]
        marks.append(Mark(kind, text[start:end], (start, end)))
    return Draft(text, marks, used, repaired=repaired)


def strings_of(value: object, key: str) -> list[str]:
    """Return a list of strings.

    Raises:
        ValueError: If it is anything else.
    """
    items = list_of(value, key)
    if not all(isinstance(item, str) for item in items):
        wrong = next(item for item in items if not isinstance(item, str))
        raise ValueError(
            f"`{key}` holds {kind_of(wrong)}, but must hold strings; correct the record, with the names of numbered tags"
        )
    return [str(item) for item in items]


def _tag_key(row: Row) -> str:
    return next((key for key in _TAG_KEYS if row.get(key) is not None), _TAG_KEYS[0])


def _prepare_tokens(records: Sequence[object], conlleval: bool = False) -> Reader:
    rows = [record for record in records if isinstance(record, dict)]
    scheme = scheme_of([str(tag) for tag in list_of(row.get(_tag_key(row)), "")] for row in rows)
    words = [token for row in rows for token in strings_of(row.get("tokens"), "tokens")]
    numbered = bool(words) and all(
        len(word) > 1 and word[-1].isdigit() and not word[0].isascii() for word in words
    )
    used = f"tags in {scheme}, tokens joined by spaces except beside Chinese"
    used += ", segmentation digit after each token removed" if numbered else ""

    def read(record: object) -> Draft:
        row = object_of(record, "the record")
        tokens = strings_of(row.get("tokens"), "tokens")
        tokens = [token[:-1] for token in tokens] if numbered else tokens
        key = _tag_key(row)
        tags = strings_of(row.get(key), key)
        draft = token_draft(tokens, guessed_spaces(tokens), tags, scheme, used, conlleval)
        draft.id, draft.group = name_of(row, "id"), name_of(row, "group", "document_id")
        draft.language = name_of(row, "language", "lang")
        return draft

    return read


def _read_piilo(record: object, conlleval: bool = False) -> Draft:
    row = object_of(record, "the record")
    tokens = strings_of(row.get("tokens"), "tokens")
    spaces = [item is True for item in list_of(row.get("trailing_whitespace"), "trailing_whitespace")]
    used = "text rebuilt from `tokens` and `trailing_whitespace`"
    tags = strings_of(row.get("labels"), "labels")
    draft = token_draft(tokens, spaces, tags, "IOB2", used, conlleval)
    full = row.get("full_text")
    if isinstance(full, str) and full.rstrip() != draft.text.rstrip():
        raise ValueError("`tokens` and `trailing_whitespace` do not give `full_text`; correct the record")
    draft.id = name_of(row, "document")
    return draft


def _claims_tokens(record: object) -> bool:
    if not isinstance(record, dict) or has(
        record, "full_text", "spans"
    ):  # presidio-research lists tokens beside its spans
        return False
    return has(record, "tokens") and any(key in record for key in _TAG_KEYS)


CONLL = RowFormat(
    "conll",
    "CoNLL columns: token first, tag last; BIO, IOB1, BIOES, BMES",
    lambda _: False,
    _prepare_tokens,
    prepare_conlleval=partial(_prepare_tokens, conlleval=True),
)
TOKEN_FORMATS = (
    RowFormat(
        "piilo",
        "Kaggle PIILO",
        lambda record: has(record, "tokens", "trailing_whitespace", "labels"),
        simple(_read_piilo),
        prepare_conlleval=simple(partial(_read_piilo, conlleval=True)),
    ),
    RowFormat(
        "tokens",
        "lists `tokens` and `ner_tags` (or labels, tags)",
        lambda record: _claims_tokens(record) and not has(record, "trailing_whitespace"),
        _prepare_tokens,
        prepare_conlleval=partial(_prepare_tokens, conlleval=True),
    ),
)
