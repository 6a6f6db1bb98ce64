"""What trials need of a study reaches every node once, private and complete, and is gone afterwards."""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from search.cluster.shipping import delete_copies, ship, tokenize
from tests.trainable.small_study import Head, small_settings
from trainable.config import JSON, TAGS, TrialSettings
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.workplace import NodeCopy, copy_folder


@pytest.fixture
def settings(tmp_path: Path, sample_head: Head) -> TrialSettings:
    return small_settings(tmp_path / "study", sample_head, (1, 2), (2, 4), train=16)


def test_the_token_cache_has_every_model_and_way_to_answer(settings: TrialSettings) -> None:
    tokenize(settings, ["small-2m"], [JSON, TAGS])
    assert len(list(Path(settings.token_cache).iterdir())) == 2
    tokenize(settings, ["small-2m"], [JSON, TAGS])  # all are there
    assert len(list(Path(settings.token_cache).iterdir())) == 2


def test_a_document_that_does_not_fit_is_left_to_the_trials(settings: TrialSettings) -> None:
    tokenize(replace(settings, window_tokens=1), ["small-2m"], [JSON])
    assert not Path(settings.token_cache).exists()


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """A local Ray whose workers have a folder for temporary files of their own."""
    import ray

    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        variables = {"env_vars": {"TMPDIR": folder}}
        ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env=variables)
        yield Path(folder)
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_data_and_tokens_arrive_for_their_user_alone_and_go_when_the_search_ends(
    settings: TrialSettings, ray_folder: Path, tmp_path: Path
) -> None:
    import ray

    store = CheckpointStore((tmp_path / "storage").as_uri(), "study-1")
    shipment = ship("study", settings, store, ["small-2m"], [JSON])

    @ray.remote(num_cpus=0)
    def work() -> tuple[str, str]:
        place = NodeCopy(shipment)
        place.open("t000")
        return place.settings.train_file, place.settings.token_cache

    train_file, tokens = map(Path, ray.get(work.remote()))
    assert train_file.is_relative_to(ray_folder)
    assert train_file.read_bytes() == Path(settings.train_file).read_bytes()
    ours = {
        path.relative_to(settings.token_cache): path.read_bytes()
        for path in Path(settings.token_cache).rglob("*")
        if path.is_file()
    }
    theirs = {path.relative_to(tokens): path.read_bytes() for path in tokens.rglob("*") if path.is_file()}
    assert theirs == ours != {}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (train_file.parents[1], train_file.parents[3])]
    assert modes == [0o700, 0o700]
    assert ray.get(work.remote()) == (str(train_file), str(tokens))
    assert delete_copies("study-1") == []
    assert not train_file.parents[1].exists()
    assert delete_copies("study-1") == []  # nothing is there
    assert copy_folder("study-1").name == "study-1"
