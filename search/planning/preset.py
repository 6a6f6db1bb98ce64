"""Choose between the GPU and the CPU preset, and say why, before anything heavy starts."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

DRIVER_FILE = Path("/proc/driver/nvidia/version")
GPU_MARKERS = (DRIVER_FILE, Path("/dev/nvidiactl"), Path("/dev/dxg"))


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


def why_unusable(driver: str | None, torch_cuda: str | None) -> str:
    """Return what keeps torch from a CUDA device, and the remedy.

    Args:
        driver: Version of the NVIDIA driver; None without one.
        torch_cuda: CUDA version that torch was built for; None for a CPU build.
    """
    if driver is None:
        return (
            "no NVIDIA driver is loaded (no /proc/driver/nvidia/version); install one, or use `--preset cpu`"
        )
    if torch_cuda is None:
        return (
            f"the NVIDIA driver {driver} is here, but this torch is built without CUDA; "
            "reinstall it: pip install --force-reinstall torch"
        )
    return (
        f"torch is built for CUDA {torch_cuda}, and the NVIDIA driver {driver} does not offer it a device: "
        "the driver is too old for this torch, or CUDA_VISIBLE_DEVICES hides the card; "
        "`nvidia-smi` shows the newest CUDA version that the driver can run"
    )


def driver_version(text: str | None = None) -> str | None:
    """Return the version in the NVIDIA driver's own file; None if there is no driver.

    Example:
        >>> driver_version("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.159.04  Tue ...")
        '580.159.04'
    """
    if text is None:
        text = DRIVER_FILE.read_text(encoding="utf-8") if DRIVER_FILE.is_file() else ""
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else None


def bitsandbytes_problem(torch_cuda: str, folder: Path | None = None) -> str:
    """Return what is wrong with bitsandbytes for 4-bit bases on a GPU; empty if nothing is.

    Args:
        torch_cuda: CUDA version that torch was built for, such as 13.0.
        folder: Where the package lies; None looks it up.
    """
    if folder is None:
        spec = importlib.util.find_spec("bitsandbytes")
        if spec is None or spec.origin is None:
            return "the package bitsandbytes is missing; run: pip install bitsandbytes"
        folder = Path(spec.origin).parent
    wanted = f"libbitsandbytes_cuda{torch_cuda.replace('.', '')}.so"
    if (folder / wanted).is_file():
        return ""
    found = sorted(path.name for path in folder.glob("libbitsandbytes_cuda*.so"))
    return (
        f"bitsandbytes has no {wanted} for torch's CUDA {torch_cuda} (it has {', '.join(found) or 'no CUDA library'}); "
        "install a release of bitsandbytes or torch that match"
    )
