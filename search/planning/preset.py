"""Choose between the GPU and the CPU preset, and say why, before anything heavy starts."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from search.planning.gpu_check import bitsandbytes_problem, driver_version, why_unusable

GPU_MARKERS = (Path("/proc/driver/nvidia/version"), Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True, slots=True)
class Preset:
    """What follows from the machine: the search space, the backend and the size of a trial."""

    name: str
    backend: str
    why: str
    horizon_limit_steps: int
    evaluation_documents: int


def choose_preset(wanted: str, backend: str) -> Preset:
    """Resolve `auto` by looking for a CUDA device.

    Args:
        wanted: auto, cpu or gpu.
        backend: auto, unsloth or peft.

    Raises:
        RuntimeError: If the GPU preset is wanted (or found) and cannot run.
    """
    has_gpu = wanted != "cpu" and _has_cuda()
    if wanted == "gpu" and not has_gpu:
        import torch

        reason = why_unusable(driver_version(), torch.version.cuda)
        raise RuntimeError(f"`--preset gpu` needs a CUDA device, and torch sees none: {reason}")
    has_unsloth = importlib.util.find_spec("unsloth") is not None
    if has_gpu and backend != "peft" and not has_unsloth:
        raise RuntimeError(
            'a CUDA device is here but the package unsloth is not: pip install -e ".[gpu]" '
            "(or `--backend peft` for plain PEFT, or `--preset cpu`)"
        )
    if has_gpu:
        import torch

        problem = bitsandbytes_problem(torch.version.cuda or "")
        if problem:
            raise RuntimeError(f"{problem} (or search on the small models with `--preset cpu`)")
        chosen = "unsloth" if backend == "auto" else backend
        return Preset("gpu", chosen, f"CUDA device found, {chosen} backend", 1800, 500)
    chosen = "peft" if backend == "auto" else backend
    why = "asked for" if wanted == "cpu" else "no CUDA device found"
    if wanted == "auto" and driver_version() is not None:
        why = f"an NVIDIA driver ({driver_version()}) but no usable CUDA device; `--preset gpu` says why"
    return Preset("cpu", chosen, f"{why}: small bundled models, {chosen} backend", 162, 300)


def _has_cuda() -> bool:
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not any(map(Path.exists, GPU_MARKERS)):
        return False  # spares a machine without a GPU the seconds that importing torch takes
    import torch

    return torch.cuda.is_available()
