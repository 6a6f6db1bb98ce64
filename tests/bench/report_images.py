"""Take the README's pictures from a report: `python tests/bench/report_images.py results/study-001/report.html`.

Needs Debian's chromium and playwright; writes results/reference/images/report.png and learning_curves.png.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from data.paths import ROOT

IMAGES = ROOT / "results" / "reference" / "images"
DRAWN = "[...document.querySelectorAll('.plot')].every(place => place.dataset.drawn === 'yes')"


def main() -> int:
    """Draw the page's top and its learning curves; return the exit code."""
    from playwright.sync_api import sync_playwright

    page_file = Path(sys.argv[1]).resolve()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1060, "height": 1180})
        page.goto(page_file.as_uri())
        page.wait_for_function(DRAWN, timeout=60_000)
        page.screenshot(path=IMAGES / "report.png")
        page.locator("#learning_curves").screenshot(path=IMAGES / "learning_curves.png")
        browser.close()
    print(f"next: look at {IMAGES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
