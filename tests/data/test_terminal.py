"""Commands print on any terminal, show control characters as text, and end quietly when their output is closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.paths import ROOT
from data.terminal import CLOSED, INTERRUPTED, escaped

SCRIPT = """
import sys
from data.terminal import parsed, plain_stdout, run_command
def main():
    {body}
run_command(main, {how})
"""


def run(
    body: str, how: str = "", encoding: str = "utf-8", reader: str = "cat"
) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output goes to a program; the code is the command's."""
    command = f'{sys.executable} -c "$SCRIPT" | {reader}; exit ${{PIPESTATUS[0]}}'
    environment = {
        **os.environ, "SCRIPT": SCRIPT.format(body=body, how=how), "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return subprocess.run(["bash", "-c", command], capture_output=True, env=environment, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8", "utf-16"])
def test_what_the_terminal_lacks_is_printed_as_in_json(encoding: str) -> None:
    text = "张 😀 é \udcff"
    done = run(f"print('\"' + {text!r} + '\"'); print({text!r}, file=sys.stderr)", encoding=encoding)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode(encoding)) == text
    if encoding == "ascii":
        assert done.stdout == b'"\\u5f20 \\ud83d\\ude00 \\u00e9 \\udcff"\n'


@pytest.mark.parametrize(
    "character", ["\x1b", "\x07", "\r", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028", "\x00"]
)
def test_a_control_character_is_shown_and_does_nothing(character: str) -> None:
    shown = f"\\u{ord(character):04x}"
    assert escaped(f"PER{character}[31m") == f"PER{shown}[31m"
    body = (
        f"parsed(1); print('PER' + chr({ord(character)}) + 'X\\tY'); sys.exit('bad ' + chr({ord(character)}))"
    )
    done = run(body.replace("\\t", "\\\\t").replace("\\\\t", "\\t"))
    assert done.stdout.decode() == f"PER{shown}X\tY\n"
    assert (done.returncode, done.stderr.decode()) == (1, f"bad {shown}\n")


def test_help_may_be_in_colour_and_so_may_the_live_table_and_results_are_left_alone() -> None:
    assert run("print(chr(27))").stdout == b"\x1b\n"
    assert run("parsed(1); print(chr(27), file=plain_stdout(), flush=True)").stdout == b"\x1b\n"
    assert run("parsed(1); print(chr(27))", how="results=True").stdout == b"\x1b\n"
    assert (
        run("plain_stdout(); import gc; gc.collect(); print(1)").stdout == b"1\n"
    )  # one buffer, closed by neither


@pytest.mark.parametrize(("how", "code"), [("", CLOSED), ("goes_on=True", 3)])
def test_a_closed_output_ends_a_command_quietly_and_a_search_goes_on(how: str, code: int) -> None:
    body = "[print('x' * 99) for _ in range(99999)]; print('told', file=sys.stderr); return 3"
    done = run(body, how, reader="head -1")
    assert done.stdout == b"x" * 99 + b"\n"
    assert (done.returncode, done.stderr) == (code, b"told\n" if how else b"")


@pytest.mark.parametrize("ending", ["return 7", "sys.exit(7)"])
def test_the_code_of_a_command_is_kept(ending: str) -> None:
    assert run(f"print(1); {ending}").returncode == 7


def test_a_last_line_that_nobody_reads_is_no_error() -> None:
    done = run("print('late'); return 0", reader="true")
    assert done.stderr == b""
    assert done.returncode in (0, CLOSED)


COMMANDS = [
    "data/audit.py", "data/convert.py", "data/split.py", "trainable/merge.py", "trainable/evaluate.py",
    "trainable/predict.py", "search/report.py", "search/retrain.py", "search/run.py", "search/watch.py",
]  # fmt: skip


@pytest.mark.parametrize("script", COMMANDS)
def test_every_command_runs_in_this_way(script: str) -> None:
    source = (ROOT / script).read_text(encoding="utf-8")
    assert "parsed(tyro.cli(" in source
    assert 'if __name__ == "__main__":\n    run_command(main' in source


def test_an_audit_of_chinese_paths_and_hostile_types_on_an_ascii_terminal(tmp_path: Path) -> None:
    folder = tmp_path / "数据"
    folder.mkdir()
    document = {"input": "张三 came", "output": {"entities": [{"type": "姓\x1b[2J名", "text": "张三"}]}}
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_text(
            json.dumps(document, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    command = [sys.executable, "data/audit.py", str(folder / "a.jsonl"), str(folder / "b.jsonl")]
    done = subprocess.run(
        command, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in done.stdout
    assert "type \\u59d3\\u001b[2J\\u540d" in done.stdout.decode("ascii")
    json.loads(done.stdout.splitlines()[-1])


def test_ctrl_c_ends_a_command_without_a_traceback() -> None:
    done = run("print('before'); raise KeyboardInterrupt")
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, b"before\n", b"interrupted\n")
