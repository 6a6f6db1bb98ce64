"""Finding data files: the user's own come before the bundled sample, and missing ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.corpus import SAMPLE_DIR, SPLITS, USER_PREFIX, find_corpus


def files_in(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("", encoding="utf-8")
    return folder


def test_without_a_folder_the_bundled_sample_is_found() -> None:
    if any(SAMPLE_DIR.parent.glob(f"{USER_PREFIX}*.jsonl")):
        pytest.skip("this clone holds data of its own")
    corpus = find_corpus(None)
    assert corpus.bundled
    assert list(corpus.by_name()) == list(SPLITS)
    assert all(path.is_absolute() and path.is_file() for path in corpus.by_name().values())


@pytest.mark.parametrize("prefix", [USER_PREFIX, ""])
def test_a_users_folder_is_found_with_and_without_the_prefix(tmp_path: Path, prefix: str) -> None:
    corpus = find_corpus(files_in(tmp_path, *(f"{prefix}{split}.jsonl" for split in SPLITS)))
    assert not corpus.bundled
    assert corpus.by_name() == {split: (tmp_path / f"{prefix}{split}.jsonl").resolve() for split in SPLITS}


def test_the_prefixed_file_wins_over_the_plain_one(tmp_path: Path) -> None:
    files_in(tmp_path, "train.jsonl", f"{USER_PREFIX}train.jsonl", "validation.jsonl")
    assert find_corpus(tmp_path).train.name == f"{USER_PREFIX}train.jsonl"


def test_a_test_file_is_optional(tmp_path: Path) -> None:
    corpus = find_corpus(files_in(tmp_path, "train.jsonl", "validation.jsonl"))
    assert corpus.test is None
    assert list(corpus.by_name()) == ["train", "validation"]


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        find_corpus(tmp_path)
    assert f"has no {USER_PREFIX}train.jsonl and no {USER_PREFIX}validation.jsonl" in str(error.value)
    files_in(tmp_path, "train.jsonl")
    with pytest.raises(FileNotFoundError) as error:
        find_corpus(tmp_path)
    assert f"has no {USER_PREFIX}validation.jsonl;" in str(error.value)


def test_a_relative_folder_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    files_in(tmp_path / "mine", "train.jsonl", "validation.jsonl")
    monkeypatch.chdir(tmp_path)
    assert find_corpus(Path("mine")).train == (tmp_path / "mine" / "train.jsonl").resolve()
