"""What a machine finds out about itself: equal where two have the same, different where they do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from search.cluster import node_facts
from search.cluster.node_facts import (
    Fact,
    Needs,
    answer_probe,
    facts,
    leave_probe,
    source_checksum,
    weights_fingerprint,
)
from trainable.model.bases import locate_base
from trainable.trial.checkpoint_store import CheckpointStore


def test_a_changed_module_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = source_checksum()
    assert ours == source_checksum()
    shutil.copytree(node_facts.ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("sample"))
    monkeypatch.setattr(node_facts, "ROOT", tmp_path)
    copied = source_checksum()
    assert copied != ours
    with (tmp_path / "data" / "entities.py").open("a") as file:
        file.write("# changed\n")
    assert source_checksum() != copied


def test_weights_are_known_by_config_tokenizer_and_size(tmp_path: Path) -> None:
    base = locate_base("small-2m")
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    (copy / "README.md").write_text("notes", encoding="utf-8")
    assert (
        weights_fingerprint(copy) == weights_fingerprint(base) != weights_fingerprint(locate_base("small-4m"))
    )
    with next(copy.glob("*.safetensors")).open("ab") as file:
        file.write(b"0")
    assert weights_fingerprint(copy) != weights_fingerprint(base)
    next(copy.glob("*.safetensors")).unlink()
    with pytest.raises(FileNotFoundError, match="has no \\*.safetensors"):
        weights_fingerprint(copy)


def test_what_is_missing_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("{}", encoding="utf-8")
    needs = Needs(("small-2m", "nowhere"), tmp_path / "adapter", (tmp_path / "train.jsonl",))
    found = facts(needs)
    assert found["project"].found
    assert found["torch"].found
    assert found["model small-2m"] == Fact(weights_fingerprint(locate_base("small-2m")))
    assert "`model` is 'nowhere'" in found["model nowhere"].problem
    assert len(found[f"file {tmp_path / 'train.jsonl'}"].found) == 64
    assert "No such file" in found[f"file {tmp_path / 'adapter'}"].problem


def test_a_node_answers_what_the_driver_wrote(tmp_path: Path) -> None:
    probe = CheckpointStore(str(tmp_path / "shared"), ".probe")
    leave_probe(probe, b"token")
    assert answer_probe(probe, "node").found == b"token".hex()
    assert probe.read("node") == b"token"
    elsewhere = CheckpointStore(str(tmp_path / "another disk"), ".probe")
    assert "No such file" in answer_probe(elsewhere, "node").problem
