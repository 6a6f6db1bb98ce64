"""A JSON file of ours is whole and of the right shape, or an error names file and line and says how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

from data.files.own_json import DamagedFile, read_own, read_own_lines, read_settings, shape_problems

MEND = "copy it again"


class Inner(TypedDict):
    """A part."""

    count: int
    note: NotRequired[str]


class Outer(TypedDict):
    """A file."""

    inner: list[Inner]
    pair: tuple[float, str]


@dataclass(frozen=True)
class Line:
    """A line."""

    trial: str
    score: float | None = None
    steps: tuple[int, ...] = ()


def test_what_has_the_shape_is_returned_with_whatever_is_there_besides(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('\ufeff{"inner": [{"count": 1, "more": 2}], "pair": [1, "a"]}', encoding="utf-8")
    assert read_own(file, Outer, MEND) == {"inner": [{"count": 1, "more": 2}], "pair": [1, "a"]}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", " line 1 is damaged: no JSON (Expecting value)"),
        (b'{\n"inner": }', " line 2 is damaged: no JSON (Expecting value)"),
        (b"\xff\x00", " is damaged: no UTF-8"),
        (b"[" * 200_000, " is damaged: nested too deeply"),
        (b"7", " is damaged: it is 7"),
        (b'{"inner": {}}', " is damaged: .pair is missing; .inner is an object"),
        (
            b'{"inner": [{"count": true}], "pair": ["a", 1]}',
            " is damaged: .inner.count is True; .pair is a text; .pair is 1",
        ),
    ],
)
def test_damage_is_told_with_file_line_and_remedy(content: bytes, what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(DamagedFile) as error:
        read_own(file, Outer, MEND)
    assert str(error.value) == f"{file}{what}; {MEND}"


def test_no_text_of_a_file_is_in_the_message(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"inner": "13800138000", "pair": "13800138000"}', encoding="utf-8")
    with pytest.raises(DamagedFile) as error:
        read_own(file, Outer, MEND)
    assert "13800138000" not in str(error.value)


def test_lines_become_dataclasses_and_a_torn_last_one_is_left_out() -> None:
    content = b'{"trial": "a", "new": 1}\n{"trial": "b", "score": NaN}\n{"tri'
    lines = read_own_lines(content, Line, Path("f"), MEND)
    assert [line.trial for line in lines] == ["a", "b"]
    assert lines[0] == Line("a")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"junk", "no JSON (Expecting value)"),
        (b"[]", "it is a list"),
        (b'{"trial": 1}', ".trial is 1"),
        (b"", "no JSON (Expecting value)"),
    ],
)
def test_a_damaged_line_is_told_by_its_number(line: bytes, what: str) -> None:
    with pytest.raises(DamagedFile) as error:
        read_own_lines(b'{"trial": "a"}\n' + line + b"\n", Line, Path("f"), MEND, before=10)
    assert str(error.value) == f"f line 12 is damaged: {what}; {MEND}"


def test_settings_are_a_dataclass_whose_unknown_names_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"trial": "old", "steps": [1, 2]}', encoding="utf-8")
    assert read_settings(file, Line, MEND, trial="new") == Line("new", None, (1, 2))
    file.write_text('{"trial": "a", "to_come": 1}', encoding="utf-8")
    with pytest.raises(
        DamagedFile, match="settings that this version does not know: to_come; use the version that wrote it"
    ):
        read_settings(file, Line, MEND)


def test_the_shape_of_a_dataclass_is_that_of_its_fields() -> None:
    assert shape_problems(Line, {"score": "high"}) == [".trial is missing", ".score is a text"]
