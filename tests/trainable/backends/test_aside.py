"""Bases in the host's memory: what they take, what the host has, and the way off a GPU and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.backends import aside
from trainable.backends.resident import ResidentBase
from trainable.model.bases import locate_base


def test_a_containers_limit_is_what_the_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_CGROUP", tmp_path)
    unlimited = aside.free_host_bytes()
    assert unlimited > 100 << 20
    (tmp_path / "memory.current").write_text("1000\n")
    for limit, expected in (("5000\n", 4000), ("900\n", 0)):
        (tmp_path / "memory.max").write_text(limit)
        assert aside.free_host_bytes() == expected
    (tmp_path / "memory.max").write_text("max\n")
    assert aside.free_host_bytes() > 100 << 20


@pytest.mark.gpu
@pytest.mark.timeout(300)
@pytest.mark.parametrize("quantised", [False, True], ids=["16-bit", "4-bit"])
def test_a_base_leaves_the_gpu_and_comes_back_bit_by_bit(quantised: bool) -> None:
    import torch

    resident = ResidentBase()
    first = resident.acquire("peft", locate_base("small-2m"), quantised, 512)
    state = {name: value.cpu() for name, value in first.model.state_dict().items()}
    ids = torch.arange(5, 60, device="cuda")[None]
    with torch.no_grad():
        expected = first.model(ids).logits.cpu()
    resident.acquire("peft", locate_base("small-4m"), False, 512)
    assert torch.cuda.memory_allocated() < 64 << 20
    again = resident.acquire("peft", locate_base("small-2m"), quantised, 512)
    assert resident.loads == 2
    assert {str(parameter.device) for parameter in again.model.parameters()} == {"cuda:0"}
    found = again.model.state_dict()
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name].cpu(), state[name]) for name in state)
    with torch.no_grad():
        assert torch.equal(again.model(ids).logits.cpu(), expected)
