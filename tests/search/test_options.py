"""The flags of search/run.py: what they become in Python, and that a study on disk can hold all of them."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import tyro

from search.options import SearchOptions
from search.planning.resume import MAY_CHANGE


def parse(*flags: str) -> SearchOptions:
    return tyro.cli(SearchOptions, args=list(flags))


def test_without_flags_the_command_is_the_default_search() -> None:
    assert parse() == SearchOptions()


def test_flags_become_values_of_their_kind() -> None:
    options = parse(
        "--trials", "7", "--data-dir", "texts", "--vram-gb", "11.5", "--no-dashboard", "--preset", "cpu", "--confirm", "3",
    )  # fmt: skip
    assert (options.trials, options.data_dir, options.vram_gb) == (7, Path("texts"), 11.5)
    assert (options.dashboard, options.preset, options.confirm) == (False, "cpu", "3")


@pytest.mark.parametrize("flags", [("--preset", "tpu"), ("--trials", "many"), ("--track", "paper")])
def test_a_value_of_the_wrong_kind_ends_the_command(
    flags: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(*flags)
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err


def test_every_option_survives_config_json_and_those_that_may_change_exist() -> None:
    values = asdict(SearchOptions())
    assert json.loads(json.dumps({**values, "results_dir": "results"})) == {
        **values,
        "results_dir": "results",
    }
    assert {field.name for field in fields(SearchOptions)} >= MAY_CHANGE
