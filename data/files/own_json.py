"""Reads JSON files that this project wrote itself, and those of models: whole and of the right shape, or an error that names file and line."""

from __future__ import annotations

import json
import types
from collections.abc import Hashable
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import (
    Any,
    Literal,
    NotRequired,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

T = TypeVar("T")
_SHOWN = 40
_PROBLEMS = 3


class DamagedFile(ValueError):
    """A file of ours is not what we wrote; the message says where, and how to mend it."""


def read_own(path: Path, kind: type[T], mend: str) -> T:
    """Return the content of a JSON file.

    Args:
        path: The file.
        kind: What it holds: a TypedDict, or another type that JSON can have. Keys beyond it may be there.
        mend: What to do about a damaged file, as the end of a sentence.

    Raises:
        OSError: If it cannot be read.
        DamagedFile: If it is no JSON, or of another shape.
    """
    return checked(parsed(path.read_bytes(), path, mend), kind, path, mend)


def read_own_lines(content: bytes, kind: type[T], path: Path, mend: str, before: int = 0) -> list[T]:
    """Return the lines of a JSON Lines file up to the last line feed; what a crash tore behind it is left out.

    Args:
        content: Of the file, from the start of a line on.
        kind: What each line holds: a dataclass, which is made of those keys that it knows.
        path: The file, for messages.
        mend: See `read_own`.
        before: Lines of the file that come before the content.

    Raises:
        DamagedFile: If a line is no JSON, or of another shape.
    """
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    found = []
    for number, line in enumerate(content.split(b"\n")[:-1], before + 1):
        row = checked(parsed(line, path, mend, number), kind, path, mend, number)
        known = {name: value for name, value in cast("dict[str, object]", row).items() if name in names}
        found.append(kind(**known))
    return found


def read_settings(path: Path, kind: type[T], mend: str, **given: object) -> T:
    """Return a dataclass from a JSON file of its fields; lists become tuples.

    Args:
        path: The file.
        kind: The dataclass.
        mend: See `read_own`.
        given: Values that the file has not, or that count instead of its own.

    Raises:
        OSError: If it cannot be read.
        DamagedFile: If it is no JSON, of another shape, or has settings that are not known here.
    """
    values = {**checked(parsed(path.read_bytes(), path, mend), dict, path, mend), **given}
    unknown = sorted(set(values) - {field.name for field in fields(kind)})  # type: ignore[arg-type]  # a dataclass
    if unknown:
        raise DamagedFile(
            f"{path} has settings that this version does not know: {', '.join(unknown)}; use the version that wrote it"
        )
    checked(values, kind, path, mend)
    return kind(**{name: _tupled(value) for name, value in values.items()})


def parsed(content: bytes, path: Path, mend: str, line: int | None = None) -> object:
    """Return JSON as Python has it.

    Raises:
        DamagedFile: If it is none.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise damaged(path, mend, f"no JSON ({error.msg})", line or error.lineno) from error
    except UnicodeDecodeError as error:
        raise damaged(path, mend, "no UTF-8", line) from error
    except RecursionError as error:
        raise damaged(path, mend, "nested too deeply", line) from error


def checked(value: object, kind: type[T], path: Path, mend: str, line: int | None = None) -> T:
    """Return a value that has the shape of a type.

    Raises:
        DamagedFile: If it has not.
    """
    if found := shape_problems(kind, value):
        more = ["..."] if len(found) > _PROBLEMS else []
        raise damaged(path, mend, "; ".join([*found[:_PROBLEMS], *more]), line)
    return cast("T", value)


def shape_problems(kind: object, value: object, place: str = "") -> list[str]:
    """Return one line for each part of a value that is not as its type says.

    Args:
        kind: A TypedDict, a dataclass (whose fields without a default must be there), or any type that JSON can have.
        value: From JSON.
        place: Keys that lead to the value, for the lines.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if is_typeddict(kind) or is_dataclass(kind):
        return _record_problems(kind, value, place)
    if origin is NotRequired:
        return shape_problems(inner[0], value, place)
    if origin in (Union, types.UnionType):
        right = any(not shape_problems(each, value, place) for each in inner)
    elif origin is dict and isinstance(value, dict):
        return [
            line for key, each in value.items() for line in shape_problems(inner[1], each, f"{place}.{key}")
        ]
    elif origin is tuple and isinstance(value, list) and Ellipsis not in inner and len(value) == len(inner):
        return [line for each in zip(inner, value, strict=True) for line in shape_problems(*each, place)]
    elif (origin is list or Ellipsis in inner) and isinstance(value, list):
        return [line for each in value for line in shape_problems(inner[0], each, place)]
    elif origin is Literal:
        right = value in inner
    elif kind in (Any, object):
        right = True
    elif isinstance(value, bool):
        right = kind is bool
    else:
        plain = cast("type", origin or kind)
        right = isinstance(value, (int, float) if plain is float else plain)
    return [] if right else [f"{place or 'it'} is {_short(value)}"]


def _record_problems(kind: object, value: object, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place or 'it'} is {_short(value)}"]
    hints = _hints(kind)
    if is_dataclass(kind):
        required = [each.name for each in fields(kind) if each.default is each.default_factory is MISSING]
    else:
        required = [
            name
            for name, hint in hints.items()
            if getattr(kind, "__total__", True) and get_origin(hint) is not NotRequired
        ]
    missing = [f"{place}.{name} is missing" for name in required if name not in value]
    known = [(hints[name], value[name], f"{place}.{name}") for name in hints if name in value]
    return [*missing, *(line for each in known for line in shape_problems(*each))]


@cache
def _hints(kind: Hashable) -> dict[str, object]:
    return get_type_hints(kind, include_extras=True)


def _tupled(value: object) -> object:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def damaged(path: Path, mend: str, what: str, line: int | None = None) -> DamagedFile:
    """Return the error that says what is wrong with a file."""
    where = f"{path} line {line}" if line else str(path)
    return DamagedFile(f"{where} is damaged: {what}; {mend}")


def _short(value: object) -> str:
    """Return the kind of a value, and itself if it is a number, a truth value or nothing: texts may be private."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)[:_SHOWN]
    return {"dict": "an object", "list": "a list", "str": "a text"}.get(
        type(value).__name__, type(value).__name__
    )
