"""A split shares no group between its parts and gives each part its share of every type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.corpus import find_corpus
from data.entities import Entity, Example
from data.files.jsonl import read_examples, write_examples
from data.paths import ROOT
from data.split import SplitCommand, split_examples, split_file


def corpus(groups: int, seed: int = 0) -> tuple[list[Example], list[int]]:
    """Documents of groups of 1 to 9, each group with types of its own taste."""
    rng = Random(seed)
    examples: list[Example] = []
    numbers: list[int] = []
    for _ in range(groups):
        first = len(examples)
        kinds = rng.choices(["A", "B", "C", "RARE"], weights=[8, 4, 2, 1], k=rng.randint(0, 3))
        for _ in range(rng.randint(1, 9)):
            entities = tuple(Entity(kind, "x", place, place + 1) for place, kind in enumerate(kinds))
            examples.append(Example(f"d{len(examples)}", "xxxx", entities))
            numbers.append(first)
    return examples, numbers


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 60), st.integers(0, 10))
def test_no_group_is_in_two_parts_and_no_document_is_lost(groups: int, seed: int) -> None:
    examples, numbers = corpus(groups, seed)
    parts = split_examples(examples, numbers, {"train": 0.7, "validation": 0.15, "test": 0.15}, seed)
    place = {example.id: part for part, chosen in parts.items() for example in chosen}
    assert sum(map(len, parts.values())) == len(place) == len(examples)
    for number in set(numbers):
        assert len({place[e.id] for e, group in zip(examples, numbers, strict=True) if group == number}) == 1


def test_every_part_has_its_share_of_documents_and_types() -> None:
    examples, numbers = corpus(300)
    shares = {"train": 0.8, "validation": 0.1, "test": 0.1}
    parts = split_examples(examples, numbers, shares)
    totals = Counter(entity.type for example in examples for entity in example.entities)
    for part, chosen in parts.items():
        assert len(chosen) / len(examples) == pytest.approx(shares[part], abs=0.02)
        types = Counter(entity.type for example in chosen for entity in example.entities)
        for name, total in totals.items():
            assert types[name] / total == pytest.approx(shares[part], abs=0.04)


def test_documents_without_a_group_get_that_of_their_first_document() -> None:
    examples, numbers = corpus(30)
    parts = split_examples(examples, numbers, {"train": 0.8, "validation": 0.2, "test": 0.0})
    assert set(parts) == {"train", "validation"}
    group_of = {e.id: examples[group].id for e, group in zip(examples, numbers, strict=True)}
    assert all(example.group == group_of[example.id] for chosen in parts.values() for example in chosen)


def test_too_few_groups_are_an_error_that_says_so() -> None:
    examples, _ = corpus(5)
    with pytest.raises(
        ValueError, match="1 groups, of which the largest has .* leave nothing for validation and test"
    ):
        split_examples(examples, [0] * len(examples), {"train": 0.8, "validation": 0.1, "test": 0.1})


def test_all_wrong_options_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "merged_pii_dataset_test.jsonl").write_text("mine")
    command = SplitCommand(tmp_path / "none", tmp_path, validation=0.9, test=0.2, max_documents=-1)
    with pytest.raises(ValueError) as error:
        split_file(command)
    assert all(
        what in str(error.value) for what in ("`source`", "`--validation`", "`--max-documents`", "exists")
    )
    assert (tmp_path / "merged_pii_dataset_test.jsonl").read_text() == "mine"


def test_the_command_writes_a_folder_that_a_search_takes(tmp_path: Path) -> None:
    texts = [
        f"第{'甲乙丙丁戊己庚辛壬癸'[kind]}类：姓名张{'一二三四五'[copy]}完"
        for kind in range(10)
        for copy in range(5)
    ]
    examples = [Example(f"d{i}", text, (Entity("NAME", text[7:9], 7, 9),)) for i, text in enumerate(texts)]
    write_examples(tmp_path / "all.jsonl", examples)
    done = subprocess.run(
        [sys.executable, str(ROOT / "data" / "split.py"), str(tmp_path / "all.jsonl"), "--to", str(tmp_path / "out"),
         "--by", "skeleton", "--max-documents", "3"],
        capture_output=True, encoding="utf-8", timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["documents"] == {"train": 40, "validation": 3, "test": 3}
    files = find_corpus(tmp_path / "out").by_name()
    kinds = {part: {example.text[1] for example in read_examples(path)} for part, path in files.items()}
    assert not kinds["train"] & (kinds["validation"] | kinds["test"])
