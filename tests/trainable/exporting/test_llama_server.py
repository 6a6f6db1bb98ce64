"""llama.cpp's real server, asked over HTTP."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.families import save_family
from tests.trainable.exporting.packages import needs
from trainable.exporting.gguf_export import GgufExport
from trainable.exporting.llama_server import CannotLoad, LlamaServer
from trainable.model.prediction_settings import PredictionSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def file(writing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("gguf", "xllamacpp")
    export = GgufExport(writing / "merged", PredictionSettings(), tmp_path_factory.mktemp("server"))
    export.pre_tokenizer = "chameleon"
    return export.write("f16")


def test_it_tells_tokens_and_prompts_and_answers_chats(file: Path) -> None:
    with LlamaServer(file, 256) as server:
        assert server.tokenize("<|im_end|>!") == [2, 3]  # and no BOS
        assert server.prompt("Ann").endswith("<|im_start|>user\nAnn<|im_end|>\n<|im_start|>assistant\n")
        texts = ["Nothing here.", "Call Ann Lee at 0711 555 0199."]
        short, longer = server.answers(texts, max_new_tokens=1), server.answers(texts, max_new_tokens=60)
        assert any(answer.truncated for answer in short)
        assert all(b.text.startswith(a.text) for a, b in zip(short, longer, strict=True))
        with pytest.raises(ValueError, match="answers /tokenize/x with an error"):
            server._post("/tokenize/x")


def test_a_request_that_names_no_temperature_is_answered_greedily(tmp_path: Path) -> None:
    needs("gguf", "xllamacpp")
    export = GgufExport(save_family("qwen3", tmp_path / "model"), PredictionSettings(), tmp_path)
    export.pre_tokenizer = "chameleon"
    messages = [{"role": "user", "content": "Ann"}]  # a random model is sure of nothing

    def said(server: LlamaServer, **more: object) -> str:
        answer = server._post("/v1/chat/completions", messages=messages, max_tokens=6, **more)
        return str(answer["choices"][0]["message"]["content"])

    with LlamaServer(export.write("f16"), 128) as server:
        assert len({said(server, seed=seed) for seed in range(4)}) == 1
        assert len({said(server, seed=seed, temperature=1) for seed in range(4)}) > 1


_STOPPED_AT_ONCE = """
import sys
from pathlib import Path
from trainable.exporting.llama_server import LlamaServer

for _ in range(20):
    with LlamaServer(Path(sys.argv[1]), 64):
        pass
"""


def test_it_can_be_stopped_at_once(file: Path) -> None:
    """In a process of its own: one that waits in llama.cpp cannot be interrupted."""
    subprocess.run([sys.executable, "-c", _STOPPED_AT_ONCE, str(file)], check=True, timeout=120)


def test_what_is_no_model_or_names_an_unknown_tokenizer_cannot_be_loaded(
    writing: Path, tmp_path: Path
) -> None:
    needs("xllamacpp")
    (tmp_path / "no.gguf").write_bytes(b"GGUF no model")
    with pytest.raises(CannotLoad, match=r"llama\.cpp cannot load .*no\.gguf"):
        LlamaServer(tmp_path / "no.gguf", 64)
