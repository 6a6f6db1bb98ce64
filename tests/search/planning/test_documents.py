"""The corpus of a search is read once, and a search that runs holds none of it."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from data.corpus import CorpusFiles
from data.files.lines import DataError
from search.options import SearchOptions
from search.planning.documents import Documents
from search.planning.plan import make_plan

COUNTED = """
import json, sys
from collections import Counter
from pathlib import Path
opened = Counter()
sys.addaudithook(lambda event, args: opened.update([str(args[0])]) if event == "open" else None)
from data.auditing.summary import short_audit
from data.files.checksum import file_checksum
from data.files.jsonl import read_examples
from search.options import SearchOptions
from search.planning.plan import make_plan
from search.planning.settings_files import write_settings
from search.watching.forecast import forecast_numbers

def opens_of(*actions):
    before = opened[train]
    for action in actions:
        action()
    return opened[train] - before

results, data = map(Path, sys.argv[1:])
train = str(data / "train.jsonl")
once = opens_of(lambda: read_examples(Path(train)))
checksum = opens_of(lambda: file_checksum(Path(train)))
before = opened[train]
plan = make_plan(SearchOptions(results_dir=results, data_dir=data, study="s", preset="cpu", trials_per_gpu="auto"))
planned = opened[train] - before
told = opens_of(lambda: forecast_numbers(plan), lambda: short_audit(plan.documents.parts()))
plan.files.root.mkdir()
started = opens_of(lambda: write_settings(plan))
print(json.dumps([once, checksum, planned, told, started]))
"""


@pytest.fixture
def data(tmp_path: Path, sample_head: Callable[[str, int], Path]) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for part in ("train", "validation"):
        (folder / f"{part}.jsonl").write_bytes(sample_head(part, 24).read_bytes())
    return folder


def test_plan_forecast_audit_and_start_read_a_file_once_and_its_bytes_for_the_checksum(
    tmp_path: Path, data: Path
) -> None:
    command = [sys.executable, "-c", COUNTED, str(tmp_path / "results"), str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    once, checksum, planned, told, started = json.loads(done.stdout.splitlines()[-1])
    assert once > 0
    assert (planned, told, started) == (once, 0, checksum)


def test_documents_are_read_when_they_are_asked_for_and_again_after_they_were_dropped(data: Path) -> None:
    files = CorpusFiles(data / "train.jsonl", data / "validation.jsonl", None, bundled=False)
    documents = Documents(files)
    assert len(documents.train) == 24
    assert documents.train is documents.parts()["train"]
    assert list(documents.parts()) == ["train", "validation"]
    before = documents.train
    documents.drop()
    assert documents.train is not before
    assert documents.train == before


def test_a_bad_file_is_told_whenever_it_is_asked_for(data: Path) -> None:
    (data / "train.jsonl").write_text("{", encoding="utf-8")
    documents = Documents(CorpusFiles(data / "train.jsonl", data / "validation.jsonl", None, bundled=False))
    for _ in range(2):
        with pytest.raises(DataError):
            _ = documents.train
    assert len(documents.validation) == 24


def test_a_plan_whose_documents_were_dropped_carries_no_text_of_them(tmp_path: Path, data: Path) -> None:
    plan = make_plan(SearchOptions(results_dir=tmp_path / "results", data_dir=data, preset="cpu"))
    text = plan.documents.train[0].text.encode()
    assert text in pickle.dumps(plan)
    plan.documents.drop()
    assert text not in pickle.dumps(plan)
    assert "Documents" not in repr(plan)
