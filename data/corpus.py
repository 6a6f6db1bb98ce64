"""Finds the training, validation and test files: the user's own, or the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.paths import ROOT

SAMPLE_DIR = ROOT / "data" / "sample"
USER_PREFIX = "merged_pii_dataset_"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """Absolute paths of the splits; `test` is None when the user has none."""

    train: Path
    validation: Path
    test: Path | None
    bundled: bool

    def by_name(self) -> dict[str, Path]:
        """Return the splits that exist, by name."""
        named = {"train": self.train, "validation": self.validation}
        return named if self.test is None else {**named, "test": self.test}


def find_corpus(data_dir: Path | None) -> CorpusFiles:
    """Return the data files to use.

    With a directory: `merged_pii_dataset_{train,validation,test}.jsonl` in it, or the same without
    the prefix. Without one: such files in this project's `data/` folder, else the bundled sample.

    Raises:
        FileNotFoundError: If the directory lacks a training or validation file.
    """
    own = _named_files(data_dir or SAMPLE_DIR.parent)
    if {"train", "validation"} <= set(own):
        return CorpusFiles(own["train"], own["validation"], own.get("test"), bundled=False)
    if data_dir is None:
        sample = {split: SAMPLE_DIR / f"{split}.jsonl" for split in SPLITS}
        return CorpusFiles(sample["train"], sample["validation"], sample["test"], bundled=True)
    missing = [split for split in SPLITS[:2] if split not in own]
    raise FileNotFoundError(
        f"`--data-dir` {data_dir} has no {' and no '.join(f'{USER_PREFIX}{split}.jsonl' for split in missing)}; "
        f"it must hold {USER_PREFIX}train.jsonl and {USER_PREFIX}validation.jsonl (a test file is optional)"
    )


def _named_files(directory: Path) -> dict[str, Path]:
    found = {}
    for split in SPLITS:
        for name in (f"{USER_PREFIX}{split}.jsonl", f"{split}.jsonl"):
            path = (directory / name).resolve()
            if split not in found and path.is_file():
                found[split] = path
    return found
