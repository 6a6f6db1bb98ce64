"""What lies beside exported weights: a README with the table, a request, and a Modelfile for Ollama."""

from __future__ import annotations

import json
from pathlib import Path

from trainable.exporting.prompt_pieces import PromptPieces
from trainable.model.prediction_settings import PredictionSettings

REQUEST_FILE, CARD = "request.json", "model_card.md"
_TEXT = "Please call Ann Lee at 555 0199."
_LIMITS = """
Texts must be in Unicode NFC. One request reads {room} tokens of text at most; `trainable/predict.py` cuts longer documents
into windows and says where each value stands, other programs do neither.
"""
_GGUF = """# {name} for llama.cpp and Ollama

{table}
Flash attention was off, as below: with it, llama.cpp on a CPU rounds the attention to 16 bits, and more answers differ.

```
llama-server -m {file} --flash-attn off -c {window} -np 1
curl http://localhost:8080/v1/chat/completions -H "Content-Type: application/json" -d @{request}
```

In Ollama: `ollama create pii -f Modelfile`, then `ollama run pii "{text}"`.

In Python, after `pip install xllamacpp`:

```python
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = "{file}"
params.n_ctx = {window}
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
messages = [{{"role": "user", "content": "{text}"}}]
answer = server.handle_chat_completions({{"messages": messages, "temperature": 0, "max_tokens": {limit}}})
print(answer["choices"][0]["message"]["content"])
```

The file has the prompt as its chat template: the last message is the text, and the system message, if none is sent, ours.
llama.cpp splits texts as `{pre_tokenizer}`, which makes our tokens of every prompt of the comparison.
"""
_VLLM = """# {name} for vLLM

In the folder above this one, since servers call a model by its path:

```
vllm serve {name} --max-model-len {window}
curl http://localhost:8000/v1/chat/completions -H "Content-Type: application/json" -d @{name}/{request}
```

`transformers serve {name}` answers the same request. The chat template of the folder makes our prompt, token by token the same on
{n_documents} documents: the last message is the text, and the system message, if none is sent, ours.
"""
_ONNX = """# {name} for onnxruntime

{table}
```
pip install onnxruntime tokenizers numpy
python find.py "{text}"
```

From Python, in this folder: `from find import Finder`, then `Finder(Path(".")).find(texts)`; long texts are read in windows.
`model.onnx` takes `input_ids` and `attention_mask`, int64 (texts, tokens), and returns `logits`, (texts, tokens, tags); the
tags are O, then B, I, E and S of each of `types` in `finder.json`.
"""


def write_modelfile(
    to: Path, file: str, pieces: PromptPieces, settings: PredictionSettings, end: str
) -> None:
    """Write Ollama's Modelfile.

    Args:
        to: Folder.
        file: Name of the GGUF file.
        pieces: The prompt.
        settings: How the model is asked.
        end: The token that ends an answer.

    Raises:
        ValueError: If the prompt holds what would end a text in a Modelfile.
    """
    if '"""' in pieces.go() + pieces.system:
        raise ValueError('the prompt holds three quotes (""") in a row, which a Modelfile cannot')
    lines = [
        f"FROM ./{file}",
        f'TEMPLATE """{pieces.go()}"""',
        f'SYSTEM """{pieces.system}"""',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",  # Ollama's default changes answers that repeat types and keys
        f"PARAMETER num_ctx {settings.window_tokens}",
        f"PARAMETER num_predict {settings.max_new_tokens}",
        f"PARAMETER stop {json.dumps(end, ensure_ascii=False)}",
    ]
    (to / "Modelfile").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_request(to: Path, name: str, pieces: PromptPieces, settings: PredictionSettings) -> None:
    """Write a request to an OpenAI-compatible server that is answered as by ours."""
    messages = [{"role": "system", "content": pieces.system}, {"role": "user", "content": _TEXT}]
    body = {"model": name, "messages": messages, "temperature": 0, "max_tokens": settings.max_new_tokens}
    (to / REQUEST_FILE).write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_gguf_readme(
    to: Path, name: str, file: str, table: str, pre_tokenizer: str, room: int, settings: PredictionSettings
) -> None:
    """Write the README of a GGUF file."""
    text = _GGUF.format(
        name=name, table=table, file=file, window=settings.window_tokens, request=REQUEST_FILE, text=_TEXT,
        limit=settings.max_new_tokens, pre_tokenizer=pre_tokenizer,
    )  # fmt: skip
    (to / "README.md").write_text(text + _LIMITS.format(room=room), encoding="utf-8")


def write_vllm_readme(to: Path, name: str, n_documents: int, room: int, settings: PredictionSettings) -> None:
    """Write the README of a folder for vLLM."""
    text = _VLLM.format(
        name=name, window=settings.window_tokens, request=REQUEST_FILE, n_documents=n_documents
    )
    (to / "README.md").write_text(text + _LIMITS.format(room=room), encoding="utf-8")


def write_onnx_readme(to: Path, name: str, table: str) -> None:
    """Write the README of a folder for onnxruntime."""
    (to / "README.md").write_text(_ONNX.format(name=name, table=table, text=_TEXT), encoding="utf-8")


def add_to_card(card: Path, target: str, table: str) -> bool:
    """Put the table of an export into a model card, in the place of an older one; return whether there is a card."""
    if not card.is_file():
        return False
    heading = f"## Export to {target}\n"
    before, found, rest = card.read_text(encoding="utf-8").partition(heading)
    _, more, later = rest.partition("\n## ") if found else ("", "", "")
    card.write_text(f"{before.rstrip()}\n\n{heading}\n{table}{more}{later}", encoding="utf-8")
    return True
