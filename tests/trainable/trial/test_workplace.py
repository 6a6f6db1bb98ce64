"""A worker that does not see the study's folder: its own copy, its checkpoints, its tracebacks."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainable.small_study import Head, small_settings
from trainable.trial.checkpoint_store import CheckpointStore
from trainable.trial.workplace import NodeCopy, Shipment, StudyFolder, copy_folder, unpack


@pytest.fixture
def shipment(tmp_path: Path, sample_head: Head, monkeypatch: pytest.MonkeyPatch) -> Shipment:
    """What the driver sent, on a node whose folder for temporary files is empty."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    settings = small_settings(tmp_path / "study", sample_head, (1, 2), (2, 4), train=4)
    files: Any = None  # only a real cluster has objects
    url = (tmp_path / "storage").as_uri()
    return Shipment("study", settings, files, CheckpointStore(url, "study-1"), url)


@pytest.fixture
def place(shipment: Shipment) -> NodeCopy:
    """A worker's place where another worker has unpacked the data."""
    mask = os.umask(0)
    os.umask(mask)
    copy_folder("study-1").mkdir(parents=True)
    made = NodeCopy(shipment)
    os.umask(mask)
    return made


def test_the_studys_own_folder_is_used_where_every_node_has_it(shipment: Shipment, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    shipment.settings.save(tmp_path / "study" / "trial_settings.json")
    place = StudyFolder(tmp_path / "study" / "trial_settings.json")
    assert place.study == "study"
    assert place.open("t000") == tmp_path / "study" / "checkpoints" / "t000"
    assert place.error_file("t000") == tmp_path / "study" / "errors" / "t000.txt"
    place.saved("t000", 3)
    place.broke("t000")
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["trial_settings.json"]


def test_a_copys_settings_name_nothing_of_the_drivers_disk(place: NodeCopy, shipment: Shipment) -> None:
    folder, settings = copy_folder("study-1"), place.settings
    assert settings.train_file == str(folder / "train" / Path(shipment.settings.train_file).name)
    assert settings.validation_file == str(
        folder / "validation" / Path(shipment.settings.validation_file).name
    )
    assert settings.token_cache == str(folder / "tokens")
    assert Path(settings.checkpoint_dir).is_relative_to(folder)
    assert (place.study, settings.rungs) == ("study", shipment.settings.rungs)


def test_a_trial_goes_on_from_the_storage_and_leaves_nothing_of_the_one_before(place: NodeCopy) -> None:
    first = place.open("t000")
    first.mkdir(parents=True)
    (first / "state.pt").write_text("three", encoding="utf-8")
    place.saved("t000", 3)
    (first / "state.pt").write_text("not saved to the end", encoding="utf-8")
    second = place.open("t001")
    assert not first.exists()
    assert not second.exists()  # it starts
    assert (place.open("t000") / "state.pt").read_text(encoding="utf-8") == "three"


def test_a_traceback_goes_to_the_storage(place: NodeCopy, shipment: Shipment, tmp_path: Path) -> None:
    place.broke("t000")  # without one
    place.error_file("t000").parent.mkdir(parents=True)
    place.error_file("t000").write_text("Traceback", encoding="utf-8")
    place.broke("t000")
    shipment.store.fetch_errors(tmp_path / "errors")
    assert (tmp_path / "errors" / "t000.txt").read_text(encoding="utf-8") == "Traceback"


def test_a_copy_is_not_made_where_another_user_waits_for_it(shipment: Shipment, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "tmp" / f"pii-tuner-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="belongs to another user"):
        unpack(shipment)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_shipments_words_have_neither_the_data_nor_the_password(shipment: Shipment) -> None:
    told = repr(replace(shipment, url="s3://KEY:SECRET@bucket", files="private text"))  # type: ignore[arg-type]
    assert "SECRET" not in told
    assert "private" not in told
