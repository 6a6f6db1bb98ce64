"""A checkpoint at a storage is there whole or not at all, whatever is killed meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainable.trial import checkpoint_store
from trainable.trial.checkpoint_store import MANIFEST, CheckpointStore, StorageFailed


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    (tmp_path / "storage").mkdir()
    return CheckpointStore((tmp_path / "storage").as_uri(), "s-1")


def checkpoint(folder: Path, content: str) -> Path:
    (folder / "adapter").mkdir(parents=True, exist_ok=True)
    (folder / "state.pt").write_text(content, encoding="utf-8")
    (folder / "adapter" / "weights").write_text(content * 2, encoding="utf-8")
    return folder


def test_a_checkpoint_comes_back_as_it_was_and_older_ones_go(store: CheckpointStore, tmp_path: Path) -> None:
    assert not store.fetch("t000", tmp_path / "none")
    for step, content in ((3, "three"), (12, "twelve")):
        store.save("t000", step, checkpoint(tmp_path / "here", content))
    other = checkpoint(tmp_path / "there", "of another trial")
    (other / "left").touch()
    assert store.fetch("t000", other)
    found = {
        path.relative_to(other).as_posix(): path.read_text(encoding="utf-8")
        for path in other.rglob("*")
        if path.is_file()
    }
    assert found == {"state.pt": "twelve", "adapter/weights": "twelvetwelve"}
    [kept] = (tmp_path / "storage" / "s-1" / "t000").iterdir()
    assert kept.name.startswith("00000012-")


@pytest.mark.parametrize("damage", ["no manifest", "torn manifest", "missing file", "torn file", "no file"])
def test_an_upload_that_was_killed_never_becomes_the_state(
    store: CheckpointStore, tmp_path: Path, damage: str
) -> None:
    store.save("t000", 3, checkpoint(tmp_path / "here", "three"))
    before = next((tmp_path / "storage" / "s-1" / "t000").iterdir())
    torn = before.with_name("00000012-torn")
    checkpoint(torn, "twelve")
    (torn / MANIFEST).write_text('{"state.pt": 6, "adapter/weights": 12}', encoding="utf-8")
    changed = {
        "no manifest": (torn / MANIFEST, None), "torn manifest": (torn / MANIFEST, '{"state.pt": 6'),
        "missing file": (torn / "adapter" / "weights", None), "torn file": (torn / "state.pt", "twel"),
    }  # fmt: skip
    if damage == "no file":
        for path in (torn / "state.pt", torn / "adapter" / "weights", torn / MANIFEST):
            path.unlink()
    else:
        path, content = changed[damage]
        path.unlink() if content is None else path.write_text(content, encoding="utf-8")
    assert store.fetch("t000", tmp_path / "there")
    assert (tmp_path / "there" / "state.pt").read_text(encoding="utf-8") == "three"


def test_of_two_workers_of_one_trial_the_slower_takes_nothing_from_the_faster(
    store: CheckpointStore, tmp_path: Path
) -> None:
    store.save("t000", 12, checkpoint(tmp_path / "fast", "twelve"))
    store.save("t000", 3, checkpoint(tmp_path / "taken for dead", "three"))
    assert store.fetch("t000", tmp_path / "there")
    assert (tmp_path / "there" / "state.pt").read_text(encoding="utf-8") == "twelve"


def test_a_storage_that_comes_back_is_tried_again(
    store: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, waited = tmp_path / "storage", list[float]()
    away.rename(tmp_path / "elsewhere")
    away.touch()  # nothing can be made below a file

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            away.unlink()
            (tmp_path / "elsewhere").rename(away)

    monkeypatch.setattr(checkpoint_store.time, "sleep", wait)
    store.save("t000", 3, checkpoint(tmp_path / "here", "three"))
    assert waited == list(checkpoint_store.PAUSES_S[:2])
    assert store.fetch("t000", tmp_path / "there")


def test_one_that_stays_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_store, "PAUSES_S", ())
    (tmp_path / "file").touch()
    store = CheckpointStore((tmp_path / "file").as_uri(), "s-1")
    with pytest.raises(StorageFailed, match=f"storage file://{tmp_path}/file: .*Not a directory"):
        store.save("t000", 3, checkpoint(tmp_path / "here", "three"))


def test_tracebacks_and_small_files_go_there_and_back(store: CheckpointStore, tmp_path: Path) -> None:
    store.fetch_errors(tmp_path / "errors")  # there is none
    assert not (tmp_path / "errors").exists()
    (tmp_path / "t001.txt").write_text("Traceback", encoding="utf-8")
    store.keep_error(tmp_path / "t001.txt")
    store.fetch_errors(tmp_path / "errors")
    assert (tmp_path / "errors" / "t001.txt").read_text(encoding="utf-8") == "Traceback"
    store.write("note", b"content")
    assert store.read("note") == b"content"
    with pytest.raises(StorageFailed, match="No such file"):
        store.read("other")
    store.delete()
    store.delete()  # it is gone
    assert list((tmp_path / "storage").iterdir()) == []
