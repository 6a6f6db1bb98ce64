"""What one trial is told: its hyperparameters, and the settings that all trials of a study share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from data.files.own_json import read_settings
from data.prompt import FIXED_DATE, SYSTEM_PROMPT, PromptSettings
from trainable.knob import Choice, Knob, Range, base_name, bits, knobs_of
from trainable.requirements import Requirements

METRIC = "score"
"""micro_recall, less what micro_precision falls short of the required minimum."""
MODE = "max"
TIME_ATTR = "step"
"""Optimizer steps done; the unit of every budget."""

TRAIN_LOSS = "train_loss"
"""Mean loss of the steps since the rung before, in nats a label token."""
VALIDATION_LOSS = "validation_loss"
"""Mean cross-entropy of the right answers to validation documents, in nats a token; nothing is generated."""
MEAN_VALIDATION_LOSS = "mean_validation_loss"
"""Geometric mean of the validation losses at this rung and at the one before: near its peak a good learning rate is unstable,
and one loss alone then misleads."""

SETTINGS_KEY, SEAT_KEY = "settings_file", "seat"
"""What a Ray config holds beside hyperparameters: the file of the settings, and the seat of the worker."""
STUDY_FOLDERS = {"token_cache": "tokens", "checkpoint_dir": "checkpoints"}
"""Settings that are folders of the study, and their names in it: a study that was moved takes them along."""

Values: TypeAlias = dict[str, Any]
"""Hyperparameters by name, as a file or a Ray config holds them."""
JSON, TAGS = "json", "tags"
"""How a model is asked to answer; see `TrialConfig.answers`."""
ALL_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_EITHER, _RANKS = Choice((False, True)), Choice((8, 12, 16, 32, 64))


@dataclass(frozen=True, slots=True)
class TrialConfig:
    """The hyperparameters of one fine-tune; equal configs with equal seeds give equal adapters.

    A field with a `Knob` can be searched: space file, trials.csv, report, dashboard and curve tables follow from it.
    """

    model: Annotated[
        str,
        Knob(
            "base model",
            Choice(("small-2m", "small-4m")),
            Choice(("Qwen3-0.6B", "Qwen3-1.7B")),
            brief=base_name,
        ),
    ]
    """Bundled base model, hub id or directory."""
    load_in_4bit: Annotated[bool, Knob("4-bit base", _EITHER, _EITHER, brief=bits)] = False
    """Quantise the base to NF4 (double quantisation)."""
    lora_rank: Annotated[int, Knob("rank", _RANKS, _RANKS, above=0, brief="r={}".format)] = 12
    """Rank r of the update B·A."""
    learning_rate: Annotated[
        float,
        Knob(
            "learning rate",
            Range(3e-4, 3e-2, log=True),
            Range(5e-5, 5e-4, log=True),
            above=0,
            brief="lr={:.1e}".format,
        ),
    ] = 1.5e-4
    """Peak AdamW learning rate, after warm-up."""
    oversampling: Annotated[
        float, Knob("oversampling", Range(1, 4), Range(1, 4), at_least=1, brief="x{:g}".format)
    ] = 1.0
    """How often a sample with an entity counts in an epoch; 1 = as often as any other."""
    answers: Annotated[
        str, Knob("answers", Choice((JSON, TAGS)), Choice((JSON, TAGS)), one_of=(JSON, TAGS), brief=str)
    ] = JSON
    """json: a list of entities is written after a prompt. tags: each token of the text gets a tag, from both sides."""
    lora_alpha: Annotated[int | None, Knob("alpha")] = None
    """Scale of the update, alpha / r; None means 2 r."""
    lora_dropout: Annotated[float, Knob("dropout", 0.0, 0.1, at_least=0, below=1)] = 0.1
    """Dropout on the input of the update."""
    use_rslora: Annotated[bool, Knob("rsLoRA")] = False
    """Scale by alpha / sqrt(r) instead."""
    target_modules: tuple[str, ...] | None = None
    """Names of the linear layers that get an update; None means all but the output head."""
    weight_decay: Annotated[float, Knob("weight decay")] = 0.01
    """AdamW's decoupled weight decay."""
    max_grad_norm: Annotated[float | None, Knob("gradient clipping", above=0)] = None
    """Gradients are clipped to this norm; None means 1, and 0.3 where tokens are tagged, which good rates are unstable without."""
    effective_batch: Annotated[int, Knob("batch", 16, 32, above=0)] = 32
    """Sequences in one optimizer step."""
    micro_batch: Annotated[int | None, Knob("micro-batch")] = None
    """Sequences in one forward pass; None means as many as memory holds."""
    optimizer: Annotated[str, Knob("optimizer", one_of=("adamw", "adamw_8bit"))] = "adamw"
    """adamw, or adamw_8bit (bitsandbytes)."""
    gradient_checkpointing: Annotated[bool, Knob("gradient checkpointing")] = False
    """Recompute activations in the backward pass: less memory, about a third slower."""
    init_adapter: str | None = None
    """Adapter directory to continue from instead of a fresh one; its rank must equal lora_rank."""
    seed: int = 42
    """Seeds adapter weights, dropout, sample order and fractional oversampling."""

    def __post_init__(self) -> None:
        problems = [
            f"`{name}` is {getattr(self, name)!r}, but {rule}"
            for name, knob in KNOBS.items()
            if (rule := knob.broken_rule(getattr(self, name)))
        ]
        if self.micro_batch is not None and self.effective_batch % self.micro_batch:
            problems.append(
                f"`micro_batch` is {self.micro_batch}, but must divide `effective_batch` ({self.effective_batch})"
            )
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def alpha(self) -> int:
        """`lora_alpha`, or its default 2 r."""
        return 2 * self.lora_rank if self.lora_alpha is None else self.lora_alpha

    @property
    def gradient_clip(self) -> float:
        """`max_grad_norm`, or its default."""
        return (0.3 if self.tagged else 1.0) if self.max_grad_norm is None else self.max_grad_norm

    @property
    def tagged(self) -> bool:
        """Whether each token gets a tag; otherwise answers are written."""
        return self.answers == TAGS

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> TrialConfig:
        """Build a config from plain values, as a file or Ray holds them.

        Raises:
            ValueError: If a name is unknown or a value breaks its rule.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown hyperparameters: {', '.join(unknown)}")
        plain: dict[str, Any] = dict(values)
        if plain.get("target_modules") is not None:
            plain["target_modules"] = tuple(plain["target_modules"])
        return cls(**plain)

    def to_dict(self) -> dict[str, object]:
        """Return plain values that `from_dict` reads back."""
        return asdict(self)

    def with_changes(self, **changes: object) -> TrialConfig:
        """Return a copy with some values replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # their rules judge them


