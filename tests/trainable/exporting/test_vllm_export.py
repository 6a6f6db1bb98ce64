"""The folder for vLLM, served by transformers' own OpenAI-compatible server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from data.entities import Example
from trainable.exporting.vllm_export import export_vllm
from trainable.predicting.predictor import find_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def folder(writing: Path, documents: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("vllm") / "pii"
    to.mkdir()
    export_vllm(find_model(str(writing / "adapter")), writing / "merged", to, "pii", documents)
    return to


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """The address of a server that has loaded the folder."""
    pytest.importorskip("fastapi", reason="THE SERVER IS NOT TESTED: pip install 'transformers[serving]'")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    script = Path(sys.executable).with_name("transformers")
    command = [str(script), "serve", "pii", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    server = subprocess.Popen(
        command, cwd=folder.parent, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://localhost:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, "transformers serve has ended"
            try:
                urllib.request.urlopen(f"{address}/health", timeout=5).close()
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def ask(url: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


def test_the_request_that_lies_in_the_folder_is_answered_as_by_us(
    folder: Path, url: str, writing: Path, documents: list[Example]
) -> None:
    from trainable.exporting.gguf_export import answer_ourselves

    asked, ours = answer_ourselves(find_model(str(writing / "adapter")), documents[:20])
    body = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    for text, (expected, *_) in zip(asked.texts, ours.written, strict=True):
        body["messages"][-1]["content"] = text
        assert ask(url, body) == expected
    alone = {**body, "messages": body["messages"][-1:]}
    assert ask(url, alone) == expected


def test_predict_reads_the_folder_as_the_adapter(
    folder: Path, writing: Path, documents: list[Example]
) -> None:
    from trainable.exporting.gguf_export import answer_ourselves

    _, theirs = answer_ourselves(find_model(str(folder)), documents[:20])
    _, ours = answer_ourselves(find_model(str(writing / "adapter")), documents[:20])
    assert theirs.written == ours.written
