"""How many trials run at a time and where: a seat for each worker process, with its GPU and its part of the memory."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.entities import Example
from data.prompt import PromptSettings
from search.cluster.checking import Shared, checked_nodes
from search.cluster.node_facts import Needs
from search.cluster.nodes import Node
from search.cluster.storage import study_store
from search.options import SearchOptions
from search.planning.cards import Card, visible_cards
from search.planning.documents import Documents, mean_tokens
from search.planning.memory import estimate_gib
from search.planning.preset import Preset
from search.planning.space import SearchSpace
from search.planning.trial_settings import system_prompt
from search.study.files import StudyFiles
from trainable.config import TrialConfig, TrialSettings
from trainable.model.adapters import WEIGHTS_FILE
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.seat import Seat

MAX_CPU_TRIALS = 4
"""Trials on a CPU run side by side with one thread each: no time is lost to waiting at barriers, and one
trial loads while another trains. More of them would decide with too few finished peers."""
MOST_AUTOMATIC = 3
"""More were not measured; three took 59 % of the time of one, with short trials (results/reference/gpu/notes.md)."""


@dataclass(frozen=True, slots=True)
class GpuShare:
    """Trials on one GPU; `vram_gib` is each one's memory, None without a limit."""

    trials: int
    vram_gib: float | None

    @property
    def gpus(self) -> float:
        """The share of the GPU that each trial has; Ray counts in steps of 0.0001."""
        return int(10_000 / self.trials) / 10_000


def planned_seats(
    options: SearchOptions,
    preset: Preset,
    space: SearchSpace,
    read: Documents,
    files: StudyFiles,
    nodes: Sequence[Node] = (),
) -> tuple[Seat, ...]:
    """Return where trials run on this machine, or on the nodes of a cluster; see `seats_of`."""

    def room() -> float:
        if files.trial_settings.is_file():
            message = TrialSettings.load(files.trial_settings).system_prompt
        else:
            message = system_prompt(options.system_prompt, read)
        return room_gib(space, read.train, options.window_tokens, PromptSettings(message))

    on_gpu = preset.name == "gpu"
    return seats_of(options, on_gpu, visible_cards() if on_gpu else (), room, nodes)


@dataclass(frozen=True, slots=True)
class Places:
    """Where a search runs."""

    seats: tuple[Seat, ...] = ()
    nodes: tuple[Node, ...] = ()
    """Those of a cluster on which trials run."""
    store: CheckpointStore | None = None
    """Where trials keep their checkpoints, if not in the study's folder."""


def planned_places(
    options: SearchOptions,
    preset: Preset,
    space: SearchSpace,
    read: Documents,
    files: StudyFiles,
    seats: tuple[Seat, ...] = (),
) -> Places:
    """Return where trials run and keep their checkpoints; each node of a cluster has what they need there.

    Args:
        options: The search.
        preset: Of the search.
        space: Of the search.
        read: The documents.
        files: Of the study.
        seats: Where they run, if that is known.

    Raises:
        ValueError: If that is not possible; lists what is in the way, one a line.
    """
    if options.simulate:
        return Places(planned_seats(options, preset, space, read, files))
    store, nodes = study_store(options.storage, files), tuple[Node, ...]()
    if options.address != "local":
        adapter = space.fixed.get("init_adapter")
        needs = Needs(
            space.models(),
            Path(str(adapter)) / WEIGHTS_FILE if adapter else None,
            () if store else (read.files.train, read.files.validation),
        )
        shared = Shared(store.url if store else str(files.root.parent), is_disk=store is None)
        nodes = checked_nodes(options.address, preset.name == "gpu", needs, shared)
    return Places(seats or planned_seats(options, preset, space, read, files, nodes), nodes, store)


def seats_of(
    options: SearchOptions,
    on_gpu: bool,
    cards: Sequence[Card],
    room_gib: Callable[[], float],
    nodes: Sequence[Node] = (),
) -> tuple[Seat, ...]:
    """Return the seats of a search, as many as trials may run at a time.

    Args:
        options: The search.
        on_gpu: Whether trials run on GPUs.
        cards: The GPUs that are visible here.
        room_gib: See `share_gpu`.
        nodes: Of the cluster of `--address`.

    Raises:
        ValueError: If `--gpus` asks for GPUs that are not there.
    """
    wanted, local = options.gpus, options.address == "local"
    if wanted is not None and wanted > (len(cards) if on_gpu else 0):
        names = ", ".join(f"{card.id} {card.name}" for card in cards) if on_gpu else ""
        raise ValueError(
            f"`--gpus` is {wanted}, but the search can use {len(cards) if on_gpu else 0} here"
            + (
                f" ({names}); CUDA_VISIBLE_DEVICES may hide others"
                if on_gpu
                else "; leave it out, or see `--preset gpu`"
            )
        )
    most = options.concurrent_trials
    if on_gpu and local:
        used = cards[:wanted]
        shares = [
            share_gpu(options.trials_per_gpu, options.vram_gb, card.memory_gib, room_gib) for card in used
        ]
        seats = seats_on(used, shares)
    else:
        memory = cards[0].memory_gib if on_gpu and cards else None
        share = share_gpu(options.trials_per_gpu, options.vram_gb, memory, room_gib)
        gpus_there = int(sum(node.gpus for node in nodes)) or 1
        cpus_there = int(sum(node.cpus for node in nodes)) or os.cpu_count() or 1
        count = most or (gpus_there * share.trials if on_gpu else min(cpus_there, MAX_CPU_TRIALS))
        gpus = share.gpus if on_gpu else 0
        vram = share.vram_gib
        seats = tuple(Seat(place, "", "", gpus, vram, vram, reserved=local) for place in range(count))
    return seats[: min(options.trials, most or len(seats))]


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


def seats_on(cards: Sequence[Card], shares: Sequence[GpuShare]) -> tuple[Seat, ...]:
    """Return the seats of all cards: the first of each card, then the second of each that has one, and so on.

    Args:
        cards: The GPUs of a search.
        shares: How each is divided, as many as there are cards.
    """
    levels = range(max(share.trials for share in shares))
    held = [
        (card, share)
        for level in levels
        for card, share in zip(cards, shares, strict=True)
        if share.trials > level
    ]
    return tuple(
        Seat(
            number, card.id, card.name, share.gpus, share.vram_gib,
            room_gib=share.vram_gib if share.vram_gib is not None else card.memory_gib,
        )
        for number, (card, share) in enumerate(held)
    )  # fmt: skip
