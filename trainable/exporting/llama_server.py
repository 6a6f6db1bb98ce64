"""llama.cpp's own server in this process, asked as users ask it.

Flash attention is off: with it llama.cpp adds up the values of the attention in 16 bits on a CPU, which changes more
answers than weights in 16 bits do.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from trainable.exporting.packages import optional

_TIMEOUT_S = 600
PARALLEL = 4
"""Requests that are answered together."""


class CannotLoad(ValueError):
    """llama.cpp does not load a file."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model wrote; `truncated` when it came to the most tokens."""

    text: str
    truncated: bool


class LlamaServer:
    """Serves one GGUF file on a free port of this machine, on the CPU, until the context ends.

    Args:
        file: The GGUF file.
        window_tokens: Most tokens of a prompt and its answer.

    Raises:
        CannotLoad: If llama.cpp cannot load the file.
        ValueError: If the package is missing.
    """

    def __init__(self, file: Path, window_tokens: int) -> None:
        import torch

        llama = optional("xllamacpp")
        params = llama.CommonParams()
        params.model.path = str(file)
        params.n_parallel = PARALLEL
        params.n_ctx = PARALLEL * window_tokens
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = torch.get_num_threads()
        params.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.port = 0  # any that is free
        params.verbosity = -1
        params.warmup = False
        try:
            self._server = llama.Server(params)
        except RuntimeError as error:
            raise CannotLoad(f"llama.cpp cannot load {file}: {error}") from error
        self.url = str(self._server.listening_address)
        # answered once it works on requests: told to stop before that it forgets it, and who stops it waits for ever
        self._ask("/slots")

    def __enter__(self) -> LlamaServer:
        """Return the server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and free its memory."""
        del self._server

    def tokenize(self, text: str, opened: bool = True) -> list[int]:
        """Return the tokens of a text, special ones read as such.

        Args:
            text: A prompt, or any text.
            opened: As a prompt, behind the token that opens a text if the file has one.
        """
        found: list[int] = self._post("/tokenize", content=text, add_special=opened, parse_special=True)[
            "tokens"
        ]
        return found

    def prompt(self, text: str) -> str:
        """Return the prompt that the server makes of a text by the chat template in the file."""
        return str(self._post("/apply-template", messages=_messages(text))["prompt"])

    def answers(self, texts: Sequence[str], max_new_tokens: int) -> list[Answer]:
        """Return the answer to each text, asked for as a chat."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(lambda text: self._answer(text, max_new_tokens), texts))

    def _answer(self, text: str, max_new_tokens: int) -> Answer:
        answer = self._post(
            "/v1/chat/completions", messages=_messages(text), temperature=0, max_tokens=max_new_tokens
        )
        [choice] = answer["choices"]
        return Answer(str(choice["message"].get("content") or ""), choice["finish_reason"] == "length")

    def _post(self, path: str, **body: Any) -> Any:
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(f"llama.cpp's server answers {path} with an error: {_reason(error)}") from error


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def _reason(error: urllib.error.HTTPError) -> str:
    """Return llama.cpp's own words on an error, which quote no text."""
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)
