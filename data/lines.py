"""Text files line by line, and the one error that lists everything wrong with a file."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line of a file and how to mend it, without private text."""

    line: int
    what: str


class DataError(ValueError):
    """All problems of one data file."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        super().__init__(path, problems)
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))

    def __str__(self) -> str:
        """List the first problems, one a line as `file:line: what; how to mend it`."""
        count = len(self.problems)
        lines = [f"{self.path} has {count} problem{'s' if count > 1 else ''}:"]
        lines += [f"  {self.path.name}:{problem.line}: {problem.what}" for problem in self.problems[:_SHOWN]]
        if count > _SHOWN:
            lines.append(f"  and {count - _SHOWN} more")
        return "\n".join(lines)


def decoded_lines(path: Path) -> tuple[list[tuple[int, str]], list[Problem]]:
    """Return the numbered lines of a UTF-8 file without line ends, blank ones too, and those that are not UTF-8.

    A byte order mark is dropped. Only line feeds end a line, not the other separators that Unicode knows.
    """
    lines: list[tuple[int, str]] = []
    problems: list[Problem] = []
    with path.open("rb") as handle:
        for number, raw in enumerate(handle, 1):
            body = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            try:
                lines.append((number, body.decode("utf-8").rstrip("\r\n")))
            except UnicodeDecodeError as error:
                problems.append(
                    Problem(number, f"byte {error.start + 1} is not UTF-8; save the file in that encoding")
                )
    return lines, problems
