"""How many trials share one GPU, and how much of its memory each may take."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from data.entities import Example
from data.prompt import PromptSettings
from search.planning.documents import mean_tokens
from search.planning.memory import estimate_gib
from search.planning.space import SearchSpace
from trainable.config import TrialConfig

MOST_AUTOMATIC = 3
"""More were not measured; three took 59 % of the time of one, with short trials (results/reference/gpu/notes.md)."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """Trials on one GPU; `vram_gib` is each one's memory, None without a limit."""

    trials: int
    vram_gib: float | None

    @property
    def gpus(self) -> float:
        """The share of the GPU that Ray reserves for each trial; Ray counts in steps of 0.0001."""
        return int(10_000 / self.trials) / 10_000


def share_gpu(
    wanted: str, vram_gb: float | None, card_gib: float | None, room_gib: Callable[[], float]
) -> GpuShare:
    """Divide a GPU among trials.

    Args:
        wanted: A number, or auto: as many as fit, at most `MOST_AUTOMATIC`.
        vram_gb: Memory that all trials together may take; None means the card.
        card_gib: Memory of the card; None if unknown, then auto means one.
        room_gib: Returns what a trial must have to fit, see the function of that name.
    """
    total = vram_gb if vram_gb is not None else card_gib
    if wanted == "auto":
        trials = 1 if total is None else max(1, min(MOST_AUTOMATIC, int(total // room_gib())))
    else:
        trials = int(wanted)
    if trials == 1:
        return GpuShare(1, vram_gb)
    return GpuShare(trials, None if total is None else total / trials)


def room_gib(
    space: SearchSpace, examples: Sequence[Example], window_tokens: int, prompt: PromptSettings
) -> float:
    """Return the memory with which any trial of a space is predicted to train its whole effective batch in one pass.

    Args:
        space: Base models and ranks.
        examples: Training documents.
        window_tokens: Longest training sample.
        prompt: What is asked beside the text.
    """
    fixed = {name: value for name, value in space.fixed.items() if name != "model"}
    rank = int(space.highest("lora_rank", TrialConfig("any").lora_rank))
    needs = []
    for model in space.models():
        config = TrialConfig.from_dict({**fixed, "model": model, "load_in_4bit": False, "lora_rank": rank})
        length = math.ceil(mean_tokens(examples, model, window_tokens, prompt))
        needs.append(estimate_gib(config, None, config.effective_batch, length))
    return max(needs)


def card_memory_gib() -> float | None:
    """Return the first GPU's memory without opening it, which would take some of it; None if unknown."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    first = done.stdout.split("\n")[0].strip()
    return float(first) / 1024 if done.returncode == 0 and first.isdigit() else None
