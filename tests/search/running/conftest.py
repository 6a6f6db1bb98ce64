"""A small search, and a Ray cluster on this machine to run it on."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.options import SearchOptions
from search.planning.plan import SearchPlan, make_plan


@pytest.fixture
def home(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> Path:
    (tmp_path / "data").mkdir()
    for split, count in (("train", 48), ("validation", 8)):
        shutil.copy(sample_head(split, count), tmp_path / "data" / f"merged_pii_dataset_{split}.jsonl")
    (tmp_path / "space.toml").write_text(
        "[space]\nmodel = 'small-2m'\nload_in_4bit = false\n", encoding="utf-8"
    )
    return tmp_path


@pytest.fixture
def plan(tmp_path: Path, small_corpus: Path) -> SearchPlan:
    """A search on two models with two ways to answer, whose folder is made and empty."""
    options = SearchOptions(
        preset="cpu", results_dir=tmp_path, data_dir=small_corpus, study="s", horizon_steps=9
    )
    plan = make_plan(options)
    plan.files.root.mkdir()
    return plan


@pytest.fixture
def cluster() -> Iterator[object]:
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield nodes
    nodes.shutdown()
