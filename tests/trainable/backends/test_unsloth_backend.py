"""Both backends walk through a trial's life, each in a process of its own, and must agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT

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
