"""Tells whether training, validation and test data can be trusted: leaks between them, and faults of their labels.

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

from data.audit_checks import (
    LEAKS,
    CountTokens,
    Finding,
    Parts,
    class_counts,
    faults,
    leaks,
    lengths,
    pii_free,
    shared_values,
)
from data.audit_labels import contradictions, label_faults
from data.audit_table import write_table
from data.corpus import SPLITS, CorpusFiles
from data.entities import Example
from data.jsonl import read_examples
from data.lines import DataError

SHORT_LIMIT = 20_000
"""Documents up to which the short audit looks for near duplicates: about four seconds."""


@dataclass(frozen=True)
class AuditCommand:
    """Audit labelled data; with --strict the exit code is 1 if anything is above its limit.

    Only ids of documents and names of types are shown, never text.
    """

    train: tyro.conf.Positional[Path]
    """The training file."""
    validation: tyro.conf.Positional[Path]
    """The validation file."""
    test: tyro.conf.Positional[Path | None] = None
    """The test file, if there is one."""
    strict: bool = False
    """End with exit code 1 if a finding is above its limit."""
    out: Path | None = None
    """Also write the tables to this file, .md or .html."""
    tokenizer: Path | None = None
    """A tokenizer.json, or a folder with one, to measure texts in tokens instead of characters."""
    window: int = 512
    """Texts longer than this are counted."""


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """What an audit found; `types` are entities by type and part."""

    documents: dict[str, int]
    types: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> list[Finding]:
        """Return the findings above their limit, the worst first."""
        return faults(self.findings)

    @property
    def verdict(self) -> str:
        """Return one line."""
        found = self.faults
        if not found:
            return "no leak between the parts and no fault of the labels above its limit"
        leaking = any(fault.name in LEAKS for fault in found)
        advice = "; split by data/split.py" if leaking else ""
        further = f"; {len(found) - 1} more above the limit" if len(found) > 1 else ""
        return f"{'LEAK' if leaking else 'FAULT'}: {found[0]}{further}{advice}"

    def as_json(self) -> dict[str, object]:
        """Return what a study keeps of it."""
        return {
            "verdict": self.verdict,
            "documents": self.documents,
            "findings": [
                {
                    "name": found.name,
                    "part": found.part,
                    "other": found.other,
                    "count": found.count,
                    "of": found.of,
                }
                for found in self.findings
            ],
        }


def audit(
    parts: Parts, count_tokens: CountTokens | None = None, window: int = 512, near: bool = True
) -> AuditSummary:
    """Return everything that the checks find."""
    findings = [
        *leaks(parts, near),
        *shared_values(parts),
        *contradictions(parts),
        *label_faults(parts),
        *lengths(parts, count_tokens, window),
        *pii_free(parts),
    ]
    documents = {part: len(chosen) for part, chosen in parts.items()}
    return AuditSummary(documents, class_counts(parts), tuple(findings))


def short_audit(corpus: CorpusFiles) -> AuditSummary:
    """Return an audit that takes a few seconds at most: of many documents it leaves near duplicates out.

    Raises:
        DataError: If a file cannot be read.
    """
    parts = {part: read_examples(path) for part, path in corpus.by_name().items()}
    return audit(parts, near=sum(map(len, parts.values())) <= SHORT_LIMIT)


def tokenizer_at(path: Path) -> CountTokens:
    """Return what counts the tokens of texts by a tokenizer.json.

    Raises:
        ValueError: If there is none.
    """
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"`--tokenizer` is {path}, but must be a tokenizer.json or a folder with one")
    tokenizer = Tokenizer.from_file(str(file))
    return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]


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
                    problems.append(f"{path} holds no document, but must hold those of {part}")
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
    command = tyro.cli(AuditCommand, description=AuditCommand.__doc__)
    try:
        summary = run_audit(command)
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    print_summary(summary, command)
    sys.exit(1 if command.strict and summary.faults else 0)


if __name__ == "__main__":
    main()
