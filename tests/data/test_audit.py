"""The audit command: leaks of a random split and none of one by groups, exit codes, and no text shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from data.audit import AuditCommand, main, run_audit
from data.auditing.summary import audit
from data.entities import Example
from data.files.jsonl import read_examples, write_examples
from data.paths import ROOT
from data.split import SplitCommand, drawn, split_file
from tests.data.documents import CLEAN, example, planted

PII_BENCH = ROOT.parent / "shared" / "datasets" / "pii_bench_zh_regenerated" / "pii_bench_zh.jsonl"


def template_corpus(templates: int, documents: int) -> list[Example]:
    rng = Random(0)
    starts = ["".join(rng.choice("天地玄黄宇宙洪荒日月盈昃") for _ in range(12)) for _ in range(templates)]
    examples = []
    for number in range(documents):
        name = "".join(rng.choice("赵钱孙李周吴郑王") for _ in range(4))
        examples.append(example(f"d{number}", f"{rng.choice(starts)}：{name}。", ("NAME", name)))
    return examples


def test_a_random_split_of_template_data_leaks_everything_and_a_split_by_group_nothing(
    tmp_path: Path,
) -> None:
    everything = template_corpus(38, 700)
    write_examples(tmp_path / "all.jsonl", everything)
    test = drawn(everything, 150, seed=0)
    train = [e for e in everything if e not in test]
    findings = audit({"train": train, "test": test}, near=False).findings
    finding = next(found for found in findings if found.name == "shared_templates")
    assert (finding.share, finding.is_fault) == (1.0, True)
    parts = split_file(SplitCommand(tmp_path / "all.jsonl", tmp_path))
    assert audit(parts).faults == []


@pytest.mark.skipif(not PII_BENCH.is_file(), reason="the published file is not beside the project")
def test_a_random_split_of_pii_bench_zh_leaks_every_template() -> None:
    everything = read_examples(PII_BENCH)
    test = drawn(everything, 1000, seed=0)
    chosen = {e.id for e in test}
    summary = audit({"train": [e for e in everything if e.id not in chosen], "test": test}, near=False)
    finding = next(f for f in summary.findings if f.name == "shared_templates")
    assert (finding.count, finding.of) == (1000, 1000)
    assert summary.verdict.startswith(
        "LEAK: 100.0% of test (1000 of 1000): the text without its entities is also"
    )


def test_the_command_fails_only_when_strict_and_shows_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for part, examples in planted("test", CLEAN["train"][0]).items():
        write_examples(tmp_path / f"{part}.jsonl", examples)
    files = [str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl")]
    monkeypatch.setattr(sys, "argv", ["audit.py", *files, "--out", str(tmp_path / "audit.md")])
    with pytest.raises(SystemExit) as ended:
        main()
    script = [sys.executable, str(ROOT / "data" / "audit.py"), *files, "--strict"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    strict = subprocess.run(
        [*script, "--out", str(tmp_path / "audit.html")],
        capture_output=True, encoding="utf-8", env=environment, timeout=60,
    )  # fmt: skip
    assert (ended.value.code, strict.returncode, strict.stderr) == (0, 1, "")
    for said, name in ((capsys.readouterr().out, "audit.md"), (strict.stdout, "audit.html")):
        last = json.loads(said.splitlines()[-1])
        assert last["verdict"].startswith("LEAK: 50.0% of validation (1 of 2)")
        assert last["faults"] >= 1
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "exact_duplicates" in page
        assert not any(private in said + page for private in ("张三", "13800138000"))


def test_everything_wrong_with_the_command_is_named_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        run_audit(AuditCommand(tmp_path / "a", tmp_path / "b", out=tmp_path / "c.txt", window=0))
    assert all(what in str(error.value) for what in ("/a'", "/b'", "`--out`", "`--window`"))
