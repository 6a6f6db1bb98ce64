"""Before the winner is trained at full length: what follows from study and flags, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import make_plan
from search.retrain_options import RetrainOptions
from search.retraining.job import prepare
from search.running.settings_files import write_settings
from search.study.files import StudyFiles, write_json
from trainable.config import TrialConfig

WINNER = TrialConfig("small-2m", True, 16, 2e-3, 2, lora_dropout=0.0, effective_batch=16, seed=7)


@pytest.fixture
def files(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> StudyFiles:
    """A study with a winner, on a few documents."""
    (tmp_path / "data").mkdir()
    for part in ("train", "validation", "test"):
        (tmp_path / "data" / f"{part}.jsonl").write_bytes(sample_head(part, 12).read_bytes())
    plan = make_plan(SearchOptions(
        study="s", results_dir=tmp_path / "results", data_dir=tmp_path / "data", preset="cpu", horizon_steps=9,
        min_precision=0.7, window_tokens=256, overlap_tokens=16, seed=7,
    ))  # fmt: skip
    plan.files.root.mkdir(parents=True)
    write_settings(plan)
    write_json(plan.files.best, {"study": "s", "trial": "t003", "config": WINNER.to_dict()})
    return plan.files


def test_the_study_says_data_backend_windows_and_requirements(files: StudyFiles, tmp_path: Path) -> None:
    job = prepare(RetrainOptions(files.best))
    assert job.config == WINNER
    settings = job.settings
    assert (settings.backend, settings.epochs, settings.augmented, job.uses_gpu) == ("peft", 3, True, False)
    assert (settings.window_tokens, settings.overlap_tokens, settings.min_precision) == (256, 16, 0.7)
    assert (settings.train_file, settings.test_file) == (
        tmp_path / "data" / "train.jsonl",
        tmp_path / "data" / "test.jsonl",
    )
    assert (settings.out_dir, settings.searched_steps) == (files.root / "retrain", 9)
    assert job.provenance["seed"] == 7


def test_flags_go_before_what_the_study_says(files: StudyFiles, tmp_path: Path) -> None:
    flags = RetrainOptions(
        files.best, epochs=6, augment=False, keep_rate=True, seed=8, window_tokens=128, overlap_tokens=0, out=tmp_path / "out",
    )  # fmt: skip
    job = prepare(flags)
    settings = job.settings
    assert (settings.epochs, settings.augmented, settings.searched_steps) == (6, False, None)
    assert (settings.window_tokens, settings.overlap_tokens, settings.out_dir) == (128, 0, tmp_path / "out")
    assert job.config == replace(WINNER, seed=8)


def test_the_reference_engine_trains_on_the_texts_as_they_are(files: StudyFiles) -> None:
    assert not prepare(RetrainOptions(files.best, engine="trl")).settings.augmented


def test_the_reference_engine_cannot_tag(files: StudyFiles) -> None:
    config = replace(WINNER, answers="tags").to_dict()
    write_json(files.best, {"study": "s", "trial": "t003", "config": config})
    with pytest.raises(ValueError, match="`--engine trl` trains on written answers alone"):
        prepare(RetrainOptions(files.best, engine="trl"))
    assert prepare(RetrainOptions(files.best)).config.tagged


def test_a_starting_config_is_trained_without_a_study_at_its_own_rate(
    files: StudyFiles, tmp_path: Path
) -> None:
    job = prepare(RetrainOptions(
        config="bigger model", data_dir=tmp_path / "data", out=tmp_path / "out", preset="cpu", seed=9,
    ))  # fmt: skip
    assert (job.study, job.config.model, job.config.load_in_4bit, job.config.seed) == (
        "",
        "small-4m",
        True,
        9,
    )
    settings = job.settings
    assert (settings.searched_steps, settings.out_dir, settings.backend) == (None, tmp_path / "out", "peft")
    assert (settings.window_tokens, settings.min_precision) == (512, 0.85)
    assert "bigger model, learning rate 3.00e-03" in job.describe()


def test_what_cannot_be_trained_without_a_study_is_refused(files: StudyFiles, tmp_path: Path) -> None:
    def options(**changes: object) -> RetrainOptions:
        given = {
            "config": "conservative",
            "data_dir": tmp_path / "data",
            "out": tmp_path / "out",
            "preset": "cpu",
        }
        return RetrainOptions(**{**given, **changes})  # type: ignore[arg-type]

    for wrong, told in (
        (options(best_json=files.best), "give best.json of a study, or `--config`"),
        (options(config=None), "give best.json of a study, or `--config`"),
        (options(out=None), "`--config` needs `--out`"),
        (options(epochs=0), "`--epochs` is 0"),
        (options(config="careful"), "must be a starting config"),
        (options(config="conservative (tags)", engine="trl"), "`--engine trl` trains on written answers"),
    ):
        with pytest.raises(ValueError, match=told):
            prepare(wrong)
    with (tmp_path / "data" / "test.jsonl").open("a", encoding="utf-8") as file:
        file.write("no json\n")
    with pytest.raises(ValueError, match=r"test\.jsonl"):
        prepare(options())
    (tmp_path / "data" / "test.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold at least one document"):
        prepare(options())
    assert not (tmp_path / "out").exists()


def test_the_winner_is_compared_with_a_starting_config_of_its_study(
    files: StudyFiles, tmp_path: Path
) -> None:
    job = prepare(RetrainOptions(files.best, compare="conservative"))
    assert job.rival is not None
    assert job.rival.config is not None
    assert job.rival.settings is not None
    assert (job.rival.config.lora_rank, job.rival.config.seed) == (12, WINNER.seed)
    assert (job.rival.settings.searched_steps, job.settings.searched_steps) == (None, 9)
    assert 'compare    with the starting config "conservative"' in job.describe()
    with pytest.raises(ValueError, match="`--engine trl` trains on written answers alone"):
        prepare(RetrainOptions(files.best, compare="conservative (tags)", engine="trl"))
    (tmp_path / "data" / "test.jsonl").unlink()
    with pytest.raises(ValueError, match="`--compare` needs a test set"):
        prepare(RetrainOptions(files.best, compare="conservative"))


def test_several_trainings_have_folders_of_their_own_and_keep_their_state(
    files: StudyFiles, tmp_path: Path
) -> None:
    job = prepare(RetrainOptions(files.best, compare="conservative", seeds=3))
    out = files.root / "retrain"
    assert job.out_dirs() == [out, out / "compare", out / "seed-8", out / "seed-9"]
    config, settings = job.with_seed(2)
    assert (config, settings) == (replace(WINNER, seed=9), replace(job.settings, out_dir=out / "seed-9"))
    assert settings.keep_state
    assert not prepare(RetrainOptions(files.best)).settings.keep_state
    assert "seeds      3" in job.describe()
    with pytest.raises(ValueError, match="`--epochs` is 0.*\n`--seeds` is 0, but must be at least 1"):
        prepare(RetrainOptions(files.best, epochs=0, seeds=0))
    (tmp_path / "data" / "test.jsonl").unlink()
    with pytest.raises(ValueError, match="`--seeds` needs a test set"):
        prepare(RetrainOptions(files.best, seeds=2))


def test_what_will_be_done_is_told(files: StudyFiles) -> None:
    text = prepare(RetrainOptions(files.best)).describe()
    assert "small-2m, rank 16, found at learning rate 2.00e-03, oversampling 2, 4-bit" in text
    assert "own (peft backend), 3 epochs, on augmented texts" in text
    assert "train train.jsonl, validation validation.jsonl, test test.jsonl" in text


def test_a_study_without_a_test_file_is_trained_without_one(files: StudyFiles, tmp_path: Path) -> None:
    (tmp_path / "data" / "test.jsonl").unlink()
    job = prepare(RetrainOptions(files.best))
    assert job.settings.test_file is None
    assert "test none" in job.describe()


def test_a_winner_without_its_study_is_refused(files: StudyFiles, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match="must exist, with the study's config.json beside it; run a search first"
    ):
        prepare(RetrainOptions(tmp_path / "best.json"))
    files.config.unlink()
    with pytest.raises(FileNotFoundError, match="run a search first"):
        prepare(RetrainOptions(files.best))


def test_no_epochs_and_an_adapter_that_does_not_fit_are_refused(files: StudyFiles, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`--epochs` is 0, but must be at least 1"):
        prepare(RetrainOptions(files.best, epochs=0))
    from safetensors.torch import save_file

    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"peft_type": "LORA", "base_model_name_or_path": "small-2m", "r": 8, "lora_alpha": 16}
    (adapter / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({}, adapter / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="but the config asks for"):
        prepare(RetrainOptions(files.best, init_adapter=adapter))


def test_a_model_that_is_gone_is_refused_before_anything_starts(files: StudyFiles) -> None:
    write_json(files.best, {"study": "s", "config": WINNER.with_changes(model="small-9m").to_dict()})
    with pytest.raises((FileNotFoundError, ValueError), match="small-9m"):
        prepare(RetrainOptions(files.best))
    assert not (files.root / "retrain").exists()


def test_bad_lines_of_all_files_are_refused_before_anything_starts(files: StudyFiles, tmp_path: Path) -> None:
    for part in ("train", "test"):
        with (tmp_path / "data" / f"{part}.jsonl").open("a", encoding="utf-8") as file:
            file.write("no json\n")
    (tmp_path / "data" / "validation.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="must hold at least one document") as refused:
        prepare(RetrainOptions(files.best))
    told = str(refused.value)
    assert all(line in told for line in ("train.jsonl:13", "validation.jsonl must", "test.jsonl:13"))
    assert not (files.root / "retrain").exists()
