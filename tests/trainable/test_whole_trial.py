"""The process that trains confirming runs: folders come in by standard input, results lie in them afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data.paths import ROOT
from trainable.config import TrialConfig, TrialSettings
from trainable.trial.result import Outcome, TrialResult
from trainable.trial.whole import CONFIG_FILE, RESULT_FILE

_CONFIG = TrialConfig("small-2m", learning_rate=2e-3, lora_dropout=0.0, effective_batch=8, micro_batch=8)
Head = Callable[[str, int], Path]


@pytest.fixture
def process(sample_head: Head, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    settings = TrialSettings(
        backend="peft",
        train_file=str(sample_head("train", 16)),
        validation_file=str(sample_head("validation", 4)),
        token_cache=str(tmp_path / "tokens"),
        checkpoint_dir=str(tmp_path / "checkpoints"),
        rungs=(1, 2),
        evaluation_documents=(2, 4),
    )
    settings.save(tmp_path / "settings.json")
    line = [sys.executable, str(ROOT / "trainable" / "whole_trial.py"), str(tmp_path / "settings.json")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, bufsize=0) as process:
        yield process
        process.kill()


def folder_of(parent: Path, name: str, config: TrialConfig) -> Path:
    folder = parent / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict()), encoding="utf-8")
    return folder


def result_in(folder: Path, process: subprocess.Popen[bytes]) -> TrialResult:
    while not (folder / RESULT_FILE).is_file():
        assert process.poll() is None
        time.sleep(0.05)
    return TrialResult.from_dict(json.loads((folder / RESULT_FILE).read_text(encoding="utf-8")))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_folders_are_trained_one_after_the_other_until_standard_input_ends(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    first = folder_of(tmp_path, "a", _CONFIG)
    second = folder_of(tmp_path, "b", _CONFIG.with_changes(init_adapter=str(tmp_path / "none")))
    assert process.stdin is not None
    process.stdin.write(f"{first}\n{second}\n".encode())
    result, broken = result_in(first, process), result_in(second, process)
    assert (result.outcome, result.step, result.rung) == (Outcome.OK, 2, 1)
    assert (first / "adapter" / "adapter_model.safetensors").is_file()
    assert (broken.outcome, broken.reason.split(":")[0]) == (Outcome.ERROR, "FileNotFoundError")
    assert (tmp_path / "errors" / "b.txt").is_file()
    process.stdin.close()
    assert process.wait(timeout=60) == 1
