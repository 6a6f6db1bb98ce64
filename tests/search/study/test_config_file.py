"""config.json of a study is read back, or refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search.planning.continued_space import stored_space
from search.study.config_file import read_config, starting_configs_in
from search.study.files import STUDY_FORMAT, StudyFiles


@pytest.fixture
def files(tmp_path: Path) -> StudyFiles:
    return StudyFiles(tmp_path / "mine")


def write(files: StudyFiles, text: str) -> None:
    files.root.mkdir(exist_ok=True)
    files.config.write_text(text, encoding="utf-8")


@pytest.fixture
def older(reference_study: Path) -> dict[str, Any]:
    """The content of a study from before tagged texts stood in a turn."""
    content = json.loads(StudyFiles(reference_study).config.read_text(encoding="utf-8"))
    content["trial_settings"].pop("in_turn")
    return dict(content)


def test_the_content_of_this_format_is_returned(files: StudyFiles, older: dict[str, Any]) -> None:
    older["options"]["study"] = "张"
    older["trial_settings"]["in_turn"] = True
    write(files, json.dumps(older))
    assert read_config(files) == older


def test_a_study_from_before_taggers_were_clipped_lower_goes_on_as_it_was(
    files: StudyFiles, older: dict[str, Any]
) -> None:
    write(files, json.dumps(older))
    assert read_config(files)["space"]["fixed"] == {**older["space"]["fixed"], "max_grad_norm": 1.0}
    assert stored_space(files).fixed["max_grad_norm"] == 1.0
    older["space"]["fixed"]["max_grad_norm"] = 0.5
    write(files, json.dumps(older))
    assert read_config(files)["space"]["fixed"]["max_grad_norm"] == 0.5
    del older["space"]["fixed"]["max_grad_norm"]
    older["space"]["parameters"]["max_grad_norm"] = {"values": [0.5, 0.7]}
    write(files, json.dumps(older))
    assert "max_grad_norm" not in read_config(files)["space"]["fixed"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "line 1 is damaged: no JSON"),
        ("\n{]", "line 2 is damaged: no JSON"),
        ("[1]", "is damaged: it is a list"),
        (json.dumps({"format": STUDY_FORMAT}), "is damaged: .options is missing; .preset is missing; "),
        ("[" * 100_000, "is damaged: nested too deeply"),
    ],
)
def test_a_damaged_file_is_named_with_the_way_to_mend_it(files: StudyFiles, text: str, what: str) -> None:
    write(files, text)
    with pytest.raises(ValueError, match="put a copy of it back, or choose another --study") as error:
        read_config(files)
    assert str(error.value).startswith(f"{files.config} {what}")


def test_a_missing_or_torn_file_is_refused_by_its_path(files: StudyFiles) -> None:
    with pytest.raises(ValueError, match=f"{files.config} cannot be read .*; choose another --study"):
        read_config(files)


@pytest.mark.parametrize(
    ("content", "made_by"),
    [
        (
            {"format": STUDY_FORMAT + 1, "provenance": {"commit": "abc"}},
            f"commit abc, format {STUDY_FORMAT + 1}",
        ),
        ({}, "commit unknown, format 0"),
    ],
)
def test_a_study_of_another_format_is_refused_with_the_commit_that_made_it(
    files: StudyFiles, content: dict[str, object], made_by: str
) -> None:
    write(files, json.dumps(content))
    with pytest.raises(ValueError, match=f"study 'mine' was made by another version \\({made_by}; "):
        read_config(files)


def test_starting_configs_are_found_under_the_old_name_too() -> None:
    configs = {"conservative": {"lora_rank": 12}}
    assert starting_configs_in({"starting_configs": configs}) == configs
    assert starting_configs_in({"plans": configs}) == configs
    assert starting_configs_in({"parameters": {}}) == {}
