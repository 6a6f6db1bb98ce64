"""The convert command that people type: what it writes, prints and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.convert import ConvertCommand, convert, print_summary
from data.files.jsonl import read_examples
from data.formats.iob2 import read_iob2
from data.paths import ROOT
from tests.data.formats.excerpts import UNER


def save(path: Path, text: str) -> Path:
    file = path / "zh-test.iob2"
    file.write_text(text, encoding="utf-8")
    return file


def run_convert(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "data" / "convert.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=30)


def test_the_command_writes_the_file_and_ends_with_one_json_object(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = run_convert(save(tmp_path, UNER), "--to", out, "--format", "iob2")
    assert done.returncode == 0, done.stderr
    *for_people, last = done.stdout.splitlines()
    assert json.loads(last) == {
        "documents": 3,
        "entities": 4,
        "types": {"LOC": 4},
        "languages": {"zh": 3},
        "dropped": {},
        "format": "iob2",
        "out": str(out),
    }
    assert for_people[:8] == [
        "format     iob2",
        "mapping    tokens aligned to `# text`, IOB2 tags in the third column",
        "documents  3",
        "entities   4",
        "  LOC          4",
        "PII-free   1 (33.3%)",
        "languages  zh 3",
        "dropped    nothing",
    ]
    assert read_examples(out) == read_iob2(tmp_path / "zh-test.iob2")


def test_a_file_is_overwritten_only_with_force(tmp_path: Path) -> None:
    source, out = save(tmp_path, UNER), tmp_path / "out.jsonl"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="must not exist; name another file or add --force"):
        convert(ConvertCommand(source, out, "iob2"))
    assert out.read_text(encoding="utf-8") == "mine"
    assert convert(ConvertCommand(source, out, "iob2", force=True)).documents == 3
    assert len(read_examples(out)) == 3


def test_all_wrong_options_are_named_together(tmp_path: Path) -> None:
    command = ConvertCommand(tmp_path / "none", tmp_path / "x", "odd", map_type=("A=", "B=C"), sample=-1)
    with pytest.raises(ValueError) as error:
        convert(command)
    lines = str(error.value).split("\n")
    assert [line.split(",")[0] for line in lines] == [
        f"`source` is {tmp_path / 'none'}",
        "`--format` is odd",
        "`--map-type` is A=",
        "`--sample` is -1",
    ]


def test_types_that_were_named_and_not_seen_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ConvertCommand(
        save(tmp_path, UNER),
        tmp_path / "out.jsonl",
        map_type=("LOC=PLACE", "ORG=FIRM"),
        keep_types=("PLACE", "PER"),
    )
    print_summary(convert(command), command)
    said = capsys.readouterr().out
    assert "not seen   ORG, PER, named by --map-type or --keep-types" in said
    assert json.loads(said.splitlines()[-1])["types"] == {"PLACE": 4}


def test_nothing_is_written_when_a_line_is_bad(tmp_path: Path) -> None:
    source, out = save(tmp_path, UNER.replace("B-LOC", "I-LOC", 1)), tmp_path / "out.jsonl"
    failed = run_convert(source, "--to", out, "--format", "iob2")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert (
        "zh-test.iob2:24: the tag is I-LOC, but must follow B-LOC or I-LOC; make it B-LOC, or read all such tags so by --tags conlleval"
        in failed.stderr
    )
    assert not out.exists()


def test_tags_are_read_as_conlleval_does_if_asked_for_and_counted(tmp_path: Path) -> None:
    source, out = save(tmp_path, UNER.replace("B-LOC", "I-LOC", 1)), tmp_path / "out.jsonl"
    done = run_convert(source, "--to", out, "--tags", "conlleval")
    assert done.returncode == 0, done.stderr
    assert "repaired   tag: I- without its B-, read as the start of an entity: 1" in done.stdout
    assert sum(len(example.entities) for example in read_examples(out)) == 4


def test_ends_inside_of_words_are_counted_aloud(tmp_path: Path) -> None:
    source = tmp_path / "pairs.jsonl"
    pairs = [
        ["Hello from India", {"entities": [[11, 15, "GPE"]]}],
        ["Ann met", {"entities": [[0, 3, "PER"]]}],
    ]
    source.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    done = run_convert(source, "--to", tmp_path / "a.jsonl")
    assert "check      1 of 2 entities without a stated value begin or end inside a word" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["cut_words"] == 1
    done = run_convert(source, "--to", tmp_path / "b.jsonl", "--offsets", "inclusive")
    assert "check  " not in done.stdout


def test_a_missing_source_and_an_existing_target_are_named_together(tmp_path: Path) -> None:
    failed = run_convert(tmp_path / "none.iob2", "--to", tmp_path, "--format", "iob2")
    assert failed.returncode == 1
    assert "`source` is" in failed.stderr
    assert "`to` is" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_help_names_the_flags_and_loads_nothing_heavy() -> None:
    script = "import runpy, sys\nsys.argv = ['convert.py', '--help']\n"
    script += f"try:\n    runpy.run_path({str(ROOT / 'data' / 'convert.py')!r}, run_name='__main__')\n"
    script += "except SystemExit:\n    print('loaded', {'torch', 'numpy', 'transformers', 'ray'} & set(sys.modules))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, encoding="utf-8", cwd=ROOT, timeout=30
    )
    assert all(flag in done.stdout for flag in ("--to", "--format", "--force"))
    assert "loaded set()" in done.stdout
