"""The report as Markdown."""

from __future__ import annotations

from search.reporting.document import Block, Code, Figure, Items, Report, Section, Table, Text
from search.reporting.markdown import to_markdown

FIGURE = Figure("curves", {"data": [], "layout": {}}, "Score by step.")


def body(*blocks: Block, pictures: dict[str, str] | None = None) -> str:
    """What stands below the heading of the only section."""
    return to_markdown(Report("Title", "subtitle", (Section("One", blocks),)), pictures).split(
        "## One\n\n", 1
    )[1]


def test_title_subtitle_and_sections_become_headings() -> None:
    assert (
        to_markdown(Report("Title", "subtitle", (Section("One", (Text("a"),)),)))
        == "# Title\n\nsubtitle\n\n## One\n\na\n"
    )


def test_text_lists_and_code_keep_their_content() -> None:
    assert body(Text("low", "bad")) == "**Warning:** low\n"
    assert body(Items(("a", "b"))) == "- a\n- b\n"
    assert body(Code("run *all* <now>")) == "```\nrun *all* <now>\n```\n"


def test_what_markdown_would_read_as_markup_is_escaped() -> None:
    assert body(Text("2 * 3 * 4 <b> micro_batch")) == "2 \\* 3 \\* 4 &lt;b> micro_batch\n"
    assert "| a\\|b |" in body(Table(("x",), (("a|b",),)))


def test_a_table_has_its_caption_above_and_strong_rows_in_bold() -> None:
    table = Table(("trial", "score", ""), (("t1", 0.5, ""), ("t2", None, "")), "Two trials.", frozenset({0}))
    assert (
        body(table)
        == "Two trials.\n\n| trial | score |  |\n|---|---|---|\n| **t1** | **0.500** |  |\n| t2 | - |  |\n"
    )


def test_a_figure_is_its_caption_below_the_picture_if_there_is_one() -> None:
    assert body(FIGURE) == "*Figure: Score by step.*\n"
    with_picture = body(FIGURE, pictures={"curves": "figures/curves.png"})
    assert with_picture == "![curves](figures/curves.png)\n\n*Figure: Score by step.*\n"
