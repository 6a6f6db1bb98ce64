"""Predicting as a user does: what training measured, evaluate.py and predict.py give again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from data.files.jsonl import read_examples
from data.paths import ROOT
from data.spelling import canonical
from data.texts.redact import redacted
from tests.commands import run_script
from tests.tagging import save_tagging_adapter
from trainable.config import TrialConfig
from trainable.merge import MergeOptions, merge_adapter
from trainable.predicting.predictor import find_model, load_predictor
from trainable.training.conclusion import FullLengthResult
from trainable.training.full_length import FullLengthRun, FullLengthSettings
from trainable.training.own_engine import train_full_length

_CONFIG = TrialConfig("small-2m", learning_rate=1e-2, lora_rank=32, lora_dropout=0.0, effective_batch=8)


@dataclass(frozen=True)
class Trained:
    """A small adapter that knows its training documents by heart, and files to point it at."""

    folder: Path
    test_file: Path
    result: FullLengthResult


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    with (ROOT / "data/sample/train.jsonl").open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in islice(file, 16)]
    text = "\n".join(row["input"] for row in rows)
    entities = [entity for row in rows for entity in row["output"]["entities"]]
    rows.append({"id": "long", "input": text, "output": {"entities": entities}})
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    settings = FullLengthSettings("peft", data, data, data, folder, 1, 0.85, 512)
    config = _CONFIG.with_changes(oversampling=25.0)
    result = train_full_length(FullLengthRun(config, settings), lambda epoch: None)
    merge_adapter(MergeOptions(folder / "adapter", folder / "merged"))
    return Trained(folder, data, result)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_retrain_evaluate_predict_and_the_merged_model_agree(trained: Trained, tmp_path: Path) -> None:
    test = trained.result.test
    assert test is not None
    assert test.micro_precision is not None, "the model must have found something"
    assert trained.result.facts["windowed_documents"] == 1
    expected = {name: value for name, value in test.headline().items() if name in ("score", "micro_recall", "micro_precision", "micro_f1", "leak_rate", "pii_free_fpr", "n_gold")}  # fmt: skip
    predictions = tmp_path / "predictions.jsonl"
    done = run_script(
        "trainable/predict.py",
        str(trained.folder),
        str(trained.test_file),
        "--out",
        str(predictions),
        "--once",
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout.splitlines()[-1])["windowed_documents"] == 1
    for system in (trained.folder / "adapter", trained.folder / "merged", predictions):
        done = run_script(
            "trainable/evaluate.py", str(system), str(trained.test_file), "--min-precision", "0.85", "--once"
        )
        assert done.returncode == 0, done.stderr.decode()
        summary = json.loads(done.stdout.splitlines()[-1])
        assert {name: summary[name] for name in expected} == expected
    done = run_script(
        "trainable/evaluate.py", str(trained.folder), str(trained.test_file), "--min-precision", "0.85"
    )
    assert json.loads(done.stdout.splitlines()[-1])["micro_recall"] >= expected["micro_recall"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_lines_that_cannot_be_read_are_kept_and_the_others_answered(trained: Trained, tmp_path: Path) -> None:
    good = trained.test_file.read_bytes().splitlines(keepends=True)[:2]
    bad = [b'{"input": "\xc4\xe3\xba\xc3"}\n', b"{oops\n", b"[]\n"]
    source = tmp_path / "mixed.jsonl"
    source.write_bytes(good[0] + b"".join(bad) + b"\n" + good[1])
    done = run_script(
        "trainable/predict.py", str(trained.folder), "mixed.jsonl", "--out", "out.jsonl", cwd=tmp_path
    )
    assert done.returncode == 0
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["documents"], summary["rejects"]) == (2, 3)
    assert (tmp_path / "out.jsonl.rejects").read_bytes() == b"".join(bad)
    assert [example.text for example in read_examples(tmp_path / "out.jsonl")] == [
        example.text for example in read_examples(trained.test_file)[:2]
    ]
    assert b"line 2: byte 12 is not UTF-8" in done.stderr
    again = run_script(
        "trainable/predict.py", str(trained.folder), "mixed.jsonl", "--out", "out.jsonl", cwd=tmp_path
    )
    assert again.returncode == 2
    assert b"`--out` out.jsonl exists" in again.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_redacted_text_keeps_its_lines_and_loses_what_was_found(trained: Trained) -> None:
    example = next(example for example in read_examples(trained.test_file) if example.entities)
    lines = f"{example.text}\n\n13800138000\n".encode()
    done = run_script(
        "trainable/predict.py", str(trained.folder), "-", "--format", "redacted", "--with-rules", stdin=lines
    )
    assert done.returncode == 0
    first, blank, last = done.stdout.decode().splitlines()
    assert (blank, last) == ("", "[PHONE]")
    found = run_script(
        "trainable/predict.py", str(trained.folder), "-", "--format", "text", stdin=example.text.encode()
    )
    texts = [json.loads(line.split("\t")[3]) for line in found.stdout.decode().splitlines()]
    assert not [text for text in texts if text in first]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_empty_file_gives_no_documents_and_a_closed_pipe_no_traceback(
    trained: Trained, tmp_path: Path
) -> None:
    (tmp_path / "empty.jsonl").touch()
    done = run_script("trainable/predict.py", str(trained.folder), "empty.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert json.loads(done.stderr.splitlines()[-1])["documents"] == 0
    script = f"yes 你好 | {sys.executable} {ROOT}/trainable/predict.py {trained.folder} - | head -n 1"
    piped = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert json.loads(piped.stdout)["input"] == "你好"
    assert b"Traceback" not in piped.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_settings_travel_with_the_adapter_and_the_merged_model(trained: Trained) -> None:
    saved, merged = (json.loads((trained.folder / name / "prediction.json").read_text("utf-8")) for name in ("adapter", "merged"))  # fmt: skip
    assert saved == merged
    assert (saved["window_tokens"], saved["load_in_4bit"]) == (512, False)
    assert saved["max_new_tokens"] > 20


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("normalizer", [None, {"type": "NFC"}], ids=["none", "NFC"])
def test_a_document_in_another_spelling_loses_no_entity(
    trained: Trained, tmp_path: Path, normalizer: dict[str, str] | None
) -> None:
    place = find_model(str(trained.folder))
    base = tmp_path / "base"
    shutil.copytree(place.base, base)
    tokenizer = json.loads((base / "tokenizer.json").read_text("utf-8"))
    (base / "tokenizer.json").write_text(json.dumps({**tokenizer, "normalizer": normalizer}), "utf-8")
    predictor = load_predictor(replace(place, base=base), place.settings)
    texts = [example.text for example in read_examples(trained.test_file)]
    compatibility = {ord(canonical(chr(code))): code for code in range(0xFAD9, 0xF8FF, -1)}
    others = [text.translate(compatibility) for text in texts]
    assert sum(text != other for text, other in zip(texts, others, strict=True)) > 5
    results = zip(predictor.predict(texts), predictor.predict(others), others, strict=True)
    for (expected, _), (found, _), other in results:
        assert [(e.type, e.start, e.end) for e in found.entities] == [
            (e.type, e.start, e.end) for e in expected.entities
        ]
        assert all(other[entity.start : entity.end] == entity.text for entity in found.entities)
        assert not [e.text for e in expected.entities if e.text in canonical(redacted(other, found.entities))]


@pytest.mark.timeout(300)
def test_entities_that_are_not_certain_enough_are_left_out_and_counted(tmp_path: Path) -> None:
    adapter = save_tagging_adapter(tmp_path / "adapter")
    texts = ("Call Orla Quist, 王小明, at 0711 555 0199. " * 3 + "\n").encode() * 2

    def entities(*flags: str) -> tuple[list[dict[str, object]], dict[str, object], str]:
        done = run_script("trainable/predict.py", str(adapter), "-", *flags, stdin=texts)
        assert done.returncode == 0, done.stderr.decode()
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        summary = json.loads(done.stderr.splitlines()[-1])
        return [item for row in rows for item in row["output"]["entities"]], summary, done.stderr.decode()

    every, summary, told = entities()
    assert (summary["min_confidence"], summary["left_out_as_uncertain"]) == (0.0, 0)
    assert "LEFT OUT" not in told
    middle = sorted(float(str(item["certainty"])) for item in every)[len(every) // 2] - 1e-6
    expected = [item for item in every if float(str(item["certainty"])) >= middle]
    kept, summary, told = entities("--min-confidence", str(middle))
    assert 0 < len(kept) < len(every)
    assert kept == expected
    assert summary["left_out_as_uncertain"] == len(every) - len(kept)
    assert f"LEFT OUT: {len(every) - len(kept)} entities less certain than" in told
    place = find_model(str(adapter))
    replace(place.settings, min_confidence=middle).save(adapter)
    assert entities()[0] == expected
    assert entities("--min-confidence", "0")[0] == every


@pytest.mark.slow
def test_a_model_that_writes_its_answers_tells_certainties_and_leaves_out_too(trained: Trained) -> None:
    adapter = str(trained.folder / "adapter")

    def predicted(*flags: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        done = run_script("trainable/predict.py", adapter, str(trained.test_file), *flags)
        assert done.returncode == 0, done.stderr.decode()
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return rows, json.loads(done.stderr.splitlines()[-1])

    every, _ = predicted("--min-confidence", "0")
    items = [item for row in every for item in row["output"]["entities"]]
    assert all(0 < item["certainty"] <= 1 for item in items)
    middle = sorted(item["certainty"] for item in items)[len(items) // 2] - 2e-6
    kept, summary = predicted("--min-confidence", str(middle))
    sure = [item for item in items if item["certainty"] >= middle]
    assert [item for row in kept for item in row["output"]["entities"]] == sure
    assert 0 < len(sure) < len(items)
    nowhere = sum(len(row.get("not_in_text", [])) for row in every)
    assert summary["left_out_as_uncertain"] == len(items) - len(sure) + nowhere
    assert not any("not_in_text" in row for row in kept)
