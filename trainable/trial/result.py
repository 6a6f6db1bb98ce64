"""What a trial reports at a rung: how it went, its score, and everything else as flat numbers and short strings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from trainable.config import METRIC, TIME_ATTR, TRAIN_LOSS
from trainable.requirements import TYPE_RECALL, Requirements
from trainable.scoring.intervals import bootstrap_interval
from trainable.scoring.metrics import Evaluation
from trainable.scoring.packed import DOCUMENT_COUNTS, pack_counts

Value = float | int | str | bool | None
"""What a result holds under a name; an undefined ratio is None."""
MAX_REASON_CHARACTERS = 200


class Outcome(StrEnum):
    """How a trial goes or ended; the values are what stands in study.db, trials.csv and confirmations.jsonl."""

    OK = "ok"
    """At a rung, with a score."""
    DIVERGED = "diverged"
    INFEASIBLE = "infeasible"
    """It does not fit the memory."""
    ERROR = "error"
    DISK_FULL = "disk full"
    STORAGE_FAILED = "storage failed"
    """The URL of --storage did not take or give its state."""
    COMPLETED = "completed"
    """Reached the horizon."""
    STOPPED = "stopped"
    """Ended at a rung before the horizon."""
    PAUSED = "paused"
    REFUSED = "refused"
    """Never started: its config cannot run."""
    WORKER_DIED = "worker died"
    NO_RESULT = "no result"


NOTHING_SAVED = frozenset({Outcome.DISK_FULL, Outcome.STORAGE_FAILED})
"""What is no fault of the trial, which goes on when the search does."""


@dataclass(frozen=True, slots=True)
class LiveValues:
    """What a trial really used so far, read back from the run."""

    samples_per_epoch: int = 0
    """After oversampling."""
    positives_per_epoch: int = 0
    """Those of them with an entity."""
    micro_batch: int = 0
    slow_training: str = ""
    """Why the library's passes are used; empty with our own."""
    generation: str = ""
    """How the last documents were answered: fast, or slow and why."""
    learning_rate_peak: float = 0.0
    learning_rate_now: float = 0.0
    tokens_per_s: float = 0.0
    peak_gib: float = 0.0
    train_peak_gib: float | None = None
    """On a GPU alone."""
    load_s: float = 0.0
    train_s: float = 0.0
    generate_s: float = 0.0


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One report of a trial. Ray Tune wants a flat dictionary, which `to_dict` makes and `from_dict` reads."""

    outcome: Outcome = Outcome.OK
    step: int = 0
    """Optimizer steps done."""
    score: float = math.nan
    """Less what is lacking to every requirement; NaN when there is none."""
    reason: str = ""
    """Why it ended, in words; empty while it goes on."""
    rung: int | None = None
    """Place in the ladder, from 0; None for a result that a fault ended."""
    train_loss: float | None = None
    """Mean since the rung before, in nats a label token."""
    details: Mapping[str, Value] = field(default_factory=dict)
    """By name: validation numbers, and facts of data, base and adapter."""
    live: LiveValues | None = None
    done: bool = False
    """Tells Ray Tune that the trial has ended."""

    @classmethod
    def ended(cls, outcome: Outcome, reason: str, step: int) -> Self:
        """Return a result without a score that ends a trial."""
        words = " ".join(reason.split())[:MAX_REASON_CHARACTERS]
        return cls(outcome, step, reason=words, done=True)

    @property
    def generate_s(self) -> float:
        """Seconds spent on evaluations so far."""
        return self.live.generate_s if self.live else 0.0

    def to_dict(self) -> dict[str, Value]:
        """Return flat plain values; what does not apply has no key."""
        flat: dict[str, Value] = {TIME_ATTR: self.step}
        if self.rung is not None:
            flat |= {_ITERATION: self.rung + 1, TRAIN_LOSS: self.train_loss}
        flat |= {_OUTCOME: self.outcome.value, **({_REASON: self.reason} if self.reason else {})}
        flat |= {METRIC: self.score, **self.details}
        if self.live is not None:
            flat |= asdict(self.live)
            if self.live.train_peak_gib is None:
                del flat["train_peak_gib"]
        return flat | {_DONE: True} if self.done else flat

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made, here or in another version: keys may be missing, unknown ones are details."""
        left = dict(flat)
        live = {each.name: left.pop(each.name) for each in fields(LiveValues) if each.name in left}
        iteration = left.pop(_ITERATION, None)
        return cls(
            outcome=Outcome(left.pop(_OUTCOME, Outcome.OK)),
            step=left.pop(TIME_ATTR, 0),
            score=left.pop(METRIC, math.nan),
            reason=left.pop(_REASON, ""),
            rung=None if iteration is None else iteration - 1,
            train_loss=left.pop(TRAIN_LOSS, None),
            done=left.pop(_DONE, False),
            details=left,
            live=LiveValues(**live) if live else None,
        )


_OUTCOME, _REASON, _ITERATION, _DONE = "outcome", "reason", "training_iteration", "done"
"""Keys of the flat dictionary; "training_iteration" and "done" are Ray Tune's own."""


def evaluation_details(evaluation: Evaluation) -> dict[str, Value]:
    """Return the headline numbers, the recall of each type and packed document counts; no text of any document."""
    import numpy as np

    low, high = bootstrap_interval(evaluation.documents, "micro_recall")
    counts = np.array([(document.tp, document.fp, document.fn) for document in evaluation.documents])
    return {
        **{name: value for name, value in evaluation.headline().items() if name != METRIC},
        "micro_recall_low": low,
        "micro_recall_high": high,
        **{TYPE_RECALL + row.type: row.recall for row in evaluation.per_type if row.support},
        DOCUMENT_COUNTS: pack_counts(counts),
    }


def required_score(score: float, details: Mapping[str, Value], requirements: Requirements) -> float:
    """Return a score less what is lacking to every floor; the one on precision is in it already."""
    return score - requirements.penalty(details)
