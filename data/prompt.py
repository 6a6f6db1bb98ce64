"""The one place where entities become a completion, and a completion becomes predicted entities."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from data.entities import Entity

SYSTEM_PROMPT = "你是 PII 检测专家。检测以下文本中的 PII，并以 JSON 格式输出实体列表。"
"""System message of the starting configs."""
FIXED_DATE = "2026-01-01"
"""What templates that write the day of today (Llama 3, SmolLM3, Granite) are told: a search that runs past midnight
trains and asks with the same prompt."""

_HALF = re.compile("[\ud800-\udfff]")
_LIST = re.compile(r'"entities"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PromptSettings:
    """What a model is asked with beside the text; stored with the study and with the adapter."""

    system_prompt: str = SYSTEM_PROMPT
    """The system message."""
    date: str = FIXED_DATE
    """Day for templates that write one, YYYY-MM-DD."""
    end_of_turn: str = ""
    """Token that ends an answer; empty: the one that the base model's template closes a turn with."""
    in_turn: bool = True
    """Texts that are tagged stand in a turn of the user: behind what the template opens one with."""


DEFAULT_PROMPT = PromptSettings()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a completion says.

    `valid` is False when it is not a JSON object with a list `entities`; `items` is then empty.
    `malformed` counts the items of a valid list that lack a non-empty string type or text.
    """

    items: tuple[tuple[str, str], ...]
    valid: bool
    malformed: int = 0


def completion(entities: Sequence[Entity]) -> str:
    """Return the target string: compact JSON, entities in order of appearance, no offsets.

    Example:
        >>> completion([Entity("PHONE", "138", 4, 7)])
        '{"entities":[{"type":"PHONE","text":"138"}]}'
    """
    ordered = sorted(entities, key=lambda entity: (entity.start, entity.end))
    items = [{"type": entity.type, "text": entity.text} for entity in ordered]
    return json.dumps({"entities": items}, ensure_ascii=False, separators=(",", ":"))


def parse(output: str) -> Parsed:
    """Read a completion; never raises, whatever the model wrote.

    A thinking block and one code fence are tolerated; everything else must be strict JSON.

    Example:
        >>> parse('{"entities":[{"type":"A","text":" x "},{"type":"A"}]}')
        Parsed(items=(('A', 'x'),), valid=True, malformed=1)
        >>> parse("no json")
        Parsed(items=(), valid=False, malformed=0)
    """
    body = _without_thinking(output).strip()
    fence = _FENCE.match(body)
    if fence:
        body = fence.group(1)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return Parsed((), valid=False)
    entities = value.get("entities") if isinstance(value, dict) else None
    if not isinstance(entities, list):
        return Parsed((), valid=False)
    items = tuple(item for entity in entities if (item := _item(entity)) is not None)
    return Parsed(items, valid=True, malformed=len(entities) - len(items))


def item_places(output: str, items: Sequence[tuple[str, str]]) -> list[tuple[int, int]] | None:
    """Return where each item that was parsed stands in a completion, braces included; None if that is not clear.

    Args:
        output: What `parse` was given.
        items: What it found there.

    Example:
        >>> item_places('{"entities":[{"type":"A","text":"x"}]}', [("A", "x")])
        [(13, 36)]
    """
    opened = list(_LIST.finditer(output))
    cursor = opened[-1].end() if opened else len(output)
    found: list[tuple[str, str]] = []
    places: list[tuple[int, int]] = []
    while len(found) < len(items):
        start = _BETWEEN.match(output, cursor).end()  # type: ignore[union-attr]  # it matches nothing too
        try:
            value, cursor = json.JSONDecoder().raw_decode(output, start)
        except (ValueError, RecursionError):
            return None
        if (item := _item(value)) is not None:
            found.append(item)
            places.append((start, cursor))
    return places if found == list(items) else None


def _item(value: object) -> tuple[str, str] | None:
    """Return type and text of an item of the list; None if it lacks one of them."""
    entity_type, text = (value.get("type"), value.get("text")) if isinstance(value, dict) else (None, None)
    if _is_word(entity_type) and _is_word(text) and text.strip():
        return entity_type, text.strip()
    return None


def _is_word(value: object) -> TypeGuard[str]:
    """Whether a value is a non-empty string without unpaired surrogates, which no file can hold."""
    return isinstance(value, str) and bool(value) and not _HALF.search(value)


def _without_thinking(output: str) -> str:
    """Return the output without its thinking blocks, in linear time even if the model repeats itself."""
    kept = []
    cursor = 0
    while (start := output.find("<think>", cursor)) >= 0 and (end := output.find("</think>", start)) >= 0:
        kept.append(output[cursor:start])
        cursor = end + len("</think>")
    return "".join([*kept, output[cursor:]])
