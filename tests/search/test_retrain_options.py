"""The flags of search/retrain.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import tyro

from search.retrain_options import RetrainOptions


def parse(*flags: str) -> RetrainOptions:
    return tyro.cli(RetrainOptions, args=list(flags))


def test_the_winners_file_is_all_that_is_needed() -> None:
    assert parse("study/best.json") == RetrainOptions(Path("study/best.json"))


def test_a_config_needs_no_winner() -> None:
    options = parse("--config", "conservative", "--out", "plan")
    assert options == RetrainOptions(config="conservative", out=Path("plan"))


def test_what_is_on_by_default_can_be_turned_off_and_the_other_way_round() -> None:
    options = parse("best.json", "--no-augment", "--keep-rate", "--merge", "--engine", "trl", "--epochs", "6")
    assert (options.augment, options.keep_rate, options.merge) == (False, True, True)
    assert (options.engine, options.epochs) == ("trl", 6)


@pytest.mark.parametrize("flags", [("best.json", "--engine", "none"), ("a.json", "b.json")])
def test_a_second_winner_or_an_unknown_engine_is_refused(flags: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        parse(*flags)
