"""Saves a small base model with its model card, its figures and the checksums of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from trainable.pretraining.options import Options, Size
from trainable.pretraining.score import Score
from trainable.pretraining.tokens import MAX_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

_CARD = """---
license: cc-by-sa-4.0
language: [zh, en]
pipeline_tag: text-generation
---
# {name}

A Qwen3-architecture base model of {millions:.2f} million parameters that has learned one skill: to copy the
strings of the kinds that a message asks for into compact JSON, `{{"entities":[{{"type":...,"text":...}},...]}}`, in
order of appearance. It was shown no label and no prompt of the task that it is fine-tuned for, and the strings that
it learned to copy are random: personal data is never among them.

- **Architecture:** `Qwen3ForCausalLM`, hidden {hidden}, {layers} layers, feed-forward {feed_forward}, 8 heads and 4
  key-value heads of 32, tied embeddings, 2,048 positions (trained on up to {max_tokens} tokens), bfloat16.
- **Tokenizer:** byte-level BPE, 4,096 entries; digits, Han characters and symbols stand alone; ChatML.
- **Data:** {samples:,} synthetic tasks (`trainable/pretraining/corpus.py`): random codes, titles, prices, paths and
  some fifty kinds more, set into sentences of
  [UNER Chinese-GSDSIMP](https://github.com/UniversalNER/UNER_Chinese-GSDSIMP) train (CC BY-SA 4.0) and
  [WNUT17](https://github.com/leondz/emerging_entities_17) train (CC BY 4.0). Sentences with one of the
  kinds, a label of the later task or the word PII were left out; the values are random characters.
- **Training:** {steps} steps of about {batch_tokens:,} tokens, AdamW, peak learning rate {learning_rate}, seed {seed}, on {device},
  {seconds:.0f} s; torch {torch}, transformers {transformers}.
- **Command:** `{command}`

| measured | micro recall | micro precision | valid JSON |
|---|---|---|---|
{rows}

Loss from {first_loss:.2f} to {last_loss:.3f}.

**Licence:** CC BY-SA 4.0, since the weights were trained on text under CC BY-SA 4.0 and CC BY 4.0 (see Data).

**Intended use:** the default base model for fine-tuning with LoRA on a CPU, in examples and in tests. It answers
after fine-tuning only.

**Limits:** it has no general knowledge and no ability besides extraction; sentences of the carriers may name
persons and places of public texts; figures on real documents are those of the fine-tune, not of this model.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of pretraining one model."""

    name: str
    parameters: int
    steps: int
    first_loss: float
    last_loss: float
    seconds: float
    own_task: Score
    zero_shot: Score | None


def command(options: Options) -> str:
    """Return the command line of these options; files without their folders."""
    parts = ["python trainable/pretraining/train.py"]
    for name, value in asdict(options).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parts += [flag] if value else []
        elif value is not None:
            parts.append(f"{flag} {value.name if isinstance(value, Path) else value}")
    return " ".join(parts).replace(f"--out {options.out.name}", f"--out {options.out}")


def model_card(figures: Figures, size: Size, options: Options, device: str) -> str:
    """Return the model card in Markdown."""
    import torch
    import transformers

    scores = {
        "held-out synthetic tasks": figures.own_task,
        "personal data, without fine-tuning": figures.zero_shot,
    }
    rows = [
        f"| {name} | {_shown(s.micro_recall)} | {_shown(s.micro_precision)} | {_shown(s.json_valid_rate)} |"
        for name, s in scores.items()
        if s
    ]
    values = asdict(options) | asdict(size) | asdict(figures) | {"device": device, "rows": "\n".join(rows)}
    values |= {"millions": figures.parameters / 1e6, "command": command(options), "max_tokens": MAX_TOKENS}
    return _CARD.format(**values, torch=torch.__version__, transformers=transformers.__version__)


def save(model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path, card: str) -> None:
    """Write model (bfloat16), tokenizer, card and SHA256SUMS into `folder`; the model's dtype changes.

    Raises:
        OSError: When the folder cannot be written.
    """
    import torch
    from transformers import GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=2, pad_token_id=0)
    cast("torch.nn.Module", model).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.backend_tokenizer.no_padding()  # the evaluation leaves it on
    # the template goes into tokenizer_config.json instead of a file of its own
    tokenizer.save_pretrained(folder, save_jinja_files=False)
    (folder / "README.md").write_text(card, "utf-8")
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    for path in files:
        path.chmod(0o644)
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(sums), "utf-8")


def write_figures(file: Path, figures: Sequence[Figures]) -> None:
    """Write the figures of these models as JSON; those of other models in the file are kept."""
    names = {figure.name for figure in figures}
    old = json.loads(file.read_text("utf-8")) if file.is_file() else []
    rows = [row for row in old if row["name"] not in names] + [asdict(figure) for figure in figures]
    rows.sort(key=lambda row: row["name"])
    file.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
