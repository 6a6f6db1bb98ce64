"""Which GPUs a search sees: all of the machine, or those that CUDA_VISIBLE_DEVICES names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.planning.cards import Card, chosen, machine_cards, usable, visible_cards

LISTING = """GPU 0: NVIDIA H200 (UUID: GPU-5d5ba0d6)
GPU 1: NVIDIA L4 (UUID: GPU-7f00aa11)
GPU 2: NVIDIA H200 (UUID: GPU-7fbb2222)
"""
SLICES = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef)
  MIG 1g.5gb      Device  1: (UUID: MIG-aaaa0000)
GPU 1: NVIDIA L4 (UUID: GPU-7f00aa11)
"""
MEMORY = {"0": 139.8, "1": 22.5, "2": 139.8}
CARDS = machine_cards(LISTING, MEMORY)


def test_every_gpu_of_a_machine_is_listed_with_its_memory() -> None:
    assert [(card.id, card.name, card.memory_gib) for card in CARDS] == [
        ("0", "NVIDIA H200", 139.8),
        ("1", "NVIDIA L4", 22.5),
        ("2", "NVIDIA H200", 139.8),
    ]


def test_the_slices_of_a_divided_gpu_stand_for_it() -> None:
    cards = machine_cards(SLICES, {"0": 40.0, "1": 22.5})
    assert [card.id for card in cards] == ["MIG-c6d4f1ef", "MIG-aaaa0000", "1"]
    assert [card.memory_gib for card in cards] == [18.0, 4.5, 22.5]
    assert cards[0].name == "NVIDIA A100-SXM4-40GB MIG 3g.20gb"


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (None, ["0", "1", "2"]),
        ("2,0", ["2", "0"]),
        (" 1 ", ["1"]),
        ("GPU-5d5ba0d6,1", ["GPU-5d5ba0d6", "1"]),
        ("GPU-7f0", ["GPU-7f0"]),
        ("GPU-7f", []),  # not unique
        ("1,9,0", ["1"]),  # as in CUDA, what follows a wrong name is not seen
        ("0,-1,1", ["0"]),
        ("", []),
    ],
)
def test_cuda_visible_devices_is_respected(wanted: str | None, ids: list[str]) -> None:
    assert [card.id for card in chosen(CARDS, wanted)] == ids


def test_a_slice_is_chosen_by_its_id() -> None:
    cards = machine_cards(SLICES, {})
    assert [card.memory_gib for card in chosen(cards, "MIG-aaaa0000,MIG-c6d4f1ef")] == [4.5, 18.0]


def test_a_card_that_torch_was_not_built_for_is_left_out() -> None:
    cards = machine_cards(LISTING, MEMORY, {"0": 9.0, "1": 3.5})
    assert [card.id for card in usable(cards, 7.5)] == ["0", "2"]
    assert usable(cards, 0) == cards


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name on the path, which prints a machine with two unequal GPUs."""
    script = tmp_path / "nvidia-smi"
    script.write_text(
        "#!/bin/sh\n[ $1 = -L ] && { echo 'GPU 0: NVIDIA L4 (UUID: GPU-aa)'; echo 'GPU 1: NVIDIA H200 (UUID: GPU-bb)'; }\n"
        "[ $1 = --query-gpu=index,memory.total ] && { echo '0, 23034'; echo '1, 143771'; }\nexit 0\n",
        encoding="utf-8",
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return script


def test_nvidia_smi_is_asked(nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(card.id, round(card.memory_gib or 0, 1)) for card in visible_cards()] == [
        ("0", 22.5),
        ("1", 140.4),
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bb")
    assert [card.name for card in visible_cards()] == ["NVIDIA H200"]
    nvidia_smi.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    assert visible_cards() == (Card("GPU-bb"),)


def test_without_nvidia_smi_the_names_of_the_variable_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    assert visible_cards() == (Card("1"), Card("3"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_cards() == (Card("0"),)
