"""Splits one labelled file into training, validation and test files that share no group.

python data/split.py data/all.jsonl --to data
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

import tyro

from data.corpus import SPLITS, USER_PREFIX
from data.entities import Example
from data.files.jsonl import read_examples, write_examples
from data.terminal import parsed, run_command
from data.texts.groups import groups_of, skeleton

By = Literal["group", "skeleton", "near"]
_DOCUMENTS = ""
"""Name under which documents are counted among the types."""


@dataclass(frozen=True)
class SplitCommand:
    """Split a file so that no group is divided and each part gets its share of every entity type.

    Documents are one group if they share the file's `group`, a template, or nearly the same text: if one template is
    in both train and test, the score measures memorisation.
    """

    source: tyro.conf.Positional[Path]
    """The JSON Lines file to split; make one by data/convert.py."""
    to: Path
    """The folder for merged_pii_dataset_{train,validation,test}.jsonl."""
    validation: float = 0.1
    """Share of the documents for validation."""
    test: float = 0.1
    """Share of the documents for test; 0 for no test file."""
    by: tuple[By, ...] = ("group", "skeleton", "near")
    """What makes documents one group."""
    max_documents: int = 0
    """Most documents of validation and of test, sampled at random; 0 is no limit. The rest is left out."""
    seed: int = 0
    """Seed of the order of groups of equal size, and of `--max-documents`."""
    force: bool = False
    """Overwrite files that exist."""


def split_examples(
    examples: Sequence[Example], groups: Sequence[int], shares: Mapping[str, float], seed: int = 0
) -> dict[str, list[Example]]:
    """Assign whole groups to the parts, the largest first, each to the part that is furthest below its shares.

    Args:
        examples: All documents.
        groups: The group of each.
        shares: Share of each part; they sum to 1.
        seed: Order of groups of equal size.

    Raises:
        ValueError: If a part gets nothing because there are too few groups.
    """
    counts: dict[int, Counter[str]] = {}
    for example, group in zip(examples, groups, strict=True):
        counts.setdefault(group, Counter())[_DOCUMENTS] += 1
        counts[group].update(entity.type for entity in example.entities)
    totals = sum(counts.values(), Counter())
    dealt: dict[str, Counter[str]] = {part: Counter() for part, share in shares.items() if share > 0}
    place: dict[int, str] = {}
    order = list(counts)
    Random(seed).shuffle(order)
    for group in sorted(order, key=lambda group: -counts[group][_DOCUMENTS]):
        costs = {part: _cost(counts[group], dealt[part], totals, shares[part]) for part in dealt}
        place[group] = min(dealt, key=costs.__getitem__)
        dealt[place[group]].update(counts[group])
    parts: dict[str, list[Example]] = {part: [] for part in dealt}
    for example, group in zip(examples, groups, strict=True):
        parts[place[group]].append(example if example.group else replace(example, group=examples[group].id))
    empty = [part for part, chosen in parts.items() if not chosen]
    if empty:
        raise ValueError(
            f"{len(counts)} groups, of which the largest has {max(map(len_of, counts.values()))} of {len(examples)} "
            f"documents, leave nothing for {' and '.join(empty)}; ask for larger shares, or for fewer kinds of groups in --by"
        )
    return parts


def len_of(counts: Counter[str]) -> int:
    """Return the number of documents of a group."""
    return counts[_DOCUMENTS]


def _cost(group: Counter[str], dealt: Counter[str], totals: Counter[str], share: float) -> float:
    """Return by how much a group would change the squared distance of a part from its share of each type."""
    cost = 0.0
    for name, count in group.items():
        target = share * totals[name]
        cost += count * (count + 2 * dealt[name] - 2 * target) / (target * totals[name])
    return cost


def split_file(command: SplitCommand) -> dict[str, list[Example]]:
    """Read, split and write.

    Raises:
        ValueError: If an option is wrong, a file exists without `force`, or there are too few groups.
        DataError: If any line of the source is bad.
    """
    shares = {
        "train": 1 - command.validation - command.test,
        "validation": command.validation,
        "test": command.test,
    }
    problems = []
    if not command.source.is_file():
        problems.append(f"`source` is {command.source}, but must be a file; check the path")
    if not (0 < command.validation < 1 and 0 <= command.test < 1 and shares["train"] > 0):
        problems.append(
            f"`--validation` is {command.validation:g} and `--test` {command.test:g}, but they must leave a share for train"
        )
    if command.max_documents < 0:
        problems.append(f"`--max-documents` is {command.max_documents}, but must be at least 0")
    files = {split: command.to / f"{USER_PREFIX}{split}.jsonl" for split in SPLITS}
    existing = [path for path in files.values() if path.exists()]
    if existing and not command.force:
        problems.append(f"{existing[0]} exists; choose another `--to` or add --force")
    if problems:
        raise ValueError("\n".join(problems))
    examples = read_examples(command.source)
    if not examples:
        raise ValueError(f"{command.source} is empty, but must hold documents")
    parts = split_examples(examples, groups_of(examples, command.by), shares, command.seed)
    for part, chosen in parts.items():
        if command.max_documents and part != "train":
            parts[part] = drawn(chosen, command.max_documents, command.seed)
        write_examples(files[part], parts[part])
    return parts


def drawn(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Return a random sample of `count` examples, or all, in their order."""
    chosen = Random(seed).sample(range(len(examples)), min(count, len(examples)))
    return [examples[number] for number in sorted(chosen)]


def print_summary(parts: Mapping[str, Sequence[Example]], command: SplitCommand) -> None:
    """Print a table for people, the next command, and one line of JSON for machines."""
    types = {
        part: Counter(e.type for example in chosen for e in example.entities)
        for part, chosen in parts.items()
    }
    width = max(12, *(len(name) for counter in types.values() for name in counter))
    print(" " * width + "".join(f" {part:>12}" for part in parts))
    print("documents".ljust(width) + "".join(f" {len(chosen):>12}" for chosen in parts.values()))
    print(
        "templates".ljust(width)
        + "".join(f" {len(set(map(skeleton, chosen))):>12}" for chosen in parts.values())
    )
    for name, _ in sum(types.values(), Counter()).most_common():
        print(name.ljust(width) + "".join(f" {types[part][name]:>12}" for part in parts))
    folder = shlex.quote(str(command.to))
    print(f"next: python search/run.py --data-dir {folder}")
    documents = {part: len(chosen) for part, chosen in parts.items()}
    summary = {"documents": documents, "types": {part: dict(counts) for part, counts in types.items()}}
    print(json.dumps({**summary, "out": str(command.to)}, ensure_ascii=False))


def main() -> None:
    """Run the command line."""
    command = parsed(tyro.cli(SplitCommand, description=SplitCommand.__doc__))
    try:
        parts = split_file(command)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print_summary(parts, command)


if __name__ == "__main__":
    run_command(main)
