"""The command predict.py: where results and summary go, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands import run_script


def test_results_have_standard_output_to_themselves() -> None:
    texts = "今天天气很好。\n\nhello\n".encode()
    done = run_script("trainable/predict.py", "small-2m", "-", "--max-new-tokens", "8", stdin=texts)
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["input"] for row in rows] == ["今天天气很好。", "", "hello"]
    assert all(row["valid"] and row["output"] == {"entities": []} for row in rows)
    assert json.loads(done.stderr.splitlines()[-1])["documents"] == 3


def test_with_a_file_for_the_results_the_summary_is_the_last_line(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("hello 13800138000\n", encoding="utf-8")
    arguments = ("small-2m", "texts.txt", "--out", "out.txt", "--format", "redacted", "--with-rules")
    done = run_script("trainable/predict.py", *arguments, cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "hello [PHONE]\n"
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["documents"], summary["rule_entities"]) == (1, 1)
    assert summary["out"] == str(tmp_path / "out.txt")


def test_the_same_value_has_one_pseudonym_in_all_texts_and_every_mention_is_listed(tmp_path: Path) -> None:
    texts = "call 13800138000\nor 13900139000\n13800138000, x13800138000x\n"
    (tmp_path / "texts.txt").write_text(texts, encoding="utf-8")
    arguments = ("small-2m", "texts.txt", "--with-rules", "--out")
    done = run_script("trainable/predict.py", *arguments, "names.txt", "--format", "pseudonyms", cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "names.txt").read_text(encoding="utf-8").splitlines() == [
        "call [PHONE_1]", "or [PHONE_2]", "[PHONE_1], x[PHONE_1]x",
    ]  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1])["other_mentions"] is None
    done = run_script("trainable/predict.py", *arguments, "all.jsonl", "--every-mention", cwd=tmp_path)
    last = json.loads((tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert [item["start"] for item in last["rule_entities"]] == [0]
    assert [(item["start"], item["type"]) for item in last["other_mentions"]] == [(14, "PHONE")]
    assert json.loads(done.stdout.splitlines()[-1])["other_mentions"] == 1


def test_a_column_of_a_table_is_redacted_and_the_rest_of_the_table_stays(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "in.csv").write_text('id,note\n1,"13800138000, please"\n2\n3,\n', encoding="utf-8")
    pyarrow.parquet.write_table(
        pyarrow.table({"id": [1, 2, 3], "note": ["x 13800138000", None, "13900139000"]}),
        tmp_path / "in.parquet",
    )
    base = ("--column", "note", "--with-rules", "--out")
    done = run_script(
        "trainable/predict.py", "small-2m", "in.csv", *base, "out.csv", "--format", "redacted", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "out.csv").read_text("utf-8") == 'id,note\n1,"[PHONE], please"\n3,\n'
    assert (tmp_path / "out.csv.rejects").read_text("utf-8") == "2\n"
    assert json.loads(done.stdout.splitlines()[-1])["rejects"] == 1
    done = run_script(
        "trainable/predict.py", "small-2m", "in.parquet", *base, "out.parquet", "--format", "pseudonyms", cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pydict() == {
        "id": [1, 2, 3], "note": ["x [PHONE_1]", None, "[PHONE_2]"],
    }  # fmt: skip
    done = run_script("trainable/predict.py", "small-2m", "in.parquet", *base, "out.jsonl", cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["in:1", "in:2", "in:3"]
    done = run_script("trainable/predict.py", "small-2m", "in.parquet", cwd=tmp_path)
    assert done.returncode == 2
    assert b"in.parquet is a table; say with `--column`" in done.stderr
    done = run_script(
        "trainable/predict.py", "small-2m", "in.csv", "--column", "text", "--input", "lines", cwd=tmp_path
    )
    assert b"`--input` is for files without columns" in done.stderr
    assert b"has no column `text`; its columns are id, note" in done.stderr


def test_what_cannot_start_is_told_on_standard_error_and_ends_with_2(tmp_path: Path) -> None:
    done = run_script("trainable/predict.py", "no-such-model", "none.txt", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    told = done.stderr.decode()
    assert told.startswith("cannot start:\nnone.txt is no file")
    assert "no-such-model must be an adapter's folder" in told
