"""Everything that every node lacks is told at once: which node, what it is, and how to mend it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.cluster.checking import Shared, checked_nodes, lacking
from search.cluster.node_facts import Fact, Needs

NEEDS = Needs(
    ("Qwen3-0.6B", "/bases/own"), Path("/adapters/a/adapter_model.safetensors"), (Path("/data/train.jsonl"),)
)
HERE = {
    "project": Fact("0.1.0 abc"), "torch": Fact("2.13.0"), "transformers": Fact("5.17.0"), "peft": Fact("0.21.0"),
    "bitsandbytes": Fact("0.50.2"), "unsloth": Fact(""), "model Qwen3-0.6B": Fact("w1"), "model /bases/own": Fact("w2"),
    "file /adapters/a/adapter_model.safetensors": Fact("s1"), "file /data/train.jsonl": Fact("s2"),
}  # fmt: skip


def test_a_node_with_the_same_lacks_nothing() -> None:
    assert lacking(HERE, {**HERE, "unsloth": Fact("2026.10.9")}, NEEDS) == []


@pytest.mark.parametrize(
    ("fact", "there", "told"),
    [
        ("project", Fact("0.1.0 def"), "has another version of the project (0.1.0 def, here 0.1.0 abc); install the same commit there"),
        ("torch", Fact("2.12.0"), "has torch 2.12.0, here 2.13.0; run there: pip install torch==2.13.0"),
        ("peft", Fact(""), "has peft not at all, here 0.21.0; run there: pip install peft==0.21.0"),
        ("model Qwen3-0.6B", Fact(problem="no"), "has no weights for Qwen3-0.6B; run `hf download Qwen/Qwen3-0.6B` there, or put them into the same folder as here, or set PII_TUNER_MODELS where `ray start` is run"),
        ("model /bases/own", Fact(problem="no"), "has no weights for /bases/own; put them into the same folder as here, or set PII_TUNER_MODELS where `ray start` is run"),
        ("model /bases/own", Fact("w3"), "has other weights for /bases/own; copy those of this machine there"),
        ("file /data/train.jsonl", Fact(problem="no"), "cannot read /data/train.jsonl; use a shared disk, or --storage URL, which sends the data along"),
        ("file /data/train.jsonl", Fact("s3"), "has another /data/train.jsonl than this machine; use a shared disk, or --storage URL, which sends the data along"),
        ("file /adapters/a/adapter_model.safetensors", Fact(problem="no"), "cannot read /adapters/a/adapter_model.safetensors; copy it there"),
    ],
)  # fmt: skip
def test_what_a_node_lacks_is_told_with_how_to_mend_it(fact: str, there: Fact, told: str) -> None:
    assert lacking(HERE, {**HERE, fact: there}, NEEDS) == [told]


def test_a_place_that_a_node_does_not_reach_is_named() -> None:
    disk = Shared("/runs", is_disk=True).lacking("storage /runs: No such file or directory")
    assert disk == (
        "cannot read and write the driver's /runs (No such file or directory); mount the same folder there, or give a URL "
        "that all nodes reach with --storage"
    )
    away = Shared("s3://***@bucket", is_disk=False).lacking("storage s3://***@bucket: denied")
    assert away.startswith("cannot read and write s3://***@bucket (denied); see that it reaches the storage")


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A cluster of three nodes on this machine, whose third looks for base models where there are none."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=0)
    monkeypatch.setenv("PII_TUNER_MODELS", str(tmp_path / "none"))
    cluster.add_node(num_cpus=2)
    monkeypatch.delenv("PII_TUNER_MODELS")
    yield cluster.address
    cluster.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nodes_of_a_real_cluster_are_asked_and_all_problems_come_at_once(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(str(tmp_path / "results"), is_disk=True)
    data = tmp_path / "train.jsonl"
    data.write_text("{}", encoding="utf-8")
    nodes = checked_nodes(address, False, Needs(("small-2m",), data=(data,)), shared)
    assert sorted(node.cpus for node in nodes) == [1.0, 2.0]  # the one without a CPU runs no trial
    assert list((tmp_path / "results").iterdir()) == []

    models = tmp_path / "models"
    monkeypatch.setenv("PII_TUNER_MODELS", str(models))  # of this process; the nodes run already
    models.mkdir()
    (models / "own").symlink_to(Path(str(_small())))
    with pytest.raises(ValueError) as caught:
        checked_nodes(address, False, Needs(("own",), data=(data,)), shared)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    for line, node in zip(lines, nodes, strict=True):
        assert line.startswith(
            f"node {node.name} has no weights for own; put them into the same folder as here"
        )
    with pytest.raises(
        ValueError, match=f"(?s)no node of `--address` {address} has a CPU and a GPU:\n.*: 1 CPU, no GPU"
    ):
        checked_nodes(address, True, Needs(("small-2m",)), shared)


def _small() -> Any:
    from trainable.model.bases import locate_base

    return locate_base("small-2m")
