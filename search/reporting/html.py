"""Renders a report as one HTML file that needs no network: styles, figures and Plotly are inside it."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape as escape_html
from importlib.resources import files

from search.reporting.document import Block, Cell, Code, Figure, Items, Report, Section, Table, Text, cell

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""Makes the browser refuse every request to the network."""
_STYLE = """
:root { color-scheme: light; --ink: #1a1a1a; --soft: #5c5c5c; --line: #d5d5d5; --bad: #b00020; --good: #00603a }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.2rem; max-width: 66rem; color: var(--ink); background: #fff; line-height: 1.5;
  font: 16px/1.5 "Segoe UI", system-ui, "Helvetica Neue", Arial, "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif }
h1 { font-size: 1.7rem; margin: 0 0 .2rem } h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .6rem;
  border-top: 2px solid var(--ink) }
p, ul { margin: .5rem 0; max-width: 48rem } .subtitle, .note, figcaption, .caption { color: var(--soft); font-size: .9rem }
.bad { color: var(--bad); font-weight: 600; border-left: 4px solid var(--bad); padding-left: .7rem }
.good { color: var(--good); font-weight: 600; border-left: 4px double var(--good); padding-left: .7rem }
nav a { display: inline-block; margin: .2rem .9rem .2rem 0; color: #003f7f }
.wide { overflow-x: auto } table { border-collapse: collapse; font-size: .88rem; margin: .6rem 0 }
.caption { margin-bottom: 0 }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top }
th { border-bottom: 1.5px solid var(--ink); font-weight: 600 } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap } td.long { min-width: 11rem }
tr.strong td { font-weight: 700; background: #f2f2f2 }
pre { background: #f4f4f4; border: 1px solid var(--line); padding: .6rem .8rem; overflow-x: auto; font-size: .85rem }
figure { margin: 1rem 0 1.4rem } .plot { width: 100% } details { margin: .6rem 0 } input { font: inherit; padding: .2rem .5rem; margin: .4rem 0; border: 1px solid var(--soft) } summary { cursor: pointer }
@media (max-width: 40rem) { body { padding: .7rem; font-size: 15px } th, td { white-space: nowrap } }
@media print { html { font-size: 11px } body { max-width: none; padding: 0; font-size: 11px } h2 { break-after: avoid }
  figure, tr { break-inside: avoid } nav { display: none } .wide { overflow: visible } pre { white-space: pre-wrap } }
"""
_LONG = 30
"""Characters from which a cell's column is made at least as wide as half of them."""
_DRAW = """
for (const place of document.querySelectorAll(".plot")) {
  const plot = JSON.parse(place.nextElementSibling.textContent);
  Plotly.newPlot(place, plot.data, plot.layout, {displaylogo: false, responsive: true, modeBarButtonsToRemove:
    ["select2d", "lasso2d", "autoScale2d"], displayModeBar: "hover"}).then(() => { place.dataset.drawn = "yes" });
}
for (const box of document.querySelectorAll("details input")) box.addEventListener("input", () => {
  const word = box.value.toLowerCase();
  for (const row of box.parentElement.querySelectorAll("tbody tr"))
    row.hidden = !row.textContent.replaceAll("\u2060", "").replaceAll("\u00a0", " ").toLowerCase().includes(word);
});
const fitted = width => { for (const place of document.querySelectorAll(".plot"))
  if (place.data) Plotly.relayout(place, {width: width}) };
window.addEventListener("beforeprint", () => fitted(680));
window.addEventListener("afterprint", () => fitted(undefined));
"""


def to_html(report: Report) -> str:
    """Return the whole page; all text is escaped."""
    head = [
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<link rel="icon" href="data:,">',
        f'<meta http-equiv="refresh" content="{report.refresh_s}">' if report.refresh_s else "",
        f"<title>{escape(report.title)}</title>", f"<style>{_STYLE}</style>", "</head>", "<body>",
        f"<h1>{escape(report.title)}</h1>", f'<p class="subtitle">{escape(report.subtitle)}</p>',
    ]  # fmt: skip
    links = [f'<a href="#s{n}">{escape(s.title)}</a>' for n, s in enumerate(report.sections, 1)]
    body = [part for number, section in enumerate(report.sections, 1) for part in _section(number, section)]
    scripts = [f"<script>{_plotly()}</script>", f"<script>{_DRAW}</script>"] if report.figures() else []
    return "\n".join([*head, f"<nav>{''.join(links)}</nav>", *body, *scripts, "</body>", "</html>", ""])


@cache
def _plotly() -> str:
    """Return Plotly's JavaScript from its Python package."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _section(number: int, section: Section) -> list[str]:
    title = f'<h2 id="s{number}">{escape(section.title)}</h2>'
    return ["<section>", title, *(_block(block) for block in section.blocks), "</section>"]


def _block(block: Block) -> str:
    if isinstance(block, Text):
        start = "Warning: " if block.tone == "bad" else ""
        return f'<p class="{block.tone}">{start}{_prose(block.text)}</p>'
    if isinstance(block, Items):
        return f"<ul>{''.join(f'<li>{_prose(line)}</li>' for line in block.lines)}</ul>"
    if isinstance(block, Code):
        return f"<pre>{escape_html(block.text)}</pre>"
    if isinstance(block, Table):
        return _table(block)
    return _figure(block)


def _table(table: Table) -> str:
    kinds = [_kind([row[column] for row in table.rows]) for column in range(len(table.header))]
    header = "".join(f'<th class="{k}">{escape(t)}</th>' for k, t in zip(kinds, table.header, strict=True))
    rows = []
    for index, row in enumerate(table.rows):
        cells = "".join(f'<td class="{k}">{escape(cell(v))}</td>' for k, v in zip(kinds, row, strict=True))
        rows.append(f"<tr{' class=strong' if index in table.strong else ''}>{cells}</tr>")
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption and not table.folded else ""
    html = (
        f'{caption}<div class="wide"><table><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
    if not table.folded:
        return html
    search = '<input type="search" placeholder="filter rows" aria-label="filter rows">'
    return f"<details><summary>{escape(table.caption)}</summary>{search}{html}</details>"


def _figure(figure: Figure) -> str:
    # `</` would end the script element early
    plot = json.dumps(figure.plot, ensure_ascii=False, allow_nan=False).replace("</", "<\\/")
    height = int(figure.plot["layout"].get("height", 380))
    return (
        f'<figure id="{escape(figure.name)}"><div class="plot" style="height:{height}px" role="img" '
        f'aria-label="{escape(figure.caption)}"></div><script type="application/json">{plot}</script>'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def escape(text: str) -> str:
    """Return text for a page; lines are not broken before a percent sign or within `4.7e-3`, `44.0-52.0` and `16-bit`."""
    joined = re.sub(r"(?<=\de-)(?=\d)|(?<=\d-)(?=\d|bit)", "&#8288;", escape_html(text))
    return joined.replace(" %", "&nbsp;%")


def _prose(text: str) -> str:
    """Return a sentence for a page, with code between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _kind(values: list[Cell]) -> str:
    """Return the CSS class of a column: numbers are aligned, and long texts get room."""
    if all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    ):
        return "number"
    return "long" if any(isinstance(value, str) and len(value) > _LONG for value in values) else "text"
