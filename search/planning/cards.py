"""The GPUs of this machine that a search may use, in the order and under the names that CUDA has for them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

VARIABLE = "CUDA_VISIBLE_DEVICES"
_GPU = re.compile(r"^GPU (\d+): (.+) \(UUID: (\S+)\)$")
_SLICE = re.compile(r"^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (\S+)\)$")
_SLICE_GB = re.compile(r"\.(\d+)gb")
_NUMBER = re.compile(r"^\d+(\.\d+)?$")
_ARCHITECTURE = re.compile(r"^sm_(\d+)")
_USABLE = 0.9
"""Share of the memory in the name of a MIG slice that a process gets at least, such as 4.75 GiB of 1g.5gb."""


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, or a MIG slice of one."""

    id: str
    """As CUDA_VISIBLE_DEVICES takes it: the number that nvidia-smi shows, or a UUID."""
    name: str = "GPU"
    memory_gib: float | None = None
    """All of its memory; None if unknown."""
    uuid: str = ""
    capability: float | None = None
    """CUDA compute capability, such as 8.9; None if unknown."""


def visible_cards() -> tuple[Card, ...]:
    """Return the cards that CUDA shows here, none of them opened; without nvidia-smi, one or as many as are named.

    Where none is named, those are left out that torch was not built for, such as an old card for the screen.
    """
    memory_gib = {number: mib / 1024 for number, mib in _column("memory.total").items()}
    cards, wanted = (
        machine_cards(_nvidia_smi("-L"), memory_gib, _column("compute_cap")),
        os.environ.get(VARIABLE),
    )
    if wanted is None and len(cards) > 1:
        cards = usable(cards, _least_capability())
    return chosen(cards, wanted) or tuple(Card(name) for name in _listed(wanted or "0"))


def chosen(cards: Sequence[Card], wanted: str | None) -> tuple[Card, ...]:
    """Return the cards that a value of CUDA_VISIBLE_DEVICES names, in its order; as in CUDA, a wrong name ends the list.

    A name is a number, a UUID or the beginning of one. Numbers are those of whole GPUs, as nvidia-smi counts them.

    Args:
        cards: Of the machine.
        wanted: The value; None shows everything.

    Example:
        >>> both = (Card("0", uuid="GPU-5d"), Card("1", uuid="GPU-7f"))
        >>> [card.id for card in chosen(both, "1,0")], [card.id for card in chosen(both, "GPU-7")]
        (['1', '0'], ['GPU-7'])
    """
    if wanted is None:
        return tuple(cards)
    found: list[Card] = []
    for name in _listed(wanted):
        matching = [card for card in cards if _named(card, name)]
        if not matching or (len(matching) > 1 and not name.isdecimal()):
            break
        found += [replace(card, id=name) for card in matching]
    return tuple(found)


def usable(cards: Sequence[Card], least: float) -> tuple[Card, ...]:
    """Return the cards of at least some compute capability, and those of which it is not known."""
    return tuple(card for card in cards if card.capability is None or card.capability >= least)


def machine_cards(
    listing: str, memory_gib: Mapping[str, float], capability: Mapping[str, float] | None = None
) -> tuple[Card, ...]:
    """Return every card of a machine; a GPU that is divided by MIG stands for its slices.

    Args:
        listing: What `nvidia-smi -L` prints.
        memory_gib: Memory of each GPU by its number.
        capability: Compute capability of each GPU by its number.
    """
    cards: list[Card] = []
    divided = None
    for line in listing.splitlines():
        if found := _GPU.match(line):
            number, name, uuid = found.groups()
            cards.append(Card(number, name, memory_gib.get(number), uuid, (capability or {}).get(number)))
            divided = cards[-1]
        elif (found := _SLICE.match(line)) and divided is not None:
            if cards[-1] is divided:
                cards.pop()
            size = _SLICE_GB.search(found[1])
            gib = int(size[1]) * _USABLE if size else None
            cards.append(Card(found[2], f"{divided.name} MIG {found[1]}", gib, found[2], divided.capability))
    return tuple(cards)


def _named(card: Card, name: str) -> bool:
    return card.id == name or (not name.isdecimal() and card.uuid.startswith(name))


def _listed(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    return names[: next((place for place, name in enumerate(names) if name in ("", "-1")), len(names))]


def _column(name: str) -> dict[str, float]:
    """Return a number of each GPU by the GPU's own number; nothing where nvidia-smi does not know it."""
    lines = _nvidia_smi(f"--query-gpu=index,{name}", "--format=csv,noheader,nounits").splitlines()
    rows = [line.split(",") for line in lines]
    return {row[0].strip(): float(row[1]) for row in rows if len(row) == 2 and _NUMBER.match(row[1].strip())}


def _least_capability() -> float:
    """Return the compute capability that this torch was built for at least; 0 if it does not say."""
    import torch

    numbers = [int(found[1]) for name in torch.cuda.get_arch_list() if (found := _ARCHITECTURE.match(name))]
    return min(numbers, default=0) / 10


def _nvidia_smi(*arguments: str) -> str:
    """Return what nvidia-smi prints; nothing where it is missing or fails."""
    if shutil.which("nvidia-smi") is None:
        return ""
    done = subprocess.run(["nvidia-smi", *arguments], capture_output=True, text=True, check=False, timeout=30)
    return done.stdout if done.returncode == 0 else ""
