"""A storage is tried before a search starts, and a study finds its own folder there again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.cluster.storage import check_storage, study_store
from search.study.files import STUDY_FORMAT, StudyFiles
from trainable.trial.storage_url import URL_VARIABLE, remembered


def test_a_storage_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    check_storage(tmp_path.as_uri())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://host/x", "but must be a URL with file://"),
        ("file:///proc/none", "but must be a place that can be written: "),
        ("fsspec+nothing://x", "but must be a URL with file://"),
    ],
)
def test_one_that_cannot_be_used_is_told_in_a_sentence(url: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_storage(url)
    assert str(caught.value).startswith(f"`--storage` is {url}, {told}")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_one_where_nobody_answers_is_told_in_a_sentence_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    url = "s3://KEY:SECRET@bucket/x?scheme=http&region=r&endpoint_override=127.0.0.1%3A1"
    with pytest.raises(ValueError) as caught:
        check_storage(remembered(url))
    said = str(caught.value)
    assert said.startswith(
        "`--storage` is s3://***@bucket/x?scheme=http&region=r&endpoint_override=127.0.0.1%3A1, but must be"
    )
    assert "NETWORK_CONNECTION" in said
    assert "SECRET" not in said


def test_a_study_has_a_folder_of_its_own_and_keeps_it(tmp_path: Path) -> None:
    files = StudyFiles(tmp_path / "results" / "study-001")
    assert study_store("", files) is None
    url = (tmp_path / "storage").as_uri()
    first, second = study_store(url, files), study_store(url, files)
    assert first is not None
    assert second is not None
    assert first.folder.startswith("study-001-")
    assert first.folder != second.folder  # another's study of that name has its own
    files.root.mkdir(parents=True)
    config = {
        "format": STUDY_FORMAT, "options": {}, "preset": {"name": "cpu"}, "concurrent_trials": 1, "space": {"parameters": {}, "fixed": {}},
        "trial_settings": {"rungs": [1], "evaluation_documents": [1], "min_precision": 0.85, "train_file": "t", "validation_file": "v"},
        "provenance": {"commit": "", "seed": 1, "started": "", "python": "", "machine": "", "packages": {}, "data": {}},
        "storage_folder": first.folder,
    }  # fmt: skip
    files.config.write_text(json.dumps(config), encoding="utf-8")
    again = study_store(url, files)
    assert again == first
