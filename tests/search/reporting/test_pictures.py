"""Figures as PNG files."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search.reporting.document import Figure
from search.reporting.pictures import write_pictures

FIGURE = Figure(
    "curves", {"data": [{"type": "scatter", "x": [1, 2], "y": [3, 4]}], "layout": {"height": 200}}, "A line."
)


def test_without_kaleido_the_error_says_what_to_install_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)  # as if it were not installed
    with pytest.raises(
        RuntimeError, match=r"`--png` needs kaleido and Chromium: pip install -e '\.\[figures\]'"
    ):
        write_pictures([FIGURE], tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


@pytest.mark.browser
def test_every_figure_becomes_a_file_of_its_name(tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    paths = write_pictures([FIGURE], tmp_path / "figures")
    assert paths == {"curves": tmp_path / "figures" / "curves.png"}
    assert paths["curves"].read_bytes().startswith(b"\x89PNG")
