"""The result of an audit and its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.auditing.checks import (
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
from data.auditing.labels import contradictions, label_faults

SHORT_LIMIT = 20_000
"""Documents up to which the short audit looks for near duplicates: about four seconds."""


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
        """Return one line: the worst fault, how many more there are, and what to do."""
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
    """Run all checks."""
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


def short_audit(parts: Parts) -> AuditSummary:
    """Return an audit that takes a few seconds at most: of many documents it leaves near duplicates out."""
    return audit(parts, near=sum(map(len, parts.values())) <= SHORT_LIMIT)


def tokenizer_at(path: Path) -> CountTokens:
    """Return a function that counts the tokens of texts with a tokenizer.json.

    Raises:
        ValueError: If there is none.
    """
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"`--tokenizer` is {path}, but must be a tokenizer.json or a folder with one")
    tokenizer = Tokenizer.from_file(str(file))
    return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))]
