"""Goals and starting point: the users' own file, or none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.paths import ROOT
from search.goals import GOALS_FILE, Goals, find_goals, goals_problems, keep_goals, read_goals


@pytest.fixture
def goals_file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text('[goals]\nrecall = 0.9\n[start]\nname = "ours"\nleak_rate = 0.2\n', encoding="utf-8")
    return file


def test_the_documented_example_is_read_as_it_stands() -> None:
    goals = read_goals(ROOT / "data" / "goals.example.toml")
    assert goals.wanted == {"micro_recall": (0.88, 0.92), "micro_f1": (0.90, 0.93)}
    assert goals.before == {"micro_precision": 0.94, "micro_recall": 0.74, "micro_f1": 0.835}
    assert goals.before_name == "Qwen3-0.6B, fine-tuned in 16-bit"


def test_a_single_number_means_at_least(goals_file: Path) -> None:
    assert read_goals(goals_file) == Goals({"micro_recall": (0.9, 1)}, {"leak_rate": 0.2}, "ours")


def test_the_studys_own_file_goes_before_the_one_beside_the_data(tmp_path: Path, goals_file: Path) -> None:
    study, data = tmp_path / "study", tmp_path / "data"
    study.mkdir()
    data.mkdir()
    assert find_goals(study, data / "train.jsonl") == Goals()
    (data / GOALS_FILE).write_text("[goals]\nf1 = 0.5\n", encoding="utf-8")
    assert find_goals(study, data / "train.jsonl") == Goals({"micro_f1": (0.5, 1)})
    keep_goals(goals_file, study)
    assert find_goals(study, data / "train.jsonl").before_name == "ours"
    assert (study / GOALS_FILE).stat().st_mode & 0o077 == 0


def test_a_file_that_is_gone_leaves_the_copy_in_the_study(tmp_path: Path, goals_file: Path) -> None:
    study = tmp_path / "study"
    study.mkdir()
    keep_goals(goals_file, study)
    goals_file.unlink()
    keep_goals(goals_file, study)
    keep_goals(None, study)
    keep_goals(study / GOALS_FILE, study)
    assert read_goals(study / GOALS_FILE).before_name == "ours"


def test_all_problems_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    file = tmp_path / "goals.toml"
    file.write_text(
        'more = 1\n[goals]\nrecall = 88\nleak_rate = 0.1\nf1 = [0.9, 0.8]\nprecision = [0.1]\n[start]\nname = 3\nrecall = "high"\nF1 = 0.5\n',
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="goals.toml") as raised:
        read_goals(file)
    told = str(raised.value)
    for part in (
        "`more` is unknown", "[goals] `recall` is 88, but must be a share", "[goals] `leak_rate` is unknown",
        "[goals] `f1` is [0.9, 0.8]", "[goals] `precision` is [0.1]", "[start] `name` is 3", "[start] `recall` is 'high'",
        "[start] `F1` is unknown",
    ):  # fmt: skip
        assert part in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[goals", "not valid TOML"),
        (b'[start]\nname = "\xff"', "not UTF-8"),
        (b"goals = 1\nstart = 2", "must be a table"),
        (b"[goals]\nrecall = true", "must be a share"),
        (b"[goals]\nrecall = nan", "must be a share"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / GOALS_FILE).write_bytes(content)
    (problem,) = goals_problems(None, tmp_path / "train.jsonl")
    assert told in problem
    assert str(tmp_path / GOALS_FILE) in problem


def test_a_missing_file_is_a_problem_only_if_it_was_asked_for(tmp_path: Path) -> None:
    assert goals_problems(None, tmp_path / "train.jsonl") == []
    assert goals_problems(None, None) == []
    (problem,) = goals_problems(tmp_path / "none.toml", None)
    assert "`--goals` is" in problem
