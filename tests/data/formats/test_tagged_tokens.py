"""Tagged tokens: every scheme gives its spans back, spaces are put where they stood, and bad tags are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.formats.draft import Skip
from data.formats.registry import FORMATS
from data.formats.tagged_tokens import (
    guessed_spaces,
    joined,
    scheme_of,
    strings_of,
    tagged_spans,
    token_draft,
)

HINT = ", or read such tags as conlleval does by --tags conlleval"


def spans_or_refusal(tags: list[str], scheme: str) -> tuple[list[tuple[str, int, int]], str | None]:
    """The spans and no message, or none and the message; errors of other kinds propagate."""
    try:
        return tagged_spans(tags, scheme), None
    except ValueError as error:
        return [], str(error)


pieces = st.lists(st.tuples(st.sampled_from(["A", "B-C"]), st.integers(1, 3), st.integers(0, 2)), max_size=5)


@given(pieces, st.sampled_from(["IOB2", "IOB1", "BIOES", "BMES"]))
def test_tags_of_every_scheme_give_back_the_spans_they_were_made_of(
    parts: list[tuple[str, int, int]], scheme: str
) -> None:
    tags: list[str] = []
    spans = []
    for kind, length, gap in parts:
        spans.append((kind, len(tags), len(tags) + length - 1))
        adjacent = bool(tags) and tags[-1][2:] == kind
        first = "I" if scheme == "IOB1" and not adjacent else "B"
        inner = "M" if scheme == "BMES" else "I"
        marks = [first, *[inner] * (length - 1)]
        if scheme in ("BIOES", "BMES"):
            marks = ["S"] if length == 1 else [*marks[:-1], "E"]
        tags += [f"{mark}-{kind}" for mark in marks] + ["O"] * gap
    assert tagged_spans(tags, scheme) == spans


@given(
    st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "M-A", "I-B", "X-A", "", "B-"]), max_size=8)
)
def test_any_tags_give_ordered_spans_or_an_error_that_names_a_token(tags: list[str]) -> None:
    for scheme in ("IOB2", "IOB1", "BIOES", "BMES"):
        spans, said = spans_or_refusal(tags, scheme)
        assert said is None or said.startswith("token ")
        ends = [-1, *(last for _, _, last in spans)]
        assert all(before < first <= last for before, (_, first, last) in zip(ends, spans, strict=False))


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["B-A", "I-A", "O"]], "IOB2"),
        ([["O"]], "IOB2"),
        ([], "IOB2"),
        ([["", "B-A"]], "IOB2"),
        ([["I-A", "I-A", "O"], ["I-B"]], "IOB1"),
        ([["I-A"], ["B-A"]], "IOB2"),
        ([["B-A", "E-A"]], "BIOES"),
        ([["S-A"]], "BIOES"),
        ([["B-A", "L-A"]], "BIOES"),
        ([["B-A", "M-A", "E-A"]], "BMES"),
    ],
)
def test_the_scheme_is_what_the_tags_can_only_be(sentences: list[list[str]], scheme: str) -> None:
    assert scheme_of(sentences) == scheme


@pytest.mark.parametrize(
    ("tags", "scheme", "expected"),
    [
        (["I-A"], "IOB2", "token 1: the tag is I-A, but no A is open; begin it with B-" + HINT),
        (["B-A", "O"], "BIOES", "token 2: the tag is O, but A is still open; end it with E-" + HINT),
        (["B-A"], "BMES", "token 1: A is still open at the end; end it with E-" + HINT),
        (["B-O"], "IOB2", "token 1: its tag must be O or like B-TYPE; correct it"),
        (["X-A"], "IOB2", "token 1: its tag must be O or like B-TYPE; correct it"),
    ],
)
def test_a_tag_that_may_not_stand_where_it_does_is_named(tags: list[str], scheme: str, expected: str) -> None:
    with pytest.raises(ValueError) as error:
        tagged_spans(tags, scheme)
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (["Ann", "met", "Bob"], "Ann met Bob"),
        (["张", "三", "来", "了"], "张三来了"),
        (["张三", "met", "Ann", "在北京"], "张三met Ann在北京"),
        (["a"], "a"),
        ([], ""),
    ],
)
def test_spaces_stand_between_words_that_are_not_chinese(tokens: list[str], text: str) -> None:
    found, places = joined(tokens, guessed_spaces(tokens))
    assert found == text
    assert [found[start:end] for start, end in places] == tokens


def test_a_draft_has_the_tagged_text_and_refuses_lists_of_other_lengths() -> None:
    draft = token_draft(["New", "York", "!"], [True, False, False], ["B-LOC", "I-LOC", "O"], "IOB2", "so")
    assert (draft.text, draft.used) == ("New York!", "so")
    assert [(mark.type, mark.value, mark.span) for mark in draft.marks] == [("LOC", "New York", (0, 8))]
    with pytest.raises(ValueError, match="there are 1 tokens, but 2 tags; correct the record"):
        token_draft(["a"], [False], ["O", "O"], "IOB2", "so")
    with pytest.raises(Skip, match="empty text"):
        token_draft([" "], [False], ["O"], "IOB2", "so")


def test_a_list_of_anything_but_strings_is_refused() -> None:
    assert strings_of("['a', 'b']", "tokens") == ["a", "b"]
    with pytest.raises(ValueError, match="`tokens` holds a number, but must hold strings"):
        strings_of(["a", 1], "tokens")


def test_a_piilo_record_must_give_its_own_text_back() -> None:
    read = FORMATS["piilo"].prepare([])
    record = {
        "document": 7,
        "tokens": ["Ann", "Lee"],
        "trailing_whitespace": [True, False],
        "labels": ["O", "O"],
    }
    assert (read({**record, "full_text": "Ann Lee\n"}).id, read(record).text) == ("7", "Ann Lee")
    with pytest.raises(ValueError, match="do not give `full_text`"):
        read({**record, "full_text": "AnnLee"})


def test_the_segmentation_digit_of_every_token_is_removed_and_others_are_kept() -> None:
    form = FORMATS["tokens"]
    rows = [{"tokens": ["张0", "三1"], "ner_tags": ["B-X", "I-X"]}]
    assert form.prepare(rows)(rows[0]).text == "张三"
    mixed = [*rows, {"tokens": ["Ann"], "ner_tags": ["O"]}]
    assert form.prepare(mixed)(rows[0]).text == "张0三1"


def conlleval_spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """The rules of the script of the CoNLL tasks: where a chunk starts and ends, by two neighbouring tags."""
    spans, start = [], None
    parts = [("O", ""), *((tag[0], tag[2:]) for tag in tags), ("O", "")]
    for index, ((before, old), (after, new)) in enumerate(zip(parts, parts[1:], strict=False)):
        inside, changed = before != "O", old != new
        ends = inside and (before in "ES" or after in "BSO" or changed)
        starts = after != "O" and (after in "BS" or before in "ESO" or changed)
        if ends and start is not None:
            spans.append((old, start, index - 1))
        start = index if starts else None if ends else start
    return spans


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "I-B", "B-B"]), max_size=8))
def test_tags_at_wrong_places_are_read_as_conlleval_reads_them_and_counted(tags: list[str]) -> None:
    for scheme in ("IOB2", "IOB1", "BIOES"):
        repaired: list[str] = []
        assert tagged_spans(tags, scheme, repaired) == conlleval_spans(tags)
        _, said = spans_or_refusal(tags, scheme)
        assert len(repaired) == (len(said.split("\n")) if said else 0)
