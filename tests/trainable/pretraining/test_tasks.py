"""What a synthetic task asks for: named kinds, those of a topic or all, under labels that are not the later task's."""

from __future__ import annotations

from collections import Counter

import pytest

from trainable.pretraining.carriers import Carriers
from trainable.pretraining.kinds import ALL_EN, ALL_ZH, KINDS, TASK_LABELS, TOPICS
from trainable.pretraining.tasks import Task, draw_task
from trainable.pretraining.values import Values


@pytest.fixture(scope="module")
def tasks(carriers: Carriers) -> list[Task]:
    values = Values(carriers, "tasks")
    return [draw_task(values) for _ in range(600)]


def asks_for_all(task: Task) -> bool:
    return task.system in (*ALL_ZH, *ALL_EN)


def topic_of(task: Task) -> str:
    return next((topic for topic in TOPICS if topic in task.system and len(task.labels) >= 5), "")


def test_most_tasks_ask_for_all_kinds_and_a_third_for_a_topic(tasks: list[Task]) -> None:
    everything = [task for task in tasks if asks_for_all(task)]
    assert 0.45 < len(everything) / len(tasks) < 0.65
    assert all(list(task.labels) == list(KINDS) and not task.others for task in everything)
    assert 0.25 < sum(bool(topic_of(task)) for task in tasks if not asks_for_all(task)) / len(tasks) < 0.42


def test_a_topic_has_the_same_labels_each_time_and_ignores_the_other_kinds(tasks: list[Task]) -> None:
    by_topic: dict[str, list[Task]] = {}
    for task in tasks:
        if not asks_for_all(task) and topic_of(task):
            by_topic.setdefault(topic_of(task), []).append(task)
    assert max(map(len, by_topic.values())) > 5
    for group in by_topic.values():
        assert all(task.labels == group[0].labels for task in group)
        assert set(group[0].labels) | set(group[0].others) == set(KINDS)
        assert not set(group[0].labels) & set(group[0].others)


def test_a_task_of_named_kinds_names_every_label_once_and_ignores_others(tasks: list[Task]) -> None:
    named = [task for task in tasks if not asks_for_all(task) and not topic_of(task)]
    assert len(named) > 30
    for task in named:
        assert 1 <= len(task.labels) <= 5
        assert all(label in task.system for label in task.labels.values())
        assert max(Counter(task.labels.values()).values()) == 1
        assert task.others
        assert not set(task.labels) & set(task.others)


def test_no_label_is_one_of_the_later_task(tasks: list[Task]) -> None:
    labels = {label.upper() for task in tasks for label in task.labels.values()}
    assert not labels & set(TASK_LABELS)
