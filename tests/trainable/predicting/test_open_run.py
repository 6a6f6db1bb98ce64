"""Before the first document: all that is wrong with the flags is told at once, and rejects get a name of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trainable.predicting.open_run import open_run
from trainable.predicting.options import PredictOptions


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.touch()
    options = PredictOptions(
        "small-2m", str(tmp_path / "none.csv"), out=there, rejects=tmp_path / "no" / "r", min_confidence=1.5, column="a"
    )  # fmt: skip
    with pytest.raises(OSError) as caught:
        open_run(options)
    for part in (
        "`--min-confidence` is 1.5", "none.csv is no file", "there exists; remove it", "there is no folder",
    ):  # fmt: skip
        assert part in str(caught.value)
    with pytest.raises(OSError, match="`--column` is for tables, but - does not end in .csv, .tsv, .parquet"):
        open_run(replace(options, source="-"))


def test_rejects_lie_beside_the_output_under_the_first_free_name(tmp_path: Path) -> None:
    (tmp_path / "out.txt.rejects").touch()
    run = open_run(PredictOptions("small-2m", "-", out=tmp_path / "out.txt"))
    assert run.rejects.path == tmp_path / "out.txt.rejects-2"
    assert run.table is None
