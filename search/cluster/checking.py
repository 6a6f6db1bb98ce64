"""Whether every node of a cluster has what trials need there: asked of all of them at once, by a small task on each."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.cluster.node_facts import LIBRARIES, Fact, Needs, facts, leave_probe
from search.cluster.nodes import Node, asked, fitting, joined, told_nodes
from trainable.model.bases import HUB_IDS, MODELS_DIR_VARIABLE
from trainable.trial.checkpoint_store import CheckpointStore, StorageFailed
from trainable.trial.storage_url import remembered, whole_url

PATIENCE_S = 120.0
"""How long a node may take to answer; a first import on a busy machine takes half a minute."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Where nodes and driver exchange what trials save: a folder of a shared disk, or a storage URL."""

    url: str
    is_disk: bool

    def probe(self) -> CheckpointStore:
        """Return a place of its own there for one check."""
        return CheckpointStore(self.url, f".probe-{secrets.token_hex(8)}")

    def lacking(self, problem: str) -> str:
        """Return in words that a node does not reach it, and what to do."""
        problem = problem.removeprefix(f"storage {self.url}: ")
        if self.is_disk:
            return (
                f"cannot read and write the driver's {self.url} ({problem}); mount the same folder there, or give a URL "
                "that all nodes reach with --storage"
            )
        return (
            f"cannot read and write {self.url} ({problem}); see that it reaches the storage and has its "
            "credentials where `ray start` is run, or in the URL"
        )


def checked_nodes(address: str, on_gpu: bool, needs: Needs, shared: Shared) -> tuple[Node, ...]:
    """Return the nodes of a cluster on which trials can run, after a look at each.

    Args:
        address: Of `--address`.
        on_gpu: Whether a trial needs a GPU.
        needs: What each node must have.
        shared: What each must reach.

    Raises:
        ValueError: If there is none, or some lack something; lists all of it, one a line.
    """
    with joined(address) as every:
        nodes = fitting(every, int(on_gpu))
        if not nodes:
            what = "a CPU and a GPU" if on_gpu else "a CPU"
            raise ValueError("\n".join((f"no node of `--address` {address} has {what}:", *told_nodes(every))))
        if problems := node_problems(nodes, needs, shared):
            raise ValueError("\n".join(problems))
    return nodes


def node_problems(nodes: Sequence[Node], needs: Needs, shared: Shared) -> list[str]:
    """Return one line for each thing that a node lacks: the node, what it is, and how to mend it.

    Args:
        nodes: Those on which trials may run; this process has joined their cluster.
        needs: What each must have.
        shared: What each must reach.
    """
    here, probe, token = facts(needs), shared.probe(), secrets.token_bytes(16)
    try:
        leave_probe(probe, token)
    except StorageFailed as error:
        return [f"this machine {shared.lacking(str(error))}"]
    try:
        problems = []
        for node, answer in _answers(nodes, needs, probe).items():
            found = lacking(here, answer, needs) if isinstance(answer, dict) else [answer]
            if isinstance(answer, dict) and (unreached := _unreached(answer["probe"], probe, node, token)):
                found.append(shared.lacking(unreached))
            problems += [f"node {node.name} {line}" for line in found]
        return problems
    finally:
        probe.delete()


def lacking(here: Mapping[str, Fact], there: Mapping[str, Fact], needs: Needs) -> list[str]:
    """Return what a node lacks that this machine has, in words.

    Args:
        here: Facts of this machine.
        there: Facts of the node.
        needs: What was asked.
    """
    lines = []
    if there["project"] != here["project"]:
        lines.append(
            f"has another version of the project ({there['project'].found}, here {here['project'].found}); install the "
            "same commit there"
        )
    for library in LIBRARIES:
        ours, theirs = here[library].found, there[library].found
        if ours and ours != theirs:
            lines.append(
                f"has {library} {theirs or 'not at all'}, here {ours}; run there: pip install {library}=={ours}"
            )
    for model in needs.models:
        lines += _lacking_model(model, here[f"model {model}"], there[f"model {model}"])
    for path in needs.files:
        lines += _lacking_file(path, here[f"file {path}"], there[f"file {path}"], path == needs.adapter)
    return lines


def _lacking_model(model: str, here: Fact, there: Fact) -> list[str]:
    hub_id = HUB_IDS.get(model, model)
    if there.found == here.found:
        return []
    if there.found:
        return [f"has other weights for {model}; copy those of this machine there"]
    fetch = (
        f"run `hf download {hub_id}` there, or " if "/" in hub_id and not Path(hub_id).is_absolute() else ""
    )
    return [
        f"has no weights for {model}; {fetch}put them into the same folder as here, or set {MODELS_DIR_VARIABLE} where "
        "`ray start` is run"
    ]


def _lacking_file(path: Path, here: Fact, there: Fact, is_adapter: bool) -> list[str]:
    if there.found == here.found:
        return []
    remedy = (
        "copy it there" if is_adapter else "use a shared disk, or --storage URL, which sends the data along"
    )
    return [
        f"has another {path} than this machine; {remedy}" if there.found else f"cannot read {path}; {remedy}"
    ]


def _unreached(answer: Fact, probe: CheckpointStore, node: Node, token: bytes) -> str:
    """Return why a node does not share a place with this machine; empty if it does."""
    if answer.problem:
        return answer.problem
    try:
        same = probe.read(node.id) == token and answer.found == token.hex()
    except StorageFailed:
        same = False
    return "" if same else "what it writes there does not arrive here"


def _answers(
    nodes: Sequence[Node], needs: Needs, probe: CheckpointStore
) -> dict[Node, dict[str, Fact] | str]:
    """Return the facts of each node, or in words why it gave none."""
    whole = whole_url(probe.url)
    answers = asked(_asking(), nodes, lambda node: (needs, probe, node.id, whole), PATIENCE_S)
    return {node: _answer(answer) for node, answer in answers.items()}


def _answer(given: Any) -> dict[str, Fact] | str:
    import ray

    try:
        answer: dict[str, Fact] | str = ray.get(given, timeout=0)
    except ray.exceptions.GetTimeoutError:
        return f"did not answer within {PATIENCE_S:.0f} s; see `ray status`"
    except ray.exceptions.RayError as error:
        line = (str(error).strip().splitlines() or [""])[-1]
        return (
            f"could not be asked ({line}); install the same commit of the project there, in the environment in which "
            "`ray start` is run"
        )
    return answer


def _asking() -> Any:
    """Return the task that asks a node."""
    import ray

    @ray.remote(num_cpus=0, max_retries=0)
    def ask(needs: Needs, probe: CheckpointStore, node: str, whole: str) -> dict[str, Fact]:
        os.environ["HF_HUB_OFFLINE"] = "1"  # as in trials: nothing is downloaded there
        remembered(whole)
        from search.cluster.node_facts import answer_probe, facts

        return {**facts(needs), "probe": answer_probe(probe, node)}

    return ask
