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


def test_the_content_of_this_format_is_returned(reference_study: Path) -> None:
    files = StudyFiles(reference_study)
    content = json.loads(files.config.read_text(encoding="utf-8"))
    content["options"]["study"] = "张"
    write(files, json.dumps(content))
    assert read_config(files) == content


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
