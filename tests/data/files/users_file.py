"""A file in the users' format with rows of a test, and what reading it complains of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data.entities import Entity
from data.files.jsonl import read_examples
from data.files.lines import DataError

TEXT = "张三的同事李四认识张三"
ZHANG, LI, ZHANG_AGAIN = (
    Entity("姓名", "张三", 0, 2),
    Entity("姓名", "李四", 5, 7),
    Entity("姓名", "张三", 9, 11),
)


def save(path: Path, *rows: object) -> Path:
    file = path / "users.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def problems_of(file: Path) -> list[tuple[int, str]]:
    with pytest.raises(DataError) as error:
        read_examples(file)
    return [(problem.line, problem.what) for problem in error.value.problems]
