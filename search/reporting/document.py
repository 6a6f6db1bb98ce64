"""The parts of a report: sections of sentences, tables and figures, rendered as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Tone = Literal["plain", "note", "good", "bad"]
Cell = str | int | float | None
Plot = dict[str, Any]
"""A part of a figure in Plotly's JSON: a trace, an axis, a layout, or the whole."""


@dataclass(frozen=True, slots=True)
class Text:
    """One paragraph; `bad` is shown in red after the word Warning, `good` in green, `note` small."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A command to copy."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; numbers are formatted, None is shown as a dash."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    strong: frozenset[int] = frozenset()
    """Indices of the rows in bold."""
    folded: bool = False
    """Whether the page shows the caption alone until a reader opens it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A Plotly figure and its caption; Markdown without pictures shows the caption alone."""

    name: str
    plot: Plot
    """`data` and `layout`."""
    caption: str


Block = Text | Items | Code | Table | Figure


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...] = field(default=())
    refresh_s: int | None = None
    """Seconds after which the page reloads itself; None for a finished study."""

    def figures(self) -> list[Figure]:
        """Return every figure, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def cell(value: Cell) -> str:
    """Return a value as text: numbers with three decimals below 10 and fewer above, None as a dash.

    Example:
        >>> cell(0.12345), cell(1234.5), cell(None), cell(0.0015)
        ('0.123', '1,234', '-', '0.0015')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value and abs(value) < 0.01:
            return f"{value:.2g}"
        return (
            f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
        )
    return value


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as a percentage, None as a dash."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def counted(number: int, noun: str) -> str:
    """Return `1 trial` or `2 trials`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
