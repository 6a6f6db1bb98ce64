"""Write a study's report again: `python search/report.py results/<study>`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Write report.html (one file that opens without a network) and summary.md into a study's folder."""

    study: Annotated[Path, tyro.conf.Positional]
    """Folder of a study, or the name of one in the results folder; it may still be running."""
    results_dir: Path = Path("results")
    """Folder of all studies."""
    show_text: bool = False
    """Show the text of wrongly answered documents in the report: private."""


def main() -> int:
    """Write the report; return the exit code."""
    options = tyro.cli(ReportOptions)
    started = time.monotonic()
    from search.report_data import find_study
    from search.reporting import write_report

    try:
        root = find_study(options.study, options.results_dir.resolve())
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    page = write_report(root, options.show_text)
    print(f"report     {page}\nnext: open it in a browser, or read {root / 'summary.md'}")
    summary = {"study": root.name, "report": str(page), "summary": str(root / "summary.md"),
               "seconds": round(time.monotonic() - started, 2)}  # fmt: skip
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