KNOBS = knobs_of(TrialConfig)
"""The hyperparameters that can be searched, by name and in the order of the fields."""


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """What every trial of a study shares; stored beside the study and read by each trial."""

    backend: str
    """unsloth or peft."""
    train_file: str
    """Training documents, JSONL."""
    validation_file: str
    """Validation documents, JSONL."""
    token_cache: str
    """Directory of the tokenised corpora; follows from the study's folder."""
    checkpoint_dir: str
    """Directory with one folder of resumable state a trial; follows from the study's folder."""
    rungs: tuple[int, ...]
    """Optimizer steps at which a trial is evaluated; the last is the horizon."""
    evaluation_documents: tuple[int, ...]
    """How many validation documents each rung uses: nested prefixes of one fixed order."""
    judges: tuple[str, ...] = ()
    """What each rung compares trials by, METRIC or one of the losses; empty means the score everywhere."""
    min_precision: float = 0.85
    """Precision below this costs score."""
    min_json_valid: float = 0.0
    """Share of answers that are valid JSON; what lacks costs score."""
    min_type_recall: tuple[tuple[str, float], ...] = ()
    """Recall that single entity types need; what lacks costs score."""
    system_prompt: str = SYSTEM_PROMPT
    """The system message of every prompt."""
    date: str = FIXED_DATE
    """The day in every prompt, where a chat template writes one, YYYY-MM-DD."""
    ends_of_turn: tuple[tuple[str, str], ...] = ()
    """Base models, each with the token that ends an answer; one that is missing has that of its chat template."""
    in_turn: bool = False
    """Texts that are tagged stand in a turn of the user; in studies from before December 2026 they do not."""
    window_tokens: int = 512
    """Longest training sample, prompt and completion together; longer documents become windows."""
    overlap_tokens: int | None = None
    """Least tokens that neighbouring windows share; None means as many as the longest entity has."""
    threads: int = 1
    """CPU threads of a trial."""
    gpus: float = 0
    """Share of a GPU that a trial reserves: 0 without one, 1 alone on it."""
    vram_gib: float | None = None
    """GPU memory a trial may use; None means all."""

    @property
    def horizon_steps(self) -> int:
        """Optimizer steps of a trial that is never stopped."""
        return self.rungs[-1]

    @property
    def requirements(self) -> Requirements:
        """Every floor that the user set."""
        return Requirements(self.min_precision, self.min_json_valid, self.min_type_recall)

    def prompt(self, model: str) -> PromptSettings:
        """Return what a base model is asked with beside the text."""
        end = dict(self.ends_of_turn).get(model, "")
        return PromptSettings(self.system_prompt, self.date, end, self.in_turn)

    def stored(self) -> Values:
        """Return what is kept on disk: all but `STUDY_FOLDERS`."""
        return {name: value for name, value in asdict(self).items() if name not in STUDY_FOLDERS}

    def save(self, path: Path) -> None:
        """Write the settings as JSON."""
        path.write_text(json.dumps(self.stored(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> TrialSettings:
        """Read what `save` wrote into the folder of the study, wherever that lies now."""
        folders = {name: str(path.absolute().parent / folder) for name, folder in STUDY_FOLDERS.items()}
        return read_settings(path, cls, "put a copy of it back, or choose another --study", **folders)


def split_ray_config(ray_config: Mapping[str, object]) -> tuple[TrialConfig, Path]:
    """Return the hyperparameters and the settings file of a Ray config."""
    values = dict(ray_config)
    settings_file = Path(str(values.pop(SETTINGS_KEY)))
    values.pop(SEAT_KEY, None)
    return TrialConfig.from_dict(values), settings_file
