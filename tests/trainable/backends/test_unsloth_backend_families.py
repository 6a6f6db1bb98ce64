"""Unsloth trains and asks a checkpoint of each model family on a CPU as the plain backend does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data.paths import ROOT
from tests.families import FAMILIES, save_family, save_in_4bit

pytestmark = [pytest.mark.unsloth, pytest.mark.timeout(1800)]
Probes = dict[str, dict[str, Any]]


def probes(folder: Path, models: Path, bits: int) -> Probes:
    """What each backend did with each model, by backend."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "UNSLOTH_DISABLE_STATISTICS": "1"}
    environment["UNSLOTH_COMPILE_LOCATION"] = str(folder / "cache")
    found = {}
    for backend in ("peft", "unsloth"):
        out = folder / f"{backend}-{bits}.json"
        flags = ["--backend", backend, "--models", str(models), "--out", str(out), "--bits", str(bits)]
        command = [sys.executable, "-m", "tests.bench.family_probe", *flags]
        subprocess.run(command, check=True, cwd=ROOT, env=environment)
        found[backend] = json.loads(out.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Probes:
    """Of every family, from whole weights."""
    folder = tmp_path_factory.mktemp("whole")
    for name in FAMILIES:
        save_family(name, folder / "models" / name)
    return probes(folder, folder / "models", 16)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Probes:
    """Of bases whose checkpoints are quantised already."""
    folder = tmp_path_factory.mktemp("stored")
    for name in ("qwen3", "llama3"):
        save_in_4bit(save_family(name, folder / "whole" / name), folder / "models" / name)
    return probes(folder, folder / "models", 4)


def check_alike(plain: dict[str, Any], unsloth: dict[str, Any]) -> None:
    assert "error" not in plain
    assert "error" not in unsloth
    for fact in ("lora_modules", "adapted_share", "quantised_layers"):
        assert unsloth[fact] == pytest.approx(plain[fact])
    assert unsloth["first"] == pytest.approx(plain["first"], rel=1e-4)
    assert unsloth["last"] == pytest.approx(plain["last"], rel=0.02)
    assert unsloth["last"] < 0.9 * unsloth["first"]
    assert all(unsloth["answers"])


@pytest.mark.parametrize("name", FAMILIES)
def test_unsloth_loads_and_trains_the_family_as_the_plain_backend_does(whole: Probes, name: str) -> None:
    check_alike(whole["peft"][f"{name} 16"], whole["unsloth"][f"{name} 16"])


@pytest.mark.parametrize("name", ["qwen3", "llama3"])
def test_unsloth_takes_a_base_that_is_stored_in_4_bit(stored: Probes, name: str) -> None:
    check_alike(stored["peft"][f"{name} 4"], stored["unsloth"][f"{name} 4"])
    assert stored["unsloth"][f"{name} 4"]["quantised_layers"] == 14
