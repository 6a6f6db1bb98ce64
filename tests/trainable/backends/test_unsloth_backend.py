"""Both backends walk through a trial's life, each in a process of its own, and must agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from tests.trainable.small_study import Head, small_settings

PROBE = ROOT / "tests" / "bench" / "backend_probe.py"
STEPS, DOCUMENTS = 12, 12


def walk(backend: str, folder: Path, *flags: str) -> dict[str, Any]:
    out = folder / f"{backend}.json"
    command = [
        sys.executable,
        str(PROBE),
        "--backend",
        backend,
        "--out",
        str(out),
        "--steps",
        str(STEPS),
        "--effective-batch",
        "8",
        "--train-documents",
        "96",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1"}
    environment["UNSLOTH_COMPILE_LOCATION"] = str(folder / "unsloth_cache")
    subprocess.run([*command, "--documents", str(DOCUMENTS), *flags], check=True, cwd=folder, env=environment)
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


def check_life(result: dict[str, Any], quantised: bool) -> None:
    assert len(result["losses"]) == STEPS
    assert min(result["losses"][-5:]) < result["losses"][0] / 2
    assert result["facts"]["lora_rank"] == 16
    assert result["facts"]["lora_scaling"] == 2.0
    assert result["facts"]["lora_modules"] == 21  # seven projections in three layers
    assert result["facts"]["quantised_layers"] == (21 if quantised else 0)
    assert result["saved"] == ["adapter_config.json", "adapter_model.safetensors"]
    assert len(result["answers"]) == DOCUMENTS
    assert result["rank_after_swap"] == 8


@pytest.mark.unsloth
@pytest.mark.timeout(600)
@pytest.mark.parametrize("quantised", [False, True], ids=["16-bit", "4-bit"])
def test_both_backends_train_and_answer_alike(quantised: bool, tmp_path: Path) -> None:
    flags = ("--load-in-4bit",) if quantised else ()
    plain, unsloth = walk("peft", tmp_path, *flags), walk("unsloth", tmp_path, *flags)
    check_life(plain, quantised)
    check_life(unsloth, quantised)
    for ours, theirs in zip(plain["losses"], unsloth["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=0.01)
    same = sum(ours == theirs for ours, theirs in zip(plain["answers"], unsloth["answers"], strict=True))
    assert same >= 0.99 * DOCUMENTS


_ONE_TRIAL = """
import json, sys
from pathlib import Path
from trainable.config import TrialConfig, TrialSettings
from trainable.trial.trial import Trial

study = Path(sys.argv[1])
config = TrialConfig(
    "small-2m", lora_rank=8, learning_rate=3e-3, lora_dropout=float(sys.argv[2]), effective_batch=8, answers="tags"
)
trial = Trial(config, TrialSettings.load(study / "trial_settings.json"), study / "t")
print(json.dumps(trial.next_rung().to_dict()))
"""


def run_script(script: str, backend: str, head: Head, folder: Path, *arguments: str) -> Any:
    """Run a script that gets a study's folder first, in a process of its own; return the JSON of its last line."""
    study = folder / backend
    settings = small_settings(study, head, (6,), (8,), train=48)
    study.mkdir()
    replace(settings, backend=backend).save(study / "trial_settings.json")
    command = [sys.executable, "-c", script, str(study), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
    environment["UNSLOTH_COMPILE_LOCATION"] = str(study / "unsloth_cache")
    ran = subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True, cwd=folder, env=environment)
    return json.loads(ran.stdout.splitlines()[-1])


_BASES_IN_TURN = """
import json, sys
from pathlib import Path
from trainable.backends.resident import ResidentBase
from trainable.config import TrialConfig, TrialSettings
from trainable.trial.trial import Trial

study, resident = Path(sys.argv[1]), ResidentBase()
resident.start("unsloth")
results = []
for number, (model, quantised) in enumerate([("small-2m", False), ("small-2m", True), ("small-4m", False)] * 2):
    config = TrialConfig(model, quantised, 8, 3e-3, lora_dropout=0.0, effective_batch=8)
    trial = Trial(config, TrialSettings.load(study / "trial_settings.json"), study / str(number), resident)
    result = trial.next_rung().to_dict()
    results.append({key: result[key] for key in ("outcome", "train_loss", "score", "generation", "quantised_layers")})
print(json.dumps({"results": results, "loads": resident.loads}))
"""


@pytest.mark.unsloth
@pytest.mark.timeout(600)
def test_a_base_that_waited_aside_trains_as_it_did_before(sample_head: Head, tmp_path: Path) -> None:
    found = run_script(_BASES_IN_TURN, "unsloth", sample_head, tmp_path)
    assert found["loads"] == 3
    assert found["results"][:3] == found["results"][3:]
    assert {result["outcome"] for result in found["results"]} == {"ok"}


@pytest.mark.unsloth
@pytest.mark.timeout(600)
@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["own passes", "the library's passes"])
def test_both_backends_tag_alike(dropout: float, sample_head: Head, tmp_path: Path) -> None:
    found = {}
    for backend in ("peft", "unsloth"):
        found[backend] = run_script(_ONE_TRIAL, backend, sample_head, tmp_path, str(dropout))
    plain, unsloth = found["peft"], found["unsloth"]
    assert unsloth["outcome"] == "ok"
    assert unsloth["backend"] == "unsloth"
    assert unsloth["generation"] == "fast"
    if not dropout:
        assert unsloth["train_loss"] == pytest.approx(plain["train_loss"], rel=1e-3)
    assert unsloth["train_loss"] == pytest.approx(plain["train_loss"], rel=0.05)


_TRL_PATCHED = """
import json, os, sys
from trainable.backends.create import create_backend
from trainable.imports import unsloth_shall_patch_trl

if sys.argv[2] == "trl":
    unsloth_shall_patch_trl()
backend = create_backend("unsloth")
import trl
print(json.dumps([
    backend.device.type,
    hasattr(trl, "__UNSLOTH_BACKWARDS_COMPATIBLE__"),
    trl.SFTTrainer.__name__,
    os.environ.get("UNSLOTH_ALLOW_CPU"),
]))
"""


@pytest.mark.unsloth
@pytest.mark.gpu
@pytest.mark.timeout(600)
def test_trl_is_patched_for_its_own_engine_alone(sample_head: Head, tmp_path: Path) -> None:
    found = []
    for engine in ("own", "trl"):
        (tmp_path / engine).mkdir()
        found.append(run_script(_TRL_PATCHED, "unsloth", sample_head, tmp_path / engine, engine))
    assert found == [["cuda", False, "SFTTrainer", None], ["cuda", True, "UnslothSFTTrainer", "0"]]
