"""What a user reads when a GPU is there and cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.planning.gpu_check import bitsandbytes_problem, driver_version, why_unusable


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
