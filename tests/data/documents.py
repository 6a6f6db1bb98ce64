"""Small labelled documents for tests: made by hand, and a clean corpus of three."""

from __future__ import annotations

from data.entities import Entity, Example


def example(name: str, text: str, *values: tuple[str, str], group: str = "") -> Example:
    """An example whose values are labelled where they first occur."""
    places = [(kind, value, text.index(value)) for kind, value in values]
    return Example(name, text, tuple(Entity(k, v, at, at + len(v)) for k, v, at in places), group)


CLEAN = {
    "train": [
        example("t1", "客户张三的电话是13800138000", ("NAME", "张三"), ("PHONE", "13800138000"), group="a"),
        example("t2", "今天开会讨论预算，没有别的事情", group="b"),
    ],
    "test": [
        example("x1", "请李四签收，号码13912345678", ("NAME", "李四"), ("PHONE", "13912345678"), group="c")
    ],
}
"""Two training documents and a test document in which an audit finds nothing."""


def planted(part: str, *examples: Example) -> dict[str, list[Example]]:
    """Return the clean corpus with further documents in one part."""
    return {**CLEAN, part: [*CLEAN[part], *examples]}
