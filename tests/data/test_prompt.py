"""The completion that is trained on is the completion that is understood."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.entities import Entity
from data.prompt import Parsed, completion, item_places, parse

INVALID = Parsed((), valid=False)

entities = st.builds(
    lambda kind, text, start: Entity(kind, text, start, start + len(text)),
    st.text(min_size=1, max_size=6),
    st.text(min_size=1, max_size=10).filter(lambda text: text.strip() == text),
    st.integers(0, 50),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entities", "type", "text", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.lists(entities, max_size=5))
def test_a_completion_parses_back_to_its_entities_in_order_of_appearance(listed: list[Entity]) -> None:
    ordered = sorted(listed, key=lambda entity: (entity.start, entity.end))
    assert parse(completion(listed)) == Parsed(tuple((e.type, e.text) for e in ordered), valid=True)


def test_a_completion_is_compact_and_keeps_chinese_readable() -> None:
    assert completion([Entity("姓名", "张三", 0, 2)]) == '{"entities":[{"type":"姓名","text":"张三"}]}'
    assert completion([]) == '{"entities":[]}'


@given(st.text())
def test_parse_never_raises_and_says_invalid_only_with_no_items(output: str) -> None:
    parsed = parse(output)
    assert parsed.valid or parsed == INVALID


@given(json_values)
def test_parse_never_raises_on_json_of_any_shape(value: object) -> None:
    parsed = parse(json.dumps(value))
    listed = value.get("entities") if isinstance(value, dict) else None
    assert parsed.valid == isinstance(listed, list)
    if isinstance(listed, list):
        assert len(parsed.items) + parsed.malformed == len(listed)
        assert all(kind and text == text.strip() != "" for kind, text in parsed.items)


@given(st.text(alphabet='{}[]",:entitiesyxp\\`<>/hk\n ', max_size=60))
def test_parse_never_raises_on_fragments_of_its_own_syntax(output: str) -> None:
    assert isinstance(parse(output), Parsed)


@pytest.mark.parametrize(
    "output",
    [
        "[" * 100_000,
        '{"entities":' * 100_000,
        '{"entities":[' + "9" * 5000 + "]}",
        '{"entities":[{"type":"A","text":"x"}',
        '{"entities":{"A":["x"]}}',
        '[{"type":"A","text":"x"}]',
        'Here it is: {"entities":[]}',
        '{"entities":[]} {"entities":[]}',
        "<think>never closed",
        "",
        "null",
    ],
    ids=lambda output: output[:20],
)
def test_anything_but_one_object_with_a_list_is_invalid(output: str) -> None:
    assert parse(output) == INVALID


@pytest.mark.parametrize(
    "wrapping",
    [
        "{}",
        "  {}\n",
        "<think>\n\n</think>\n\n{}",
        '<think>is 张三 {{"entities":[]}} a name?</think>{}',
        "```json\n{}\n```",
        "```\n{}\n```",
        "<think>x</think>\n```json\n{}\n```\n",
    ],
)
def test_thinking_blocks_and_one_code_fence_are_tolerated(wrapping: str) -> None:
    output = wrapping.format('{"entities":[{"type":"A","text":"x"}]}')
    assert parse(output) == Parsed((("A", "x"),), valid=True)


def test_items_without_a_non_empty_string_type_and_text_are_malformed() -> None:
    items: list[dict[str, object]] = [
        {"type": "A"},
        {"text": "x"},
        {"type": "", "text": "x"},
        {"type": "A", "text": " "},
    ]
    items += [{"type": 1, "text": "x"}, {"type": "A", "text": 138}]
    output = json.dumps({"entities": [*items, "x", None, {"type": "A", "text": "x"}]})
    assert parse(output) == Parsed((("A", "x"),), valid=True, malformed=8)


@pytest.mark.parametrize(
    "output",
    ["<think>" * 200_000, "</think>" + "<think>" * 200_000, "```json\n" * 50_000, "[" * 200_000, "9" * 200_000,
     '{"entities":[' * 50_000, "\n" * 200_000 + "```"],
    ids=["think", "closed-think", "fences", "brackets", "digits", "nested", "blank"],
)  # fmt: skip
def test_a_model_that_repeats_itself_costs_no_time(output: str) -> None:
    started = time.process_time()
    assert not parse(output).valid
    assert time.process_time() - started < 2


def test_thinking_blocks_are_removed_wherever_they_stand() -> None:
    assert parse('<think>a</think>{"entities":<think>\n</think>[]}').valid
    assert not parse('<think>{"entities":[]}').valid


def test_half_a_surrogate_pair_is_malformed_and_a_whole_one_is_its_character() -> None:
    items = [{"type": "A", "text": "\ud83d"}, {"type": "\udc00", "text": "x"}, {"type": "A", "text": "😀"}]
    assert parse(json.dumps({"entities": items})) == Parsed((("A", "😀"),), valid=True, malformed=2)


@given(json_values)
def test_every_item_is_either_read_or_counted_as_malformed(value: object) -> None:
    parsed = parse(json.dumps({"entities": [value, {"type": "A", "text": "x"}]}))
    assert len(parsed.items) + parsed.malformed == 2


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4), st.sampled_from([None, 1]))
def test_each_item_stands_where_it_is_said_to_be(pairs: list[tuple[str, str]], indent: int | None) -> None:
    items = [{"type": kind, "text": text} for kind, text in pairs]
    output = json.dumps({"entities": [*items, {"type": "A"}, 7]}, ensure_ascii=False, indent=indent)
    parsed = parse(f"<think>hm</think>{output}")
    places = item_places(output, parsed.items)
    assert places is not None
    read = [json.loads(output[start:end]) for start, end in places]
    assert [(item["type"], item["text"].strip()) for item in read] == list(parsed.items)


def test_places_are_unknown_where_it_is_not_clear_which_list_was_read() -> None:
    twice = '{"entities":[{"type":"A","text":"x"}],"entities":[{"type":"B","text":"y"}],"n":{"entities":[]}}'
    assert item_places(twice, parse(twice).items) is None
    assert item_places("nothing", [("A", "x")]) is None
    assert item_places("nothing", []) == []
