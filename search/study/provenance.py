"""Where a result comes from: commit, versions, machine and data checksums."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from data.corpus import CorpusFiles
from data.files.checksum import file_checksum
from data.paths import ROOT
from search.study.json_content import ProvenanceJson

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "unsloth", "ray", "optuna")


def provenance(corpus: CorpusFiles, seed: int) -> ProvenanceJson:
    """Return what a stranger needs to judge or repeat a result; no host or user name."""
    return {
        "commit": commit(),
        "seed": seed,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "data": {
            split: {"file": path.name, "sha256": file_checksum(path)}
            for split, path in corpus.by_name().items()
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str:
    """Return the commit of this code, with `-dirty` if it was changed since."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
