"""The flags of `search/retrain.py`; each field's text is its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """Train a search's winner, or a config that no search found, at full length and test it once."""

    best_json: tyro.conf.Positional[Path | None] = None
    """best.json of a study (none: `--config` says what to train)."""
    config: str | None = None
    """Train this without a search, at its own learning rate: a starting config by its name, such as conservative, or a TOML or JSON file of hyperparameters (what it leaves out is as in conservative)."""
    compare: str | None = None
    """Was it worth it? Train this too, for as many epochs on the same data at its own learning rate, and test both once: a starting config by its name, such as conservative, or a file of hyperparameters; a folder with an adapter, such as another study, is tested as it is."""
    seeds: int = 1
    """Train and test with so many seeds, one after another, and tell mean, interval and spread of the test numbers; the adapter of the first is the result."""
    epochs: int = 3
    """Passes over the oversampled training set."""
    engine: Literal["own", "trl"] = "own"
    """own: the loop of the search; trl: the same config through TRL's SFTTrainer."""
    augment: bool = True
    """Texts that are seen again carry other values of the same types, and half of the texts are joined in pairs (the trl engine trains on the texts as they are)."""
    keep_rate: bool = False
    """Train at the trial's learning rate (without: lower, since the run is longer, by the power -0.32 of the steps)."""
    learning_curve: bool = False
    """Would more labels help? Train on a quarter and on a half of the documents too, and tell what twice as many would give; takes three quarters more time."""
    operating_point: str | None = None
    """Choose on validation alone how certain entities must be, and store it with the adapter: precision=0.85, recall=0.95 or false-alarm=0.02; the test set is told with and without."""
    merge: bool = False
    """Also write a merged model that transformers loads without PEFT."""
    seed: int | None = None
    """Another seed than the trial's."""
    init_adapter: Path | None = None
    """Adapter folder to start from; it must fit the config."""
    data_dir: Path | None = None
    """Other data than the study's (with `--config` and none: the project's data folder)."""
    preset: Literal["auto", "cpu", "gpu"] = "auto"
    """Of `--config`: gpu has Qwen3 in its starting configs, cpu the small bundled models; a study has its own."""
    backend: Literal["auto", "unsloth", "peft"] = "auto"
    """Training library of `--config`; auto takes unsloth on a GPU and plain PEFT elsewhere."""
    window_tokens: int | None = None
    """Most tokens of a text with prompt and answer (none: as in the search, 512 without one); longer documents are cut."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: as in the search)."""
    out: Path | None = None
    """Where the results go (none: retrain/ beside best.json; `--config` needs it); an interrupted run there goes on."""
