"""Importing UniversalNER files through the command line that people type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.entities import Entity
from data.files.jsonl import read_examples
from data.files.lines import DataError
from data.formats.iob2 import read_iob2
from data.paths import ROOT

# Three sentences of UNER_Chinese-GSDSIMP (Universal NER v1, Mayhew et al. 2024, on the Universal Dependencies
# treebank Chinese-GSDSimp), CC BY-SA 4.0; shortened by a clause each, the annotator's column kept.
EXCERPT = """\
# newdoc id = batch-0000
# sent_id = batch-0000-0001
# text = 然而，这样的处理也衍生了一些问题。
1	然而	O	-	-
2	，	O	-	-
3	这样	O	-	-
4	的	O	-	-
5	处理	O	-	-
6	也	O	-	-
7	衍生	O	-	-
8	了	O	-	-
9	一些	O	-	-
10	问题	O	-	-
11	。	O	-	-

# sent_id = batch-0000-0002
# text = 自从2004年提出了兴建人文大楼的构想
1	自从	O	-	-
2	2004	O	-	-
3	年	O	-	-
4	提出	O	-	-
5	了	O	-	-
6	兴建	O	-	-
7	人文	B-LOC	-	linpq
8	大楼	I-LOC	-	linpq
9	的	O	-	-
10	构想	O	-	-

# sent_id = batch-0000-0003
# text = 杜鹃花为温带植物，台北虽然在亚热带
1	杜鹃花	O	-	-
2	为	O	-	-
3	温带	B-LOC	-	linpq
4	植物	O	-	-
5	，	O	-	-
6	台北	B-LOC	-	linpq
7	虽然	O	-	-
8	在	O	-	-
9	亚	B-LOC	-	linpq
10	热带	I-LOC	-	linpq

"""


def save(path: Path, text: str) -> Path:
    file = path / "zh-test.iob2"
    file.write_text(text, encoding="utf-8")
    return file


def sentence(text: str, *tokens: tuple[str, str], name: str = "s1") -> str:
    rows = "".join(f"{i}\t{token}\t{tag}\t-\t-\n" for i, (token, tag) in enumerate(tokens, 1))
    return f"# sent_id = {name}\n# text = {text}\n{rows}\n"


def run_convert(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "data" / "convert.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, timeout=30)


# --- reading ---


def test_the_excerpt_becomes_examples_with_verified_offsets(tmp_path: Path) -> None:
    free, second, third = read_iob2(save(tmp_path, EXCERPT))
    assert free.entities == ()
    assert second.entities == (Entity("LOC", "人文大楼", 12, 16),)
    assert third.entities == (
        Entity("LOC", "温带", 4, 6),
        Entity("LOC", "台北", 9, 11),
        Entity("LOC", "亚热带", 14, 17),
    )
    assert third.text == "杜鹃花为温带植物，台北虽然在亚热带"
    assert (third.id, third.group) == ("zh-test:batch-0000-0003", "zh-test:batch-0000")
    assert (third.language, third.source) == ("zh", "zh-test.iob2")


def test_the_group_is_the_sentence_where_the_file_names_no_document(tmp_path: Path) -> None:
    text = sentence("a", ("a", "O")) + sentence("b", ("b", "O"), name="s2")
    assert [example.group for example in read_iob2(save(tmp_path, text))] == ["zh-test:s1", "zh-test:s2"]


def test_spaces_of_the_text_are_kept_and_other_types_too(tmp_path: Path) -> None:
    text = sentence("Ann  Lee's X", ("Ann", "B-PER"), ("Lee", "I-PER"), ("'s", "O"), ("X", "B-OTH"))
    (example,) = read_iob2(save(tmp_path, text.rstrip("\n")))
    assert example.entities == (Entity("PER", "Ann  Lee", 0, 8), Entity("OTH", "X", 11, 12))


def test_adjacent_entities_of_one_type_stay_two(tmp_path: Path) -> None:
    (example,) = read_iob2(save(tmp_path, sentence("张三李四", ("张三", "B-PER"), ("李四", "B-PER"))))
    assert [entity.text for entity in example.entities] == ["张三", "李四"]


def test_every_malformed_line_is_listed_with_its_number_and_without_its_token(tmp_path: Path) -> None:
    text = (
        sentence("秘密 a b", ("秘密", "I-PER"), ("a", "B-PER"), ("b", "I-LOC"))
        + sentence("c d", ("c", "PER"), ("d", "O"))
        + "# sent_id = s3\n# text = e f\n1\te\tO\n2 f O\n\n"
        + sentence("g h", ("g", "O"), ("秘密", "B-PER"), name="s4")
        + sentence("i 秘密", ("i", "O"), name="s5")
        + sentence("k 秘密 l", ("k", "O"), ("l", "O"), name="s6")
        + "# sent_id = s7\n# text = j\n"
    )
    with pytest.raises(DataError) as error:
        read_iob2(save(tmp_path, text))
    found = [(problem.line, problem.what.split(",")[0].split(";")[0]) for problem in error.value.problems]
    assert found == [
        (3, "the tag is I-PER"),
        (5, "the tag is I-LOC"),
        (7, "`sent_id` is that of line 1"),
        (9, "must be a number"),
        (15, "must be a number"),
        (20, "the token is not what follows in `# text` after 1 characters"),
        (22, "`# text` goes on after its last token"),
        (29, "the token is not what follows in `# text` after 1 characters"),
        (31, "the sentence needs both `# text = ...` and tokens"),
    ]
    assert "秘密" not in str(error.value)


# --- the command ---


def test_the_command_writes_the_file_and_ends_with_one_json_object(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = run_convert(save(tmp_path, EXCERPT), "--to", out, "--format", "iob2")
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


def test_the_command_overwrites_only_with_force(tmp_path: Path) -> None:
    source, out = save(tmp_path, EXCERPT), tmp_path / "out.jsonl"
    out.write_text("mine", encoding="utf-8")
    refused = run_convert(source, "--to", out, "--format", "iob2")
    assert refused.returncode == 1
    assert "must not exist; name another file or add --force" in refused.stderr
    assert out.read_text(encoding="utf-8") == "mine"
    assert run_convert(source, "--to", out, "--format", "iob2", "--force").returncode == 0
    assert len(read_examples(out)) == 3


def test_nothing_is_written_when_a_line_is_bad(tmp_path: Path) -> None:
    source, out = save(tmp_path, EXCERPT.replace("B-LOC", "I-LOC", 1)), tmp_path / "out.jsonl"
    failed = run_convert(source, "--to", out, "--format", "iob2")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "zh-test.iob2:24: the tag is I-LOC, but must follow B-LOC or I-LOC; make it B-LOC" in failed.stderr
    assert not out.exists()


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
