"""The flags of `search/run.py`; each field's text is its help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Search LoRA hyperparameters for the highest entity-level recall.

    Without a GPU it runs on the small models and the sample data that ship with the project.
    """

    trials: int = 20
    """Configs to try in total, those before an interruption included; a higher total extends a finished study."""
    study: str = ""
    """Name of the study, a folder in the results directory; one that exists goes on (empty: the interrupted study of this same command, or the next free study-NNN)."""
    results_dir: Path = Path("results")
    """Folder of all studies."""
    data_dir: Path | None = None
    """Folder with merged_pii_dataset_{train,validation,test}.jsonl (none: the project's data folder)."""
    space: Path | None = None
    """TOML file that narrows or replaces the search space; a study that goes on takes wider ranges and more values."""
    warm_start: str = ""
    """Studies on the same data, by name or folder, separated by commas: the sampler learns from their completed trials."""
    preset: Literal["auto", "cpu", "gpu"] = "auto"
    """gpu: Qwen3 0.6B and 1.7B; cpu: the small bundled models."""
    backend: Literal["auto", "unsloth", "peft"] = "auto"
    """Training library; auto takes unsloth on a GPU and plain PEFT elsewhere."""
    horizon_steps: int | None = None
    """Optimizer steps of a trial that is never stopped (none: about one epoch, within the preset's limit)."""
    grace_steps: int | None = None
    """Optimizer steps before a trial may be stopped (none: a ninth of the horizon)."""
    reduction_factor: int | None = None
    """One trial in this many goes past each rung, rungs this factor apart (none: the default rungs and shares)."""
    confirm: str = "best"
    """Best trials to train again with a fresh seed before one is chosen by the mean of its scores: a number, 0 for none, best (the best trial, and the second best if the first falls behind it), or auto (the same, but only where their scores differ by at most 0.03)."""
    evaluation_documents: int | None = None
    """Validation documents that a trial generates answers for (none: the preset's)."""
    goals: Path | None = None
    """TOML file with the goals and the starting point that the report compares with, see data/goals.example.toml (none: goals.toml beside the data, if there is one)."""
    seed: int = 42
    """Seed of the sampler and of every trial."""
    min_precision: float = 0.85
    """Precision below this is taken off the score."""
    min_json_valid: float = 0.0
    """Share of answers that must be valid JSON; what lacks is taken off the score."""
    min_recall: str = ""
    """Recall that entity types must reach, such as PHONE=0.9,EMAIL=0.8; what lacks is taken off the score."""
    system_prompt: Path | None = None
    """Text file with the system message of every prompt; {types} in it stands for the entity types (none: ours, in Chinese)."""
    window_tokens: int = 512
    """Most tokens of a text with prompt and answer; longer documents are cut into overlapping windows."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share (none: the longest entity of the training data, at least 32)."""
    vram_gb: float | None = None
    """GPU memory that the search may use on each GPU, in GiB (none: all of the card)."""
    gpus: int | None = None
    """GPUs of this machine to use (none: every one that CUDA_VISIBLE_DEVICES shows)."""
    trials_per_gpu: str = "1"
    """Trials that share each GPU, each with its part of the memory: a number, or auto: what fits and keeps it busy."""
    init_adapter: Path | None = None
    """Adapter folder that every trial starts from; rank, alpha and model are then the adapter's."""
    resume: bool = False
    """Go on with an interrupted study, never start a new one."""
    plan: bool = False
    """Print what would be done, the time, memory and disk it would take and the first configs, and stop."""
    simulate: Path | None = None
    """Learning-curve table (.npz) to replay instead of training; results are those of its recorded configs."""
    address: str = "local"
    """Ray cluster to run on, auto for that of this machine; its nodes must share the folders of studies and data, unless --storage is given."""
    storage: str = ""
    """URL where trials keep their checkpoints (s3://bucket/path, file:///folder), for nodes that share no disk; data are sent to them (none: the study's folder)."""
    concurrent_trials: int | None = None
    """Trials that run at a time (none: --trials-per-gpu on each GPU; one a core, at most 4, without); with 1, equal seeds give equal searches."""
    dashboard: bool = True
    """Serve Ray's dashboard and the study page on 127.0.0.1."""
    track: Literal["none", "mlflow", "wandb"] = "none"
    """Send numbers and knobs, never text, to this tracker as well."""
