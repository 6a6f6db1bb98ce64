"""`python search/retrain.py`: what cannot start ends with 2 and one message; training itself is tested in the slow tier."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from search.retrain import main


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "must exist, with the study's config.json beside it"),
        (("--epochs", "0"), "must exist, with the study's"),
    ],
)
def test_a_missing_winner_ends_the_command_before_anything_is_loaded(
    tmp_path: Path,
    flags: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["retrain.py", str(tmp_path / "best.json"), *flags])
    assert main() == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"cannot start:\n{tmp_path / 'best.json'} {message}")
    assert list(tmp_path.iterdir()) == []
