"""What a node finds out about itself: its copy of the project, weights, data, and whether it reaches the storage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from data.files.checksum import file_checksum
from data.files.private import for_owner_alone
from data.paths import ROOT
from trainable.model.bases import locate_base
from trainable.trial.checkpoint_store import CheckpointStore

SOURCE = ("data", "trainable", "search")
LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "unsloth")
"""Those whose version changes what a trial comes to."""
_FROM_DRIVER = "from-driver"
"""The file that each node must be able to read."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What every node must have."""

    models: tuple[str, ...]
    """Base models, as the space names them."""
    adapter: Path | None = None
    """Weights of the adapter that all trials start from."""
    data: tuple[Path, ...] = ()
    """Data files that nodes read themselves."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that must be the same there."""
        return (*self.data, self.adapter) if self.adapter else self.data


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was looked for: what was found, by which two nodes are compared, or why it was not."""

    found: str = ""
    problem: str = ""


def facts(needs: Needs) -> dict[str, Fact]:
    """Return what this machine has, by name; equal values mean that two machines have the same."""
    found = {"project": _fact(source_checksum)}
    for library in LIBRARIES:
        found[library] = _fact(lambda library=library: _release(library))  # type: ignore[misc]
    for model in needs.models:
        found[f"model {model}"] = _fact(lambda model=model: weights_fingerprint(locate_base(model)))  # type: ignore[misc]
    for path in needs.files:
        found[f"file {path}"] = _fact(lambda path=path: file_checksum(path))  # type: ignore[misc]
    return found


def source_checksum() -> str:
    """Return version and checksum of the project's modules."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in SOURCE for path in (ROOT / folder).rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{_release('pii-tuner')} {digest.hexdigest()[:12]}"


def weights_fingerprint(base_dir: Path) -> str:
    """Return a checksum of a base model's config and tokenizer, and of the sizes of its weights, which are not read."""
    small = {path for pattern in ("config.json", "*token*", "*.jinja") for path in base_dir.glob(pattern)}
    digest = hashlib.sha256()
    for path in sorted(small):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    weights = sorted(base_dir.glob("*.safetensors"))
    if not weights:
        raise FileNotFoundError(f"{base_dir} has no *.safetensors")
    for path in weights:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:12]


def leave_probe(probe: CheckpointStore, token: bytes) -> None:
    """Let the driver write what each node must be able to read.

    Raises:
        StorageFailed: If it cannot.
    """
    with for_owner_alone():
        probe.write(_FROM_DRIVER, token)


def answer_probe(probe: CheckpointStore, node: str) -> Fact:
    """Read on a node what the driver wrote, and write it again under the node's name."""

    def answer() -> str:
        content = probe.read(_FROM_DRIVER)
        probe.write(node, content)
        return content.hex()

    return _fact(answer)


def _fact(look: Callable[[], str]) -> Fact:
    try:
        return Fact(look())
    except (OSError, ValueError) as error:
        return Fact(problem=str(error))


def _release(package: str) -> str:
    """Return the version of a package, without what names its build; empty if it is not installed."""
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return ""
