"""The report in a real browser: every figure drawn, no error, no request, printable, and readable on a telephone."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.entities import entity_types
from data.files.jsonl import read_examples
from data.paths import ROOT
from data.prompt import Parsed
from search.reporting.sections.write import build_report, write_report
from search.study.view import read_study
from trainable.scoring.counts import Prediction
from trainable.scoring.metrics import evaluate_predictions
from trainable.scoring.record import make_record, save_record

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
SAMPLE = ROOT / "data" / "sample" / "validation.jsonl"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (375, 1440)
DRAWN = "[...document.querySelectorAll('.plot')].every(place => place.dataset.drawn === 'yes')"


def add_records(root: Path) -> None:
    """Let the best two trials have answered the sample's first documents, the second one worse."""
    examples = read_examples(SAMPLE)[:80]
    types, draw = entity_types(examples), random.Random(0)
    for name, found in zip(read_study(root).ranking[:2], (0.8, 0.6), strict=True):
        predictions = []
        for example in examples:
            kept = [(entity.type, entity.text) for entity in example.entities if draw.random() < found]
            wrong = [("PERSON", example.text[:2])] * (draw.random() < 0.2)
            predictions.append(
                Prediction(Parsed((*kept, *wrong), valid=draw.random() < 0.97), truncated=False)
            )
        evaluation = evaluate_predictions(examples, predictions, known_types=types, min_precision=0.85)
        record = make_record(
            examples, predictions, evaluation, known_types=types, step=153, min_precision=0.85
        )
        path = root / "adapters" / name / "evaluation.json"
        path.parent.mkdir(parents=True)
        save_record(path, record)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).is_file():
        pytest.skip(
            f"NO BROWSER TEST RAN: {CHROMIUM} is missing; `apt-get install chromium fonts-noto-cjk`, or set CHROMIUM"
        )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def study(reference_study: Path) -> Path:
    add_records(reference_study)
    write_report(reference_study)
    return reference_study


@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_drawn_without_an_error_or_a_request(browser: Any, study: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((study / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    figures = build_report(read_study(study)).figures()
    for figure in figures:
        place = page.locator(f"#{figure.name}")
        box = place.locator("svg.main-svg").first.bounding_box()
        assert box is not None, figure.name
        assert 0 < box["width"] <= width, figure.name
        assert box["height"] > 100, figure.name
        marks = place.locator(".trace, .points path, .bars path, .scatterlayer path, .barlayer path").count()
        assert marks > 0, figure.name
    assert len(figures) >= 13
    assert errors == []
    assert [url for url in requests if not url.startswith(("file://", "data:", "blob:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_it_prints_to_a_document_of_several_pages(browser: Any, study: Path, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto((study / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    content = page.pdf(path=str(tmp_path / "report.pdf"), format="A4")
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 5
    page.close()


def test_a_reader_can_open_the_errors_and_search_them(browser: Any, study: Path) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto((study / "report.html").as_uri())
    page.wait_for_function(DRAWN, timeout=60_000)
    errors = page.locator("details", has=page.locator("summary", has_text="All errors"))
    rows = errors.locator("tbody tr")
    assert not rows.first.is_visible()
    errors.locator("summary").click()
    assert rows.first.is_visible()
    everything = rows.count()
    errors.locator("input").fill("PERSON")
    shown = [row for row in rows.all() if row.is_visible()]
    assert 0 < len(shown) < everything
    assert all("PERSON" in row.inner_text() for row in shown)
    page.close()


def test_chinese_text_has_a_font(browser: Any, study: Path) -> None:
    page = browser.new_page()
    page.goto((study / "report.html").as_uri())
    # a missing glyph is drawn as one and the same box, whatever the character
    same = page.evaluate("""() => {
        const draw = text => { const c = document.createElement("canvas"), g = c.getContext("2d");
            g.font = "40px " + getComputedStyle(document.body).fontFamily; g.fillText(text, 0, 60); return c.toDataURL() };
        return draw("字") === draw("龙") }""")
    assert not same
    page.close()
