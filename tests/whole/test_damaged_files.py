"""Every command names a damaged file of ours, says how to mend it and ends with code 2, without a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from data.paths import ROOT
from tests.commands import run_script

JUNK = {"junk": b"\x00\xffjunk\n", "empty": b"", "another shape": b'["a"]\n', "another type": b"7\n"}
SEARCH = ("search/run.py", "--study", "study-001", "--plan", "--preset", "cpu")
REPORT, RETRAIN, WATCH = ("search/report.py",), ("search/retrain.py",), ("search/watch.py",)
PREDICT, EVALUATE, MERGE = ("trainable/predict.py",), ("trainable/evaluate.py",), ("trainable/merge.py",)
READERS = {
    "config.json": (SEARCH, REPORT, RETRAIN, WATCH),
    "rungs.jsonl": (SEARCH, REPORT, WATCH),
    "confirmations.jsonl": (SEARCH, REPORT, WATCH),
    "best.json": (REPORT, RETRAIN, PREDICT, EVALUATE),
    "trial_settings.json": (SEARCH, RETRAIN),
    "study.db": (SEARCH, REPORT, WATCH),
    "adapters/t007/prediction.json": (PREDICT, EVALUATE, MERGE),
    "adapters/t007/adapter_config.json": (PREDICT, EVALUATE, MERGE),
    "adapters/t007/evaluation.json": (PREDICT, EVALUATE, MERGE),
    "retrain/metrics.json": (REPORT,),
}
CASES = [
    (name, kind, command)
    for name, commands in READERS.items()
    for command in commands
    for kind in JUNK
    if kind != "empty" or not name.endswith(".jsonl")
]


@pytest.fixture
def study(reference_study: Path) -> Path:
    """A finished study with the adapter of its winner."""
    from safetensors.torch import save_file

    config = json.loads((reference_study / "config.json").read_text(encoding="utf-8"))
    stored = {k: v for k, v in config["trial_settings"].items() if k not in ("token_cache", "checkpoint_dir")}
    (reference_study / "trial_settings.json").write_text(json.dumps(stored), encoding="utf-8")
    best = json.loads((reference_study / "best.json").read_text(encoding="utf-8"))
    adapter = reference_study / "adapters" / "t007"
    shutil.rmtree(adapter, ignore_errors=True)
    adapter.mkdir(parents=True)
    (reference_study / "best.json").write_text(json.dumps({**best, "trial": "t007"}), encoding="utf-8")
    lora = {"peft_type": "LORA", "base_model_name_or_path": "small-2m", "r": 4, "lora_alpha": 8}
    (adapter / "adapter_config.json").write_text(json.dumps(lora), encoding="utf-8")
    save_file({}, adapter / "adapter_model.safetensors")
    return reference_study


def arguments(command: tuple[str, ...], study: Path) -> list[str]:
    script, *more = command
    if script == "search/run.py":
        return [*more, "--results-dir", str(study.parent)]
    if script == "search/retrain.py":
        return [str(study / "best.json")]
    if script == "trainable/evaluate.py":
        return [str(study), str(ROOT / "data" / "sample" / "test.jsonl")]
    if script == "trainable/merge.py":
        return [str(study / "adapters" / "t007"), "--to", str(study.parent / "merged")]
    return [str(study)]


@pytest.mark.parametrize(("name", "kind", "command"), CASES, ids=[f"{n}-{k}-{c[0]}" for n, k, c in CASES])
def test_a_damaged_file_is_named_with_what_to_do(
    name: str, kind: str, command: tuple[str, ...], study: Path
) -> None:
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).write_bytes(JUNK[kind])
    done = run_script(command[0], *arguments(command, study), stdin=b"text")
    said = done.stderr.decode("utf-8")
    assert done.returncode == 2, said
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if str(study / name) in line]
    if name != "study.db":
        assert " is damaged: " in line or "has format None" in line
    assert "; " in line  # what to do


@pytest.mark.parametrize("command", [SEARCH, REPORT, WATCH], ids=lambda command: str(command[0]))
@pytest.mark.parametrize("left", [b"", None], ids=["empty", "missing"])
def test_a_database_that_was_lost_beside_its_journal_does_not_start_over(
    left: bytes | None, command: tuple[str, ...], study: Path
) -> None:
    (study / "study.db").unlink()
    if left is not None:
        (study / "study.db").write_bytes(left)
    done = run_script(command[0], *arguments(command, study))
    assert done.returncode == 2
    assert "study.db" in done.stderr.decode("utf-8")
