"""Renders a report as Markdown: all text and tables, and the caption of each figure, with its picture if there is one."""

from __future__ import annotations

from search.reporting.document import Block, Code, Figure, Items, Report, Section, Table, Text, cell

_MARKS = {"plain": "", "note": "", "good": "", "bad": "**Warning:** "}


def to_markdown(report: Report, pictures: dict[str, str] | None = None) -> str:
    """Return the report.

    Args:
        report: The report.
        pictures: Path of a picture by the figure's name, relative to the Markdown file.
    """
    parts = [f"# {report.title}", report.subtitle]
    for section in report.sections:
        parts += _section(section, pictures or {})
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section, pictures: dict[str, str]) -> list[str]:
    return [f"## {section.title}", *(_block(block, pictures) for block in section.blocks)]


def _block(block: Block, pictures: dict[str, str]) -> str:
    if isinstance(block, Text):
        return _MARKS[block.tone] + _escaped(block.text)
    if isinstance(block, Items):
        return "\n".join(f"- {_escaped(line)}" for line in block.lines)
    if isinstance(block, Code):
        return f"```\n{block.text}\n```"
    if isinstance(block, Table):
        return _table(block)
    return _figure(block, pictures.get(block.name))


def _table(table: Table) -> str:
    lines = [f"| {' | '.join(table.header)} |", f"|{'---|' * len(table.header)}"]
    for index, row in enumerate(table.rows):
        cells = [_escaped(cell(value)).replace("|", "\\|") for value in row]
        if index in table.strong:
            cells = [f"**{value}**" if value else "" for value in cells]
        lines.append(f"| {' | '.join(cells)} |")
    caption = f"{_escaped(table.caption)}\n\n" if table.caption else ""
    return caption + "\n".join(lines)


def _figure(figure: Figure, picture: str | None) -> str:
    image = f"![{figure.name}]({picture})\n\n" if picture else ""
    return f"{image}*Figure: {_escaped(figure.caption)}*"


def _escaped(text: str) -> str:
    """Return text in which `*` and `<` are not markup; underscores within names need no escape."""
    return text.replace("*", "\\*").replace("<", "&lt;")
