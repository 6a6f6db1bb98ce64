"""Deep nesting and endless lines are refused before they cost memory, and nothing else is."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.files import limits
from data.files.limits import MOST_DEPTH, LimitedJson, check_depth, limited_lines
from data.paths import ROOT

values = st.recursive(
    st.text('a"\\\n[{]}é', max_size=6) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('"\\{', max_size=2), inner, max_size=2)
    ),
    max_leaves=12,
)


def depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def read_all(content: bytes, size: int) -> bytes:
    stream = LimitedJson(io.BytesIO(content))
    return b"".join(iter(lambda: stream.read(size), b""))


@given(values, st.integers(1, 7), st.booleans())
def test_depth_is_counted_as_the_parser_does_however_the_blocks_fall(
    value: object, size: int, plain: bool
) -> None:
    content = json.dumps(value, ensure_ascii=plain).encode()
    wanted = depth_of(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "MOST_DEPTH", wanted)
        assert read_all(content, size) == content
        check_depth(content.decode())
        patch.setattr(limits, "MOST_DEPTH", wanted - 1)
        if wanted > 0:
            with pytest.raises(ValueError, match="too many brackets"):
                read_all(content, size)
            with pytest.raises(ValueError, match="too many brackets"):
                check_depth(content.decode())


@pytest.mark.parametrize("size", [3, 1 << 20])
def test_a_long_string_is_refused_and_many_short_ones_are_not(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 50)
    short = json.dumps(["x" * 40] * 20).encode()
    assert read_all(short, size) == short
    with pytest.raises(ValueError, match="split the document"):
        read_all(json.dumps(["x" * 80 + '\\"' * 3]).encode() + b" " * 9, 3)


def test_brackets_in_strings_do_not_count() -> None:
    content = json.dumps({"text": "[{" * 1000}).encode()
    assert read_all(content, 10) == content
    check_depth(content.decode())


def test_a_line_that_is_too_long_is_passed_over_and_the_next_one_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 10)
    lines = [b"one\n", b"x" * 40 + b"\n", b"two\n", b"y" * 11]
    assert list(limited_lines(io.BytesIO(b"".join(lines)))) == [b"one\n", None, b"two\n", None]
    assert list(limited_lines(io.BytesIO(b"a\nb"))) == [b"a\n", b"b"]


@pytest.mark.parametrize("opening", [b'{"a":', b'[{"a":', b"[", b'[{"a":"]",  "b":[ '])
@pytest.mark.parametrize("name", ["deep.json", "deep.jsonl"])
def test_deep_json_is_refused_at_once_and_in_little_memory(tmp_path: Path, opening: bytes, name: str) -> None:
    source = tmp_path / name
    source.write_bytes(opening * 100_000)
    limit = 1 << 30

    def restrict() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(ROOT / "data" / "convert.py"), str(source), "--to", str(tmp_path / "out.jsonl")],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        preexec_fn=restrict,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"more than {MOST_DEPTH} levels" in done.stderr or "not JSON" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 20
