"""Files of columns: what separates them, what a token is, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.files.lines import DataError, Problem
from data.formats.columns import columns_of, token_blocks
from tests.data.formats.excerpts import imported, saved


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("0711 555 0199\tB-PHONE\n", ["0711 555 0199", "B-PHONE"]),
        ("New York\tNNP\tB-LOC\r\n", ["New York", "NNP", "B-LOC"]),
        ("Ann  NN   B-PER", ["Ann", "NN", "B-PER"]),
        (" \tO", [" ", "O"]),
        ("\tO", [" ", "O"]),
        (" O", [" ", "O"]),
        (" a\u3000\tO", [" a\u3000", "O"]),
        ("\t\n", [""]),
    ],
)
def test_a_line_with_a_tab_has_its_columns_there(line: str, columns: list[str]) -> None:
    assert columns_of(line) == columns


def test_a_token_with_spaces_is_read_whole_where_tabs_separate(tmp_path: Path) -> None:
    text = "Tel\tO\n0711 555 0199\tB-PHONE\n\nAnn Lee\tB-PER\nmet\tO\n"
    examples, _ = imported(saved(tmp_path, "t.conll", text))
    assert [(e.text, [entity.text for entity in e.entities]) for e in examples] == [
        ("Tel 0711 555 0199", ["0711 555 0199"]),
        ("Ann Lee met", ["Ann Lee"]),
    ]


def test_a_token_with_spaces_is_refused_where_spaces_separate(tmp_path: Path) -> None:
    text = "Tel O\n0711 555 0199 B-PHONE\n\nAnn B-PER\n"
    with pytest.raises(DataError) as error:
        imported(saved(tmp_path, "t.conll", text))
    (problem,) = error.value.problems
    assert (problem.line, problem.what.split(";")[0]) == (
        2,
        "has 4 columns separated by spaces, but lines before it have 2",
    )


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_column_that_counts_the_tokens_is_no_column_of_tokens(tmp_path: Path, separator: str) -> None:
    lines = ["1 Ann B-PER O", "2 met O O", "", "1 Bob B-PER O", ""]
    text = "\n".join(line.replace(" ", separator) for line in lines)
    for drop_bad in (False, True):
        with pytest.raises(ValueError, match=r"the first column counts the tokens \(from line 1\)"):
            imported(saved(tmp_path, "t.conll", text), drop_bad=drop_bad)


def test_two_columns_with_tags_of_the_same_types_leave_open_which_counts(tmp_path: Path) -> None:
    text = "Sao\tNC\tB-LOC\tO\nPaulo\tVMI\tI-LOC\tO\n\nRome\tNC\tB-LOC\tB-LOC\n"
    with pytest.raises(ValueError, match="the last two columns hold tags of the same types"):
        imported(saved(tmp_path, "t.conll", text))
    chunks = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n"
    assert imported(saved(tmp_path, "t.conll", chunks))[0][0].entities[0].text == "EU"


def test_a_hashtag_without_a_tag_is_no_comment() -> None:
    problems: list[Problem] = []
    lines = ["# id = 1", "#FORMAT=x", "Ann B-PER", "# seen", "#love", "", "#1 O"]
    assert [row["tokens"] for _, row in token_blocks(enumerate(lines, 1), problems)] == [["#1"]]
    assert [problem.line for problem in problems] == [5]


def test_a_type_that_is_called_o_is_no_type(tmp_path: Path) -> None:
    text = "Ann B-PER\nmet O\nKloof I-O\nsaw O\nher O\nin O\n"
    with pytest.raises(DataError, match="conll:3: must be a token and its tag"):
        imported(saved(tmp_path, "t.conll", text))


STRAY = "Ann B-PER\nmet O\nBob I-PER\nLee I-PER\nin O\nRome I-LOC\n\nmet O\n"


def test_a_tag_inside_that_has_no_begin_is_refused_or_read_by_a_named_choice(tmp_path: Path) -> None:
    source = saved(tmp_path, "t.conll", STRAY)
    with pytest.raises(DataError, match="token 3: the tag is I-PER, but no PER is open; .* --tags conlleval"):
        imported(source)
    dropped, _ = imported(source, drop_bad=True, format="conll")
    assert [example.text for example in dropped] == ["met"]
    examples, report = imported(source, tags="conlleval")
    assert [entity.text for entity in examples[0].entities] == ["Ann", "Bob Lee", "Rome"]
    assert dict(report.repaired) == {"tag: not allowed at its place, read as conlleval does": 2}
    rows = [
        {"tokens": ["Ann", "met"], "ner_tags": ["I-PER", "O"]},
        {"tokens": ["Bob"], "ner_tags": ["B-PER"]},
    ]
    examples, report = imported(saved(tmp_path, "t.jsonl", rows), tags="conlleval")
    assert (examples[0].entities[0].text, report.repaired.total()) == ("Ann", 1)


def test_a_reading_of_tags_is_refused_where_there_are_none(tmp_path: Path) -> None:
    rows = [{"text": "Ann", "label": [[0, 3, "PER"]]}]
    with pytest.raises(ValueError, match="`--tags` is conlleval, but doccano has no tags"):
        imported(saved(tmp_path, "t.jsonl", rows), tags="conlleval")


def test_sentences_are_parted_by_blank_lines_and_documents_by_docstart() -> None:
    lines = ["-DOCSTART- -X- O", "", "# a comment", "Ann NN B-PER", "met VB O", "", " SP O", "Bob NN B-PER"]
    problems: list[Problem] = []
    blocks = list(token_blocks(enumerate(lines, 1), problems))
    assert blocks == [
        (4, {"tokens": ["Ann", "met"], "tags": ["B-PER", "O"], "group": "document at line 1"}),
        (7, {"tokens": [" ", "Bob"], "tags": ["O", "B-PER"], "group": "document at line 1"}),
    ]
    assert problems == []


def test_a_line_without_a_tag_is_a_problem_and_its_sentence_is_left_out() -> None:
    problems: list[Problem] = []
    lines = ["Ann B-PER", "met", "", "Bob B-PER", "#word O"]
    found = [row["tokens"] for _, row in token_blocks(enumerate(lines, 1), problems)]
    assert found == [["Bob", "#word"]]
    assert [problem.line for problem in problems] == [2]
    assert "must be a token and its tag" in problems[0].what


def test_the_group_is_the_document_of_the_file(tmp_path: Path) -> None:
    text = "-DOCSTART- O\n\nAnn B-PER\n\nBob B-PER\n\n-DOCSTART- O\n\nEve B-PER\n"
    groups = [example.group for example in imported(saved(tmp_path, "c.txt", text))[0]]
    assert groups == ["document at line 1", "document at line 1", "document at line 7"]
