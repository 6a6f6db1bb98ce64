"""The page: everything in it is escaped, and it needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from search.reporting.document import Block, Code, Figure, Items, Report, Section, Table, Text
from search.reporting.html import escape, to_html

EVIL = '<script>alert("x")</script> & "quotes"'


def page(*blocks: Block, refresh_s: int | None = None) -> str:
    return to_html(Report("title <i>", "subtitle", (Section("One", blocks),), refresh_s))


class Elements(HTMLParser):
    """Collects the opening tags and the text of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_text_of_every_kind_of_block_is_escaped() -> None:
    content = page(
        Text(EVIL),
        Items((EVIL,)),
        Code(EVIL),
        Table((EVIL,), ((EVIL,),), EVIL),
        Table(("a",), (), EVIL, folded=True),
    )
    elements = Elements(content)
    assert "script" not in {tag for tag, _ in elements.tags}
    assert elements.text.count(EVIL) == 7


def test_a_figure_cannot_end_its_script_element_early() -> None:
    content = page(Figure("f", {"data": [{"text": [EVIL]}], "layout": {}}, "caption"))
    plot = re.search(r'<script type="application/json">(.*?)</script>', content, re.DOTALL)
    assert plot is not None
    assert json.loads(plot[1].replace("<\\/", "</")) == {"data": [{"text": [EVIL]}], "layout": {}}


def test_plotly_is_in_the_page_only_where_there_is_a_figure() -> None:
    assert len(page(Text("a"))) < 10_000
    assert len(page(Figure("f", {"data": [], "layout": {}}, "caption"))) > 1_000_000


def test_numbers_are_aligned_and_other_columns_are_not() -> None:
    table = Table(
        ("name", "score", "count", "mixed"),
        (("a", 0.5, 1000, 1), ("b", None, 2, "none")),
        strong=frozenset({1}),
    )
    content = page(table)
    assert [kind for kind in re.findall(r'<th class="(\w+)"', content)] == [
        "text",
        "number",
        "number",
        "text",
    ]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", content) == [
        "a",
        "0.500",
        "1,000",
        "1",
        "b",
        "-",
        "2",
        "none",
    ]
    assert content.count("<tr class=strong>") == 1


def test_columns_with_long_texts_get_room() -> None:
    assert re.findall(r'<td class="(\w+)"', page(Table(("a", "b"), (("short", "x" * 31), ("y", "z"))))) == [
        "text", "long", "text", "long",
    ]  # fmt: skip


def test_a_folded_table_is_opened_by_its_caption_and_can_be_filtered() -> None:
    content = page(Table(("a",), (("x",),), "All of them", folded=True))
    assert "<details><summary>All of them</summary><input" in content
    assert content.count("All of them") == 1


def test_a_warning_says_so_in_words() -> None:
    assert '<p class="bad">Warning: low</p>' in page(Text("low", "bad"))
    assert '<p class="good">high</p>' in page(Text("high", "good"))


def test_the_page_of_a_running_search_reloads_itself() -> None:
    assert '<meta http-equiv="refresh" content="60">' in page(refresh_s=60)
    assert 'http-equiv="refresh"' not in page()


def test_lines_are_not_broken_within_numbers() -> None:
    assert escape("48.0 % at 4.7e-3") == "48.0&nbsp;% at 4.7e-&#8288;3"
    assert escape("44.0-52.0 % in 16-bit") == "44.0-&#8288;52.0&nbsp;% in 16-&#8288;bit"
    assert escape("open-source, -0.5") == "open-source, -0.5"


def test_what_stands_between_backticks_is_code_and_escaped_all_the_same() -> None:
    assert '<p class="plain">Run <code>a &lt;b&gt;</code>.</p>' in page(Text("Run `a <b>`."))
    assert "<li>one ` alone</li>" in page(Items(("one ` alone",)))
