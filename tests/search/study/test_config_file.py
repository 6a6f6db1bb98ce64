"""config.json of a study is read back, or refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.study.config_file import read_config, starting_configs_in
from search.study.files import STUDY_FORMAT, StudyFiles


@pytest.fixture
def files(tmp_path: Path) -> StudyFiles:
    return StudyFiles(tmp_path / "mine")


def write(files: StudyFiles, text: str) -> None:
    files.root.mkdir(exist_ok=True)
    files.config.write_text(text, encoding="utf-8")


def test_the_content_of_this_format_is_returned(files: StudyFiles) -> None:
    content = {"format": STUDY_FORMAT, "options": {"study": "张"}}
    write(files, json.dumps(content))
    assert read_config(files) == content


def test_a_missing_or_torn_file_is_refused_by_its_path(files: StudyFiles) -> None:
    with pytest.raises(ValueError, match=f"{files.config} cannot be read .*; choose another --study"):
        read_config(files)
    write(files, '{"form')
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
