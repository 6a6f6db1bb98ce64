"""Checks training, validation and test data for leaks between them and for label errors.

python data/audit.py TRAIN VALIDATION TEST --strict
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from data.auditing.summary import AuditSummary, audit, tokenizer_at
from data.auditing.table import write_table
from data.corpus import SPLITS
from data.entities import Example
from data.files.jsonl import read_examples
from data.files.lines import DataError
from data.terminal import parsed, run_command


@dataclass(frozen=True)
class AuditCommand:
    """Audit labelled data for leaks between the files and for label errors.

    Only document ids and entity types are shown, never text.
    """

    train: tyro.conf.Positional[Path]
    """The training file."""
    validation: tyro.conf.Positional[Path]
    """The validation file."""
    test: tyro.conf.Positional[Path | None] = None
    """The test file, if there is one."""
    strict: bool = False
    """Exit with code 1 if any finding exceeds its limit."""
    out: Path | None = None
    """File to write the findings to as well, .md or .html."""
    tokenizer: Path | None = None
    """A tokenizer.json or a folder that holds one; texts are then measured in tokens instead of characters."""
    window: int = 512
    """Length of the model's window; longer texts are counted."""


def run_audit(command: AuditCommand) -> AuditSummary:
    """Read the files and audit them.

    Raises:
        ValueError: With everything wrong with the options and the files.
    """
    files = {"train": command.train, "validation": command.validation, "test": command.test}
    problems: list[str] = []
    parts: dict[str, Sequence[Example]] = {}
    for part in SPLITS:
        path = files[part]
        try:
            if path is not None:
                parts[part] = read_examples(path)
                if not parts[part]:
                    problems.append(f"{path} holds no document, but must hold the {part} documents")
        except (OSError, DataError) as error:
            problems.append(str(error))
    if command.out is not None and command.out.suffix not in (".md", ".html"):
        problems.append(f"`--out` is {command.out}, but must end in .md or .html")
    if command.window < 1:
        problems.append(f"`--window` is {command.window}, but must be at least 1")
    if problems:
        raise ValueError("\n".join(problems))
    count_tokens = tokenizer_at(command.tokenizer) if command.tokenizer else None
    summary = audit(parts, count_tokens, command.window)
    if command.out is not None:
        write_table(command.out, summary.verdict, summary.documents, summary.types, summary.findings)
    return summary


def print_summary(summary: AuditSummary, command: AuditCommand) -> None:
    """Print the findings for people, the next command, and one line of JSON for machines."""
    for finding in summary.findings:
        places = f"  [{', '.join(finding.places)}]" if finding.places and finding.count else ""
        if finding.count or finding.limit is None:
            print(f"{'FAULT' if finding.is_fault else '     '} {finding.name:<20} {finding}{places}")
    for name, counts in summary.types.items():
        print(f"      type {name:<15} {', '.join(f'{part} {count}' for part, count in counts.items())}")
    print(f"verdict: {summary.verdict}")
    folder = shlex.quote(str(command.train.parent))
    leaking = summary.verdict.startswith("LEAK")
    print(
        f"next: python data/split.py ALL.jsonl --to {folder}"
        if leaking
        else f"next: python search/run.py --data-dir {folder}"
    )
    print(json.dumps({**summary.as_json(), "faults": len(summary.faults)}, ensure_ascii=False))


def main() -> None:
    """Run the command line."""
    command = parsed(tyro.cli(AuditCommand, description=AuditCommand.__doc__))
    try:
        summary = run_audit(command)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print_summary(summary, command)
    sys.exit(1 if command.strict and summary.faults else 0)


if __name__ == "__main__":
    run_command(main)
