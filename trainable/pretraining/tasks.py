"""Draws what a synthetic sample asks for: its system message and the labels of the kinds to extract."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

from trainable.pretraining.kinds import (
    ALL_EN,
    ALL_ZH,
    KINDS,
    NAMED_SYS,
    SEPARATORS,
    TASK_LABELS,
    TOPIC_SYS,
    TOPICS,
    Kind,
)
from trainable.pretraining.values import Values, is_personal

_NAMED_SHARE, _TOPIC_SHARE = 0.12, 0.33
"""Shares of tasks that name their kinds, and of tasks with a topic; the others ask for all kinds. A fine-tune has a
fixed set of kinds under one message too, and models this small learn little from named kinds."""


@dataclass(frozen=True, slots=True)
class Task:
    """The system message, the label of each kind to extract, and the kinds to ignore."""

    system: str
    labels: dict[Kind, str]
    others: list[Kind]


def draw_task(values: Values) -> Task:
    """Draw what to extract: kinds named in the system message, those of a topic, or all."""
    share, rng = values.rng.random(), values.rng
    if share < _NAMED_SHARE:
        kinds = rng.sample(KINDS, rng.randint(1, 5))
        kinds = [_pattern(values) if rng.random() < 0.25 else kind for kind in kinds]
        own_labels = rng.random() < 0.2
        labels: dict[Kind, str] = {}
        for kind in kinds:
            label = rng.choice((kind.name, kind.label)) if own_labels else _label(values, kind)
            labels[kind] = label if label not in labels.values() else label + str(len(labels))
        arrow = rng.choice(("→{}", "=>{}", ":{}", "：{}", "={}", "（{}）", " 记作 {}"))
        named = [_describe(values, kind) + arrow.format(label) for kind, label in labels.items()]
        listed = rng.choice(("，", "、", "; ", "\n", " / ")).join(labels.values() if own_labels else named)
        others = [kind for kind in (*rng.sample(KINDS, 8), _pattern(values)) if kind not in labels]
        return Task(rng.choice(NAMED_SYS).format(listed), labels, others)
    if share < _NAMED_SHARE + _TOPIC_SHARE:
        topic = rng.choice(TOPICS)
        labels = _topic_labels(topic)
        return Task(rng.choice(TOPIC_SYS).replace("{}", topic), labels, [k for k in KINDS if k not in labels])
    return Task(rng.choice(ALL_ZH * 2 + ALL_EN), {kind: kind.label for kind in KINDS}, [])


def _pattern(values: Values) -> Kind:
    while True:
        parts = [
            f"{{{values.rng.choice('UdlhUd')}{values.rng.randint(1, 5)}}}"
            for _ in range(values.rng.randint(2, 3))
        ]
        template = values.rng.choice(SEPARATORS).join(parts)
        # a pattern such as 15 digits always looks personal, so that `fill` would never return
        if not is_personal(values.fill_once(template)):
            return Kind("", "", (template,), ("{}，", " {} ", "（{}）", "：{}。"))


def _label(values: Values, kind: Kind) -> str:
    own = (kind.label, kind.label.lower(), kind.label.title(), kind.name) if kind.label else ()
    made = (
        "{U3-8}",
        "{l3-8}",
        "{W1}_{W1}",
        "T{n1}",
        "类{n1}",
        "{U1}{d1}",
        "{h2-4}",
        "{U2-5}_{U2-6}",
        "{U4-9}",
    )
    label = values.fill(values.rng.choice((*own, *made)))
    return label if label.upper() not in TASK_LABELS else "LABEL"


def _describe(values: Values, kind: Kind) -> str:
    if not kind.label or values.rng.random() < 0.15:
        return values.rng.choice(("如 ", "形如 ", "like ")) + values.fill(values.rng.choice(kind.values))
    return kind.name if values.rng.random() < 0.75 else kind.label.lower()


@cache
def _topic_labels(topic: str) -> dict[Kind, str]:
    """Return the kinds of a topic; they are the same in each process, so that the model can memorise them."""
    rng = random.Random(topic)
    return {
        kind: rng.choice((kind.label, kind.name, kind.label.lower()))
        for kind in rng.sample(KINDS, rng.randint(5, 14))
    }
