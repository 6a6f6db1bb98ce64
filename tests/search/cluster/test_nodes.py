"""The nodes of a cluster in words, which of them can run a trial, and what is said where there is no cluster."""

from __future__ import annotations

import pytest

from search.cluster.nodes import Node, fitting, joined, nodes_in, told_nodes


def listed(node: str, address: str, alive: bool = True, **resources: float) -> dict[str, object]:
    return {
        "NodeID": node, "Alive": alive, "NodeManagerAddress": address, "NodeManagerHostname": f"host-{node}",
        "Resources": {name.replace("_type_", "_type:"): value for name, value in resources.items()},
    }  # fmt: skip


def test_the_plan_names_each_node_that_is_alive_with_its_gpus() -> None:
    found = nodes_in(
        [
            listed("b", "10.0.0.2", CPU=8.0, GPU=2.0, accelerator_type_L4=1.0, memory=1e9),
            listed("c", "10.0.0.3", alive=False, CPU=8.0),
            listed("a", "10.0.0.1", CPU=1.0),
            listed("d", "10.0.0.4", CPU=4.0, GPU=1.0),
        ]
    )
    assert told_nodes(found) == [
        "host-a (10.0.0.1): 1 CPU, no GPU",
        "host-b (10.0.0.2): 8 CPUs, 2 GPUs (L4)",
        "host-d (10.0.0.4): 4 CPUs, 1 GPU",
    ]
    assert [node.host for node in fitting(found, 1)] == ["host-b", "host-d"]
    assert fitting(found, 0) == found
    assert fitting([Node("e", "head", "10.0.0.5", cpus=0.0, gpus=0.0)], 0) == ()


def test_where_no_cluster_answers_the_address_is_told_and_how_to_start_one() -> None:
    with pytest.raises(ValueError) as caught, joined("127.0.0.1:1"):
        pass
    said = str(caught.value)
    assert said.startswith(
        "`--address` is 127.0.0.1:1, but must be a Ray cluster of which this machine is a node ("
    )
    assert "Connection refused)" in said
    assert "ray start --head" in said
