"""The preset: what is chosen on a machine without a GPU, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from search.planning import preset
from search.planning.preset import bitsandbytes_problem, choose_preset, driver_version, why_unusable


@pytest.fixture
def _no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make the machine look as if torch saw a GPU: a device file, and a torch that says so."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(preset, "GPU_MARKERS", (tmp_path,))
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: True), version=SimpleNamespace(cuda="13.0")
    )
    monkeypatch.setattr(preset, "bitsandbytes_problem", lambda version: "")
    monkeypatch.setitem(sys.modules, "torch", torch)


@pytest.mark.usefixtures("_no_gpu")
@pytest.mark.parametrize(("wanted", "why"), [("auto", "no CUDA device found"), ("cpu", "asked for")])
def test_without_a_gpu_the_cpu_preset_says_why(wanted: str, why: str) -> None:
    chosen = choose_preset(wanted, "auto")
    assert (chosen.name, chosen.backend) == ("cpu", "peft")
    assert why in chosen.why


@pytest.mark.usefixtures("_no_gpu")
def test_a_backend_that_is_asked_for_is_taken() -> None:
    assert choose_preset("cpu", "unsloth").backend == "unsloth"


@pytest.mark.usefixtures("_no_gpu")
def test_the_gpu_preset_without_a_gpu_is_refused_with_the_way_out() -> None:
    with pytest.raises(RuntimeError, match="use `--preset cpu`"):
        choose_preset("gpu", "auto")


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_machine_without_a_gpu_is_told_apart_without_importing_torch(hidden: str) -> None:
    code = (
        "import sys; from search.planning.preset import bitsandbytes_problem, choose_preset, driver_version, why_unusable; "
        "print(choose_preset('auto', 'auto').name, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"CUDA_VISIBLE_DEVICES": hidden}, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert done.stdout.split() == ["cpu", "False"]


@pytest.mark.usefixtures("_gpu")
def test_a_gpu_gives_the_gpu_preset_with_a_longer_horizon() -> None:
    gpu, cpu = choose_preset("auto", "peft"), choose_preset("cpu", "peft")
    assert (gpu.name, gpu.backend, cpu.name) == ("gpu", "peft", "cpu")
    assert gpu.horizon_limit_steps > cpu.horizon_limit_steps


@pytest.mark.usefixtures("_gpu")
def test_a_gpu_without_unsloth_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unsloth", None)  # as if it were not installed
    with pytest.raises(RuntimeError, match=r'pip install -e "\.\[gpu\]"'):
        choose_preset("auto", "auto")


@pytest.mark.usefixtures("_gpu")
def test_a_gpu_whose_bitsandbytes_cannot_use_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preset, "bitsandbytes_problem", lambda version: f"no library for CUDA {version}")
    with pytest.raises(RuntimeError, match="no library for CUDA 13.0"):
        choose_preset("auto", "peft")


@pytest.mark.parametrize(
    ("driver", "torch_cuda", "words"),
    [
        (None, "13.0", "no NVIDIA driver is loaded"),
        ("580.1", None, "built without CUDA"),
        ("470.1", "13.0", "the driver is too old for this torch"),
    ],
)
def test_the_reason_and_the_remedy_are_named(driver: str | None, torch_cuda: str | None, words: str) -> None:
    assert words in why_unusable(driver, torch_cuda)


def test_the_driver_version_is_read_from_its_own_words() -> None:
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\nGCC version: 13.3.0"
    assert driver_version(text) == "580.159.04"
    assert driver_version("nothing here") is None


def test_a_bitsandbytes_without_its_cuda_library_is_named(tmp_path: Path) -> None:
    assert "no CUDA library" in bitsandbytes_problem("13.0", tmp_path)
    (tmp_path / "libbitsandbytes_cuda126.so").touch()
    assert "it has libbitsandbytes_cuda126.so" in bitsandbytes_problem("13.0", tmp_path)
    (tmp_path / "libbitsandbytes_cuda130.so").touch()
    assert bitsandbytes_problem("13.0", tmp_path) == ""
