"""Writes an audit as tables in Markdown or as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from data.auditing.checks import Finding

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.25rem .6rem;text-align:left}"
    "tr.fault td{background:#fdd;color:#111}@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}}"
)


Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def write_table(
    path: Path,
    verdict: str,
    documents: Mapping[str, int],
    types: Mapping[str, Mapping[str, int]],
    findings: Sequence[Finding],
) -> None:
    """Write the verdict, all findings and the entities by type; the file extension chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        (
            "fault" if finding.is_fault else "",
            finding.name,
            finding.part,
            f"{finding.count} of {finding.of}",
            f"{finding.share:.1%}",
            "" if finding.limit is None else f"{finding.limit:.0%}",
            finding.what,
            ", ".join(finding.places) if finding.count else "",
        )
        for finding in findings
    ]
    header = ("", "finding", "part", "count", "share", "limit", "what", "where")
    counts: list[tuple[str, ...]] = [("documents", *map(str, documents.values()))]
    counts += [(name, *(str(by_part[part]) for part in documents)) for name, by_part in types.items()]
    tables: list[Table] = [(header, rows), (("type", *documents), counts)]
    html = path.suffix == ".html"
    path.write_text((_html if html else _markdown)(verdict, tables), encoding="utf-8")


def _markdown(verdict: str, tables: Iterable[Table]) -> str:
    parts = ["# Audit", f"**{_cell(verdict)}**"]
    for header, rows in tables:
        lines = [header, ["---"] * len(header), *rows]
        parts.append("\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _html(verdict: str, tables: Iterable[Table]) -> str:
    parts = [f"<h1>Audit</h1><p><strong>{escape(verdict)}</strong></p>"]
    for header, rows in tables:
        head = "".join(f"<th>{escape(name)}</th>" for name in header)
        body = "".join(
            f"<tr{' class=fault' if row[0] == 'fault' else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
            for row in rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    page = "\n".join(parts)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit</title><style>{_STYLE}</style>{page}</html>\n'
