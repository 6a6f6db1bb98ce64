"""llama.cpp's real server, asked over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trainable.exporting.packages import needs
from trainable.exporting.llama_server import CannotLoad, LlamaServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def file(writing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("gguf", "xllamacpp")
    from trainable.exporting.gguf_export import GgufExport
    from trainable.model.prediction_settings import PredictionSettings

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
        messages = [{"role": "user", "content": texts[1]}]
        for seed in range(3):  # the file says that answers are greedy
            answer = server._post("/v1/chat/completions", messages=messages, max_tokens=60, seed=seed)
            assert answer["choices"][0]["message"]["content"] == longer[1].text
        with pytest.raises(ValueError, match="answers /tokenize/x with an error"):
            server._post("/tokenize/x")


def test_what_is_no_model_or_names_an_unknown_tokenizer_cannot_be_loaded(
    writing: Path, tmp_path: Path
) -> None:
    needs("xllamacpp")
    (tmp_path / "no.gguf").write_bytes(b"GGUF no model")
    with pytest.raises(CannotLoad, match=r"llama\.cpp cannot load .*no\.gguf"):
        LlamaServer(tmp_path / "no.gguf", 64)
