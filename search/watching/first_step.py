"""Tells when the first trial has done its first optimizer step, and what the time until then went into."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

from ray.tune import Callback

from search.study.files import StudyFiles, write_json
from trainable.timeline import FIRST_STEP, FIRST_STEP_FILE, Timeline

if TYPE_CHECKING:
    from ray.tune.experiment import Trial

LEAST_S = 0.05
"""Parts that took less are not told, and less is no overlap."""
Parts = Mapping[str, tuple[float, float]]
"""Beginning and end of each part by name, in seconds."""


class FirstStepJson(TypedDict):
    """Content of first_step.json of a study."""

    first_step_s: float
    """From the command to the end of the first optimizer step of a trial."""
    trial: str
    parts: dict[str, tuple[float, float]]
    """Beginning and end of each part, in seconds after the command; parts of different processes overlap."""


class FirstStep(Callback):
    """Waits for what a worker notes at its first step, and tells it once; with workers elsewhere by their clock.

    Args:
        files: Of the study, whose folder the workers share.
        start: The parts of this process.
    """

    def __init__(self, files: StudyFiles, start: Timeline) -> None:
        self._files, self._start = files, start
        self._told = False

    def on_step_end(self, iteration: int, trials: Sequence[Trial], **info: object) -> None:
        """Look whether a worker has done its first step."""
        if self._told:
            return
        for path in self._files.checkpoints.glob(f"*/{FIRST_STEP_FILE}"):
            parts: dict[str, tuple[float, float]] = json.loads(path.read_text(encoding="utf-8"))
            if parts[FIRST_STEP][1] > self._start.began:  # else it is of an earlier session
                self._tell(path.parent.name, self._start.parts | parts)
                return

    def _tell(self, trial: str, parts: Parts) -> None:
        self._told = True
        began = self._start.began
        told = {
            name: (round(start - began, 2), round(end - began, 2)) for name, (start, end) in parts.items()
        }
        content: FirstStepJson = {"first_step_s": told[FIRST_STEP][1], "trial": trial, "parts": told}
        write_json(self._files.first_step, content)
        print(in_words(told), flush=True)


def in_words(parts: Parts) -> str:
    """Return the whole time until the first step and its parts in one line.

    Example:
        >>> in_words({"plan": (0, 0.4), "Ray": (0.4, 3.5), "audit": (0.4, 1.3), "first step": (3.5, 7.4)})
        'first step after 7.4 s: plan 0.4, Ray 3.1, audit 0.9 (at the same time), first step 3.9'
    """
    words, busy_until = [], 0.0
    for name, (start, end) in sorted(parts.items(), key=lambda part: part[1][0]):
        if end - start >= LEAST_S:
            beside = " (at the same time)" if start < busy_until - LEAST_S else ""
            words.append(f"{name} {end - start:.1f}{beside}")
        busy_until = max(busy_until, end)
    return f"first step after {parts[FIRST_STEP][1]:.1f} s: {', '.join(words)}"
