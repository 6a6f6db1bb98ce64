"""Say in words why a GPU that is there cannot be used."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

DRIVER_FILE = Path("/proc/driver/nvidia/version")


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
