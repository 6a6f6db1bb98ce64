"""Converts a published data set to the project's JSON Lines.

python data/convert.py SOURCE --to OUT.jsonl --format iob2
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from data.entities import Example
from data.iob2 import read_iob2
from data.jsonl import write_examples

READERS = {"iob2": read_iob2}


@dataclass(frozen=True)
class ConvertCommand:
    """Convert a published data set to JSON Lines; nothing is written if any line of it is bad."""

    source: tyro.conf.Positional[Path]
    """The file to read."""
    to: Path
    """The JSON Lines file to write."""
    format: Literal["iob2"]
    """What the source is. iob2: UniversalNER, one token a line below a comment with the text."""
    force: bool = False
    """Overwrite the file if it exists."""


def convert(command: ConvertCommand) -> list[Example]:
    """Read the source, write the JSON Lines file and return what is in it.

    Raises:
        ValueError: If the source is not a file, or the target exists and `force` is not given.
        DataError: If any line of the source is bad; nothing is written then.
    """
    problems = []
    if not command.source.is_file():
        problems.append(f"`source` is {command.source}, but must be a file; check the path")
    if command.to.exists() and not command.force:
        problems.append(f"`to` is {command.to}, but must not exist; name another file or add --force")
    if problems:
        raise ValueError("\n".join(problems))
    examples = READERS[command.format](command.source)
    write_examples(command.to, examples)
    return examples


def print_summary(examples: Sequence[Example], out: Path) -> None:
    """Print the counts for people, the next command, and one line of JSON for machines."""
    types = Counter(entity.type for example in examples for entity in example.entities)
    languages = Counter(example.language for example in examples)
    free = sum(not example.has_entities for example in examples)
    print(f"documents  {len(examples)}")
    print(f"entities   {types.total()}")
    for name, count in types.most_common():
        print(f"  {name:<12} {count}")
    print(f"PII-free   {free} ({free / max(1, len(examples)):.1%})")
    print(f"languages  {', '.join(f'{name} {count}' for name, count in languages.most_common())}")
    print(f"next: python search/run.py --data-dir {shlex.quote(str(out.parent))}")
    summary = {"documents": len(examples), "entities": types.total(), "types": dict(types), "out": str(out)}
    print(json.dumps(summary, ensure_ascii=False))


def main() -> None:
    """Run the command line."""
    command = tyro.cli(ConvertCommand, description=ConvertCommand.__doc__)
    try:
        examples = convert(command)
    except ValueError as error:
        sys.exit(str(error))
    print_summary(examples, command.to)


if __name__ == "__main__":
    main()
