"""The tables of an audit, as Markdown and as one HTML page: every finding in a row, nothing that breaks the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.auditing.checks import Finding
from data.auditing.table import write_table

FINDINGS = [
    Finding("overlaps", "test", "entities that overlap another", 1, 4, 0.02, ("x|2", "x<3>")),
    Finding("pii_free", "train", "documents without an entity", 0, 3, None, ("t1",)),
]


def written(folder: Path, name: str) -> str:
    path = folder / "new" / name
    types = {"NAME": {"train": 2, "test": 1}, "A&B": {"train": 0, "test": 3}}
    write_table(path, "FAULT: 25.0% of test\nand more", {"train": 3, "test": 4}, types, FINDINGS)
    return path.read_text(encoding="utf-8")


def test_markdown_has_one_line_a_row_with_bars_escaped(tmp_path: Path) -> None:
    assert written(tmp_path, "audit.md") == (
        "# Audit\n"
        "\n"
        "**FAULT: 25.0% of test and more**\n"
        "\n"
        "|  | finding | part | count | share | limit | what | where |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| fault | overlaps | test | 1 of 4 | 25.0% | 2% | entities that overlap another | x\\|2, x<3> |\n"
        "|  | pii_free | train | 0 of 3 | 0.0% |  | documents without an entity |  |\n"
        "\n"
        "| type | train | test |\n"
        "| --- | --- | --- |\n"
        "| documents | 3 | 4 |\n"
        "| NAME | 2 | 1 |\n"
        "| A&B | 0 | 3 |\n"
    )


def test_the_page_is_whole_and_escapes_what_it_shows(tmp_path: Path) -> None:
    page = written(tmp_path, "audit.html")
    assert page.startswith("<!doctype html>")
    assert page.count("<tr class=fault>") == 1
    assert "<td>x|2, x&lt;3&gt;</td>" in page
    assert "<td>A&amp;B</td><td>0</td><td>3</td>" in page
    assert "http" not in page


@pytest.mark.parametrize(("name", "start"), [("a.md", "# Audit"), ("a.html", "<!doctype html>")])
def test_the_ending_of_the_name_chooses_the_form(tmp_path: Path, name: str, start: str) -> None:
    assert written(tmp_path, name).startswith(start)
