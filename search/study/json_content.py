"""Types of what config.json, best.json and retrain/metrics.json of a study hold."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from search.retrain_content import RetrainExtras
from trainable.knob import KnobValue

Value = bool | int | float | str | None
"""An option, hyperparameter or metric as JSON holds it."""


def as_number(value: object) -> float | None:
    """Return a metric as a number; None where it is missing, undefined or not a number."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class ParameterJson(TypedDict, total=False):
    """One searched hyperparameter: either its `values`, or a range from `low` to `high`."""

    values: list[KnobValue]
    low: float
    high: float
    log: bool


class SpaceJson(TypedDict):
    """The search space."""

    parameters: dict[str, ParameterJson]
    fixed: dict[str, KnobValue | list[str]]
    starting_configs: NotRequired[dict[str, dict[str, KnobValue]]]
    plans: NotRequired[dict[str, dict[str, KnobValue]]]
    """What older studies call the starting configs."""


class TrialSettingsJson(TypedDict):
    """Those settings of all trials that a reader of the study needs."""

    rungs: list[int]
    evaluation_documents: list[int]
    min_precision: float
    train_file: str
    validation_file: str
    vram_gib: NotRequired[float | None]
    in_turn: NotRequired[bool]


class DataFileJson(TypedDict):
    """Name and checksum of one data file."""

    file: str
    sha256: str


class ProvenanceJson(TypedDict):
    """Where a study comes from."""

    commit: str
    seed: int
    started: str
    python: str
    machine: str
    packages: dict[str, str]
    data: dict[str, DataFileJson]
    init_adapter: NotRequired[str]
    """Checksum of the weights that every trial starts from, if they do."""


class FindingJson(TypedDict):
    """One count of the data audit: `count` of `of` in a part, shared with the `other` part if there is one."""

    name: str
    part: str
    other: str
    count: int
    of: int


class AuditJson(TypedDict):
    """The data audit; `documents` counts them by part."""

    verdict: str
    documents: dict[str, int]
    findings: list[FindingJson]


class PresetJson(TypedDict):
    """That part of the preset which a study goes on with."""

    name: str


class SessionJson(TypedDict):
    """When a study went on, by which code, and to how many trials."""

    started: str
    commit: str
    trials: int
    narrower: NotRequired[dict[str, ParameterJson]]
    """What of the space was widened then, as it was searched before."""


class KnownTrialJson(TypedDict):
    """A completed trial of an earlier study: its score, and its value of each hyperparameter that is searched."""

    study: str
    trial: str
    score: float
    config: dict[str, KnobValue]
    constraints: dict[str, float]
    """By requirement, by how much it missed it; at most 0 where it met it."""


class ConfigJson(TypedDict):
    """config.json."""

    format: NotRequired[int]
    options: dict[str, Value]
    preset: PresetJson
    concurrent_trials: int
    space: SpaceJson
    trial_settings: TrialSettingsJson
    provenance: ProvenanceJson
    audit: NotRequired[AuditJson]
    continued: NotRequired[list[SessionJson]]
    known: NotRequired[list[KnownTrialJson]]
    """Trials of earlier studies that the sampler learns from."""
    storage_folder: NotRequired[str]
    """Name of its folder at the URL of --storage."""


class ContenderJson(TypedDict):
    """A trial among those of which the best is chosen."""

    trial: str
    score: float
    fresh_scores: list[float]
    problem: str
    mean: float


class ConfirmationJson(TypedDict):
    """What confirming runs showed, or have shown so far."""

    trials: list[ContenderJson]
    pending: list[str]
    selection_bias: float | None


class PendingJson(TypedDict):
    """What of best.json tells whether confirming runs are left."""

    confirmation: NotRequired[ConfirmationJson | None]


class BestJson(TypedDict):
    """best.json."""

    trial: str
    steps: int
    config: dict[str, Value | list[str]]
    validation: dict[str, Value]
    confirmation: NotRequired[ConfirmationJson | None]
    """Older studies have none."""


class TypeRowJson(TypedDict):
    """Counts and ratios of one entity type; undefined ratios are None."""

    type: str
    support: int
    predicted: int
    tp: int
    recall: float | None
    precision: float | None
    f1: float | None


HeadlineName = Literal[
    "micro_recall", "micro_precision", "micro_f1", "leak_rate", "pii_free_fpr", "json_valid_rate"
]


class HeadlineJson(TypedDict):
    """The single numbers of an evaluation that a reader of the study needs; undefined ratios are None."""

    micro_recall: float | None
    micro_precision: float | None
    micro_f1: float | None
    leak_rate: float | None
    pii_free_fpr: float | None
    json_valid_rate: float | None


class TestJson(HeadlineJson):
    """The evaluation on the test set."""

    micro_recall_ci: tuple[float, float]
    per_type: list[TypeRowJson]
    n_documents: NotRequired[int]
    n_gold: NotRequired[int]


class EpochJson(TypedDict):
    """One epoch of the full-length training."""

    epoch: int
    train_loss: float
    validation: HeadlineJson


class ComparisonJson(TypedDict):
    """What a full-length training was compared with, and the gain over it."""

    name: str
    """In a sentence."""
    config: dict[str, Value | list[str]] | None
    """What was trained in the same way; None if an adapter was tested as it is."""
    test: TestJson
    gain: dict[str, tuple[float, float, float]]
    """By metric: how much better, as a share, with the ends of its paired interval."""
    seconds: float


class SeedJson(TypedDict):
    """The test numbers of one of several trainings that differ in their seed alone."""

    seed: int
    test: HeadlineJson


class RetrainJson(RetrainExtras):
    """retrain/metrics.json."""

    study: str
    """Empty if a config was trained that no search found."""
    starting_config: NotRequired[str]
    """Its name or file, then."""
    engine: str
    config: dict[str, Value | list[str]]
    augmented: NotRequired[bool]
    epochs: list[EpochJson]
    best_epoch: int
    test: TestJson | None
    comparison: NotRequired[ComparisonJson]
    seeds: NotRequired[list[SeedJson]]
    """With --seeds: the first, which is `test`, and the others."""
    provenance: ProvenanceJson
