"""Reading UniversalNER files: verified offsets, groups of source documents, and every malformed line by its number."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.entities import Entity
from data.files.lines import DataError
from data.formats.iob2 import read_iob2
from tests.data.formats.excerpts import UNER


def save(path: Path, text: str) -> Path:
    file = path / "zh-test.iob2"
    file.write_text(text, encoding="utf-8")
    return file


def sentence(text: str, *tokens: tuple[str, str], name: str = "s1") -> str:
    rows = "".join(f"{i}\t{token}\t{tag}\t-\t-\n" for i, (token, tag) in enumerate(tokens, 1))
    return f"# sent_id = {name}\n# text = {text}\n{rows}\n"


def test_the_excerpt_becomes_examples_with_verified_offsets(tmp_path: Path) -> None:
    free, second, third = read_iob2(save(tmp_path, UNER))
    assert free.entities == ()
    assert second.entities == (Entity("LOC", "人文大楼", 12, 16),)
    assert third.entities == (
        Entity("LOC", "温带", 4, 6),
        Entity("LOC", "台北", 9, 11),
        Entity("LOC", "亚热带", 14, 17),
    )
    assert third.text == "杜鹃花为温带植物，台北虽然在亚热带"
    assert (third.id, third.group) == ("zh-test:batch-0000-0003", "zh-test:batch-0000")
    assert (third.language, third.source) == ("zh", "zh-test.iob2")


def test_the_group_is_the_sentence_where_the_file_names_no_document(tmp_path: Path) -> None:
    text = sentence("a", ("a", "O")) + sentence("b", ("b", "O"), name="s2")
    assert [example.group for example in read_iob2(save(tmp_path, text))] == ["zh-test:s1", "zh-test:s2"]


def test_spaces_of_the_text_are_kept_and_other_types_too(tmp_path: Path) -> None:
    text = sentence("Ann  Lee's X", ("Ann", "B-PER"), ("Lee", "I-PER"), ("'s", "O"), ("X", "B-OTH"))
    (example,) = read_iob2(save(tmp_path, text.rstrip("\n")))
    assert example.entities == (Entity("PER", "Ann  Lee", 0, 8), Entity("OTH", "X", 11, 12))


def test_adjacent_entities_of_one_type_stay_two(tmp_path: Path) -> None:
    (example,) = read_iob2(save(tmp_path, sentence("张三李四", ("张三", "B-PER"), ("李四", "B-PER"))))
    assert [entity.text for entity in example.entities] == ["张三", "李四"]


def test_every_malformed_line_is_listed_with_its_number_and_without_its_token(tmp_path: Path) -> None:
    text = (
        sentence("秘密 a b", ("秘密", "I-PER"), ("a", "B-PER"), ("b", "I-LOC"))
        + sentence("c d", ("c", "PER"), ("d", "O"))
        + "# sent_id = s3\n# text = e f\n1\te\tO\n2 f O\n\n"
        + sentence("g h", ("g", "O"), ("秘密", "B-PER"), name="s4")
        + sentence("i 秘密", ("i", "O"), name="s5")
        + sentence("k 秘密 l", ("k", "O"), ("l", "O"), name="s6")
        + "# sent_id = s7\n# text = j\n"
    )
    with pytest.raises(DataError) as error:
        read_iob2(save(tmp_path, text))
    found = [(problem.line, problem.what.split(",")[0].split(";")[0]) for problem in error.value.problems]
    assert found == [
        (3, "the tag is I-PER"),
        (5, "the tag is I-LOC"),
        (7, "`sent_id` is that of line 1"),
        (9, "must be a number"),
        (15, "must be a number"),
        (20, "the token is not what follows in `# text` after 1 characters"),
        (22, "`# text` goes on after its last token"),
        (29, "the token is not what follows in `# text` after 1 characters"),
        (31, "the sentence needs both `# text = ...` and tokens"),
    ]
    assert "秘密" not in str(error.value)
