"""Reading and writing files: what is filled in, what is refused and that no message holds private text."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.entities import Entity, Example
from data.files.jsonl import guess_language, read_examples, read_with_mapping, write_examples
from data.files.lines import DataError
from tests.data.files.users_file import LI, TEXT, ZHANG, ZHANG_AGAIN, problems_of, save

# --- what is accepted ---


@pytest.mark.parametrize(
    "output", [None, "", " ", {}, {"entities": []}, {"entities": None}, '{"entities": []}']
)
def test_an_empty_output_means_no_entities(tmp_path: Path, output: object) -> None:
    examples, mapping = read_with_mapping(save(tmp_path, {"input": "a", "output": output}, {"input": "b"}))
    assert [example.entities for example in examples] == [(), ()]
    assert str(mapping) == "text in `input`, no entities in any line"


def test_missing_fields_are_filled_and_given_ones_kept(tmp_path: Path) -> None:
    given_fields = {"id": 7, "group": "g", "language": "de", "source": "s"}
    first, second = read_examples(save(tmp_path, {"input": "Call Ann"}, {"input": "x", **given_fields}))
    assert (first.id, first.group, first.language, first.source) == ("users:1", "", "en", "")
    assert (second.id, second.group, second.language, second.source) == ("7", "g", "de", "s")


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "users.jsonl"
    file.write_bytes('\ufeff{"input": "张三"}\r\n\r\n  \n{"input": "a\u2028b"}'.encode())
    assert [(e.id, e.text) for e in read_examples(file)] == [("users:1", "张三"), ("users:4", "a\u2028b")]


@pytest.mark.parametrize(
    ("text", "language"),
    [("张三的电话是138", "zh"), ("Call Ann", "en"), ("联系 Ann Lee", "mixed"), ("138", "mixed"), ("𠮷野家", "zh"),
     ("My colleague is called 李四", "en")],
)  # fmt: skip
def test_language_follows_the_share_of_ideographs(text: str, language: str) -> None:
    assert guess_language(text) == language


# --- what is refused ---


def test_all_problems_come_in_one_error_of_which_twenty_are_shown(tmp_path: Path) -> None:
    file = save(tmp_path, {"input": "a"}, *[{"input": ""}] * 25, {"input": "b"})
    with pytest.raises(DataError) as error:
        read_examples(file)
    lines = str(error.value).split("\n")
    assert lines[0] == f"{file} has 25 problems:"
    assert lines[1].startswith("  users.jsonl:2: `input` is empty")
    assert len(lines) == 22
    assert lines[-1] == "  and 5 more"
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_ids_given_twice_are_refused_and_not_printed(tmp_path: Path) -> None:
    file = save(tmp_path, {"id": "p138", "input": "a"}, {"input": "b"}, {"id": "p138", "input": "c"})
    ((number, what),) = problems_of(file)
    assert (number, what) == (3, "`id` is that of line 1, but must be unique; change or drop it")


SECRET = "13800138000"


@pytest.mark.parametrize(
    "line",
    [
        f'{{"input": "{SECRET}"',
        f'["{SECRET}"]',
        f'{{"{SECRET}": 1}}',
        f'{{"input": "a", "output": {{"{SECRET}": ["{SECRET}"]}}}}',
        f'{{"input": "a", "output": "{SECRET}{SECRET}x"}}',
        f'{{"input": "a", "output": {{"entities": ["{SECRET}"]}}}}',
        f'{{"input": "a", "output": {{"entities": [{{"type": "{SECRET}", "text": "{SECRET}"}}]}}}}',
        f'{{"input": "a", "output": {{"entities": {{"{SECRET}": ["{SECRET}"]}}}}}}',
        f'{{"input": "a", "id": ["{SECRET}"]}}',
    ],
)
def test_no_error_prints_private_text_not_even_in_its_causes(tmp_path: Path, line: str) -> None:
    file = tmp_path / "users.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_examples(file)
    shown: BaseException | None = error.value
    while shown:
        assert SECRET not in str(shown) + repr(vars(shown))
        shown = shown.__context__


# --- writing ---


@st.composite
def some_examples(draw: st.DrawFn) -> list[Example]:
    texts = draw(
        st.lists(st.text(alphabet='ab张\u2028\n"😀', min_size=1, max_size=12).filter(str.strip), max_size=4)
    )
    examples = []
    for index, text in enumerate(texts):
        starts = draw(st.lists(st.integers(0, len(text) - 1), max_size=3))
        found = {
            Entity(draw(st.sampled_from("XY")), text[s : s + 2], s, min(s + 2, len(text))) for s in starts
        }
        kept = sorted((e for e in found if e.text.strip()), key=lambda e: (e.start, e.end, e.type))
        group, source = draw(st.sampled_from(["", "g"])), draw(st.sampled_from(["", "s"]))
        examples.append(Example(f"i{index}", text, tuple(kept), group, "zh", source))
    return examples


@settings(max_examples=60, deadline=None)
@given(examples=some_examples())
def test_what_is_written_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, examples: list[Example]
) -> None:
    file = tmp_path_factory.getbasetemp() / "round_trip.jsonl"
    write_examples(file, examples)
    assert read_examples(file) == examples


def test_written_lines_are_the_users_format_without_empty_fields(tmp_path: Path) -> None:
    file = tmp_path / "new" / "out.jsonl"
    write_examples(file, [Example("", TEXT, (ZHANG, LI)), Example("i", TEXT, (ZHANG_AGAIN,), "g", "zh", "s")])
    first, second = file.read_text(encoding="utf-8").splitlines()
    assert first == (
        f'{{"input": "{TEXT}", "output": {{"entities": '
        '[{"type": "姓名", "text": "张三"}, {"type": "姓名", "text": "李四"}]}}'
    )
    # Only the second occurrence is labelled, which order cannot tell: offsets are written.
    assert json.loads(second) == {
        "id": "i",
        "input": TEXT,
        "output": {"entities": [{"type": "姓名", "text": "张三", "start": 9, "end": 11}]},
        "group": "g",
        "language": "zh",
        "source": "s",
    }
    assert list(file.parent.iterdir()) == [file]


def test_a_failing_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    write_examples(file, [Example("old", "a", ())])
    before = file.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        write_examples(file, [Example("new", "a", ()), Example("bad", "\ud83d", ())])
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
