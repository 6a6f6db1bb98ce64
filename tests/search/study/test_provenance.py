"""Where a result comes from: commit, versions and checksums, and nothing about who made it."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from data.corpus import CorpusFiles
from data.paths import ROOT
from search.study import provenance as module
from search.study.provenance import commit, provenance


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusFiles:
    for name in ("train", "validation"):
        (tmp_path / f"{name}.jsonl").write_text(f"of {name}", encoding="utf-8")
    return CorpusFiles(tmp_path / "train.jsonl", tmp_path / "validation.jsonl", None, bundled=False)


def test_data_are_named_with_their_checksums(corpus: CorpusFiles) -> None:
    assert provenance(corpus, 7)["data"] == {
        name: {"file": f"{name}.jsonl", "sha256": hashlib.sha256(f"of {name}".encode()).hexdigest()}
        for name in ("train", "validation")
    }


def test_seed_and_versions_are_those_that_are_used(corpus: CorpusFiles) -> None:
    found = provenance(corpus, 7)
    assert found["seed"] == 7
    packages = found["packages"]
    assert isinstance(packages, dict)
    assert packages["optuna"] == version("optuna")
    assert None not in packages.values()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", str(found["started"]))


def test_neither_the_host_nor_the_user_nor_a_folder_is_in_it(corpus: CorpusFiles) -> None:
    text = json.dumps(provenance(corpus, 7))
    assert str(corpus.train.parent) not in text
    words = set(re.findall(r"[\w.-]+", text))
    assert not words & {socket.gethostname(), getpass.getuser()}


def test_the_commit_is_the_one_of_this_code_and_unknown_without_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert head.stdout[:12] in commit()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert commit() == "unknown"
