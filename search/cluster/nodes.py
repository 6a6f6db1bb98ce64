"""The nodes of a Ray cluster that runs already: which there are, and what they have."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

CALL_S = 10.0
"""How long a cluster may take to take a call."""
_GPU_KIND = "accelerator_type:"
"""Beginning of the resource by which Ray names the GPUs of a node."""


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    id: str
    """Ray's."""
    host: str
    address: str
    cpus: float
    gpus: float
    gpu: str = ""
    """Name of its GPUs, for people; empty if Ray does not know it."""

    @property
    def name(self) -> str:
        """What people find it by."""
        return f"{self.host} ({self.address})"


@contextmanager
def joined(address: str) -> Iterator[tuple[Node, ...]]:
    """Join the cluster of `--address` for a look; yield its nodes.

    Raises:
        ValueError: If no cluster answers there.
    """
    try:
        _call(address)
        import ray

        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:  # Ray ends the process where somebody else answers
        reason = (str(error).splitlines() or [""])[0] if isinstance(error, Exception) else "no Ray there"
        raise ValueError(
            f"`--address` is {address}, but must be a Ray cluster of which this machine is a node ({reason}); start one "
            "with `ray start --head`, and `ray start --address=HOST:6379` on every other machine"
        ) from None
    try:
        yield nodes_in(ray.nodes())
    finally:
        ray.shutdown()


def _call(address: str) -> None:
    """Find out in seconds whether anybody is at a host and port; Ray itself waits for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CALL_S).close()


def nodes_in(listed: Sequence[dict[str, Any]]) -> tuple[Node, ...]:
    """Return the nodes that are alive, in the order of their addresses.

    Args:
        listed: What `ray.nodes()` returns.
    """
    found = []
    for node in listed:
        has = node["Resources"]
        kind = next((name.removeprefix(_GPU_KIND) for name in has if name.startswith(_GPU_KIND)), "")
        if node["Alive"]:
            found.append(
                Node(
                    node["NodeID"], node["NodeManagerHostname"], node["NodeManagerAddress"],
                    has.get("CPU", 0.0), has.get("GPU", 0.0), kind,
                )
            )  # fmt: skip
    return tuple(sorted(found, key=lambda node: (node.address, node.id)))


def asked(
    task: Any, nodes: Iterable[Node], arguments: Callable[[Node], tuple[Any, ...]], patience_s: float
) -> dict[Node, Any]:
    """Run a task once on each node and wait; return what `ray.get` takes, by node, answered or not.

    Args:
        task: Made by `ray.remote`.
        nodes: Of the cluster that this process has joined.
        arguments: Of the task, for a node.
        patience_s: Seconds to wait for all of them.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    answers = {
        node: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            *arguments(node)
        )
        for node in nodes
    }
    ray.wait(list(answers.values()), num_returns=len(answers), timeout=patience_s)
    return answers


def fitting(nodes: Sequence[Node], gpus: float) -> tuple[Node, ...]:
    """Return the nodes on which a trial can run.

    Args:
        nodes: Of the cluster.
        gpus: The share of a GPU that it needs.
    """
    return tuple(node for node in nodes if node.cpus >= 1 and node.gpus >= gpus)


def told_nodes(nodes: Sequence[Node]) -> list[str]:
    """Return a line for each node: host, address, CPUs and GPUs.

    Example:
        >>> told_nodes([Node("1", "gpu-1", "10.0.0.5", 8.0, 2.0, "L4")])
        ['gpu-1 (10.0.0.5): 8 CPUs, 2 GPUs (L4)']
    """
    lines = []
    for node in nodes:
        gpus = f", {node.gpus:g} GPU{'s' if node.gpus != 1 else ''}" if node.gpus else ", no GPU"
        kind = f" ({node.gpu})" if node.gpus and node.gpu else ""
        lines.append(f"{node.name}: {node.cpus:g} CPU{'s' if node.cpus != 1 else ''}{gpus}{kind}")
    return lines
