"""best.json and the adapters that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from search.study.files import StudyFiles
from search.study.winner import BEST_ADAPTERS, drop_state, keep_best_adapters, write_best
from trainable.trial.checkpoint_store import CheckpointStore

StudyMaker = Callable[[list[str]], optuna.Study]
FIXED = {"model": "small-2m", "lora_dropout": 0.1, "seed": 42}


def test_the_winner_is_written_with_config_numbers_and_provenance(
    tmp_path: Path, study_of: StudyMaker
) -> None:
    files = StudyFiles(tmp_path)
    content = write_best(study_of(["long", "better"]), files, FIXED, {"commit": "abc"})
    assert json.loads(files.best.read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    assert (content["trial"], content["number"], content["steps"]) == ("better", 1, 9)
    assert content["config"]["lora_rank"] == 16
    assert content["validation"] == {"micro_recall": 1 / 3}
    assert content["provenance"] == {"commit": "abc"}


def test_a_study_without_a_score_says_where_to_look(tmp_path: Path, study_of: StudyMaker) -> None:
    files = StudyFiles(tmp_path)
    with pytest.raises(RuntimeError, match="no trial of this study has a score yet") as error:
        write_best(study_of(["nothing", "broken"]), files, FIXED, {})
    assert str(files.trials) in str(error.value)
    assert not files.best.exists()


def test_the_best_adapters_stay_and_resumable_state_goes(tmp_path: Path, study_of: StudyMaker) -> None:
    files = StudyFiles(tmp_path)
    names = ["short", "long", "better", "broken"]
    for name in names:
        (files.checkpoints / name / "adapter").mkdir(parents=True)
        (files.checkpoints / name / "adapter" / "weights").write_text(name, encoding="utf-8")
        (files.checkpoints / name / "state.pt").write_text("state", encoding="utf-8")
    keep_best_adapters(study_of(names), files)
    kept = {path.parent.name: path.read_text(encoding="utf-8") for path in files.adapters.rglob("weights")}
    assert kept == {name: name for name in ("short", "long", "better")}
    assert len(kept) == BEST_ADAPTERS
    assert not files.checkpoints.exists()


def test_an_adapter_of_another_step_than_its_score_is_not_kept(
    tmp_path: Path, study_of: StudyMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    files = StudyFiles(tmp_path)
    for name, step in (("long", 9), ("better", 2)):
        (files.checkpoints / name / "adapter").mkdir(parents=True)
        record = json.dumps({"format": 1, "step": step, "min_precision": 0, "documents": []})
        (files.checkpoints / name / "adapter" / "evaluation.json").write_text(record, encoding="utf-8")
    keep_best_adapters(study_of(["long", "better"]), files)
    assert [path.name for path in files.adapters.iterdir()] == ["long"]
    assert (
        "the adapter of better is not kept: it is of step 2, its score of step 9" in capsys.readouterr().out
    )


def test_adapters_at_a_storage_come_home_before_they_are_deleted_there(
    tmp_path: Path, study_of: StudyMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    files, store = StudyFiles(tmp_path / "s"), CheckpointStore((tmp_path / "storage").as_uri(), "s-1")
    names = ["short", "long", "better", "broken"]
    for name in names:
        (tmp_path / name / "adapter").mkdir(parents=True)
        (tmp_path / name / "adapter" / "weights").write_text(name, encoding="utf-8")
        store.save(name, 9, tmp_path / name)
    keep_best_adapters(study_of(names), files, store=store)
    kept = {path.parent.name: path.read_text(encoding="utf-8") for path in files.adapters.rglob("weights")}
    assert kept == {name: name for name in ("short", "long", "better")}
    assert not files.checkpoints.exists()
    assert list((tmp_path / "storage").iterdir()) == []
    keep_best_adapters(study_of(names), files, store=store)  # again, with nothing there
    assert len(list(files.adapters.iterdir())) == BEST_ADAPTERS
    drop_state(files, CheckpointStore("ftp://nowhere", "s-1"))
    assert "delete s-1 there yourself, its content is private" in capsys.readouterr().err
