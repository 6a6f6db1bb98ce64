"""How the fields of a foreign record are got at: what is taken as meant, and what is refused without showing it."""

from __future__ import annotations

import pytest

from data.files.claims import Mark
from data.formats.draft import (
    Skip,
    first_of,
    has,
    language_code,
    list_of,
    literal,
    mark_of,
    name_of,
    object_of,
    offset,
    text_of,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('[{"a": 1}]', [{"a": 1}]),
        ("[{'a': None}]", [{"a": None}]),
        ("(1, 2)", (1, 2)),
        ("  ", None),
        ([1], [1]),
        (None, None),
        (5, 5),
    ],
)
def test_a_string_of_json_or_python_is_what_it_stands_for(value: object, expected: object) -> None:
    assert literal(value, "spans") == expected


@pytest.mark.parametrize("value", ["[1, 2", "13800138000x", "__import__('os')", "[" * 10_000])
def test_a_string_that_is_neither_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ValueError) as error:
        literal(value, "spans")
    assert str(error.value) == (
        "`spans` is a string that is neither JSON nor a Python literal; correct the record"
    )


def test_lists_are_taken_from_lists_tuples_strings_and_nothing() -> None:
    assert list_of(None, "x") == list_of("", "x") == []
    assert list_of((1, 2), "x") == list_of("[1, 2]", "x") == [1, 2]
    with pytest.raises(ValueError, match="`x` is an object, but must be a list"):
        list_of({"a": 1}, "x")


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (3.0, 3), ("3", 3), (-1, -1)])
def test_offsets_of_tables_are_whole_numbers(value: object, expected: int) -> None:
    assert offset(value, "entity 1") == expected


@pytest.mark.parametrize("value", [True, 3.5, "3.0", "٣", "9" * 16, None, [3]])
def test_anything_else_is_no_offset(value: object) -> None:
    with pytest.raises(ValueError, match="entity 1: an offset is .*, but must be a whole number"):
        offset(value, "entity 1")


def test_a_mark_may_have_a_value_offsets_or_both() -> None:
    assert mark_of("PER", "Ann", None, None, "entity 1") == Mark("PER", "Ann")
    assert mark_of("PER", None, 0.0, "3", "entity 1") == Mark("PER", None, (0, 3))
    assert mark_of("PER", "Ann", 0, 3, "entity 1") == Mark("PER", "Ann", (0, 3))


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ((" ", "Ann", 0, 3), "entity 1: its type is empty, but must be a string"),
        ((None, "Ann", 0, 3), "entity 1: its type is null, but must be a string"),
        (("PER", "", 0, 3), "entity 1: its value is empty, but must be a string"),
        (("PER", 138, 0, 3), "entity 1: its value is a number, but must be a string"),
        (("PER", "Ann", 0, None), "entity 1: an offset is null, but must be a whole number"),
    ],
)
def test_a_part_of_the_wrong_kind_is_named(parts: tuple[object, ...], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        mark_of(*parts, "entity 1")  # type: ignore[arg-type]


def test_a_text_of_spaces_is_left_out_and_no_text_refused() -> None:
    assert text_of(" a ", "text") == " a "
    with pytest.raises(Skip, match="empty text"):
        text_of(" \n", "text")
    with pytest.raises(ValueError, match="`text` is null, but must be a text; fill it or delete the record"):
        text_of(None, "text")


def test_keys_are_looked_for_in_order_and_null_counts_as_missing() -> None:
    record: dict[str, object] = {"a": None, "b": 0, "c": 1, "id": 7, "name": True}
    assert first_of(record, ("a", "b", "c")) == ("b", 0)
    with pytest.raises(ValueError, match="entity 2 has none of the keys a, x; add one"):
        first_of(record, ("a", "x"), "entity 2")
    assert (name_of(record, "name", "id"), name_of(record, "x")) == ("7", "")
    assert has(record, "a", "b")
    assert not has([record], "a")


def test_an_object_is_asked_for_and_languages_have_their_codes() -> None:
    assert object_of({"a": 1}, "the record") == {"a": 1}
    with pytest.raises(ValueError, match="the record is a list, but must be an object"):
        object_of([1], "the record")
    assert [language_code(name) for name in ("English", "chinese", "de")] == ["en", "zh", "de"]
